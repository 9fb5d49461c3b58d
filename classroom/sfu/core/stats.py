"""What is the case in the media of a lesson, as plain values: for monitoring, fit for pickle and JSON."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.model import (  # noqa: TC001 - workers' messages are made from these annotations
    Label,
    LessonId,
    ParticipantId,
    PublicationId,
    SessionId,
    SlotWish,
    TrackKind,
)
from classroom.sfu.core.layers import Reason  # noqa: TC001


@dataclass(frozen=True, slots=True)
class LayerStats:
    """One received stream. ``loss`` (0…1) and ``bitrate_bps`` are recent, the other numbers totals."""

    rid: str
    width_px: int
    height_px: int
    bitrate_bps: float
    loss: float
    packets: int
    lost: int
    duplicates: int
    keyframes: int
    keyframe_requests: int
    receivers: int
    paused: bool  # we have asked for it: nobody takes it


@dataclass(frozen=True, slots=True)
class PublicationStats:
    """What a publisher sends; layers in ascending order."""

    id: PublicationId
    participant_id: ParticipantId
    label: Label
    kind: TrackKind
    name: str
    live: bool
    rtt_s: float
    layers: tuple[LayerStats, ...]


@dataclass(frozen=True, slots=True)
class SlotStats:
    """What a place of a receiver shows: ``layer`` counts from 0, the smallest, None while nothing flows.

    ``reason`` tells why it is not the best that there is.
    """

    kind: TrackKind
    wish: SlotWish
    publication: str | None  # by name
    layer: int | None
    layers: int
    bitrate_bps: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class ReceiverStats:
    """One receiving session. What its link does not tell is None."""

    session_id: SessionId
    participant_id: ParticipantId
    bitrate_bps: float
    packets: int
    octets: int
    resent_packets: int
    loss: float
    rtt_s: float
    estimate_bps: float | None
    queue_delay_s: float | None
    dropped_packets: int  # by its pacer: they would have come too late
    slots: tuple[SlotStats, ...]


@dataclass(frozen=True, slots=True)
class LessonStats:
    """One lesson. ``delay_counts`` and ``delay_sum_s`` are a Histogram of what forwarding took, a batch each."""

    lesson: LessonId
    publications: tuple[PublicationStats, ...]
    receivers: tuple[ReceiverStats, ...]
    dropped: dict[str, int]  # received packets that were not forwarded, by reason
    delay_counts: tuple[int, ...]
    delay_sum_s: float
