"""Passages: the pieces of text of a recording that can be found, each with its moment. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The id of a passage says which recording it is of and what kind it is, so a search need look at nothing else.
_KIND_BITS, _NUMBER_BITS = 2, 18
RECORDING_SHIFT = _KIND_BITS + _NUMBER_BITS
KIND_SHIFT = _NUMBER_BITS
KIND_MASK = (1 << _KIND_BITS) - 1
MAX_PASSAGES = 25_000  # of one recording; what is beyond is not found. A long lesson has some 1,500 captions
MAX_CHARS = 2000  # of one passage


class Kind(IntEnum):
    """What a passage is, the more telling first."""

    TITLE = 0
    PEOPLE = 1
    SLIDE = 2
    CAPTION = 3


class Passage(NamedTuple):
    """A piece of text; ``start_s`` is the moment in the recording (seconds since its first track began), if any."""

    kind: Kind
    start_s: float | None
    text: str


class NumberedPassage(NamedTuple):
    """A passage with the id that it has in the database."""

    id: int
    passage: Passage


def numbered(recording_id: int, told: Iterable[Passage]) -> Iterator[NumberedPassage]:
    """Passages with their ids, in order of kind and then of time; empty ones are left out."""
    given = [passage for passage in told if passage.text.strip()][:MAX_PASSAGES]
    given.sort(key=lambda passage: (passage.kind, passage.start_s or 0.0))
    for number, passage in enumerate(given):
        identity = recording_id << RECORDING_SHIFT | passage.kind << KIND_SHIFT | number
        yield NumberedPassage(identity, passage._replace(text=storable(passage.text)[:MAX_CHARS]))


def storable(text: str) -> str:
    """A text as every database takes it: without NUL and halves of characters."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def id_range(recording_id: int) -> tuple[int, int]:
    """The first and the last id that a passage of this recording can have."""
    first = recording_id << RECORDING_SHIFT
    return first, first + (1 << RECORDING_SHIFT) - 1
