"""Text on slides: how pieces become lines, what is said without the extra, and the real thing where it is installed."""

import importlib.util

import pytest

from classroom.recording.index.text import TextReader, lines_of
from tests import deck

INSTALLED = importlib.util.find_spec("rapidocr_onnxruntime") is not None


def piece(text, left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]], text


def test_pieces_beside_each_other_are_one_line():
    pieces = [piece("第二", 300, 102, 400, 140), piece("标题", 10, 0, 200, 60), piece("第一", 10, 100, 200, 142)]
    assert lines_of(pieces) == "标题\n第一 第二"
    assert lines_of([]) == ""


def test_who_wants_text_is_told_what_is_missing(monkeypatch):
    # Python's own way to say that a module is not installed.
    monkeypatch.setitem(importlib.sys.modules, "rapidocr_onnxruntime", None)
    reader = TextReader()
    assert reader.read(deck.page("cover")) == ""
    assert reader.state.startswith("unavailable: 未安装文字识别") and "not installed" in reader.state


@pytest.mark.skipif(not INSTALLED, reason="the extra ocr is not installed")
def test_chinese_slides_are_read():
    reader = TextReader()
    text = reader.read(deck.page("homework"))
    assert reader.state == "done"
    assert "小结与作业" in text and "分数由分子、分数线和分母组成" in text
