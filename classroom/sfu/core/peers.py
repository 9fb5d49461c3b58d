"""Who is connected to a lesson's media: publishers with their UpTracks, receivers with their slots."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from classroom.sfu.core.budget import ByteBudget
from classroom.sfu.core.capture_clock import PublisherClock
from classroom.sfu.core.layers import LayerSelector, Reason
from classroom.sfu.core.routing import Routes
from classroom.sfu.core.twcc import Arrivals
from classroom.sfu.core.up_track import DIRECTED_SPACING_S, SPACING_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classroom.model import Label, ParticipantId, Publication, PublicationId, SessionId, SlotWish, TrackKind
    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.downlink import Downlink
    from classroom.sfu.core.sink import Burst, Resend, Sink
    from classroom.sfu.core.up_track import UpTrack

DEFAULT_RTT_S = 0.1
# What NACKs may draw: a fifth of 8 Mbit/s lost and repaired, and a burst after a short outage. Without a bound a
# receiver could have everything sent to it many times over.
RESEND_RATE_BPS = 2_000_000
RESEND_BURST_BYTES = 512 * 1024
CATCH_UP_S = 0.3
CATCH_UP_BYTES = 64_000  # two seconds of a small picture


@dataclass(slots=True)
class Encoding:
    """One stream of an m-section: the only one, or with simulcast one of several of the same picture."""

    rid: str  # "" without simulcast
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    track: UpTrack | None = None
    needed_at_s: float = 0.0  # somebody took it, or waited for it
    paused: bool = False  # we have asked for it
    pause_id: int = 0
    told_at_s: float = float("-inf")
    resumed_at_s: float = float("-inf")  # when it was told to go on; from then on it is on its way


@dataclass(slots=True)
class IncomingMedia:
    """One m-section of a publisher, which becomes a publication with its first packet.

    With ``rids`` it has an encoding for each; else there is one, whose SSRCs may be known beforehand. ``pause``: the
    publisher can be told to pause an encoding (RFC 7728). ``replaced`` when another session of the participant has
    taken the publication over: what still comes is dropped. ``relayed`` is the publication that it is elsewhere and
    so here, too.
    """

    mid: str
    kind: TrackKind
    label: Label
    pt: int
    clock_rate_hz: int
    rtx_pt: int | None = None
    ssrc: InitVar[int | None] = None
    rtx_ssrc: InitVar[int | None] = None
    rids: InitVar[Sequence[str]] = ()
    nack: bool = False
    pause: bool = False
    mid_ext: int = 0
    rid_ext: int = 0
    rrid_ext: int = 0
    twcc_ext: int = 0
    audio_level_ext: int = 0
    capture_time_ext: int = 0
    encodings: list[Encoding] = field(init=False)
    relayed: Publication | None = None
    publication: Publication | None = None
    live: bool = False
    replaced: bool = False

    def __post_init__(self, ssrc: int | None, rtx_ssrc: int | None, rids: Sequence[str]) -> None:
        self.encodings = [Encoding(rid) for rid in rids] or [Encoding("", ssrc, rtx_ssrc)]

    @property
    def layers(self) -> list[UpTrack]:
        """The tracks that have come, the smallest picture first."""
        tracks = [encoding.track for encoding in self.encodings if encoding.track is not None]
        tracks.reverse()  # where sizes are not known yet, the offer's order tells: best first
        return sorted(tracks, key=lambda track: track.pixels)

    @property
    def flowing(self) -> list[UpTrack]:
        """Those of the layers that are sent now, as far as anybody has said."""
        sent = {id(e.track) for e in self.encodings if not e.paused}
        return [layer for layer in self.layers if id(layer) in sent and not layer.stopped]


@dataclass(slots=True)
class Publisher:
    """A publishing session. ``name_for`` gives a label its publication name; ``ssrc`` is ours in reports to it."""

    session_id: SessionId
    participant_id: ParticipantId
    sink: Sink
    media: list[IncomingMedia]
    name_for: Callable[[Label], str]
    ssrc: int
    routes: Routes = field(init=False)
    clock: PublisherClock = field(default_factory=PublisherClock)
    rtt_s: float = DEFAULT_RTT_S
    next_report_at_s: float = 0.0
    arrivals: Arrivals | None = None
    early_reports: dict[int, tuple[int, float, float]] = field(default_factory=dict)  # ssrc: (rtp ts, sent, arrived)

    def __post_init__(self) -> None:
        self.routes = Routes(self.media)
        if any(media.twcc_ext for media in self.media):
            self.arrivals = Arrivals(self.ssrc)

    @property
    def tracks(self) -> list[UpTrack]:
        """What has come of it."""
        return [e.track for media in self.media for e in media.encodings if e.track is not None]


@dataclass(slots=True)
class Slot:
    """A fixed place on a receiver's screen or loudspeaker. ``pinned`` overrides its wish.

    A tile shows the publication that is called ``named``. With ``encoding`` it takes this one only, whatever the
    link carries.

    ``media`` is what it shows, in the layer that its DownTrack takes; ``reason`` why that is not the best there is.
    """

    kind: TrackKind
    wish: SlotWish
    down: DownTrack
    pinned: PublicationId | None = None
    encoding: Encoding | None = None
    media: IncomingMedia | None = None
    steered: IncomingMedia | None = None  # of which its layer was chosen
    named: str = ""
    reason: Reason = Reason.NONE

    @property
    def layers(self) -> list[UpTrack]:
        """Those of what it shows, the smallest picture first."""
        return [] if self.media is None else self.media.layers


@dataclass(slots=True)
class Receiver:
    """A receiving session. ``follow_all`` gives it a slot for every publication (a recorder).

    With ``every_layer``, too, it has one for each of the encodings (another worker, which serves links of its own).
    """

    session_id: SessionId
    participant_id: ParticipantId
    sink: Sink
    slots: list[Slot]
    added_at_s: float
    follow_all: bool = False
    every_layer: bool = False
    downlink: Downlink[Burst | Resend] | None = None
    rtt_s: float = DEFAULT_RTT_S
    next_report_at_s: float = 0.0
    next_measure_at_s: float = 0.0
    fraction_lost: float = 0.0
    layers: LayerSelector = field(default_factory=LayerSelector)
    resends: ByteBudget = field(default_factory=lambda: ByteBudget(RESEND_RATE_BPS, RESEND_BURST_BYTES))

    @property
    def catch_up_bytes(self) -> float:
        """What it may get from the cache to begin with; more would take longer than waiting for a new keyframe."""
        if self.downlink is None:
            return float("inf")
        return max(CATCH_UP_BYTES, self.downlink.estimate_bps / 8 * CATCH_UP_S)

    @property
    def bridge_bytes(self) -> float:
        """What it may get of a layer from the cache while it waits for a keyframe, which comes behind it."""
        return 0.0 if self.downlink is None else min(CATCH_UP_BYTES, self.downlink.estimate_bps / 8 * CATCH_UP_S)

    @property
    def calm(self) -> bool:
        """Whether its path is known and alive, and nothing waits on it or before it."""
        downlink = self.downlink
        if downlink is None or not downlink.measured or downlink.silent:
            return False
        return not downlink.congested and downlink.queued_bytes == 0

    @property
    def keyframe_spacing_s(self) -> float:
        """How soon after a keyframe it may have another when it lost a picture.

        Another worker keeps the distance itself: what it asks for, the teacher may have directed there.
        """
        return DIRECTED_SPACING_S if self.every_layer else SPACING_S

    @property
    def probing_track(self) -> DownTrack | None:
        """The track whose packets are repeated to probe the path: one that flows, if any does."""
        tracks = [slot.down for slot in self.slots if slot.down.send_log is not None]
        return next((down for down in tracks if down.up is not None), tracks[0] if tracks else None)
