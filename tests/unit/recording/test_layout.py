"""Times of the samples of a window, and what remains of the gaps: tables."""

from itertools import pairwise

import pytest

from classroom.recording.gap_map import remaining_gaps
from classroom.recording.layout import Placed, lay_pictures, lay_sound
from classroom.recording.splice_plan import Piece, Window
from classroom.recording.track import Gap, GapReason

MS = 48


def sound(*starts_ms):
    return [Placed(at * MS, 20 * MS) for at in starts_ms]


def in_ms(laid):
    return [(each.start / MS, each.duration / MS, each.frame) for each in laid]


def assert_filled(laid, begin, end):
    assert laid[0].start == begin
    assert laid[-1].start + laid[-1].duration == end
    assert all(a.start + a.duration == b.start for a, b in pairwise(laid))


def test_pictures_last_until_the_next_one_and_the_bounds():
    laid = lay_pictures([Placed(3000, 0), Placed(6000, 0), Placed(9100, 0)], 1000, 20_000)
    assert laid == [(1000, 5000, 0), (6000, 3100, 1), (9100, 10_900, 2)]
    assert lay_pictures([Placed(3000, 0), Placed(6000, 0)], 3000, None)[-1] == (6000, 3000, 1)
    assert lay_pictures([], 0, 9) == []


def test_pictures_in_too_little_room_are_still_a_millisecond_each():
    laid = lay_pictures([Placed(500, 0), Placed(500, 0), Placed(990, 0)], 500, 1000)
    assert_filled(laid, 500, 1000)
    assert min(each.duration for each in laid) >= 90


@pytest.mark.parametrize(
    ("starts_ms", "end_ms", "expected"),
    [
        ((0, 20), 40, [(0, 20, 0), (20, 20, 1)]),
        ((0, 21), 41, [(0, 21, 0), (21, 20, 1)]),  # less than a piece of silence
        ((0, 30), 50, [(0, 20, 0), (20, 10, -1), (30, 20, 1)]),
        ((10,), 60, [(0, 10, -1), (10, 20, 0), (30, 30, -1)]),
        ((0, 19.5), 39.5, [(0, 19.5, 0), (19.5, 20, 1)]),  # less than a millisecond too early
    ],
)
def test_sound_fills_its_window(starts_ms, end_ms, expected):
    frames = [Placed(round(at * MS), 20 * MS) for at in starts_ms]
    assert in_ms(lay_sound(frames, 0, round(end_ms * MS))) == expected


def test_a_packet_too_much_costs_its_neighbours_a_millisecond_each():
    frames = sound(*range(0, 1000, 20), 500)
    frames.sort()
    laid = lay_sound(frames, 0, 1000 * MS)
    assert_filled(laid, 0, 1000 * MS)
    assert [each.frame for each in laid] == list(range(51))
    assert min(each.duration for each in laid) >= 19 * MS


def test_where_a_millisecond_is_not_enough_more_is_taken_but_no_packet_dropped():
    laid = lay_sound(sound(0, 0, 10, 20, 20), 0, 40 * MS)
    assert_filled(laid, 0, 40 * MS)
    assert [each.frame for each in laid] == [0, 1, 2, 3, 4]


VIDEO_HZ = 90_000
OLD = Gap(1.0, 3.0, GapReason.LOSS)


def picture(at_s, duration_s, frame):
    return Piece(round(at_s * VIDEO_HZ), round(duration_s * VIDEO_HZ), -1 if frame >= 0 else 7, frame)


def left(pieces, gaps=(OLD,), former=(0, 10 * VIDEO_HZ)):
    found = remaining_gaps(gaps, [Window(0, 1, pieces)], former, VIDEO_HZ, True)
    return [(round(gap.start_s, 3), round(gap.end_s, 3), gap.reason) for gap in found]


def test_a_gap_that_was_filled_is_none():
    assert left([picture(0.9 + n / 10, 0.1, n) for n in range(22)]) == []


def test_what_is_still_missing_remains_with_its_reason():
    whole = [picture(0.9 + n / 10, 0.1, n) for n in range(22)]
    del whole[5:9]
    whole[4] = picture(1.3, 0.5, 4)
    assert left(whole) == [(1.4, 1.8, GapReason.LOSS)]


def test_a_pause_of_the_camera_itself_remains_when_it_is_long():
    pieces = [picture(0.9 + n / 10, 0.1, n) for n in range(10)]
    assert left([*pieces, picture(1.9, 1.1, 10), picture(3.0, 0.1, 11)]) == [(2.0, 3.0, GapReason.LOSS)]
    assert left([*pieces, picture(1.9, 0.9, 10), picture(2.8, 0.2, 11)]) == []


def test_gaps_elsewhere_are_left_alone():
    other = Gap(7.0, 7.01, GapReason.RESTART)
    assert left([picture(0.9 + n / 10, 0.1, n) for n in range(22)], [OLD, other]) == [(7.0, 7.01, GapReason.RESTART)]


def test_beyond_what_the_track_was_a_hole_is_an_outage():
    pieces = [picture(9.9, 4.0, 0), picture(13.9, 0.1, 1), picture(14.0, 0.1, 2)]
    assert left(pieces, []) == [(10.0, 13.9, GapReason.OUTAGE)]
    assert left([picture(1.0, 0.1, 0), picture(1.1, 0.1, 1)], [], None) == []


def test_silence_that_remains_is_a_gap_of_the_sound():
    pieces = [Piece(0, 960, 1, 0), Piece(960, 960, -1, -1), Piece(1920, 960, -1, 2)]
    gaps = [Gap(0.02, 0.06, GapReason.LOSS)]
    assert remaining_gaps(gaps, [Window(0, 1, pieces)], (0, 2880), 48_000, False) == [Gap(0.02, 0.04, GapReason.LOSS)]
