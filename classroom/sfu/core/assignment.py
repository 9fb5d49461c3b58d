"""What each slot of a receiver shows or plays: by its wish, and by what the lesson has decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import Label, ParticipantId, SlotWish, TrackKind  # a worker's messages are made from these
from classroom.sfu.core.pacer import Priority

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Sequence

    from classroom.model import Publication, PublicationId
    from classroom.sfu.core.peers import IncomingMedia, Receiver, Slot

_MAIN_LABELS = {
    SlotWish.PROGRAMME: (Label.CAMERA, Label.SLIDES, Label.SCREEN),
    SlotWish.CAMERA: (Label.CAMERA,),
    SlotWish.SLIDES: (Label.SLIDES, Label.SCREEN),  # slides may come as a screen
    SlotWish.SCREEN: (Label.SCREEN,),
    SlotWish.MIC: (Label.MIC,),
}
_SLIDES = (Label.SLIDES, Label.SCREEN)


@dataclass(frozen=True, slots=True)
class Direction:
    """What the lesson has decided: the picture on the programme by its name, None for the main one; who has the floor.

    Names and participants stay the same when media are lost and come back.
    """

    programme: str | None = None
    floor: frozenset[ParticipantId] = frozenset()


def assign(
    receiver: Receiver,
    publications: Collection[IncomingMedia],
    direction: Direction,
    speakers: Sequence[PublicationId],
) -> None:
    """Set what each slot shows, and how urgently that leaves.

    ``speakers`` are the microphones that have the floor, who speaks first. A speaker keeps its slot as long as it is
    among the loudest. Nobody hears or sees itself.
    """
    there = {media.publication.id: media for media in publications if media.publication is not None}
    others = [media for media in there.values() if _participant(media) != receiver.participant_id]
    _seat_speakers([slot for slot in receiver.slots if slot.wish is SlotWish.SPEAKER], others, speakers)
    on_floor = [media for media in others if media.label is Label.CAMERA and _participant(media) in direction.floor]
    for slot in receiver.slots:
        if slot.pinned is not None:
            slot.media = there.get(slot.pinned)
        elif slot.wish is SlotWish.FLOOR:
            slot.media = _keep_or_next(slot, on_floor, [s.media for s in receiver.slots if s is not slot])
        elif slot.wish is not SlotWish.SPEAKER:
            slot.media = _by_wish(slot, there, direction, receiver.participant_id)
        slot.down.priority = _priority(slot)


def microphones(publications: Collection[IncomingMedia], direction: Direction) -> list[PublicationId]:
    """Of those who have the floor, in the order in which they came."""
    there = [media.publication for media in publications if media.publication is not None]
    return [p.id for p in there if p.kind is TrackKind.AUDIO and p.participant_id in direction.floor]


def _by_wish(
    slot: Slot, there: dict[PublicationId, IncomingMedia], direction: Direction, you: ParticipantId
) -> IncomingMedia | None:
    by_name = {_publication(media).name: media for media in there.values() if media.kind is slot.kind}
    if slot.wish is SlotWish.TILE:
        return by_name.get(slot.named)
    if slot.wish is SlotWish.PROGRAMME and direction.programme in by_name:
        chosen = by_name[direction.programme]
        if _participant(chosen) != you:  # who is called on goes on seeing the teacher
            return chosen
    wish = SlotWish.MIC if slot.kind is TrackKind.AUDIO else slot.wish
    # The main publication of a label is the one that is called like it.
    return next((by_name[label] for label in _MAIN_LABELS[wish] if label in by_name), None)


def _seat_speakers(slots: Sequence[Slot], others: Sequence[IncomingMedia], speakers: Sequence[PublicationId]) -> None:
    by_id = {_publication(media).id: media for media in others}
    loudest = [by_id[speaker] for speaker in speakers if speaker in by_id][: len(slots)]
    for slot in slots:
        slot.media = _keep_or_next(slot, loudest, [s.media for s in slots if s is not slot])


def _keep_or_next(
    slot: Slot, wanted: Sequence[IncomingMedia], taken: Collection[IncomingMedia | None]
) -> IncomingMedia | None:
    """What the slot has if that is still wanted, else the first wanted that no other slot has."""
    if slot.media is not None and any(media is slot.media for media in wanted):
        return slot.media
    return next((media for media in wanted if not any(media is other for other in taken)), None)


def _priority(slot: Slot) -> Priority:
    if slot.kind is TrackKind.AUDIO:
        return Priority.VOICE
    return Priority.SLIDES if slot.media is not None and slot.media.label in _SLIDES else Priority.PICTURE


def _publication(media: IncomingMedia) -> Publication:
    assert media.publication is not None
    return media.publication


def _participant(media: IncomingMedia) -> ParticipantId:
    return _publication(media).participant_id


def unique_name(wanted: str, taken: Container[str]) -> str:
    """The wanted name, or with the first number from 2 that nobody has: ``camera-2``."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name
