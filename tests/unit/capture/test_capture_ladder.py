"""Which layers there are, and who gets what of a thin uplink."""

from __future__ import annotations

import pytest

from classroom.capture.allocation import FIRST_WAIT_S, Allocator
from classroom.capture.ladder import ladder, rids
from classroom.capture.uplink import order_of_worth
from classroom.capture.video_encoder import Content, VideoFormat
from classroom.capture.video_layer import Demand
from classroom.model import Label


@pytest.mark.parametrize(
    ("source", "layers", "sizes"),
    [
        ((1280, 720), 3, [(1280, 720), (640, 360), (320, 180)]),
        ((1920, 1080), 3, [(1920, 1080), (960, 540), (480, 270)]),
        ((1280, 720), 2, [(1280, 720), (640, 360)]),
        ((1280, 720), 1, [(1280, 720)]),
        ((640, 480), 3, [(640, 480), (320, 240)]),
        ((606, 1080), 3, [(606, 1080), (302, 540)]),
        ((320, 240), 3, [(320, 240)]),
    ],
)
def test_each_layer_is_half_as_large_while_it_can_be_recognised(
    source: tuple[int, int], layers: int, sizes: list[tuple[int, int]]
) -> None:
    rungs = ladder(VideoFormat(*source, 25, Content.MOTION), layers)
    assert [(rung.width_px, rung.height_px) for rung in rungs] == sizes
    assert all(rung.fps == 25 and rung.content is Content.MOTION for rung in rungs)


def test_the_rates_of_the_usual_ladders() -> None:
    camera = [rung.bitrate_bps() for rung in ladder(VideoFormat(1280, 720, 25, Content.MOTION), 3)]
    slides = [rung.bitrate_bps() for rung in ladder(VideoFormat(1920, 1080, 5, Content.PAGES), 2)]
    assert camera == [1_200_000, 396_000, 131_000]
    assert slides == [800_000, 264_000]


def test_pages_have_no_layer_that_cannot_be_read() -> None:
    assert rids(Content.MOTION, 3) == ("h", "m", "l")
    assert rids(Content.PAGES, 3) == rids(Content.PAGES, 2) == ("h", "l")
    assert rids(Content.MOTION, 1) == ("h",)


def test_the_smallest_of_everything_is_worth_most_and_slides_before_camera() -> None:
    layers = [(Label.CAMERA, rung, 3) for rung in range(3)] + [(Label.SLIDES, rung, 2) for rung in range(2)]
    assert sorted(layers, key=lambda layer: order_of_worth(*layer)) == [
        (Label.SLIDES, 1, 2),
        (Label.CAMERA, 2, 3),
        (Label.SLIDES, 0, 2),
        (Label.CAMERA, 1, 3),
        (Label.CAMERA, 0, 3),
    ]
    assert len({order_of_worth(*layer) for layer in layers}) == 5


SLIDES_L, CAMERA_L, SLIDES_H = Demand(160, 264), Demand(80, 131), Demand(480, 800)
CAMERA_M, CAMERA_H = Demand(240, 396), Demand(720, 1200)
ALL = [SLIDES_L, CAMERA_L, SLIDES_H, CAMERA_M, CAMERA_H]


@pytest.mark.parametrize(
    ("available", "rates"),
    [
        (5000, [264, 131, 800, 396, 1200]),
        (2791, [264, 131, 800, 396, 1200]),
        (2000, [264, 131, 645, 240, 720]),  # all at their lowest first, then up in the order of worth
        (1500, [264, 131, 800, 305, None]),
        (800, [264, 131, None, 396, None]),  # what does not fit makes room for what does
        (300, [220, 80, None, None, None]),
        (100, [None, 100, None, None, None]),
        (50, [None] * 5),
    ],
)
def test_everybody_gets_the_least_first(available: float, rates: list[int | None]) -> None:
    given = Allocator().allocate(ALL, available, 0.0)
    assert given == rates
    assert sum(filter(None, given)) <= available


def test_what_nobody_needs_gets_nothing_and_leaves_its_share_to_others() -> None:
    assert Allocator().allocate([None, CAMERA_L, None, CAMERA_M, CAMERA_H], 2000, 0.0) == [None, 131, None, 396, 1200]


def test_a_layer_begins_with_headroom_and_stays_without() -> None:
    allocator = Allocator()
    assert allocator.allocate([CAMERA_H], 800, 0.0) == [None]
    assert allocator.allocate([CAMERA_H], 870, 1.0) == [870]
    assert allocator.allocate([CAMERA_H], 725, 2.0) == [725]
    assert allocator.allocate([CAMERA_H], 715, 3.0) == [None]


def test_a_layer_that_did_not_last_waits_longer_each_time() -> None:
    allocator = Allocator()
    stopped_s, waits_s = 0.0, []
    for _ in range(4):
        now_s = stopped_s
        while allocator.allocate([CAMERA_H], 1400, now_s) == [None]:
            now_s += 0.1
        waits_s.append(now_s - stopped_s)
        stopped_s = now_s + 1.0
        assert allocator.allocate([CAMERA_H], 500, stopped_s) == [None]
    assert waits_s == pytest.approx([0, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S, 8 * FIRST_WAIT_S], abs=0.2)
    now_s = stopped_s + 40.0
    assert allocator.allocate([CAMERA_H], 2000, now_s) == [1200]
    assert allocator.allocate([CAMERA_H], 500, now_s + 60.0) == [None]
    assert allocator.allocate([CAMERA_H], 1400, now_s + 60.1 + FIRST_WAIT_S) == [1200], "it has proved itself"
    assert allocator.allocate([CAMERA_H], 500, now_s + 65.0) == [None]
    assert allocator.allocate([CAMERA_H], 1450, now_s + 65.1) == [1200], "there is plenty: the link has come back"


def test_what_is_unwanted_meanwhile_is_not_held_against_it() -> None:
    allocator = Allocator()
    assert allocator.allocate([CAMERA_H], 2000, 0.0) == [1200]
    assert allocator.allocate([None], 2000, 1.0) == [None]
    assert allocator.allocate([CAMERA_H], 2000, 1.1) == [1200]
