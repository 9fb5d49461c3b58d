"""Parameter sets that no encoder makes; those that encoders make are in tests/unit/media/test_h264.py."""

import pytest

from classroom.sfu.core.sps import BadParameterSet, parse_sps

SPS = bytes.fromhex("6742c01e8c8d40501ed00f08846a")


def test_what_follows_the_parameters_is_not_read_but_so_large_a_set_is_refused():
    assert parse_sps(SPS + bytes(512 - len(SPS))) == parse_sps(SPS)
    with pytest.raises(BadParameterSet):
        parse_sps(SPS + bytes(513 - len(SPS)))


@pytest.mark.parametrize("size", range(len(SPS)))
def test_a_set_that_ends_too_early_is_refused_or_lacks_only_what_comes_last(size):
    try:
        parsed = parse_sps(SPS[:size])
    except BadParameterSet:
        return
    assert (parsed.width_px, parsed.height_px) == (parse_sps(SPS).width_px, parse_sps(SPS).height_px)


@pytest.mark.parametrize(
    "nal",
    [
        b"",
        b"\x68\xce\x3c\x80",
        SPS[:4] + bytes(9),  # 32 zeros and more
        SPS[:4] + b"\x00\x00\x00\x00\x80",  # ends in the middle of a number
    ],
)
def test_what_is_refused(nal):
    with pytest.raises(BadParameterSet):
        parse_sps(nal)
