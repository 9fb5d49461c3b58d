"""What leaves when, and what never leaves."""

import pytest

from classroom.sfu.core.pacer import (
    BURST_S,
    KEYFRAME_STALE_S,
    MAX_QUEUE_BYTES,
    MAX_RESENDS,
    PICTURE_STALE_S,
    RESEND_STALE_S,
    SLIDES_STALE_S,
    Pacer,
    Priority,
)

RATE_BPS = 800_000.0  # 1000 bytes in 10 ms
VOICE, RESEND, SLIDES, PICTURE, PROBE = Priority


def pacer(resend_bps: float = RATE_BPS) -> Pacer[str]:
    made: Pacer[str] = Pacer(RATE_BPS, resend_bps)
    return made


def full(now: float = 100.0, resend_bps: float = RATE_BPS) -> Pacer[str]:
    """A pacer whose bucket is used up until a second later."""
    made = pacer(resend_bps)
    assert made.push("first", 100_000 + int(BURST_S * RATE_BPS / 8), PICTURE, "other", now)
    return made


def drained(made: Pacer[str], now: float, until: float) -> list[tuple[float, str]]:
    out = []
    while (at := made.next_timeout()) is not None and at <= until:
        now = max(now, at)
        out += [(round(now - 100, 3), item) for item in made.due(now)]
    return out


def test_what_fits_passes_at_once():
    made = pacer()
    assert made.push("a", 1000, PICTURE, "s", 100.0)
    assert made.push("b", 1000, PICTURE, "s", 100.0)  # 10 ms at once, and one that overdraws
    assert not made.push("c", 1000, PICTURE, "s", 100.0)
    assert made.due(100.0) == [] and made.queued_bytes == 1000
    assert made.next_timeout() == pytest.approx(100.01)
    assert made.due(100.0101) == ["c"]
    assert made.queued_bytes == 0 and made.next_timeout() is None and made.due(101.0) == []


def test_the_rate_holds_in_the_long_run():
    made = pacer()
    for number in range(50):
        if made.push(str(number), 1000, SLIDES, "s", 100.0):
            assert number < 2
    left = drained(made, 100.0, 200.0)
    assert [item for _, item in left] == [str(number) for number in range(2, 50)]
    assert left[-1][0] == pytest.approx(0.48, abs=0.001)


def test_voice_passes_whatever_waits_and_costs_the_others_nothing():
    made = full()
    assert not made.push("picture", 1000, PICTURE, "s", 100.9)
    for _ in range(1000):
        assert made.push("voice", 200, VOICE, "mic", 100.9)
    assert made.due(101.001) == ["picture"]


def test_better_priorities_leave_first():
    made = full()
    for item, priority in (("probe", PROBE), ("picture", PICTURE), ("slides", SLIDES), ("resend", RESEND)):
        assert not made.push(item, 1000, priority, item, 100.9)
    assert [item for _, item in drained(made, 100.9, 200.0)] == ["resend", "slides", "picture", "probe"]


@pytest.mark.parametrize(
    ("waiting", "coming", "passes"),
    [
        pytest.param(PICTURE, SLIDES, True, id="slides before pictures"),
        pytest.param(SLIDES, SLIDES, False, id="in the order they came"),
        pytest.param(SLIDES, PICTURE, False, id="pictures after slides"),
        pytest.param(PROBE, PICTURE, True, id="pictures before probes"),
        pytest.param(PICTURE, RESEND, True, id="resends before pictures"),
    ],
)
def test_what_comes_when_the_bucket_is_free_but_something_waits(waiting, coming, passes):
    made = full()
    assert not made.push("waits", 1000, waiting, "a", 100.8)
    assert made.push("comes", 1000, coming, "b", 101.001) == passes


def test_resends_keep_to_their_share():
    made = pacer(resend_bps=RATE_BPS / 4)
    passed = 0
    for step in range(200):
        passed += made.push("r", 1000, RESEND, "s", 100.0 + step / 100) + len(made.due(100.0 + step / 100))
    assert 60 <= passed <= 66  # a quarter of 2 s, half a second of that share at once, and one that overdraws


def test_resends_that_may_not_leave_hold_nobody_up():
    made = pacer(resend_bps=RATE_BPS / 100)
    while made.push("r", 1000, RESEND, "s", 100.0):
        pass
    assert made.push("picture", 1000, PICTURE, "s", 100.1)
    assert made.due(100.1) == []


def test_too_many_resends_are_dropped():
    made = full()
    for _ in range(MAX_RESENDS + 5):
        assert not made.push("r", 100, RESEND, "s", 100.0)
    assert made.dropped_items == 5 and made.queued_bytes == 100 * MAX_RESENDS
    assert made.take_stalled() == set()


