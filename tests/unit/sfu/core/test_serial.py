"""Serial number arithmetic over the wrap."""

import pytest

from classroom.sfu.core.serial import Unwrapper16, Unwrapper32, distance16, distance32

WRAP16, WRAP32 = 1 << 16, 1 << 32


@pytest.mark.parametrize(
    ("later", "earlier", "expected"),
    [
        pytest.param(5, 5, 0, id="same"),
        pytest.param(6, 5, 1, id="next"),
        pytest.param(5, 6, -1, id="before"),
        pytest.param(0, WRAP16 - 1, 1, id="over the wrap"),
        pytest.param(WRAP16 - 1, 0, -1, id="back over the wrap"),
        pytest.param(0x7FFF, 0, 0x7FFF, id="farthest ahead"),
        pytest.param(0x8000, 0, -0x8000, id="half the circle counts as behind"),
        pytest.param(WRAP16 + 3, 1, 2, id="extended numbers may be given"),
    ],
)
def test_distance16(later, earlier, expected):
    assert distance16(later, earlier) == expected


@pytest.mark.parametrize(
    ("later", "earlier", "expected"),
    [
        pytest.param(7, 7, 0, id="same"),
        pytest.param(0, WRAP32 - 1, 1, id="over the wrap"),
        pytest.param(WRAP32 - 90_000, 90_000, -180_000, id="back over the wrap"),
        pytest.param(0x8000_0000, 0, -0x8000_0000, id="half the circle counts as behind"),
    ],
)
def test_distance32(later, earlier, expected):
    assert distance32(later, earlier) == expected


@pytest.mark.parametrize(
    ("values", "relative"),
    [
        pytest.param([1, 2, 3], [0, 1, 2], id="in order"),
        pytest.param([65534, 65535, 0, 1], [0, 1, 2, 3], id="wraps"),
        pytest.param([65535, 1, 0, 2], [0, 2, 1, 3], id="reordered around the wrap"),
        pytest.param([0, 65535, 1], [0, -1, 1], id="reordered before the first"),
        pytest.param([10, 5, 11], [0, -5, 1], id="a late one does not move the latest"),
        pytest.param([0, 32767, 65534, 32765], [0, 32767, 65534, 65536 + 32765], id="largest steps, twice around"),
    ],
)
def test_unwrapped_sequence_numbers_keep_their_distances(values, relative):
    unwrapper = Unwrapper16()
    extended = [unwrapper.unwrap(value) for value in values]
    assert [e - extended[0] for e in extended] == relative
    assert [e & 0xFFFF for e in extended] == values
    assert min(extended) >= 0


@pytest.mark.parametrize(
    ("values", "relative"),
    [
        pytest.param([WRAP32 - 3000, 0, 3000], [0, 3000, 6000], id="wraps"),
        pytest.param([0, WRAP32 - 3000, 3000], [0, -3000, 3000], id="reordered before the first"),
    ],
)
def test_unwrapped_timestamps_keep_their_distances(values, relative):
    unwrapper = Unwrapper32()
    extended = [unwrapper.unwrap(value) for value in values]
    assert [e - extended[0] for e in extended] == relative
    assert [e & 0xFFFF_FFFF for e in extended] == values


def test_a_long_stream_never_goes_back():
    unwrapper = Unwrapper16()
    extended = [unwrapper.unwrap(number & 0xFFFF) for number in range(60_000, 60_000 + 3 * WRAP16)]
    assert extended == list(range(extended[0], extended[0] + 3 * WRAP16))
