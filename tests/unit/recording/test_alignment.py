"""Which frames of a copy are there, and where the others belong: tables."""

import pytest

from classroom.recording.alignment import CaptureMap, align
from classroom.recording.bmff_read import StoredSample
from classroom.recording.inventory import FrameIdentity, Inventory, spans
from classroom.recording.retime import Timed, retime
from classroom.sfu.core.ntp import FRACTION

HZ = 1000  # ticks are milliseconds
CLOCK_S = 5000  # what the clock of the copy shows at 0 on the axis


def ntp(seconds):
    return round((CLOCK_S + seconds) * FRACTION)


def frame(at_s, what=1):
    return FrameIdentity(ntp(at_s), 10, what)


def sample(at_s, start, what=1, captured=True, duration=100):
    return StoredSample(start, duration, True, ntp(at_s) if captured else 0, what, 10, 0)


def aligned(samples, frames, anchors=(), *, led=False, late=None):
    others = CaptureMap(anchors, ntp(0), 99.0)
    return align(samples, frames, HZ, lambda: others, lambda s: s.crc32 == 0, led=led, late=late or {})


def test_what_lies_between_two_that_are_there_is_placed_in_proportion():
    frames = [frame(n / 10) for n in range(5)]
    # The archive's clock gains 40 ms on the way.
    found = aligned([sample(0.0, 700), sample(0.4, 1140)], frames)
    assert found.stored == [0, -1, -1, -1, 1]
    assert found.at == {1: 810, 2: 920, 3: 1030}


def test_beyond_the_ends_the_clock_of_the_neighbour_counts():
    found = aligned([sample(0.2, 900), sample(0.3, 1000)], [frame(n / 10) for n in range(6)])
    assert found.at == {0: 700, 1: 800, 4: 1100, 5: 1200}


def test_another_layer_of_the_same_moment_is_there_instead():
    found = aligned([sample(0.0, 0), sample(0.1, 100, what=2)], [frame(0.0), frame(0.1)])
    assert (found.stored, found.instead, found.at) == ([0, -1], [-1, 1], {1: 100})


def test_a_moment_that_is_there_twice_is_the_one_with_the_bytes_of_the_copy():
    # The recorder was moved to a smaller layer, which began with a keyframe from before the last picture it had.
    samples = [
        sample(0.0, 0),
        sample(0.1, 100),
        sample(0.0, 101, what=2),
        sample(0.1, 200, what=2),
        sample(0.2, 300, what=2),
    ]
    found = aligned(samples, [frame(0.0), frame(0.1), frame(0.2)])
    assert (found.stored, found.instead, found.twice) == ([0, 1, -1], [-1, -1, 4], {2, 3})
    # And back: the larger one has again what the smaller one showed last.
    samples = [sample(0.0, 0, what=2), sample(0.1, 100, what=2), sample(0.1, 101), sample(0.2, 200)]
    found = aligned(samples, [frame(0.0), frame(0.1), frame(0.2)])
    assert (found.stored, found.instead, found.twice) == ([-1, 2, 3], [0, -1, -1], {1})


def test_a_clock_that_was_set_in_a_pause_counts_on_each_side_for_itself():
    # Two frames of the first run and two of the second are missing; the clock gained 50 s in a pause of 2 s.
    frames = [frame(at) for at in (0.0, 0.1, 0.2, 52.2, 52.3, 52.4)]
    found = aligned([sample(0.0, 0), sample(52.4, 2400)], frames)
    assert found.at == {1: 100, 2: 200, 3: 2200, 4: 2300}


def test_a_pause_in_which_nothing_was_set_is_just_one():
    found = aligned([sample(0.0, 0), sample(4.0, 4020)], [frame(n) for n in range(5)])
    assert found.at == {1: 1005, 2: 2010, 3: 3015}


def test_a_run_of_which_nothing_is_there_is_placed_by_others():
    frames = [frame(at) for at in (0.0, 0.1, 30.0, 30.1, 80.0)]
    found = aligned([sample(0.0, 0), sample(80.0, 9000)], frames, [(ntp(30.05), 4.05)])
    assert found.at == {1: 100, 2: 4000, 3: 4100}


def test_one_run_is_placed_by_its_own_time_even_if_another_is_nearer():
    frames = [frame(at) for at in (10.0, 10.5, 11.0, 11.5)]
    found = aligned([], frames, [(ntp(9.0), 3.0), (ntp(11.4), 1.4)])
    assert found.at == {0: 0, 1: 500, 2: 1000, 3: 1500}


