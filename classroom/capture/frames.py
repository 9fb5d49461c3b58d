"""What flows inside the agent, and the error of a source."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.model import ClassroomError


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """One access unit (its NAL units) or one Opus packet (one element), ready to be packetized.

    ``capture_s`` is the instant of capture on the monotonic clock; ``keyframe`` is always true for sound.
    ``level`` is that of sound in -dBov, 0 (loudest) to 127 (RFC 6464); None when it is not known.
    """

    capture_s: float
    units: tuple[bytes, ...]
    keyframe: bool
    level: int | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of media in it."""
        return sum(map(len, self.units))


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source turned out to have."""

    has_picture: bool
    has_sound: bool


class SourceError(ClassroomError):
    """A source cannot be opened or has failed; the text says which, why and what to do, in Chinese and English."""
