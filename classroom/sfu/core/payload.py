"""What an H.264 RTP payload (RFC 6184, packetization-mode 1) begins, without decoding it."""

from __future__ import annotations

NAL_IDR, NAL_SPS = 5, 7
_STAP_A, _FU_A = 24, 28


def begins_keyframe(data: bytes, start: int, end: int) -> bool:
    """Whether the payload data[start:end] holds the beginning of a keyframe: its SPS, or an IDR slice without one."""
    if start >= end:
        return False
    kind = data[start] & 0x1F
    if kind == _FU_A:
        return end - start > 1 and data[start + 1] & 0x80 != 0 and data[start + 1] & 0x1F in (NAL_IDR, NAL_SPS)
    if kind == _STAP_A:
        at = start + 1
        while at + 2 < end:
            if data[at + 2] & 0x1F in (NAL_IDR, NAL_SPS):
                return True
            at += 2 + (data[at] << 8 | data[at + 1])
        return False
    return kind in (NAL_IDR, NAL_SPS)
