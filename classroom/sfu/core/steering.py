"""Which layer each slot of a receiver takes: by what its link carries and what publishers send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.model import Label, SlotWish, TrackKind
from classroom.sfu.core.layers import HEADROOM, Reason, Want, allocate
from classroom.sfu.core.pacer import Priority

if TYPE_CHECKING:
    from classroom.sfu.core.peers import IncomingMedia, Receiver, Slot
    from classroom.sfu.core.up_track import UpTrack

# An encoder leaves out pictures, a link holds packets up; what is silent for longer is not being sent.
LAYER_SILENT_S = 1.0
# Until the first measurements are in, the smallest picture is sent whatever the first guess of the link was.
GRACE_S = 2.0
# The path is probed up to what everything at its best takes, and beyond the headroom that is asked for it.
PROBED = HEADROOM * 1.1
_SLIDES = (Label.SLIDES, Label.SCREEN)


def choose_layers(receiver: Receiver, now: float) -> list[tuple[Slot, UpTrack | None]]:
    """The stream for each slot, None for nothing; sets why a slot gets less than there is, and what leaves first."""
    chosen: list[tuple[Slot, UpTrack | None]] = []
    scarce: list[tuple[Slot, list[UpTrack]]] = []
    for slot in receiver.slots:
        if slot.encoding is not None:
            chosen.append((slot, slot.encoding.track))
            continue
        media = slot.media
        layers = [] if media is None else _sent_layers(media, now)
        slot.reason = Reason.NONE
        if media is not None and layers and layers[-1] is not media.layers[-1]:
            slot.reason = Reason.UPLINK
        slot.down.priority = _priority(slot)
        if layers and slot.kind is TrackKind.VIDEO and receiver.downlink is not None:
            scarce.append((slot, layers))
        else:
            chosen.append((slot, layers[-1] if layers else None))
    return chosen + _share(receiver, scarce, now)


def _share(
    receiver: Receiver, scarce: list[tuple[Slot, list[UpTrack]]], now: float
) -> list[tuple[Slot, UpTrack | None]]:
    downlink = receiver.downlink
    if downlink is None or not scarce:
        return []
    wants = [Want(_rank(slot), [layer.bitrate_bps(now) for layer in layers]) for slot, layers in scarce]
    current = [_index(layers, slot.down.next_up or slot.down.up) for slot, layers in scarce]
    at_first = allocate(wants, downlink.estimate_bps / HEADROOM)
    for n, (slot, _) in enumerate(scarce):
        if slot.steered is not slot.media:  # it has something else to show: nothing to be weighed against
            current[n], slot.steered = at_first[n], slot.media
    picks = receiver.layers.choose(wants, current, downlink.estimate_bps, now)
    if now < receiver.added_at_s + GRACE_S:
        picks = [pick or 0 for pick in picks]
    downlink.want(sum(want.bitrates_bps[-1] for want in wants) * PROBED)
    chosen: list[tuple[Slot, UpTrack | None]] = []
    for (slot, layers), pick in zip(scarce, picks, strict=True):
        if pick is None or pick < len(layers) - 1:
            slot.reason = Reason.BANDWIDTH
        chosen.append((slot, None if pick is None else layers[pick]))
    return chosen


def _sent_layers(media: IncomingMedia, now: float) -> list[UpTrack]:
    """The layers that come, or would come if they were not paused; all when none does."""
    paused = {id(encoding.track) for encoding in media.encodings if encoding.paused}
    layers = media.layers
    sent = [t for t in layers if id(t) in paused or now - t.last_received_at_s < LAYER_SILENT_S]
    return sent or layers


def _index(layers: list[UpTrack], track: UpTrack | None) -> int | None:
    return next((n for n, layer in enumerate(layers) if layer is track), None)


def _priority(slot: Slot) -> Priority:
    if slot.kind is TrackKind.AUDIO:
        return Priority.VOICE
    return Priority.SLIDES if slot.media is not None and slot.media.label in _SLIDES else Priority.PICTURE


def _rank(slot: Slot) -> int:
    """What is sacrificed last has rank 0: slides, then the teacher's picture, then other classrooms."""
    if _priority(slot) is Priority.SLIDES:
        return 0
    return 2 if slot.wish is SlotWish.FLOOR else 1
