"""What the teacher directs: how soon it is seen and heard, and what it does to time and numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from classroom.model import Label, ParticipantId, SlotWish
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import PublicationAdded
from tests.sim.netem import Conditions
from tests.sim.publisher import Publisher, camera, layers, mic
from tests.sim.world import World, check_numbers

LINK = Conditions(delay_s=0.04, rate_bps=4e6, queue_bytes=60_000)
UP = Conditions(delay_s=0.04)
EAST, WEST = ParticipantId("east"), ParticipantId("west")


def village(world: World, name: str, number: int, **options):
    """A classroom that publishes picture and sound under names of its own."""
    return world.publish(
        *layers(4000 + 100 * number, number=10 + number, **options),
        mic(6000 + number, number=20 + number),
        participant=name, up=UP, name_for=lambda label: f"{label}-{name}", ntp_error_s=3.0 * number,
    )  # fmt: skip


def floor(*participants: ParticipantId, programme: str | None = None) -> Direction:
    return Direction(programme, frozenset(participants))


def first_of(reception, stream: int, since_s: float) -> float:
    """When the first picture of a stream can be shown: when all of it is there."""
    first = next(p for p in reception.decodable() if p.arrived_s >= since_s and p.identity.stream == stream)
    parts = [p for p in reception.in_order if p.identity.frame == first.identity.frame and p.identity.stream == stream]
    return max(p.arrived_s for p in parts)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("gop", [50, 0], ids=["a keyframe each 2 s", "keyframes only on request"])
def test_the_new_programme_is_seen_in_300_ms(seed, gop):
    world = World(seed)
    world.publish(camera(interval_s=1 / 25, keyframe_every=gop), mic(), up=UP)
    village(world, EAST, 1, keyframe_every=gop)
    receiver = world.receive(SlotWish.PROGRAMME, SlotWish.MIC, up=UP, down=LINK, twcc=True)
    world.run(8.0 + seed * 0.37)
    shown = receiver.receptions[0]
    took = []
    for programme, stream in [("camera-east", 11), (None, 1), ("camera-east", 11), (None, 1)]:
        at_s = world.now
        world.media.direct(floor(EAST, programme=programme), at_s)
        world.drain()
        world.run(3.0)
        took.append(first_of(shown, stream, at_s) - at_s)
    assert max(took) <= 0.3
    check_numbers(receiver)
    assert shown.conflicts == [] and receiver.plis == 0
    settled = shown.decodable()
    assert max(after.arrived_s - before.arrived_s for before, after in pairwise(settled)) < 0.4, "no black picture"


def switched(links: tuple[Conditions, Conditions, Conditions], moments_s: list[float]) -> tuple[list[float], Publisher]:
    """How long calling on a classroom, and returning, take at moments so long after a keyframe of the main camera.

    ``links`` are those of the main classroom, of the one that is called on (both upwards) and of who looks on.
    """
    main, called, watching = links
    world = World(2)
    world.record()  # so that the best layers come all the time
    agent = world.publish(*layers(keyframe_every=50), mic(), up=main, down=Conditions(delay_s=main.delay_s))
    world.publish(
        *layers(4100, number=11), mic(6001, number=21), participant=EAST,
        up=called, down=Conditions(delay_s=called.delay_s), name_for=lambda label: f"{label}-east",
    )  # fmt: skip
    receiver = world.receive(
        SlotWish.PROGRAMME, SlotWish.MIC, up=Conditions(delay_s=watching.delay_s), down=watching, twcc=True
    )
    world.run(12.0)
    took_s = []
    for moment_s in moments_s:
        for programme, stream in (("camera-east", 11), (None, 1)):
            best = agent.streams[1000]
            began_s = best.next_s + (50 - best.since_keyframe) * best.stream.interval_s  # its next keyframe by itself
            world.run(began_s + 2.0 + moment_s - world.now)
            at_s = world.now
            world.media.direct(floor(EAST, programme=programme), at_s)
            world.drain()
            world.run(3.0)
            took_s.append(first_of(receiver.receptions[0], stream, at_s) - at_s)
    check_numbers(receiver)
    assert receiver.plis == 0
    return took_s, agent


MOMENTS_S = [0.05, 0.35, 0.5, 0.65, 0.8, 0.95, 1.2, 1.9]


def test_whenever_it_is_directed_the_programme_is_seen_in_300_ms():
    """A keyframe that came a moment ago, too large to be sent again from the cache, holds up no other."""
    took_s, _ = switched((UP, UP, LINK), MOMENTS_S)
    assert max(took_s) <= 0.3


SATELLITE = Conditions(delay_s=0.3, rate_bps=2e6, queue_bytes=150_000)
KEYFRAME_S = 30 * 1200 * 8 / 2e6  # of the best layer, through the satellite


@pytest.mark.parametrize(
    ("links", "bound_s"),
    [
        pytest.param((UP, UP, SATELLITE), 0.08 + 0.3 + KEYFRAME_S, id="who looks on"),
        pytest.param((UP, SATELLITE, LINK), 0.6 + KEYFRAME_S + 0.04, id="who is called on"),
        pytest.param((UP, SATELLITE, SATELLITE), 0.6 + KEYFRAME_S + 0.3, id="both"),
    ],
)
def test_through_a_satellite_it_takes_the_way_and_a_keyframe(links, bound_s):
    took_s, _ = switched(links, [0.05, 0.5, 0.8, 1.3])
    assert max(took_s) <= bound_s + 0.15, "a picture, and what the slides and the voice take of the line"


def sharp_after(reception, stream: int, since_s: float) -> float:
    """When the first keyframe of the best layer of a camera is all there."""
    later = [p for p in reception.in_order if p.arrived_s >= since_s and p.identity.stream == stream]
    parts = [p for p in later if p.identity.keyframe and p.identity.total == 30]
    return max(p.arrived_s for p in parts if p.identity.frame == parts[0].identity.frame)


@pytest.mark.parametrize(
    ("watching", "bound_s"),
    [
        pytest.param(LINK, 0.15, id="by a village"),
        pytest.param(SATELLITE, 0.3 + 0.2, id="through another satellite"),
    ],
)
def test_who_is_far_away_is_seen_at_once_in_the_picture_of_the_wall(watching, bound_s):
    """The small layer that the wall shows bridges the way to the classroom and back, until the best one begins."""
    world = World(6)
    world.publish(*layers(keyframe_every=50), mic(), up=UP)
    world.publish(
        *layers(4100, number=11, keyframe_every=100), participant=EAST,
        up=SATELLITE, down=Conditions(delay_s=0.3), name_for=lambda label: f"{label}-east",
    )  # fmt: skip
    wall = world.receive(SlotWish.TILE, twcc=True)
    wall.slots[0].named = "camera-east"
    receiver = world.receive(SlotWish.PROGRAMME, up=Conditions(delay_s=watching.delay_s), down=watching, twcc=True)
    world.run(12.0)
    shown = receiver.receptions[0]
    for wait_s in (3.1, 4.3, 3.7):
        at_s = world.now
        world.media.direct(floor(EAST, programme="camera-east"), at_s)
        world.drain()
        world.run(3.0)
        assert first_of(shown, 11, at_s) - at_s <= bound_s
        assert sharp_after(shown, 11, at_s) - at_s <= 0.6 + KEYFRAME_S + watching.delay_s + 0.15, "as without it"
        world.media.direct(floor(), world.now)
        world.run(wait_s)
    check_numbers(receiver)
    assert receiver.plis == 0 and shown.conflicts == []


def test_lips_stay_in_sync_whoever_has_the_floor():
    """Sound and picture of the floor leave on the same clock: the same moment, the same time in sender reports."""
    world = World(3)
    world.publish(camera(), mic(), up=UP)
    village(world, EAST, 1)
    village(world, WEST, 2)
    receiver = world.receive(
        SlotWish.PROGRAMME, SlotWish.MIC, SlotWish.FLOOR, SlotWish.SPEAKER, up=UP, down=LINK, twcc=True
    )
    world.run(6.0)
    for holder, number in ((EAST, 1), (WEST, 2), (EAST, 1)):
        world.media.direct(floor(holder), world.now)
        world.drain()
        world.run(5.0)
        picture, sound = receiver.receptions[2:]
        assert picture.in_order[-1].identity.stream == 10 + number
        assert sound.in_order[-1].identity.stream == 20 + number
        captured = []
        for reception, rate in ((picture, 90_000), (sound, 48_000)):
            latest, report = reception.in_order[-1], reception.reports[-1]
            ticks = (latest.ts - report.rtp_ts + 2**31) % 2**32 - 2**31
            told_s = report.ntp / 2**32 + ticks / rate
            frame = latest.identity.frame
            sending = next(
                s for p in world.publishers.values() for s in p.streams.values()
                if s.stream.number == latest.identity.stream and frame in s.captured_s
            )  # fmt: skip
            captured.append(told_s - sending.captured_s[frame])
        assert abs(captured[0] - captured[1]) <= 0.045
    check_numbers(receiver)


def test_who_has_the_floor_is_not_shown_to_itself():
    world = World(4)
    world.publish(camera(), mic(), up=UP)
    village(world, EAST, 1)
    other = world.receive(SlotWish.FLOOR, SlotWish.SPEAKER, up=UP, down=LINK)
    own = world.receive(SlotWish.FLOOR, SlotWish.SPEAKER, up=UP, down=LINK, participant=EAST)
    world.run(2.0)
    world.media.direct(floor(EAST), world.now)
    world.run(3.0)
    assert [len(r.packets) > 0 for r in other.receptions] == [True, True]
    assert [len(r.packets) for r in own.receptions] == [0, 0]
    assert len(world.happened(PublicationAdded)) == 4


def test_without_the_floor_nobody_is_heard():
    world = World(5)
    world.publish(camera(), mic(), up=UP)
    village(world, EAST, 1)
    receiver = world.receive(SlotWish.MIC, SlotWish.SPEAKER, Label.CAMERA, up=UP, down=LINK)
    world.run(3.0)
    assert receiver.receptions[1].packets == {}
    world.media.direct(floor(EAST), world.now)
    world.run(1.0)
    heard = len(receiver.receptions[1].packets)
    assert heard > 40
    world.media.direct(floor(), world.now)
    world.run(1.0)
    assert len(receiver.receptions[1].packets) <= heard + 3
