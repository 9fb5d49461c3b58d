"""Opus packets that the recorder makes itself: silence (RFC 6716 §3.1, §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# CELT, full band, one frame of 20, 10, 5 or 2.5 ms; ticks of 1/48000 s. The payload FF FE decodes as the silence flag.
_TOC = ((960, 31 << 3), (480, 30 << 3), (240, 29 << 3), (120, 28 << 3))
_STEREO = 0x04
_SILENCE_FLAG = b"\xff\xfe"


def is_stereo(packet: bytes) -> bool:
    """Whether a packet says that it has two channels."""
    return bool(packet[0] & _STEREO)


def silence(duration: int, stereo: bool) -> Iterator[tuple[bytes, int]]:
    """Packets of silence with their durations, together at most ``duration`` ticks and less than 2.5 ms short of it."""
    for ticks, toc in _TOC:
        packet = bytes([toc | (_STEREO if stereo else 0)]) + _SILENCE_FLAG
        while duration >= ticks:
            yield packet, ticks
            duration -= ticks
