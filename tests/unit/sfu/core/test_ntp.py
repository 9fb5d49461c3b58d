"""NTP times."""

import pytest

from classroom.sfu.core.ntp import FRACTION, NTP_EPOCH_OFFSET_S, ntp_to_unix, seconds_to_ntp, unix_to_ntp


def test_the_unix_epoch_in_ntp():
    assert unix_to_ntp(0) == NTP_EPOCH_OFFSET_S * FRACTION


@pytest.mark.parametrize("unix_s", [0.0, 0.5, 1_700_000_000.125, 2_085_978_495.75])
def test_there_and_back(unix_s):
    assert ntp_to_unix(unix_to_ntp(unix_s)) == pytest.approx(unix_s, abs=1e-6)


def test_the_second_era_wraps_and_still_fits_64_bits():
    rollover_s = 2**32 - NTP_EPOCH_OFFSET_S  # 2036-02-07 06:28:16 UTC
    assert unix_to_ntp(rollover_s + 1) == FRACTION
    assert seconds_to_ntp(-1.0) == (2**32 - 1) * FRACTION
