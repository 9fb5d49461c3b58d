"""Media frames to RTP payloads: H.264 (RFC 6184, packetization-mode 1) and Opus (RFC 7587)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PAYLOAD_BYTES = 1188  # with header, extensions and SRTP tag it stays inside an IPv6 path of 1280 bytes
STAP_A, FU_A = 24, 28
_LAST_SLICE_TYPE = 5  # NAL unit types 1…5 are slices; the rest describes them


def packetize_h264(nals: Iterable[bytes], max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> list[bytes]:
    """Cut one access unit into payloads; the marker belongs on the last one.

    ``nals`` are NAL units without start codes or lengths, in decoding order. Small ones that describe (SPS, PPS,
    SEI) share a STAP-A with each other and with a slice behind them that still fits (RFC 6184 §5.7.1). A NAL unit
    that does not fit becomes FU-A fragments of the same size, only the last may be shorter (§5.8), so that they
    can leave in one system call. Raises ValueError for an empty NAL unit or a limit below 8 bytes.
    """
    if max_payload_bytes < 8:
        raise ValueError("a payload of less than 8 bytes cannot carry a fragment")
    payloads: list[bytes] = []
    together: list[bytes] = []
    together_bytes = 1
    for nal in nals:
        if not nal:
            raise ValueError("empty NAL unit")
        if together_bytes + 2 + len(nal) > max_payload_bytes:
            _flush(together, payloads)
            together_bytes = 1
        if len(nal) > max_payload_bytes:
            payloads += _fragment(nal, max_payload_bytes)
            continue
        together.append(nal)
        together_bytes += 2 + len(nal)
        if nal[0] & 0x1F <= _LAST_SLICE_TYPE:
            _flush(together, payloads)
            together_bytes = 1
    _flush(together, payloads)
    return payloads


def packetize_opus(packet: bytes) -> list[bytes]:
    """An Opus packet is one payload (RFC 7587 §4.2)."""
    return [packet]


def _flush(together: list[bytes], payloads: list[bytes]) -> None:
    """Send what was collected: alone as it is, several as STAP-A."""
    if len(together) == 1:
        payloads.append(together[0])
    elif together:
        payloads.append(_stap_a(together))
    together.clear()


def _stap_a(nals: Sequence[bytes]) -> bytes:
    # The header takes the highest NRI and the OR of the forbidden bits (RFC 6184 §5.7).
    nri = max(nal[0] & 0x60 for nal in nals)
    forbidden = 0x80 if any(nal[0] & 0x80 for nal in nals) else 0
    body = b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
    return bytes([forbidden | nri | STAP_A]) + body


def _fragment(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    indicator = nal[0] & 0xE0 | FU_A
    kind = nal[0] & 0x1F
    total = len(nal) - 1
    count = -(-total // (max_payload_bytes - 2))
    size = -(-total // count)
    last = 1 + (total - 1) // size * size  # where the last fragment starts
    return [
        bytes([indicator, kind | (0x80 if at == 1 else 0) | (0x40 if at == last else 0)]) + nal[at : at + size]
        for at in range(1, len(nal), size)
    ]
