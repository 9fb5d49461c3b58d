"""PAUSE, RESUME and their answers (RFC 7728 §8): a receiver asks a sender to stop a stream, and to go on."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

FMT_PAUSE = 9
_RTPFB = 205
_HEAD = struct.Struct("!II")
_MESSAGE = struct.Struct("!IBBH")
_EXT_SEQ = struct.Struct("!I")


class PauseType(IntEnum):
    """RFC 7728 §8.1."""

    PAUSE = 0
    RESUME = 1
    PAUSED = 2
    REFUSED = 3


@dataclass(slots=True)
class PauseResume:
    """One message on the stream ``target_ssrc``. ``highest_ext_seq`` is the last number sent, in PAUSED only."""

    sender_ssrc: int
    target_ssrc: int
    type: PauseType
    pause_id: int  # 16 bits; grows with each RESUME, so that a late PAUSE stops nothing
    highest_ext_seq: int | None = None


def parse_pause(body: bytes) -> list[PauseResume]:
    """Parse what follows the RTCP header; unknown types are skipped. Raises struct.error when it is cut."""
    (sender_ssrc, _media_ssrc) = _HEAD.unpack_from(body)
    messages: list[PauseResume] = []
    at = _HEAD.size
    while at < len(body):
        target_ssrc, kind, words, pause_id = _MESSAGE.unpack_from(body, at)
        at += _MESSAGE.size
        parameters = struct.unpack_from(f"!{words}I", body, at)
        at += 4 * words
        if kind >> 4 > PauseType.REFUSED:
            continue
        pause_type = PauseType(kind >> 4)
        highest = parameters[0] if pause_type is PauseType.PAUSED and parameters else None
        messages.append(PauseResume(sender_ssrc, target_ssrc, pause_type, pause_id, highest))
    return messages


def build_pause(message: PauseResume) -> bytes:
    """Build a packet with one message."""
    parameters = b"" if message.highest_ext_seq is None else _EXT_SEQ.pack(message.highest_ext_seq & 0xFFFF_FFFF)
    body = (
        _HEAD.pack(message.sender_ssrc, 0)
        + _MESSAGE.pack(message.target_ssrc, message.type << 4, len(parameters) // 4, message.pause_id)
        + parameters
    )
    return struct.pack("!BBH", 0x80 | FMT_PAUSE, _RTPFB, len(body) // 4) + body
