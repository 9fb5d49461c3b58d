"""What a media server is given, answers and raises; plain values, which travel between processes, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import ClassroomError, SessionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.sfu.core.peers import Encoding


class UnknownSession(ClassroomError):
    """There is no such WHIP or WHEP session (any more)."""


class UnknownLesson(ClassroomError):
    """The lesson is not open on this server."""


class NoWorker(ClassroomError):
    """No media process is there at the moment."""


class Quarantined(ClassroomError):
    """Media processes died of the lesson: none takes it in for a while."""


class EtagMismatch(ClassroomError):
    """The ICE session that a PATCH speaks of is not the present one."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """``port`` 0 takes any free one. ``addresses`` are announced to peers; empty means those of this machine.

    ``compiled`` False does without the compiled kernel.
    With ``tcp``, media come over TCP, too: on ``tcp_port``, or the port of the same number when that is None.
    """

    host: str = "0.0.0.0"
    port: int = 8189
    addresses: tuple[str, ...] = ()
    tcp: bool = True
    tcp_port: int | None = None
    compiled: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """An accepted WHIP or WHEP session."""

    id: SessionId
    answer: str
    etag: str


@dataclass(frozen=True, slots=True)
class Patched:
    """The outcome of a PATCH: our fragment after an ICE restart, None after trickled candidates."""

    fragment: str | None
    etag: str


@dataclass(frozen=True, slots=True)
class Source:
    """A publisher in this process: ``receive`` takes its plaintext RTP and RTCP, ``close`` ends it.

    ``add_encoding`` announces one more layer before its first packet.
    """

    receive: Callable[[bytes], None]
    add_encoding: Callable[[Encoding], None]
    close: Callable[[str], None]