def test_resends_that_have_waited_too_long_are_dropped_alone():
    made = full()
    made.push("r", 1000, RESEND, "s", 100.0)
    made.push("picture", 1000, PICTURE, "s", 100.9)
    assert made.due(100.0 + RESEND_STALE_S + 0.61) == ["picture"]
    assert made.dropped_items == 1 and made.take_stalled() == set()


@pytest.mark.parametrize(("priority", "stale_s"), [(PICTURE, PICTURE_STALE_S), (SLIDES, SLIDES_STALE_S)])
def test_a_stream_whose_pictures_wait_too_long_stalls(priority, stale_s):
    made = pacer()
    made.push("first", 1_000_000, PICTURE, "other", 100.0)
    for number in range(3):
        assert not made.push(f"a{number}", 1000, priority, "a", 100.0 + number / 100)
    assert not made.push("b", 1000, priority, "b", 100.0 + stale_s)
    assert made.due(100.0 + stale_s) == [] and made.take_stalled() == set()
    assert made.due(100.001 + stale_s) == []
    assert made.dropped_items == 3 and made.queued_bytes == 1000
    assert not made.push("more of it", 1000, priority, "a", 100.002 + stale_s)
    assert made.dropped_items == 4 and made.queued_bytes == 1000
    assert made.push("voice", 1000, VOICE, "a", 100.002 + stale_s)
    assert not made.push("resend", 1000, RESEND, "a", 100.002 + stale_s) and made.queued_bytes == 2000
    assert made.take_stalled() == {"a"} and made.take_stalled() == set()
    assert not made.push("keyframe", 1000, priority, "a", 100.003 + stale_s) and made.queued_bytes == 3000


def test_a_stalled_stream_does_not_keep_others_from_passing():
    made = full()
    made.push("a", 1000, PICTURE, "a", 100.0)
    assert made.due(101.1) == [] and made.queued_bytes == 0
    assert made.push("b", 1000, PICTURE, "b", 101.1)
    assert not made.push("a", 1000, PICTURE, "a", 101.2)


def test_a_keyframe_and_what_follows_it_may_take_longer():
    made = pacer()
    made.push("first", 120_000, PICTURE, "other", 100.0)  # 1.2 s
    assert not made.push("key", 1000, PICTURE, "a", 100.0, keyframe=True)
    assert not made.push("delta", 1000, PICTURE, "a", 100.1)
    left = [item for _, item in drained(made, 100.0, 110.0)]
    assert left == ["key", "delta"] and made.take_stalled() == set()
    made.push("first", 300_000, PICTURE, "other", 120.0)
    assert not made.push("delta", 1000, PICTURE, "a", 120.0)  # the queue was empty in between: 0.4 s again
    assert made.due(124.0) == [] and made.take_stalled() == {"a"}


def test_not_even_a_keyframe_may_wait_for_ever():
    made = full()
    made.push("first", 300_000, VOICE, "other", 100.0)
    made.push("key", 1000, PICTURE, "a", 100.0, keyframe=True)
    assert made.due(100.001 + KEYFRAME_STALE_S) == [] and made.take_stalled() == {"a"}


def test_the_queue_is_bounded():
    made = full()
    size = MAX_QUEUE_BYTES // 10
    for number in range(10):
        made.push(str(number), size, PICTURE, "a", 100.0)
    assert made.queued_bytes == 10 * size
    assert not made.push("probe", size, PROBE, "p", 100.0)
    assert made.dropped_items == 1 and made.take_stalled() == set()
    assert not made.push("b", size, PICTURE, "b", 100.0)
    assert made.take_stalled() == {"b"} and made.queued_bytes == 10 * size
    assert not made.push("a", size, PICTURE, "a", 100.0)
    assert made.take_stalled() == {"a"} and made.queued_bytes == 0


def test_probes_that_are_not_needed_any_more_go():
    made = full()
    for _ in range(3):
        made.push("probe", 1000, PROBE, "p", 100.0)
    made.push("picture", 1000, PICTURE, "a", 100.8)
    made.drop_probes()
    assert made.queued_bytes == 1000
    assert [item for _, item in drained(made, 100.9, 200.0)] == ["picture"]


def test_rates_can_change():
    made = pacer()
    made.set_rates(8 * RATE_BPS, RATE_BPS, 0.0)
    assert made.push("a", 1000, PICTURE, "s", 100.0)
    assert not made.push("b", 1000, PICTURE, "s", 100.0)
    assert made.next_timeout() == pytest.approx(100.00125)


def test_when_only_resends_wait_their_share_tells_the_time():
    made = pacer(resend_bps=RATE_BPS / 100)
    while made.push("r", 1000, RESEND, "s", 100.0):
        pass
    assert made.next_timeout() > 100.1
    made.due(100.02)
    assert made.next_timeout() > 100.1
