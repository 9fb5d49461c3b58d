"""The messages of the device WebSocket (docs/protocol.md §7). The TypeScript types are generated from here.

Every message is a JSON object with a ``type``. An agenda is always whole: a device that missed some needs the last one
only, so there are no numbers and nothing to resume. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

Words = Annotated[str, Field(max_length=200)]


class AgendaState(StrEnum):
    """What a lesson of the day is."""

    PLANNED = "planned"
    LIVE = "live"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """What a room is doing."""

    IDLE = "idle"
    STANDBY = "standby"  # 候课: its lesson is near, or due and not started yet
    LIVE = "live"
    OVER = "over"  # its lesson has ended this moment


class RoomRole(StrEnum):
    """What a room is in a lesson."""

    MAIN = "main"  # 主讲教室
    LINKED = "linked"  # 听讲教室


@dataclass(frozen=True, slots=True)
class ClassroomView:
    """A physical room; ``school`` is the name that stands on tiles."""

    id: int
    name: str
    school: str


@dataclass(frozen=True, slots=True)
class MainRoomView:
    """Where the teacher is. ``faults`` are sentences for people; the device is the capture agent, null without one."""

    classroom_id: int
    classroom: str
    school: str
    device_id: str | None
    online: bool
    ready: bool
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A room that takes part. ``ready``: its terminal is there and nothing of its self-test has failed.

    ``children`` is how many there are, as the terminal says, else as the class is large.
    """

    classroom_id: int
    classroom: str
    school: str
    device_id: str | None
    online: bool
    ready: bool
    faults: list[str] = field(default_factory=list)
    children: int | None = None


@dataclass(frozen=True, slots=True)
class AgendaLesson:
    """A lesson as the timetable has it, and what became of it. ``period`` is 节次; null when planned by hand."""

    id: str
    title: str
    subject: str
    grade: str
    period: int | None
    starts_at: str
    ends_at: str
    state: AgendaState
    role: RoomRole
    teacher: str
    main: MainRoomView
    interactive: bool
    listeners: list[ListenerView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Check:
    """One result of a self-test: ``ok`` is null while it is not known; ``text`` says it to people."""

    ok: bool | None
    text: Words = ""


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """How the way to the server is."""

    ok: bool | None
    text: Words = ""
    rtt_ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    down_kbps: Annotated[int, Field(ge=0, le=100_000_000)] | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """What a device found out about itself; null is what it does not have or has not tried."""

    camera: Check | None = None
    slides: Check | None = None
    microphone: Check | None = None
    loudspeaker: Check | None = None
    link: LinkCheck | None = None


# --- device to server ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a device says of itself; replaces what it said before. ``children`` is null for those who cannot tell."""

    version: Annotated[str, Field(max_length=60)]
    checks: Checks
    children: Annotated[int, Field(ge=0, le=1000)] | None = None
    type: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class DevicePing:
    """The device asks whether the server is there, every 15 s."""

    type: Literal["ping"] = "ping"


DeviceClientMessage = Annotated[DeviceReport | DevicePing, Field(discriminator="type")]


# --- server to device ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agenda:
    """What the room of the device has now and next; replaces whatever it knew. ``you`` is the id of the device.

    ``lesson`` is the one of the phase, null when idle; ``next`` the one after it within the day.
    """

    you: str
    classroom: ClassroomView
    server_time: str
    phase: Phase
    lesson: AgendaLesson | None
    next: AgendaLesson | None
    type: Literal["agenda"] = "agenda"


@dataclass(frozen=True, slots=True)
class Configure:
    """How loud the device is to be, 0 to 100; null leaves it to the room."""

    volume: int | None
    type: Literal["configure"] = "configure"


@dataclass(frozen=True, slots=True)
class Revoked:
    """The credential of the device is void from now on; it is to be paired anew."""

    type: Literal["revoked"] = "revoked"


@dataclass(frozen=True, slots=True)
class DeviceError:
    """Why the server does not take a device (before it closes), or a message of it."""

    code: Literal["bad_message", "unauthorized", "busy"]
    detail: str
    type: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class DevicePong:
    """Answer to a ping."""

    type: Literal["pong"] = "pong"


DeviceServerMessage = Annotated[
    Agenda | Configure | Revoked | DeviceError | DevicePong,
    Field(discriminator="type"),
]