def test_by_others_is_by_the_one_that_is_nearest_or_by_the_time_of_the_request():
    by = CaptureMap([(ntp(10), 1.0), (ntp(20), 12.0)], ntp(50), 99.0)
    assert [by.axis_s(ntp(at)) for at in (0, 14, 16, 30)] == pytest.approx([-9.0, 5.0, 8.0, 22.0])
    assert CaptureMap([], ntp(50), 99.0).axis_s(ntp(48)) == pytest.approx(97.0)


def test_the_first_picture_may_have_been_led_in():
    found = aligned([sample(0.3, 100, duration=600), sample(0.4, 700)], [frame(n / 10) for n in range(5)], led=True)
    assert found.captured_at == {0: 600}
    assert found.at == {0: 300, 1: 400, 2: 500}


def test_a_picture_that_was_led_in_by_less_than_its_own_length_does_not_bend_the_time_of_those_behind_it():
    found = aligned([sample(0.0, 54, duration=946), sample(0.9, 1000)], [frame(n / 10) for n in range(10)], led=True)
    assert found.captured_at == {0: 100}
    assert found.at == {n: 100 + 100 * n for n in range(1, 9)}


@pytest.mark.parametrize(
    ("unnamed", "stored", "instead"),
    [
        (sample(0.1, 130, what=7, captured=False), 1, -1),  # its bytes, near enough
        (sample(0.1, 700, what=7, captured=False), -1, -1),  # the same bytes long after: another frame
        (sample(0.1, 102, what=8, captured=False), -1, 1),  # what is left of it
        (sample(0.1, 130, what=8, captured=False), -1, -1),  # somebody else's
        (sample(0.1, 100, what=0, captured=False), -1, -1),  # silence
    ],
)
def test_a_sample_without_its_time_of_capture(unnamed, stored, instead):
    samples = sorted([sample(0.0, 0), unnamed, sample(0.9, 900)])
    found = aligned(samples, [frame(0.0), frame(0.1, what=7), frame(0.9)])
    assert (found.stored[1], found.instead[1]) == (stored, instead)


@pytest.mark.parametrize("start", [96, 104])
def test_a_sample_without_its_time_of_capture_that_shows_what_another_one_shows(start):
    """The first packet of a smaller layer's keyframe was lost, and the larger layer came at once."""
    small = sample(0.1, start, what=2, captured=False, duration=1)
    found = aligned(sorted([sample(0.0, 0), small, sample(0.1, 100)]), [frame(0.0), frame(0.1), frame(0.2)])
    position = 1 if start < 100 else 2
    assert (found.twice, found.stored[1]) == ({position}, 3 - position)


def test_what_lies_behind_later_pictures_is_placed_by_when_it_was_captured():
    samples = [sample(0.4, 400, what=2), sample(0.4, 800), sample(0.5, 801), sample(0.8, 802), sample(0.9, 900)]
    found = aligned(samples, [frame(n / 10) for n in range(10)], late={1: 400, 2: 500, 3: 800})
    assert found.stored == [-1, -1, -1, -1, 1, 2, -1, -1, 3, 4]
    assert found.at == {0: 0, 1: 100, 2: 200, 3: 300, 6: 600, 7: 700}


def test_a_stranger_whose_clock_shows_the_same_is_none_of_the_copy():
    samples = [sample(0.0, 0), sample(0.3, 100), sample(0.2, 200)]
    found = aligned(samples, [frame(0.0), frame(0.2), frame(0.3)])
    assert found.stored == [0, 2, -1], "order counts"


def test_indices_as_spans():
    assert spans([]) == [] and spans([3]) == [(3, 1)]
    assert spans([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 1), (7, 2)]
    inventory = Inventory(b"".join(bytes.fromhex(f"{n:016x}0000000a00000001") for n in (1, 5)))
    assert inventory.index(FrameIdentity(5, 10, 1)) == 1
    assert inventory.index(FrameIdentity(5, 10, 2)) is None and inventory.index(FrameIdentity(9, 10, 1)) is None


def test_frames_that_are_written_again_are_as_far_apart_as_they_were_captured():
    # The archive was 20 ms late from the third packet on.
    frames = [Timed(ntp(n / 10), 100 * n + (20 if n > 2 else 0), known=n != 3) for n in range(6)]
    assert retime(frames, None, None, HZ) == [0, 104, 208, 312, 416, 520]
    before, behind = Timed(ntp(-0.1), -100, True), Timed(ntp(0.6), 620, True)
    times = retime(frames, before, behind, HZ)
    assert times == [round(-100 + 720 / 7 * (n + 1)) for n in range(6)]


def test_across_a_pause_nothing_is_evened_out():
    frames = [Timed(ntp(0.0), 0, True), Timed(ntp(0.1), 70, False), Timed(ntp(9.0), 5000, True)]
    assert retime(frames, None, None, HZ) == [0, 100, 5000]
    assert retime([Timed(ntp(0.0), 3, False)], None, None, HZ) == [3]
