"""A passage that was found, cut to what stands around the words, with the words marked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.catalogue.terms import marks, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.catalogue.terms import Phrase

MAX_CHARS = 90
_BEFORE_CHARS = 20
_MORE = "…"


def excerpt(text: str, wanted: Sequence[Phrase]) -> tuple[str, list[tuple[int, int]]]:
    """The text around the first place that is wanted, on one line, and the places in it in UTF-16 units."""
    line = " ".join(text.split())
    spans = marks(terms(line), wanted)
    begin = 0
    if len(line) > MAX_CHARS and spans:
        begin = max(0, min(spans[0][0] - _BEFORE_CHARS, len(line) - MAX_CHARS))
    end = min(len(line), begin + MAX_CHARS)
    before, after = (_MORE if begin else ""), (_MORE if end < len(line) else "")
    shown = before + line[begin:end] + after
    shift = begin - len(before)
    return shown, [
        (_utf16(shown, max(start, begin) - shift), _utf16(shown, min(stop, end) - shift))
        for start, stop in spans
        if start < end and stop > begin
    ]


def _utf16(text: str, at: int) -> int:
    return at + sum(char > "\uffff" for char in text[:at])
