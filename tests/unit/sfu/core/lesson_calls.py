"""A LessonMedia with one publisher of one camera (SSRC 77) and one receiver (SSRC 9), driven call by call."""

import random
from itertools import groupby

from classroom.model import Label, ParticipantId, SessionId, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.peers import IncomingMedia, Slot
from classroom.sfu.core.rtp import build_rtp

UP, DOWN = SessionId("up"), SessionId("down")
IDR, SLICE = b"\x65" + bytes(9), b"\x41" + bytes(9)
SINK = object()


def lesson() -> LessonMedia:
    rng = random.Random(1)
    return LessonMedia(lambda: rng.getrandbits(32), 1_700_000_000.0, "sfu")


def with_publisher(**options) -> LessonMedia:
    media = lesson()
    section = {"ssrc": 77, "nack": True} | options
    incoming = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, **section)
    media.add_publisher(UP, ParticipantId("t"), SINK, [incoming], str, 0.0)
    return media


def with_receiver(media: LessonMedia, wish: SlotWish = SlotWish.PROGRAMME) -> DownTrack:
    down = DownTrack(SINK, ssrc=9, pt=102, clock_rate_hz=90_000)
    media.add_receiver(DOWN, ParticipantId("v"), SINK, [Slot(TrackKind.VIDEO, wish, down)], 0.0)
    return down


def frame(seq: int, payload: bytes = SLICE, ssrc: int = 77, pt: int = 96) -> bytes:
    return build_rtp(pt=pt, seq=seq, ts=seq * 3000, ssrc=ssrc, payload=payload, marker=True)


def feed(media: LessonMedia, *packets: bytes, now: float = 0.0) -> None:
    for data in packets:
        media.receive(UP, data, now)


def drained(media: LessonMedia) -> list[tuple[list[int], int]]:
    """(sequence numbers, how many get them) of each batch."""
    media.take_rtcp()
    batches = groupby(media.take_bursts(), key=lambda burst: [packet.seq for packet in burst.packets])
    return [(seqs, len(list(bursts))) for seqs, bursts in batches]


def feedback(media: LessonMedia) -> list[rtcp.Rtcp]:
    return [packet for _, data in media.take_rtcp() for packet in rtcp.parse_rtcp(data)]
