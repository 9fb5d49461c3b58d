"""Receivers on links of all kinds: which layer each gets, and that nobody else notices."""

from __future__ import annotations

from itertools import pairwise

import pytest

from classroom.model import Label, SlotWish
from classroom.sfu.core.layers import Reason
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from tests.sim.netem import Conditions
from tests.sim.publisher import identity, layers, mic, slides
from tests.sim.world import World, check_numbers

LINK = Conditions(delay_s=0.02, rate_bps=2e6, queue_bytes=50_000)
UP = Conditions(delay_s=0.02)


def showing(world: World, receiver, slot: int = 0) -> str:
    """The layer that flows into a slot."""
    up = receiver.slots[slot].down.up
    return "" if up is None else up.rid


def longest_gap_s(reception, since_s: float, until_s: float) -> float:
    times = [since_s, *(p.arrived_s for p in reception.in_order if since_s <= p.arrived_s <= until_s), until_s]
    return max(after - before for before, after in pairwise(sorted(times)))


def pictures_after(reception, at_s: float) -> list[float]:
    return [p.arrived_s for p in reception.decodable() if p.arrived_s >= at_s]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_step_down_and_up(seed):
    """2 to 0.5 and back to 2 Mbit/s: sound goes on, the picture is back within 2 s, at its best within 10 s."""
    world = World(seed)
    world.publish(*layers(), mic())
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(15.0)
    assert showing(world, receiver) == "h"
    link = receiver.downlink_path
    link.conditions = Conditions(delay_s=0.02, rate_bps=5e5, queue_bytes=50_000)
    at_s = world.now
    world.run(15.0)
    camera, sound = receiver.receptions
    assert pictures_after(camera, at_s + 1.0)[0] - at_s <= 2.0
    assert showing(world, receiver) in ("m", "l") and receiver.slots[0].reason is Reason.BANDWIDTH
    assert longest_gap_s(camera, at_s + 2.0, world.now) < 0.5, "from then on it does not stop"
    link.conditions = LINK
    restored_s = world.now
    while showing(world, receiver) != "h" and world.now < restored_s + 20:
        world.run(0.1)
    assert world.now - restored_s <= 10.0
    world.run(5.0)
    assert showing(world, receiver) == "h" and receiver.slots[0].reason is Reason.NONE
    assert longest_gap_s(sound, at_s - 5, world.now - 0.1) < 0.5
    assert sound.gaps == 0
    check_numbers(receiver)


@pytest.mark.parametrize("wait_s", [0.1, 0.5, 1.0, 1.6])
@pytest.mark.parametrize(("wall", "bound_s"), [(True, 0.25), (False, 1.2)], ids=["a wall shows it, too", "alone"])
def test_pictures_that_were_dropped_before_they_left_are_soon_seen_again(wall, bound_s, wait_s):
    """From a smaller layer that comes, or the same one, out of the cache; else from a keyframe within a second."""
    world = World(5)
    world.publish(*layers(keyframe_every=50), mic())
    if wall:
        world.receive(SlotWish.TILE, twcc=True).slots[0].named = "camera"
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(14.0 + wait_s)
    camera = receiver.receptions[0]
    at_s, downlink = world.now, receiver.downlink
    assert showing(world, receiver) == "h"
    downlink._pacer._stall(receiver.slots[0].down)
    world.media._forwarding._hold(downlink, at_s)
    world.run(4.0)
    assert longest_gap_s(camera, at_s, world.now - 0.1) <= bound_s and showing(world, receiver) == "h"
    assert receiver.plis == 0
    check_numbers(receiver)


def test_ten_receivers_one_of_them_bad():
    world = World(5)
    publisher = world.publish(*layers(keyframe_every=0), mic())
    fast = Conditions(delay_s=0.02, rate_bps=8e6, queue_bytes=80_000)
    good = [world.receive(Label.CAMERA, Label.MIC, up=UP, down=fast, twcc=True) for _ in range(9)]
    bad = world.receive(Label.CAMERA, Label.MIC, up=UP, twcc=True, down=Conditions(
        delay_s=0.1, rate_bps=3e5, queue_bytes=30_000, loss=0.1, jitter_s=0.05))  # fmt: skip
    world.run(10.0)
    began_s = world.now
    keyframes = {ssrc: sending.keyframes for ssrc, sending in publisher.streams.items()}
    world.run(30.0)
    for receiver in good:
        camera = receiver.receptions[0]
        assert showing(world, receiver) == "h"
        assert longest_gap_s(camera, began_s, world.now - 0.1) < 0.15
        assert {identity(p.payload).stream for p in camera.in_order} == {1}
        check_numbers(receiver)
    asked = sum(sending.keyframes - keyframes[ssrc] for ssrc, sending in publisher.streams.items())
    assert asked <= 15, "one keyframe in two seconds"
    assert len(bad.receptions[0].decodable()) > 0 and longest_gap_s(bad.receptions[1], began_s, world.now - 0.1) < 0.5
    check_numbers(bad)


