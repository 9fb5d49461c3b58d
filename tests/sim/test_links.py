"""Whole lessons over links of all kinds: what test_bandwidth.py promises of the estimate, seen at the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classroom.model import Label
from tests.sim.netem import Conditions, Link
from tests.sim.publisher import layers, mic
from tests.sim.test_adaptation import longest_gap_s, showing
from tests.sim.world import World, check_numbers

DSL = Conditions(delay_s=0.02, rate_bps=2e6)


def lesson(conditions: Conditions, seed: int):
    """A camera in three layers and sound, and one receiver behind such a link."""
    world = World(seed)
    world.publish(*layers(), mic())
    receiver = world.receive(
        Label.CAMERA, Label.MIC, up=Conditions(delay_s=conditions.delay_s), down=conditions, twcc=True
    )  # fmt: skip
    receiver.downlink_path = Link(conditions, seed)
    return world, receiver


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("conditions", "within_s"),
    [
        pytest.param(DSL, 4, id="2 Mbit/s"),
        pytest.param(replace(DSL, loss=0.15), 8, id="15 % loss"),
        pytest.param(replace(DSL, jitter_s=0.1), 16, id="100 ms jitter"),
        pytest.param(replace(DSL, delay_s=0.3), 8, id="satellite"),
    ],
)
def test_the_best_layer_is_reached_and_kept(conditions, within_s, seed):
    world, receiver = lesson(conditions, seed)
    world.run(within_s)
    switches, layer = 0, showing(world, receiver)
    for _ in range(20):
        world.run(1.0)
        switches += showing(world, receiver) != layer
        layer = showing(world, receiver)
    camera, sound = receiver.receptions
    assert layer == "h" and switches <= 1
    assert receiver.downlink.dropped_items == 0 and receiver.downlink_path.overflowed == 0
    assert receiver.downlink.estimator.queue_delay_s <= 0.05
    assert longest_gap_s(sound, 110.0, world.now - 0.1) <= 0.25
    assert longest_gap_s(camera, 100.0 + within_s, world.now - 0.1) <= 0.25
    check_numbers(receiver)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_an_outage_the_lesson_goes_on_by_itself(seed):
    """Five seconds. Measured: pictures after 0.2 s, the best layer after 5.7 s."""
    world, receiver = lesson(replace(DSL, delay_s=0.05, outages=((115.0, 120.0),)), seed)
    world.run(20.0)
    camera = receiver.receptions[0]
    world.run(8.0)
    shown = [p.arrived_s for p in camera.decodable() if p.arrived_s >= 120.0]
    assert shown and shown[0] <= 122.0
    assert showing(world, receiver) == "h"
    check_numbers(receiver)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_thin_link_carries_sound_and_the_lowest_layer(seed):
    """300 kbit/s. Measured: no sound lost, the first guess costs five seconds of pictures at most."""
    world, receiver = lesson(replace(DSL, rate_bps=3e5), seed)
    world.run(30.0)
    camera, sound = receiver.receptions
    assert showing(world, receiver) == "l" and sound.gaps == 0
    assert longest_gap_s(camera, 108.0, world.now - 0.1) <= 0.5
    assert longest_gap_s(sound, 101.0, world.now - 0.1) <= 0.3
