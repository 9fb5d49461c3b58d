"""Outgoing numbers without a seam."""

import random

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.renumber import MAX_RUNS, Renumberer
from classroom.sfu.core.up_track import UpTrack


def up_track(name: str = "camera", highest: int = 0) -> UpTrack:
    publication = Publication(PublicationId(name), ParticipantId("t"), Label.CAMERA, TrackKind.VIDEO, name)
    up = UpTrack(publication, 1, 90_000, CaptureClock(PublisherClock(), 90_000), nack=True)
    up.highest = highest
    return up


def test_before_the_first_run_nothing_is_known():
    numbers = Renumberer(7, 0)
    assert numbers.source(7) is None
    assert numbers.offsets(-1) is None
    numbers.end(99)  # nothing runs: nothing ends
    assert numbers.next_seq & 0xFFFF == 7


def test_the_first_packet_gets_the_first_number():
    numbers, up = Renumberer(7, 0), up_track(highest=0x10000 + 500)
    numbers.begin(up, 0x10000 + 500, 1000, 5000)
    assert (0x10000 + 500 + numbers.seq_offset) & 0xFFFF == 7
    assert (1000 + numbers.ts_offset) & 0xFFFF_FFFF == 5000
    assert numbers.offsets(0x10000 + 503) == (numbers.seq_offset, numbers.ts_offset)


def test_the_next_run_goes_on_with_the_next_number():
    numbers, one, two = Renumberer(0, 0), up_track("one", 109), up_track("two", 5000)
    numbers.begin(one, 100, 0, 0)
    numbers.end(109)
    numbers.begin(two, 5000, 0, 0)
    assert (5000 + numbers.seq_offset) & 0xFFFF == 10


def test_ending_a_run_below_its_start_gives_no_number_twice():
    numbers, up = Renumberer(0, 0), up_track(highest=99)
    numbers.begin(up, 100, 0, 0)
    numbers.end(50)
    assert numbers.next_seq & 0xFFFF == 0


def test_numbers_wrap():
    numbers, up = Renumberer(65535, 0), up_track(highest=0x10001)
    numbers.begin(up, 0x10000, 0, 0)
    assert [(n + numbers.offsets(n)[0]) & 0xFFFF for n in (0x10000, 0x10001)] == [65535, 0]


def test_where_a_late_packet_belongs():
    numbers, one, two = Renumberer(0, 0), up_track("one", 109), up_track("two", 5009)
    numbers.begin(one, 100, 0, 0)
    numbers.end(109)
    numbers.begin(two, 5000, 0, 0)
    numbers.end(5009)
    numbers.begin(one, 200, 0, 0)
    assert numbers.offsets(199) is None  # while the other flowed
    assert numbers.offsets(105) is None  # before that: another run lies between


def test_a_late_packet_of_a_former_run_of_the_same_track_keeps_its_number():
    numbers, up = Renumberer(0, 0), up_track(highest=109)
    numbers.begin(up, 100, 0, 3000)
    numbers.end(109)
    numbers.begin(up, 120, 0, 9000)
    assert numbers.offsets(107) == (numbers.runs[0].out_start - 100, 3000)
    assert numbers.offsets(109) == numbers.offsets(100)
    assert numbers.offsets(110) is None and numbers.offsets(119) is None  # nothing was sent there
    assert numbers.offsets(99) is None  # before everything


def test_the_source_of_a_number():
    numbers, one, two = Renumberer(65530, 0), up_track("one", 109), up_track("two", 5009)
    numbers.begin(one, 100, 0, 3000)
    numbers.end(109)
    numbers.begin(two, 5000, 0, 9000)
    assert numbers.source(65530) == (one, 100, 3000)
    assert numbers.source((65530 + 9) & 0xFFFF) == (one, 109, 3000)
    assert numbers.source((65530 + 10) & 0xFFFF) == (two, 5000, 9000)
    assert numbers.source((65530 + 19) & 0xFFFF) == (two, 5009, 9000)


@pytest.mark.parametrize("running", [True, False])
def test_a_number_that_nothing_has_left_under_has_no_source(running):
    """Else a retransmission would use up a number that another packet gets later: two plaintexts under one nonce."""
    numbers, up = Renumberer(0, 0), up_track(highest=109)
    numbers.begin(up, 100, 0, 0)
    if not running:
        numbers.end(109)
        up.highest = 150  # it goes on, but no longer to this receiver
    assert numbers.source(9) == (up, 109, 0)
    assert numbers.source(10) is None
    assert numbers.source(65535) is None  # before the first


def test_one_run_beyond_several_wraps():
    numbers, up = Renumberer(100, 0), up_track()
    numbers.begin(up, 0x10000, 0, 0)
    for ext_seq in range(0x10000, 0x10000 + 200_000, 997):
        up.highest = ext_seq
        seq = (ext_seq + numbers.offsets(ext_seq)[0]) & 0xFFFF
        assert seq == (100 + ext_seq) & 0xFFFF
        assert numbers.source(seq) == (up, ext_seq, 0)
        assert numbers.source((seq - 500) & 0xFFFF) == ((up, ext_seq - 500, 0) if ext_seq >= 0x10000 + 500 else None)


def test_sources_are_found_after_many_runs_as_long_as_they_are_kept():
    rng = random.Random(1)
    ups = [up_track(str(n)) for n in range(3)]
    numbers, sent, at = Renumberer(12_345, 0), {}, [0x10000] * 3
    for run in range(3 * MAX_RUNS):
        chosen = rng.randrange(3)
        up, start = ups[chosen], at[chosen]
        size = rng.randrange(1, 9)
        numbers.begin(up, start, start * 10, run)
        for ext_seq in range(start, start + size):
            sent[(ext_seq + numbers.seq_offset) & 0xFFFF] = (up, ext_seq, (run - start * 10) & 0xFFFF_FFFF)
        at[chosen] = start + size + rng.randrange(3)
        up.highest = start + size - 1
        numbers.end(up.highest)
    assert len(numbers.runs) <= MAX_RUNS
    kept = numbers.runs[0].out_start
    newest = list(sent.items())[-(numbers.next_seq - kept) :]
    assert len(newest) > MAX_RUNS
    assert all(numbers.source(seq) == source for seq, source in newest)
    assert numbers.source((kept - 1) & 0xFFFF) is None


def test_what_never_left_is_taken_back_with_the_runs_that_it_began():
    one, two = up_track(), up_track()
    numbers = Renumberer(10, 0)
    numbers.begin(one, 100, 0, 0)
    numbers.end(104)
    numbers.begin(two, 7, 0, 0)
    numbers.end(9)
    last = numbers.next_seq
    numbers.rewind(last - 5)
    assert [run.up for run in numbers.runs] == [one]
    assert numbers.source((last - 6) & 0xFFFF)[:2] == (one, 102)
    assert numbers.source((last - 5) & 0xFFFF) is None
    numbers.begin(two, 50, 0, 0)
    assert (50 + numbers.seq_offset) == last - 5
