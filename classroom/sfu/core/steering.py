"""Which layer each slot of a receiver takes: by what its link carries and what publishers send.

Looked at ten times a second for every receiver: what is the same for all is worked out once (Supplies), and who has all
that there is costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from classroom.model import SlotWish, TrackKind
from classroom.sfu.core.layers import HEADROOM, Reason, Want, allocate
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.up_track import SILENCE_S

if TYPE_CHECKING:
    from classroom.sfu.core.downlink import Downlink
    from classroom.sfu.core.peers import Encoding, IncomingMedia, Receiver, Slot
    from classroom.sfu.core.sink import Burst, Resend
    from classroom.sfu.core.up_track import UpTrack

# An encoder leaves out pictures, of a screen that stands still nearly all of them, and a link holds packets up. A layer
# is not sent when others of its publication have come for so long without it, or when nothing comes at all.
LAYER_SILENT_S = 1.0
# What was told to go on comes within this time: a round trip, a picture, and what a busy encoder takes.
RESUME_S = 3.0
# Until the first measurements are in, the smallest picture is sent whatever the first guess of the link was.
GRACE_S = 2.0
# The path is probed up to what everything at its best takes, and beyond the headroom that is asked for it.
PROBED = HEADROOM * 1.1
_RANKS = {SlotWish.FLOOR: 2, SlotWish.TILE: 3}


class Supply(NamedTuple):
    """The layers of a publication that come, or would come if they were not paused; ascending. All when none does."""

    layers: list[UpTrack]
    bitrates_bps: list[float]
    reason: Reason  # UPLINK when better ones exist and do not come


class Supplies:
    """What publications supply at one moment, each looked at once."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._known: dict[int, Supply] = {}

    def of(self, media: IncomingMedia) -> Supply:
        """What is to be had of a publication."""
        supply = self._known.get(id(media))
        if supply is None:
            supply = self._known[id(media)] = self._look(media)
        return supply

    def _look(self, media: IncomingMedia) -> Supply:
        now = self.now
        layers = media.layers
        latest_s = max((track.last_received_at_s for track in layers), default=now)
        to_be_had = {id(e.track) for e in media.encodings if e.track is not None and self._comes(e, e.track, latest_s)}
        sent = [track for track in layers if id(track) in to_be_had] or layers
        reason = Reason.NONE if sent and sent[-1] is layers[-1] else Reason.UPLINK
        return Supply(sent, [layer.bitrate_bps(now) for layer in sent], reason)

    def _comes(self, encoding: Encoding, track: UpTrack, latest_s: float) -> bool:
        heard_s = track.last_received_at_s
        if encoding.paused or heard_s < encoding.resumed_at_s > self.now - RESUME_S:
            return True  # it would come if it was asked for, or has been
        if track.stopped or self.now - heard_s > SILENCE_S:
            return False
        return latest_s - heard_s < LAYER_SILENT_S


def choose_layers(receiver: Receiver, supplies: Supplies) -> list[tuple[Slot, UpTrack | None]]:
    """The slots that are to take another stream, None for nothing; sets why they get less than there is."""
    changes: list[tuple[Slot, UpTrack | None]] = []
    scarce: list[tuple[Slot, Supply]] = []
    downlink = receiver.downlink
    for slot in receiver.slots:
        media, down = slot.media, slot.down
        flowing = down.next_up or down.up
        supply = None if media is None else supplies.of(media)
        if supply is not None and slot.wish is SlotWish.TILE:
            supply = Supply(supply.layers[:1], supply.bitrates_bps[:1], Reason.NONE)
        if slot.encoding is not None:
            if slot.encoding.track is not flowing:
                changes.append((slot, slot.encoding.track))
        elif supply is None or not supply.layers:
            if flowing is not None:
                changes.append((slot, None))
        elif downlink is not None and slot.kind is TrackKind.VIDEO:
            scarce.append((slot, supply))
        else:
            slot.reason = supply.reason
            if supply.layers[-1] is not flowing:
                changes.append((slot, supply.layers[-1]))
    if downlink is not None and scarce:
        changes += _share(receiver, downlink, scarce, supplies.now)
    return changes


def _share(
    receiver: Receiver, downlink: Downlink[Burst | Resend], scarce: list[tuple[Slot, Supply]], now: float
) -> list[tuple[Slot, UpTrack | None]]:
    best_bps = sum(supply.bitrates_bps[-1] for _, supply in scarce)
    estimate_bps = downlink.media_bps
    downlink.want(best_bps * PROBED)
    if best_bps <= estimate_bps and all((s.down.next_up or s.down.up) is supply.layers[-1] for s, supply in scarce):
        for slot, supply in scarce:
            slot.reason, slot.steered = supply.reason, slot.media
        return []
    wants = [Want(_rank(slot), supply.bitrates_bps) for slot, supply in scarce]
    current = [_index(supply.layers, slot.down.next_up or slot.down.up) for slot, supply in scarce]
    at_first, fitting = allocate(wants, estimate_bps / HEADROOM), allocate(wants, estimate_bps)
    for n, (slot, _) in enumerate(scarce):
        lost = current[n] is None and (slot.down.next_up or slot.down.up) is not None  # it has what comes no more
        if slot.steered is not slot.media or lost:  # something else to show: nothing to be weighed against
            smallest = None if fitting[n] is None else 0
            current[n], slot.steered = smallest if at_first[n] is None else at_first[n], slot.media
    picks = receiver.layers.choose(wants, current, estimate_bps, now)
    if now < receiver.added_at_s + GRACE_S:
        picks = [pick or 0 for pick in picks]
    changes: list[tuple[Slot, UpTrack | None]] = []
    for (slot, supply), pick in zip(scarce, picks, strict=True):
        up = None if pick is None else supply.layers[pick]
        slot.reason = supply.reason if up is supply.layers[-1] else Reason.BANDWIDTH
        if up is not (slot.down.next_up or slot.down.up):
            changes.append((slot, up))
    return changes


def _index(layers: list[UpTrack], track: UpTrack | None) -> int | None:
    return next((n for n, layer in enumerate(layers) if layer is track), None)


def _rank(slot: Slot) -> int:
    """What is sacrificed last has rank 0: slides, the teacher's picture, who has the floor, other classrooms."""
    if slot.down.priority is Priority.SLIDES:
        return 0
    return _RANKS.get(slot.wish, 1)
