"""When and how fast copies are delivered, in virtual time."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from classroom.capture.copy.left_over import CALM_S, FIRST_BPS, FIRST_WAIT_S, LAST_WAIT_S, SHARE, LeftOver
from classroom.capture.copy.schedule import BadUpload, Mode, Upload, parse_upload
from classroom.capture.copy.settings import BadCopyOption, copy_settings, parse_amount
from classroom.capture.uplink import UplinkState

CALM, DISTURBED = UplinkState(2_000_000, disturbed=False), UplinkState(2_000_000, disturbed=True)


@pytest.mark.parametrize(
    ("text", "sending", "local", "allowed"),
    [
        ("idle", False, time(9), True),
        ("idle", True, time(9), False),
        ("now", True, time(9), True),
        ("12:00-13:30", False, time(12), True),
        ("12:00-13:30", False, time(13, 30), False),
        ("12:00-13:30", True, time(12, 30), False),  # a lesson is never disturbed
        ("22:00-06:00", False, time(23), True),
        ("22:00-06:00", False, time(5, 59), True),
        ("22:00-06:00", False, time(12), False),
        ("08:00-08:00", False, time(12), True),
    ],
)
def test_when_a_delivery_may_go_on(text: str, sending: bool, local: time, allowed: bool) -> None:
    assert parse_upload(text).allows(sending, local) is allowed


@pytest.mark.parametrize("text", ["", "later", "24:00-06:00", "22:00", "22:00-6:00", "NOW"])
def test_what_nobody_can_mean_is_refused_in_two_languages(text: str) -> None:
    with pytest.raises(BadUpload, match=r"请写 idle.*such as 22:00-06:00"):
        parse_upload(text)


def test_options_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    kept = copy_settings(None, "20GB", "idle", None)
    assert kept is not None and kept.folder == Path("/data/lianti/copies")
    assert (kept.limit_bytes, kept.upload, kept.rate_bps) == (20_000_000_000, Upload(Mode.IDLE), None)
    kept = copy_settings("/mnt/usb", "500 MB", "now", "4M")
    assert kept is not None and (kept.folder, kept.limit_bytes, kept.rate_bps) == (Path("/mnt/usb"), 5 * 10**8, 4e6)
    assert copy_settings("off", "20GB", "idle", None) is None
    assert parse_amount("1.5Mbit/s") == 1_500_000
    for size, rate in (("a lot", None), ("1MB", None), ("20GB", "-1"), ("20GB", "0")):
        with pytest.raises(BadCopyOption):
            copy_settings(None, size, "idle", rate)


def test_a_delivery_beside_a_lesson_takes_half_of_what_is_left_and_grows_slowly_to_it() -> None:
    left_over = LeftOver()
    rates = [left_over.rate_bps(CALM, tick / 10) for tick in range(100)]
    assert rates[0] == FIRST_BPS and rates[10] == pytest.approx(2 * FIRST_BPS) and rates[-1] == SHARE * 2_000_000
    assert left_over.rate_bps(UplinkState(400_000, disturbed=False), 10.1) == 200_000, "down at once"
    assert left_over.rate_bps(UplinkState(100_000, disturbed=False), 10.2) == 0, "not worth while"
    assert left_over.rate_bps(None, 10.3) == 0, "nothing is known of the uplink"


def test_it_stops_at_the_first_disturbance_and_waits_longer_after_each() -> None:
    left_over, now_s, waits = LeftOver(), 0.0, []
    for _ in range(6):
        assert left_over.rate_bps(CALM, now_s) > 0
        stopped_s = now_s = now_s + 1
        assert left_over.rate_bps(DISTURBED, now_s) == 0
        while left_over.rate_bps(CALM, now_s) == 0:
            now_s += 0.5
        waits.append(now_s - stopped_s)
    assert waits[:3] == pytest.approx([FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S], abs=0.5)
    assert waits == sorted(waits) and waits[-1] == pytest.approx(LAST_WAIT_S, abs=1)
    now_s += LAST_WAIT_S + CALM_S
    assert left_over.rate_bps(CALM, now_s) > 0
    left_over.rate_bps(DISTURBED, now_s)
    assert left_over.rate_bps(CALM, now_s + FIRST_WAIT_S + 0.1) > 0, "it was calm for long: the wait is short again"


def test_a_disturbance_that_lasts_keeps_it_waiting() -> None:
    left_over = LeftOver()
    left_over.rate_bps(CALM, 0.0)
    for tick in range(200):
        assert left_over.rate_bps(DISTURBED, 1 + tick / 10) == 0
    assert left_over.rate_bps(CALM, 21.2) == 0 and left_over.rate_bps(CALM, 21 + FIRST_WAIT_S) > 0
