"""How surely page changes are found: ``python -m tests.bench.chapters``, the table of docs/index.md.

The deck of ``tests/deck.py`` goes through a real encoder and decoder. The suite tries the first encoding only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import av
from rich.console import Console

from classroom.recording.index.media import luma
from classroom.slides.changes import INTERVAL_S, PageDetector, small_grey
from tests import deck
from tests.bench.figures import make_table

if TYPE_CHECKING:
    from collections.abc import Iterable

# A change counts as found when one is told within half a second of its transition.
TOLERANCE_S = 0.5


class Encoding(NamedTuple):
    """How a deck is encoded."""

    rate: int
    width_px: int
    height_px: int
    bit_rate: int
    gop_s: float

    def __str__(self) -> str:
        size = f"{self.width_px}x{self.height_px}"
        return f"{size}, {self.rate} fps, {self.bit_rate // 1000} kbit/s, {self.gop_s:g} s"


ENCODINGS = (
    Encoding(5, 960, 540, 300_000, 4),
    Encoding(5, 1920, 1080, 1_000_000, 4),
    Encoding(5, 1920, 1080, 300_000, 4),
    Encoding(10, 1280, 720, 250_000, 2),
    Encoding(5, 1024, 768, 300_000, 8),
    Encoding(15, 1024, 768, 400_000, 4),
    Encoding(25, 640, 360, 200_000, 8),
    Encoding(8, 800, 600, 120_000, 10),
)


class Score(NamedTuple):
    """How many of those found are changes, how many of the changes are found, and what is wrong."""

    precision: float
    recall: float
    missed: list[tuple[float, float]]
    wrong: int


def changes(pictures: Iterable[tuple[float, Any]]) -> list[float]:
    """What the detector finds in grey pictures of its size."""
    detector = PageDetector()
    return [found_s for at_s, picture in pictures for found_s in detector.add(at_s, picture)]


def seen(encoding: Encoding) -> Iterable[tuple[float, Any]]:
    """The deck as it comes out of the decoder, as often as the detector wants it."""
    decoder, next_s = av.CodecContext.create("h264", "r"), 0.0
    for at_s, data, _ in deck.encode(*encoding):
        for frame in decoder.decode(av.Packet(data)):
            if at_s >= next_s - 1e-6:
                next_s = at_s + INTERVAL_S
                yield at_s, small_grey(luma(frame))


def score(found: list[float]) -> Score:
    """Compare with the true changes of the deck."""
    true = deck.true_changes()

    def fits(found_s: float, change: tuple[float, float]) -> bool:
        return change[0] - TOLERANCE_S <= found_s <= change[1] + TOLERANCE_S

    missed = [change for change in true if not any(fits(found_s, change) for found_s in found)]
    hit = len(true) - len(missed)
    # A second one for the same change is wrong, too.
    return Score(hit / max(1, len(found)), hit / len(true), missed, len(found) - hit)


def main() -> None:
    """Measure and print."""
    columns = {"encoding": "{}", "precision": "{:.3f}", "recall": "{:.3f}"}
    rows: list[dict[str, object]] = []
    for encoding in ENCODINGS:
        found = score(changes(seen(encoding)))
        rows.append({"encoding": str(encoding), "precision": found.precision, "recall": found.recall})
    Console().print(make_table("page changes", columns, rows))


if __name__ == "__main__":
    main()
