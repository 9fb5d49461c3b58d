"""Who is connected to a lesson's media: publishers with their UpTracks, receivers with their slots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.model import Label, TrackKind
from classroom.sfu.core.budget import ByteBudget
from classroom.sfu.core.capture_clock import PublisherClock

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from classroom.model import ParticipantId, Publication, PublicationId, SessionId
    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Sink
    from classroom.sfu.core.up_track import UpTrack

DEFAULT_RTT_S = 0.1
# What NACKs may draw: a fifth of 8 Mbit/s lost and repaired, and a burst after a short outage. Without a bound a
# receiver could have everything sent to it many times over.
RESEND_RATE_BPS = 2_000_000
RESEND_BURST_BYTES = 512 * 1024


@dataclass(slots=True)
class IncomingMedia:
    """One m-section of a publisher, before and after its first packet.

    ``replaced`` when another session of the participant has taken the publication over: what still comes is dropped.
    """

    mid: str
    kind: TrackKind
    label: Label
    pt: int
    clock_rate_hz: int
    rtx_pt: int | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    nack: bool = False
    mid_ext: int = 0
    track: UpTrack | None = None
    replaced: bool = False


@dataclass(slots=True)
class Publisher:
    """A publishing session. ``name_for`` gives a label its publication name; ``ssrc`` is ours in reports to it."""

    session_id: SessionId
    participant_id: ParticipantId
    sink: Sink
    media: list[IncomingMedia]
    name_for: Callable[[Label], str]
    ssrc: int
    clock: PublisherClock = field(default_factory=PublisherClock)
    rtt_s: float = DEFAULT_RTT_S
    next_report_at_s: float = 0.0
    early_reports: dict[int, tuple[int, float, float]] = field(default_factory=dict)  # ssrc: (rtp ts, sent, arrived)


@dataclass(slots=True)
class Slot:
    """A fixed place on a receiver's screen or loudspeaker. ``pinned`` overrides what it wants by label."""

    kind: TrackKind
    wish: Label | None
    down: DownTrack
    pinned: PublicationId | None = None


@dataclass(slots=True)
class Receiver:
    """A receiving session. ``follow_all`` gives it a slot for every publication (a recorder, another node)."""

    session_id: SessionId
    participant_id: ParticipantId
    sink: Sink
    slots: list[Slot]
    follow_all: bool = False
    rtt_s: float = DEFAULT_RTT_S
    next_report_at_s: float = 0.0
    fraction_lost: float = 0.0
    resends: ByteBudget = field(default_factory=lambda: ByteBudget(RESEND_RATE_BPS, RESEND_BURST_BYTES))


_PROGRAMME = (Label.CAMERA, Label.SLIDES, Label.SCREEN)


def choose_publication(slot: Slot, publications: Iterable[Publication]) -> Publication | None:
    """What a slot shows: what is pinned to it, else the main publication of its label, else nothing.

    The main publication of a label is the one that is called like it. Without a label a slot shows the programme.
    Slides may come as ``screen``.
    """
    by_name = {p.name: p for p in publications if p.kind is slot.kind}
    if slot.pinned is not None:
        return next((p for p in by_name.values() if p.id == slot.pinned), None)
    if slot.kind is TrackKind.AUDIO:
        wishes: tuple[Label, ...] = (Label.MIC,)
    elif slot.wish is None:
        wishes = _PROGRAMME
    elif slot.wish is Label.SLIDES:
        wishes = (Label.SLIDES, Label.SCREEN)
    else:
        wishes = (slot.wish,)
    return next((by_name[wish] for wish in wishes if wish in by_name), None)


def unique_name(wanted: str, taken: Container[str]) -> str:
    """The wanted name, or with the first number from 2 that nobody has: ``camera-2``."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name
