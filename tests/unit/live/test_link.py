"""The word that a person reads about a link, and its cause."""

import pytest

from classroom.live.link import CAUSES, WORDS, Cause, Link, Verdict, judge
from classroom.model import ParticipantId, SessionId, SlotWish, TrackKind
from classroom.sfu.core.layers import Reason
from classroom.sfu.core.stats import ReceiverStats, SlotStats


def slot(layer=2, reason=Reason.NONE, kind=TrackKind.VIDEO, layers=3):
    return SlotStats(kind, SlotWish.CAMERA, "camera", layer, layers, 1e6, reason)


def receiver(*slots, loss=0.0, rtt_s=0.04, queue_delay_s=0.0):
    return ReceiverStats(
        SessionId("s"), ParticipantId("p"), 1e6, 1, 1, 0, loss, rtt_s, 2e6, queue_delay_s, 0, slots or (slot(),)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stats", "link", "cause"),
    [
        (receiver(), Link.GOOD, Cause.NONE),
        (receiver(queue_delay_s=None), Link.GOOD, Cause.NONE),
        (receiver(slot(layer=None, layers=0)), Link.GOOD, Cause.NONE),  # nobody publishes that
        (receiver(slot(None, Reason.BANDWIDTH)), Link.POOR, Cause.NO_PICTURE),
        (receiver(slot(0, Reason.BANDWIDTH)), Link.FAIR, Cause.SMALLER_PICTURE),
        (receiver(slot(0, Reason.BANDWIDTH), loss=0.15), Link.POOR, Cause.LOSS),
        (receiver(slot(0, Reason.BANDWIDTH), slot(None, Reason.BANDWIDTH), loss=0.5), Link.POOR, Cause.NO_PICTURE),
        (receiver(loss=0.019), Link.GOOD, Cause.NONE),
        (receiver(loss=0.02), Link.FAIR, Cause.LOSS),
        (receiver(loss=0.1), Link.POOR, Cause.LOSS),
        (receiver(loss=0.03, rtt_s=0.6), Link.POOR, Cause.DISTANCE),
        (receiver(rtt_s=0.3), Link.FAIR, Cause.DISTANCE),
        (receiver(queue_delay_s=0.15, rtt_s=0.3), Link.FAIR, Cause.QUEUE),
        (receiver(queue_delay_s=0.3), Link.POOR, Cause.QUEUE),
        (receiver(slot(1, Reason.UPLINK)), Link.GOOD, Cause.PUBLISHER),
        (receiver(slot(None, Reason.NO_KEYFRAME)), Link.GOOD, Cause.NO_KEYFRAME),
        (receiver(slot(None, Reason.BANDWIDTH, TrackKind.AUDIO, 1)), Link.GOOD, Cause.NONE),  # voice is not suspended
    ],
)
def test_verdicts(stats, link, cause):
    assert judge(stats) == Verdict(link, cause)


def test_everything_has_a_text_in_both_languages():
    assert set(WORDS) == set(Link) and set(CAUSES) == set(Cause)
    for texts in (*WORDS.values(), *(text for cause, text in CAUSES.items() if cause is not Cause.NONE)):
        assert len(texts) == 2 and all(texts)
