"""Text as search terms: the same for what is stored and for what is asked, whatever database does the search. Pure.

Chinese has no spaces between words, so a run of it becomes overlapping pairs of characters, and its last character
alone: 乘法表 is 乘法 法表 表. A word of two or more characters is then exactly a phrase of pairs; a single one is the
beginning of a pair. Other letters and digits make words. Width, case, accents and punctuation do not matter.
Terms have letters and digits only, so nothing in them can be mistaken for the syntax of a query.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_PHRASES, MAX_PHRASE_TERMS = 8, 32
MAX_TERM_CHARS = 60  # a longer word is found by its beginning
_MIN_STEM = 3  # so many letters of a word find the longer word, too: apple finds apples
# Han with its extensions and 々〇, kana, bopomofo, Hangul: scripts in which words are not told apart, or not reliably.
_UNSPACED = re.compile(
    r"[\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]"
)
_CHUNK = re.compile(r'"([^"]*)"?|([^\s"]+)')


class Term(NamedTuple):
    """A term and where it stands in the text it was taken from, in characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """Terms that must stand one after the other; with ``prefix`` the last one may go on."""

    terms: tuple[str, ...]
    prefix: bool


def terms(text: str) -> list[Term]:
    """The terms of a text, in order."""
    found: list[Term] = []
    for run in _runs(text):
        if _UNSPACED.match(run[0][0]):
            found += [Term(a[0] + b[0], a[1], b[1] + 1) for a, b in pairwise(run)]
            found.append(Term(run[-1][0], run[-1][1], run[-1][1] + 1))
        else:
            word = "".join(char for char, _ in run)
            found.append(Term(word[:MAX_TERM_CHARS], run[0][1], run[-1][1] + 1))
    return found


def phrases(query: str) -> list[Phrase]:
    """What somebody asks for: each word, or text in quotation marks, is a phrase; all of them must be found.

    At most MAX_PHRASES of MAX_PHRASE_TERMS; what is beyond is not looked at.
    """
    found: list[Phrase] = []
    for match in _CHUNK.finditer(_straight_quotes(query)):
        told = terms(match[1] if match[1] is not None else match[2])
        if len(told) >= 2 and _is_rest_of(told[-1], told[-2]):
            told.pop()  # the last character alone is for those who ask for it alone
        words = tuple(term.text for term in told[:MAX_PHRASE_TERMS])
        if not words:
            continue
        last = words[-1]
        prefix = len(last) == 1 and _UNSPACED.match(last) is not None
        prefix = prefix or (len(last) >= _MIN_STEM and last.isalpha() and _UNSPACED.match(last) is None)
        phrase = Phrase(words, prefix)
        if phrase not in found:
            found.append(phrase)
        if len(found) == MAX_PHRASES:
            break
    return found


def marks(told: Sequence[Term], wanted: Sequence[Phrase]) -> list[tuple[int, int]]:
    """Where the phrases stand in a text whose terms are given: ascending spans of characters that do not overlap."""
    spans = sorted(span for phrase in wanted for span in _found(told, phrase))
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _found(told: Sequence[Term], phrase: Phrase) -> Iterator[tuple[int, int]]:
    *first, last = phrase.terms
    for index in range(len(told) - len(first)):
        end = told[index + len(first)]
        if any(told[index + n].text != word for n, word in enumerate(first)):
            continue
        if end.text == last or (phrase.prefix and end.text.startswith(last)):
            # Of a pair whose first character was asked for, only that is marked.
            single = len(last) == 1 and len(end.text) == 2 and _UNSPACED.match(last) is not None
            yield told[index].start, end.start + 1 if single else end.end


def _is_rest_of(last: Term, pair: Term) -> bool:
    return last.start > pair.start and last.end == pair.end


def _runs(text: str) -> Iterator[list[tuple[str, int]]]:
    """Characters in their searched form, each with its place, in runs of one kind of script."""
    run: list[tuple[str, int]] = []
    unspaced = False
    for at, original in enumerate(text):
        for char in _folded(original):
            kind = _UNSPACED.match(char) is not None
            if not char.isalnum() or (run and kind != unspaced):
                if run:
                    yield run
                run = []
            if char.isalnum():
                run.append((char, at))
                unspaced = kind
    if run:
        yield run


def _folded(char: str) -> str:
    """A character without width, case and accents; nothing of one that is only an accent."""
    if "\u4e00" <= char <= "\u9fff":
        return char
    wide = unicodedata.normalize("NFKC", char).casefold()
    if _UNSPACED.match(wide):
        return wide
    return "".join(part for part in unicodedata.normalize("NFKD", wide) if not unicodedata.combining(part))


def _straight_quotes(text: str) -> str:
    return text.translate({ord(quote): '"' for quote in "“”„＂「」『』"})
