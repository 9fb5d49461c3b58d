"""Durations counted by bounds."""

import pytest

from classroom.sfu.core.histogram import BOUNDS_S, Histogram, quantile_s


def test_what_is_counted_where():
    histogram = Histogram()
    for duration_s in (0.0, 0.0005, 0.0006, 0.3, 1.0, 7.0):
        histogram.observe(duration_s)
    counted = dict(zip((*BOUNDS_S, "more"), histogram.counts, strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {
        0.0005: 2,
        0.001: 1,
        0.5: 1,
        1.0: 1,
        "more": 1,
    }
    assert histogram.sum_s == pytest.approx(8.3011)


@pytest.mark.parametrize(
    ("durations_s", "share", "expected_s"),
    [
        ([], 0.5, None),
        ([0.0001] * 99 + [0.04], 0.99, 0.0005),
        ([0.0001] * 98 + [0.04] * 2, 0.99, 0.05),
        ([0.0001, 0.003], 0.5, 0.0005),
        ([0.003], 0.99, 0.005),
        ([9.0], 0.5, float("inf")),
    ],
)
def test_quantiles(durations_s, share, expected_s):
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.observe(duration_s)
    assert quantile_s(histogram.counts, share) == expected_s
