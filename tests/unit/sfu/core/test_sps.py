"""Sequence parameter sets that no encoder at hand writes; tests/unit/media/test_h264.py has those of x264."""

import pytest

from classroom.sfu.core.payload import sequence_parameter_set
from classroom.sfu.core.sps import parse_sps


def ue(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def nal(profile: int, *fields: str) -> bytes:
    bits = f"{profile:08b}" + "0" * 8 + f"{30:08b}" + "".join(fields) + "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")


SIZE = ue(1) + "0" + ue(39) + ue(29) + "1" + "1"  # 640x480
NO_MORE = "0" + "0"  # neither cropping nor VUI


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(ue(0) + ue(4), id="by number"),
        pytest.param(ue(1) + "1" + ue(0) + ue(0) + ue(2) + ue(1) + ue(2), id="by cycle"),
        pytest.param(ue(1) + "0" + ue(3) + ue(4) + ue(0), id="by an empty cycle"),
        pytest.param(ue(2), id="as decoded"),
    ],
)
def test_every_picture_order(order):
    parsed = parse_sps(nal(66, ue(0), ue(0), order, SIZE, NO_MORE))
    assert (parsed.width_px, parsed.height_px, parsed.frame_rate_hz) == (640, 480, None)


def test_scaling_lists_that_end_early():
    full, ends_at_once, absent = "1" + ue(0) * 16, "1" + ue(16), "0"  # ue(16) is se(-8): the rest is as before
    parsed = parse_sps(nal(100, ue(0), ue(1), ue(0), ue(0), "0", "1", full, ends_at_once, absent * 6,
                           ue(0), ue(2), SIZE, NO_MORE))  # fmt: skip
    assert (parsed.width_px, parsed.height_px) == (640, 480)


@pytest.mark.parametrize("colours", ["1" + "0" * 24, "0"], ids=["colours", "no colours"])
def test_the_picture_rate_behind_everything_that_may_stand_before_it(colours):
    vui = "1" + f"{255:08b}" + f"{4:016b}{3:016b}" + "11" + "1" + "0000" + colours + "1" + ue(0) + ue(0)
    timing = "1" + f"{1:032b}{50:032b}"
    parsed = parse_sps(nal(66, ue(0), ue(0), ue(2), SIZE, "0", "1", vui, timing))
    assert parsed.frame_rate_hz == 25.0


@pytest.mark.parametrize(
    "payload", [b"", b"\x41\x00", b"\x78\x00", b"\x78\x00\x02\x09\x10"], ids=["empty", "slice", "cut", "delimiter"]
)
def test_payloads_without_one(payload):
    assert sequence_parameter_set(payload, 0, len(payload)) is None
