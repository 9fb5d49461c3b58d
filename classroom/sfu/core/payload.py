"""What an H.264 RTP payload (RFC 6184, packetization-mode 1) begins, without decoding it."""

from __future__ import annotations

NAL_IDR, NAL_SPS = 5, 7
_STAP_A, _FU_A = 24, 28


def begins_keyframe(data: bytes, start: int, end: int) -> int:
    """What the payload data[start:end] holds of the beginning of a keyframe, as the type of a NAL unit.

    NAL_SPS for a sequence parameter set, NAL_IDR for the beginning of an IDR slice without one, 0 for neither.
    """
    if start >= end:
        return 0
    kind = data[start] & 0x1F
    if kind == _FU_A:
        if end - start < 2 or not data[start + 1] & 0x80:
            return 0
        kind = data[start + 1] & 0x1F
    elif kind == _STAP_A:
        found = 0
        at = start + 1
        while at + 2 < end and found != NAL_SPS:
            if data[at + 2] & 0x1F in (NAL_IDR, NAL_SPS):
                found = data[at + 2] & 0x1F
            at += 2 + (data[at] << 8 | data[at + 1])
        return found
    return kind if kind in (NAL_IDR, NAL_SPS) else 0


def sequence_parameter_set(data: bytes, start: int, end: int) -> bytes | None:
    """The sequence parameter set in the payload data[start:end], as a NAL unit; None when none is in one piece."""
    if start >= end:
        return None
    kind = data[start] & 0x1F
    if kind == NAL_SPS:
        return data[start:end]
    if kind != _STAP_A:
        return None
    at = start + 1
    while at + 2 < end:
        size = data[at] << 8 | data[at + 1]
        if data[at + 2] & 0x1F == NAL_SPS:
            return data[at + 2 : min(at + 2 + size, end)]
        at += 2 + size
    return None
