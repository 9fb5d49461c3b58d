"""When a publisher has begun to number anew."""

import pytest

from classroom.sfu.core.restart import RESTART_PACKETS, RestartDetector


@pytest.mark.parametrize(
    ("seqs", "restarts"),
    [
        (range(10, 10 + RESTART_PACKETS - 1), False),
        (range(10, 10 + RESTART_PACKETS), True),
        ([65_534, 65_535, 0, 1], True),
        ([10, 11, 12, 12, 13], False),
        ([10, 12, 14, 16, 18, 20], False),
        ([10, 11, 99, 12, 13], False),
        ([10, 11, 99, 12, 13, 14, 15], True),
    ],
)
def test_numbers_that_follow_each_other(seqs, restarts):
    detector = RestartDetector()
    assert [detector.unknown(seq) for seq in seqs][-1] is restarts
