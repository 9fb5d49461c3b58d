"""The slides: a lesson of third-grade mathematics, 分数的初步认识 (a first look at fractions)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from classroom.capture.sample.canvas import Colour, Image, Pen, blank, to_i420

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH_PX, HEIGHT_PX, FPS = 1920, 1080, 5
SLIDE_S = 8.0
_PAPER: Colour = (250, 252, 253)
_INK: Colour = (60, 48, 40)
_BLUE: Colour = (170, 92, 24)
_RED: Colour = (50, 50, 205)
_ORANGE: Colour = (70, 165, 250)
_GREY: Colour = (150, 140, 135)


def slide_number(at_s: float) -> int:
    """Which slide is shown at a time, from 0; after the last comes the first."""
    return int(at_s / SLIDE_S) % len(_PAGES)


@lru_cache(maxsize=8)
def slide_i420(number: int) -> Image:
    """A slide as I420 (1620, 1920); drawn when first asked for, then kept."""
    return to_i420(draw_slide(number))


def draw_slide(number: int) -> Image:
    """A slide as BGR (1080, 1920, 3)."""
    title, draw = _PAGES[number]
    page = blank(WIDTH_PX, HEIGHT_PX, _PAPER)
    pen = Pen()
    cv2.rectangle(page, (0, 0), (WIDTH_PX, 150), _BLUE, -1)
    pen.write(page, title, 90, 104, 72, (255, 255, 255), 700)
    pen.write(page, "三年级 数学 上册 · 第八单元", 90, 1040, 36, _GREY)
    pen.write(page, f"{number + 1} / {len(_PAGES)}", 1740, 1040, 40, _GREY)
    draw(page, pen)
    return page


def _pie(page: Image, x: int, y: int, radius: int, parts: int, filled: int) -> None:
    for part in range(filled):
        start = -90 + 360 * part / parts
        cv2.ellipse(page, (x, y), (radius, radius), 0, start, start + 360 / parts, _ORANGE, -1, cv2.LINE_AA)
    cv2.circle(page, (x, y), radius, _INK, 5, cv2.LINE_AA)
    for part in range(parts):
        angle = math.radians(-90 + 360 * part / parts)
        end = (round(x + radius * math.cos(angle)), round(y + radius * math.sin(angle)))
        cv2.line(page, (x, y), end, _INK, 4, cv2.LINE_AA)


def _bar(page: Image, x: int, y: int, parts: int, filled: int) -> None:
    width, height = 960, 96
    for part in range(parts):
        left, right = x + width * part // parts, x + width * (part + 1) // parts
        if part < filled:
            cv2.rectangle(page, (left, y), (right, y + height), _ORANGE, -1)
        cv2.rectangle(page, (left, y), (right, y + height), _INK, 4)


def _cover(page: Image, pen: Pen) -> None:
    pen.centre(page, "分数的初步认识", 960, 440, 150, _BLUE, 800)
    pen.centre(page, "认识几分之一", 960, 590, 84, _INK)
    _pie(page, 660, 800, 120, 2, 1)
    _pie(page, 960, 800, 120, 4, 1)
    _pie(page, 1260, 800, 120, 8, 1)


def _mooncake(page: Image, pen: Pen) -> None:
    pen.write(page, "把一个月饼平均分给 2 个小朋友，每人分到多少？", 120, 270, 64, _INK)
    _pie(page, 420, 620, 230, 2, 1)
    pen.write(page, "平均分成 2 份，", 820, 480, 68, _INK)
    pen.write(page, "每份是它的一半，", 820, 590, 68, _INK)
    pen.write(page, "也就是它的", 820, 770, 68, _INK)
    pen.fraction(page, "1", "2", 1290, 745, 110, _RED)


def _reading(page: Image, pen: Pen) -> None:
    pen.fraction(page, "1", "2", 420, 560, 240, _RED)
    for text, y in (("1  ……  分子：取了几份", 470), ("—  ……  分数线：平均分", 590), ("2  ……  分母：分成几份", 710)):
        pen.write(page, text, 700, y, 72, _INK)
    pen.write(page, "读作：二分之一", 700, 870, 84, _BLUE, 700)


def _paper(page: Image, pen: Pen) -> None:
    pen.write(page, "动手折一折：用一张正方形纸折出它的四分之一。", 120, 270, 64, _INK)
    squares: tuple[Callable[[int], list[tuple[int, int]]], ...] = (
        lambda x: [(x, 420), (x + 180, 420), (x + 180, 600), (x, 600)],
        lambda x: [(x, 420), (x + 90, 420), (x + 90, 780), (x, 780)],
        lambda x: [(x, 420), (x + 360, 420), (x + 180, 600)],
    )
    for x, part in zip((220, 780, 1340), squares, strict=True):
        cv2.fillPoly(page, [np.array(part(x), np.int32)], _ORANGE)
        cv2.rectangle(page, (x, 420), (x + 360, 780), _INK, 5)
    for line in ((220, 600, 580, 600), (400, 420, 400, 780), (1340, 420, 1700, 780), (1340, 780, 1700, 420)):
        cv2.line(page, line[:2], line[2:], _INK, 4, cv2.LINE_AA)
    for x in (870, 960, 1050):
        cv2.line(page, (x, 420), (x, 780), _INK, 4)
    pen.write(page, "折法不同，为什么涂色部分都是它的四分之一？", 120, 910, 64, _RED)


def _compare(page: Image, pen: Pen) -> None:
    pen.write(page, "比一比：哪个大？", 120, 270, 68, _INK)
    for y, parts in ((360, 2), (540, 4), (720, 8)):
        _bar(page, 420, y, parts, 1)
        pen.fraction(page, "1", str(parts), 270, y + 42, 76, _RED)
    pen.write(page, "分的份数越多，每一份越小。", 420, 930, 72, _BLUE, 700)


def _practice(page: Image, pen: Pen) -> None:
    pen.write(page, "练一练：用分数表示涂色部分。", 120, 270, 68, _INK)
    for x, parts, filled in ((300, 3, 1), (740, 5, 1), (1180, 6, 1), (1620, 4, 3)):
        _pie(page, x, 540, 170, parts, filled)
        pen.write(page, "(      )", x - 90, 860, 80, _INK)


def _homework(page: Image, pen: Pen) -> None:
    lines = (
        "1. 把一个物体平均分成几份，每份就是它的几分之一。",
        "2. 分数由分子、分数线和分母组成。",
        "3. 分子都是 1，分母大的分数反而小。",
    )
    for index, text in enumerate(lines):
        pen.write(page, text, 140, 330 + 120 * index, 64, _INK)
    pen.write(page, "作业：课本第 94 页 1～3 题；和家人分一个苹果，说一说。", 140, 780, 60, _RED)


_PAGES: tuple[tuple[str, Callable[[Image, Pen], None]], ...] = (
    ("联体课堂 · 数学", _cover),
    ("分月饼", _mooncake),
    ("分数的读法和写法", _reading),
    ("折一折，涂一涂", _paper),
    ("比较分数的大小", _compare),
    ("课堂练习", _practice),
    ("小结与作业", _homework),
)
SLIDES = len(_PAGES)
