"""Reads the text on slides, where the extra ``ocr`` is installed: RapidOCR, which ships its models for Chinese."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from classroom.recording.index.images import fit

if TYPE_CHECKING:
    from classroom.recording.index.images import Image

logger = logging.getLogger(__name__)

NOT_INSTALLED = (
    "未安装文字识别，课件文字无法搜索；安装方法见 docs/index.md。 "
    "Text recognition is not installed, slides cannot be searched by their text; docs/index.md says how to install it."
)
MOST_PX = (1280, 720)  # larger pictures take twice the memory and time, and are not read better
_LEAST_SCORE = 0.6
_SAME_LINE = 0.6  # of the height of the letters


class TextReader:
    """Recognises text in pictures. ``state`` is ``done``, or why it cannot: then every text is empty."""

    def __init__(self) -> None:
        self._engine: Any = None
        try:
            self._module: Any = importlib.import_module("rapidocr_onnxruntime")
            self.state = "done"
        except ImportError:
            self._module = None
            self.state = f"unavailable: {NOT_INSTALLED}"

    def read(self, picture: Image) -> str:
        """The text of a BGR picture, a line for each line, from top to bottom; loads the models when first asked.

        When the library fails, that is logged, said in ``state``, and not tried again.
        """
        if self._module is None:
            return ""
        try:
            if self._engine is None:
                self._engine = self._module.RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
            found, _ = self._engine(fit(picture, MOST_PX))
        except Exception as error:  # whatever a foreign library raises costs the text, not the index
            logger.exception("text recognition fails and is left out from now on")
            self._module = self._engine = None
            self.state = f"unavailable: 文字识别出错，详见日志。 Text recognition failed, the log says why: {error}"
            return ""
        return lines_of([(box, text) for box, text, score in found or [] if float(score) >= _LEAST_SCORE])


def lines_of(found: list[tuple[list[list[float]], str]]) -> str:
    """Pieces of text with their corners (x, y) as lines: those beside each other are one, with spaces between."""
    lines: list[tuple[float, list[tuple[float, str]]]] = []
    for corners, text in sorted(found, key=lambda piece: min(y for _, y in piece[0])):
        top, bottom = min(y for _, y in corners), max(y for _, y in corners)
        middle, left = (top + bottom) / 2, min(x for x, _ in corners)
        if lines and abs(middle - lines[-1][0]) <= _SAME_LINE * (bottom - top) / 2:
            lines[-1][1].append((left, text))
        else:
            lines.append((middle, [(left, text)]))
    return "\n".join(" ".join(text for _, text in sorted(pieces)) for _, pieces in lines)
