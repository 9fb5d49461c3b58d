"""Bits per second, whenever one asks."""

import pytest

from classroom.sfu.core.meter import BUCKET_S, BUCKETS, KEYFRAME_WINDOW_S, BitrateMeter, StreamMeter


def test_nothing_came():
    assert BitrateMeter().bps(5.0) == 0.0


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.9, 2.0, 2.1, 7.77, 100.0])
def test_an_even_stream(seconds):
    meter = BitrateMeter()
    for n in range(round(seconds * 100)):
        meter.add(1000, n / 100)
    assert meter.bps(seconds) == pytest.approx(800_000, rel=0.1)


def test_a_keyframe_every_two_seconds_does_not_show():
    meter = BitrateMeter()
    rates = []
    for n in range(1000):
        meter.add(20_000 if n % 50 == 0 else 1000, n / 25)
        if n > 60:
            rates.append(meter.bps(n / 25))
    assert max(rates) / min(rates) < 1.35


def test_silence():
    meter = BitrateMeter()
    meter.add(1000, 0.0)
    assert meter.bps(BUCKETS * BUCKET_S - 0.01) > 0
    assert meter.bps(BUCKETS * BUCKET_S + BUCKET_S) == 0.0
    assert meter.bps(1e9) == 0.0


def test_a_keyframe_now_and_then_is_spread():
    meter = StreamMeter()
    assert meter.bps(9.0) == 0.0
    meter.add(24_000, 10.0, keyframe=True)
    assert meter.bps(10.0) == pytest.approx(24_000 * 8 / KEYFRAME_WINDOW_S)
    for step in range(1, 101):
        meter.add(2500, 10.0 + 0.1 * step)
        if step == 40:
            assert meter.bps(14.0) == pytest.approx(200e3 + 24e3, rel=0.06)
    assert meter.bps(20.0) == pytest.approx(200e3, rel=0.06)
