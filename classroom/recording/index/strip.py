"""The hover strip: a small picture for every five seconds, on sheets. Sheets are written anew under new names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.files import replace_file
from classroom.recording.index.images import (
    CELL_PX,
    CELLS,
    COLUMNS,
    ROWS,
    blank_sheet,
    crop_sheet,
    fit,
    put_cell,
    read_image,
    webp,
)
from classroom.recording.index_file import Strip

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.recording.index.images import Image

INTERVAL_S = 5.0
_WRITE_CELLS = 12  # to encode a sheet costs as much as to look at some seconds of slides


class StripWriter:
    """Takes pictures by time and keeps sheets of them in a folder."""

    def __init__(self, folder: Path, cells: int = 0, sheets: list[str] | None = None) -> None:
        """Go on behind so many cells, which are on these sheets."""
        self.cells = cells
        self.sheets = sheets or []
        self._folder = folder
        self._sheet = blank_sheet()
        self._written = cells
        path = folder / self.sheets[-1] if cells % CELLS and self.sheets else None
        stored = read_image(path.read_bytes()) if path is not None and path.is_file() else None
        if stored is not None:
            self._sheet[: stored.shape[0]] = stored

    def wants(self, at_s: float) -> bool:
        """Whether a picture of this time, or the first one after it, is wanted."""
        return self.cells * INTERVAL_S <= at_s

    def show(self, picture: Image, at_s: float) -> None:
        """Fill every cell up to a time with a BGR picture. Raises OSError."""
        cell = fit(picture, CELL_PX, fill=True)
        while self.wants(at_s):
            put_cell(self._sheet, self.cells % CELLS, cell)
            self.cells += 1
            if self.cells % CELLS == 0:
                self.write()
                self._sheet = blank_sheet()

    def write(self) -> None:
        """Write the sheet that has grown. Raises OSError."""
        if self._written == self.cells:
            return
        number, before = (self.cells - 1) // CELLS, len(self.sheets)
        on_it = self.cells - number * CELLS
        name = f"strip-{number + 1:04d}-{on_it:03d}.webp"
        replace_file(self._folder / name, webp(crop_sheet(self._sheet, on_it)))
        self.sheets[number:] = [name] if before >= number else self.sheets[number:]
        self._written = self.cells

    def record(self, final: bool) -> Strip | None:
        """What the index says of it, the latest minute only when it is ``final``; None when there is no sheet."""
        if final or self.cells - self._written >= _WRITE_CELLS:
            self.write()
        return Strip(INTERVAL_S, *CELL_PX, COLUMNS, ROWS, list(self.sheets)) if self.sheets else None
