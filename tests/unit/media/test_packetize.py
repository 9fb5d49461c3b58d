"""Packetization of H.264 against a depacketizer written from RFC 6184."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.media.packetize import FU_A, MAX_PAYLOAD_BYTES, STAP_A, packetize_h264, packetize_opus

SPS = b"\x67\x42\xc0\x1f" + bytes(range(20))
PPS = b"\x68\xce\x3c\x80"


def depacketize(payloads: list[bytes]) -> list[bytes]:
    """The receiver's side of RFC 6184 §5.6–5.8, strict about what it accepts."""
    nals: list[bytes] = []
    fragments: bytearray | None = None
    for payload in payloads:
        kind = payload[0] & 0x1F
        if kind == FU_A:
            start, end, reserved = payload[1] & 0x80, payload[1] & 0x40, payload[1] & 0x20
            assert not reserved
            assert not (start and end), "a NAL unit must not be sent as one fragment"
            if start:
                assert fragments is None
                fragments = bytearray([payload[0] & 0xE0 | payload[1] & 0x1F])
            assert fragments is not None
            fragments += payload[2:]
            if end:
                nals.append(bytes(fragments))
                fragments = None
            continue
        assert fragments is None
        if kind == STAP_A:
            at = 1
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                nals.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
            assert at == len(payload)
        else:
            assert 1 <= kind <= 23
            nals.append(payload)
    assert fragments is None
    return nals


def nal_units(max_size: int) -> st.SearchStrategy[bytes]:
    header = st.builds(lambda nri, kind: bytes([nri << 5 | kind]), st.integers(0, 3), st.integers(1, 23))
    return st.builds(lambda head, body: head + body, header, st.binary(max_size=max_size))


@given(st.lists(nal_units(300), max_size=12), st.integers(8, 120))
def test_every_access_unit_survives_the_trip(nals: list[bytes], limit: int) -> None:
    payloads = packetize_h264(nals, limit)
    assert depacketize(payloads) == nals
    assert all(0 < len(payload) <= limit for payload in payloads)


@given(st.integers(MAX_PAYLOAD_BYTES + 1, 400_000))
def test_fragments_of_a_large_slice_have_one_size(size: int) -> None:
    payloads = packetize_h264([b"\x65" + bytes(size - 1)])
    sizes = [len(payload) for payload in payloads]
    assert len(set(sizes[:-1])) == 1
    assert 0 < sizes[-1] <= sizes[0] <= MAX_PAYLOAD_BYTES
    assert len(sizes) == -(-(size - 1) // (MAX_PAYLOAD_BYTES - 2)), "no packet more than needed"


def test_parameter_sets_share_a_packet_and_the_slice_follows_in_fragments() -> None:
    idr = b"\x65" + bytes(range(256)) * 20
    payloads = packetize_h264([SPS, PPS, idr])
    assert payloads[0] == b"\x78" + len(SPS).to_bytes(2, "big") + SPS + len(PPS).to_bytes(2, "big") + PPS
    assert [payload[0] & 0x1F for payload in payloads[1:]] == [FU_A] * (len(payloads) - 1)
    assert len(payloads) > 3


@pytest.mark.parametrize(
    ("nals", "kinds"),
    [
        ([b"\x41abc"], [1]),
        ([b"\x41" + bytes(MAX_PAYLOAD_BYTES - 1)], [1]),
        ([b"\x41" + bytes(MAX_PAYLOAD_BYTES)], [FU_A, FU_A]),
        ([SPS, PPS, b"\x65abc"], [STAP_A]),
        ([SPS, PPS, b"\x65" + bytes(1180)], [STAP_A, 5]),
        ([b"\x41abc", b"\x41def"], [1, 1]),  # slices are not joined: a lost packet costs one of them
        ([], []),
    ],
)
def test_packet_kinds(nals: list[bytes], kinds: list[int]) -> None:
    assert [payload[0] & 0x1F for payload in packetize_h264(nals)] == kinds


def test_stap_a_carries_the_highest_nri() -> None:
    [payload] = packetize_h264([b"\x06sei", b"\x27sps", b"\x61slice"])
    assert payload[0] == 0x60 | STAP_A


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        packetize_h264([b""])
    with pytest.raises(ValueError, match="8 bytes"):
        packetize_h264([b"\x41"], 7)


def test_opus_is_one_payload() -> None:
    assert packetize_opus(b"\x78opus") == [b"\x78opus"]
