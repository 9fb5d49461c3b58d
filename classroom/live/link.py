"""What a person should know of the link of a classroom: good, fair or poor, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from classroom.messages import LinkView
from classroom.model import TrackKind
from classroom.sfu.core.layers import Reason

if TYPE_CHECKING:
    from classroom.model import ParticipantId
    from classroom.sfu.core.stats import LessonStats, ReceiverStats

# Voice stands 5 % of loss with NACK and RED unnoticed, and a delay at which people begin to talk across each other is
# about 400 ms (ITU-T G.114): half of it is this link's.
FAIR_LOSS, POOR_LOSS = 0.02, 0.10
FAIR_RTT_S, POOR_RTT_S = 0.2, 0.5
FAIR_QUEUE_S, POOR_QUEUE_S = 0.1, 0.3


# What is worth telling: a number that moves less says nothing new to whoever watches a wall of classrooms.
STEP_RTT_MS, STEP_LOSS_PERCENT, STEP_SHARE = 20, 1.0, 0.25


class Link(StrEnum):
    """How a link is, in a word."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


class Cause(StrEnum):
    """What is wrong with it, the gravest first."""

    NO_PICTURE = "no_picture"
    LOSS = "loss"
    QUEUE = "queue"
    DISTANCE = "distance"
    SMALLER_PICTURE = "smaller_picture"
    PUBLISHER = "publisher"
    NO_KEYFRAME = "no_keyframe"
    NONE = "none"


WORDS: dict[Link, tuple[str, str]] = {
    Link.GOOD: ("好", "good"),
    Link.FAIR: ("一般", "fair"),
    Link.POOR: ("差", "poor"),
}
CAUSES: dict[Cause, tuple[str, str]] = {
    Cause.NO_PICTURE: ("带宽不足，画面已暂停，只保留声音", "too little bandwidth: pictures are paused, sound goes on"),
    Cause.LOSS: ("丢包", "packet loss"),
    Cause.QUEUE: ("线路拥塞，数据在排队", "the link is congested: data wait in a queue"),
    Cause.DISTANCE: ("往返时延长", "long round trip"),
    Cause.SMALLER_PICTURE: ("带宽不足，画面已降低清晰度", "too little bandwidth: a smaller picture is sent"),
    Cause.PUBLISHER: ("发送端只发来较小的画面", "the sender sends only a smaller picture"),
    Cause.NO_KEYFRAME: ("正在等待发送端的关键帧", "waiting for a keyframe of the sender"),
    Cause.NONE: ("", ""),
}
"""In Chinese and English."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the link of a receiver is, and the gravest cause."""

    link: Link
    cause: Cause


def judge(receiver: ReceiverStats) -> Verdict:
    """What to say of a receiver's link."""
    pictures = [slot for slot in receiver.slots if slot.kind is TrackKind.VIDEO and slot.layers]
    short = [slot for slot in pictures if slot.reason is Reason.BANDWIDTH]
    reasons = {slot.reason for slot in pictures}
    queue_s = receiver.queue_delay_s or 0.0
    checks = (
        (Cause.NO_PICTURE, Link.POOR, any(slot.layer is None for slot in short)),
        (Cause.LOSS, Link.POOR, receiver.loss >= POOR_LOSS),
        (Cause.QUEUE, Link.POOR, queue_s >= POOR_QUEUE_S),
        (Cause.DISTANCE, Link.POOR, receiver.rtt_s >= POOR_RTT_S),
        (Cause.LOSS, Link.FAIR, receiver.loss >= FAIR_LOSS),
        (Cause.QUEUE, Link.FAIR, queue_s >= FAIR_QUEUE_S),
        (Cause.SMALLER_PICTURE, Link.FAIR, bool(short)),
        (Cause.DISTANCE, Link.FAIR, receiver.rtt_s >= FAIR_RTT_S),
        # What follows is not for the link to answer.
        (Cause.PUBLISHER, Link.GOOD, Reason.UPLINK in reasons),
        (Cause.NO_KEYFRAME, Link.GOOD, Reason.NO_KEYFRAME in reasons),
    )
    return next((Verdict(link, cause) for cause, link, holds in checks if holds), Verdict(Link.GOOD, Cause.NONE))


def links_of(stats: LessonStats) -> dict[ParticipantId, LinkView]:
    """The links of all who receive, of several sessions of one the worst."""
    links: dict[ParticipantId, LinkView] = {}
    for receiver in stats.receivers:
        who = receiver.participant_id
        if who:  # else the recorder, or another worker
            view = _view_of(receiver)
            links[who] = min(view, links.get(who, view), key=_gravity)
    return links


def is_news(before: LinkView | None, after: LinkView | None) -> bool:
    """Whether a link has changed so that people should be told."""
    if before is None or after is None:
        return before is not after
    rtt_step_ms = max(STEP_RTT_MS, STEP_SHARE * before.rtt_ms)
    return (
        (before.word, before.cause) != (after.word, after.cause)
        or abs(after.rtt_ms - before.rtt_ms) > rtt_step_ms
        or abs(after.loss_percent - before.loss_percent) > STEP_LOSS_PERCENT
        or abs(after.down_kbps - before.down_kbps) > STEP_SHARE * before.down_kbps
    )


def _view_of(receiver: ReceiverStats) -> LinkView:
    verdict = judge(receiver)
    return LinkView(
        word=verdict.link.value,
        cause=verdict.cause.value,
        rtt_ms=round(receiver.rtt_s * 1000),
        loss_percent=round(receiver.loss * 100, 1),
        down_kbps=round((receiver.estimate_bps or receiver.bitrate_bps) / 1000),
    )


def _gravity(view: LinkView) -> tuple[int, int]:
    return (list(Link)[::-1].index(Link(view.word)), list(Cause).index(Cause(view.cause)))