def test_what_nobody_takes_is_paused_and_comes_back_with_one_keyframe():
    world = World(9)
    publisher = world.publish(*layers(), mic())
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(20.0)
    high, middle, low = (publisher.streams[ssrc] for ssrc in (1000, 1010, 1020))
    assert (high.paused, middle.paused, low.paused) == (False, True, True)
    receiver.downlink_path.conditions = Conditions(delay_s=0.02, rate_bps=5e5, queue_bytes=50_000)
    before = middle.keyframes + low.keyframes
    at_s = world.now
    world.run(4.0)
    assert not (middle.paused and low.paused)
    assert pictures_after(receiver.receptions[0], at_s + 1.0)[0] - at_s <= 2.5
    assert middle.keyframes + low.keyframes - before <= 3
    world.leave(receiver)
    world.run(10.0)
    assert high.paused and middle.paused and low.paused
    assert [kind for _, kind in high.pauses].count(PauseType.PAUSE) >= 1
    late = world.receive(Label.CAMERA, up=UP, down=LINK, twcc=True)
    at_s = world.now
    world.run(2.0)
    assert pictures_after(late.receptions[0], at_s)[0] - at_s < 0.5


def test_a_switch_of_layers_leaves_no_gap():
    """Up: the old layer flows until the new one begins. Its timestamps go on at the pace of the capture."""
    world = World(11)
    world.publish(*layers(keyframe_every=50), mic())
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(15.0)
    camera = receiver.receptions[0]
    shown = camera.decodable()
    assert showing(world, receiver) == "h"
    assert all(after.arrived_s - before.arrived_s < 0.25 for before, after in pairwise(shown))
    settled = [p for p in shown if p.arrived_s > shown[0].arrived_s + 2.0]
    for before, after in pairwise(settled):
        assert abs((after.ts - before.ts) / 90_000 - (after.arrived_s - before.arrived_s)) < 0.12
    check_numbers(receiver)


def test_a_layer_that_its_publisher_stops_is_left_at_once():
    """The agent tells by PAUSED what its own link carries no more: nobody waits for what does not come."""
    world = World(13)
    publisher = world.publish(*layers(keyframe_every=50), mic())
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(4.0)
    assert showing(world, receiver) == "h"
    high = publisher.streams[1000]
    high.paused = True
    publisher.uplink.send(build_pause(PauseResume(1000, 1000, PauseType.PAUSED, 0, high.seq)), world.now)
    at_s = world.now
    world.run(2.0)
    assert showing(world, receiver) == "m" and receiver.slots[0].reason is Reason.UPLINK
    assert longest_gap_s(receiver.receptions[0], at_s, world.now - 0.1) < 0.3
    high.paused, high.keyframe_wanted = False, True
    world.run(5.0)
    assert showing(world, receiver) == "h" and receiver.slots[0].reason is Reason.NONE
    check_numbers(receiver)


@pytest.mark.parametrize("seed", [1, 7, 8])
def test_slides_go_before_the_picture(seed):
    """On a link that carries little else their keyframes are paced, and do not make them too large for it."""
    world = World(seed)
    world.publish(*layers(), slides(payload_bytes=800, packets_per_keyframe=30, packets_per_frame=6), mic())
    link = Conditions(delay_s=0.02, rate_bps=4e5, queue_bytes=40_000)  # the slides take 190 kbit/s
    receiver = world.receive(Label.CAMERA, Label.SLIDES, Label.MIC, up=UP, down=link, twcc=True)
    world.run(20.0)
    began_s = world.now
    world.run(20.0)
    camera, shown, sound = receiver.receptions
    assert longest_gap_s(shown, began_s, world.now - 0.5) < 1.0
    assert showing(world, receiver) in ("", "l") and receiver.slots[0].reason is Reason.BANDWIDTH
    assert receiver.slots[1].reason is Reason.NONE
    assert longest_gap_s(sound, began_s, world.now - 0.5) < 0.3 and camera.conflicts == []


@pytest.mark.parametrize("way_s", [0.02, 0.15, 0.3])
def test_a_layer_that_was_paused_is_waited_for_as_long_as_it_takes_to_come(way_s):
    """The publisher is far away: the picture that is there goes on until the better one comes."""
    world = World(15)
    publisher = world.publish(
        *layers(keyframe_every=50), mic(), up=Conditions(delay_s=way_s), down=Conditions(delay_s=way_s)
    )
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=Conditions(delay_s=0.02, rate_bps=5e5), twcc=True)
    world.run(20.0)
    assert publisher.streams[1000].paused and showing(world, receiver) in ("m", "l")
    receiver.downlink_path.conditions = LINK
    at_s = world.now
    world.run(20.0)
    assert showing(world, receiver) == "h"
    assert longest_gap_s(receiver.receptions[0], at_s, world.now - 0.1) < 0.3
    resumed = [kind for _, kind in publisher.streams[1000].pauses]
    assert resumed.count(PauseType.RESUME) == 1, "it is asked once, and then waited for"


def test_a_screen_that_stands_still_keeps_its_best_layer():
    """Encoders send next to nothing of it: a picture a second, or less. That is no reason for a smaller one."""
    world = World(17)
    publisher = world.publish(*layers(keyframe_every=0), mic())
    receiver = world.receive(Label.CAMERA, Label.MIC, up=UP, down=LINK, twcc=True)
    world.run(15.0)
    assert showing(world, receiver) == "h"
    for sending in publisher.streams.values():
        if sending.stream.video:
            sending.stream.interval_s = 1.4
    seen = set()
    for _ in range(100):
        world.run(0.2)
        seen.add(showing(world, receiver))
    assert seen == {"h"} and receiver.slots[0].reason is Reason.NONE
