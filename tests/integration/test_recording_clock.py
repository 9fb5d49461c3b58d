"""On time, on one clock: what a bad uplink and wrong clocks do to a long lesson.

The whole 90 minutes: ``python -m tests.integration.test_recording_clock 90``.
"""

import sys
import tempfile
import time
from pathlib import Path

from classroom.recording.lesson_file import read_lesson
from tests.integration.long_lesson import Publisher, World, apart_s, holes_s, lesson_media, stored

LIMIT_S = 0.040
AWAY_S = 20.0


def hold(root, seconds, seed=1):
    """Hold a lesson: the publisher's clock is set at a third of it and put back at two thirds; it restarts half-way."""
    world = World(root, seed)
    began_s = world.now_s + 0.5
    media = lesson_media()
    first = world.publisher = Publisher(world, media, 100, began_s, "first")
    world.run(began_s + seconds / 3)
    first.clock_error_s += 3600.0
    world.run(began_s + seconds / 2)
    world.publisher = None
    world.run(world.now_s + 0.5)
    world.core.remove(first.session, "gone", world.now_s)
    world.run(world.now_s + AWAY_S)
    second = world.publisher = Publisher(world, media, 200, world.now_s, "second")
    world.run(began_s + seconds * 2 / 3)
    second.clock_error_s -= 3600.0
    world.run(began_s + seconds)
    return world.finish(), media


def measure(folder, media):
    """How late each track is against when its frames were taken, as (time on the axis, seconds); and its holes."""
    late, holes = {}, {}
    for each in media:
        found = stored(folder / each.name, each)
        taken_s = each.taken_s
        # The first picture is held from where the sound begins, as long as it takes.
        timed = found[1:] if each.name == "camera" else found
        late[each.name] = [(at_s, at_s - (taken_s[number] - 1000.0)) for at_s, number in timed]
        holes[each.name] = holes_s(found, each.every_s)
        numbers = [number for _, number in found]
        assert numbers == sorted(set(numbers)), "each frame once, in order"
    return late, holes


def check(folder, media):
    late, holes = measure(folder, media)
    record = read_lesson(folder)
    figures = {
        "sound after picture": apart_s(late["mic"], late["camera"]),
        "camera after slides": apart_s(late["camera"], late["slides"]),
    }
    for name, apart in figures.items():
        print(f"{name}: {1000 * min(apart):.1f} to {1000 * max(apart):.1f} ms at {len(apart)} points")
        assert max(map(abs, apart)) <= LIMIT_S
    for track in record.tracks:
        assert abs(track.start_s + track.duration_s - late["mic"][-1][0]) < 1.0, "it goes on to the end"
        named = sum(gap.end_s - gap.start_s for gap in track.gaps)
        print(f"{track.name}: {len(track.gaps)} gaps, {named:.1f} s, in {track.duration_s:.0f} s")
        for begin_s, end_s in holes[track.name]:
            assert any(gap.start_s < end_s and gap.end_s > begin_s for gap in track.gaps), "a hole nobody speaks of"
        (outage,) = [gap for gap in track.gaps if gap.reason == "outage"]
        assert abs(outage.end_s - outage.start_s - AWAY_S - 0.5) < 1.5
    return late


def test_a_lesson_over_a_bad_uplink_with_wrong_clocks_stays_in_sync(tmp_path):
    check(*hold(tmp_path, 240.0))


if __name__ == "__main__":
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as root:
        check(*hold(Path(root), 60.0 * float(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1))
    print(f"{time.process_time() - began_s:.0f} s of CPU")
