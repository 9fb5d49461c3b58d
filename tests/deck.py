"""A deck of slides as a teacher shows it, with the true times of its page changes; drawn, always the same.

Everything that makes page changes hard to find is in it: bullets that appear, a fade, a wipe, a push, a mouse pointer
that rests on text, a laser dot, handwriting that is erased, a video inside a page and one that fills it, two pages that
differ in one number, pages that are shown again, a browser that scrolls, a clock.

``python -m tests.deck deck.mp4`` writes it as a file: ``make run SLIDES=deck.mp4``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from classroom.capture.sample.canvas import Pen, blank
from classroom.capture.sample.slides import draw_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from classroom.capture.sample.canvas import Image

WIDTH_PX, HEIGHT_PX = 1920, 1080
PAPER, INK, BLUE, RED = (250, 252, 253), (60, 48, 40), (170, 92, 24), (50, 50, 205)


@dataclass(frozen=True)
class Scene:
    """What is shown for a while: a picture for each moment since it began.

    ``change_s``: when, since it began, another page is there: both ends of a transition. None: it is no other page.
    """

    name: str
    duration_s: float
    draw: Callable[[float], Image]
    change_s: tuple[float, float] | None = (0.0, 0.0)


def scenes() -> list[Scene]:
    """The deck, in order."""
    return [
        Scene("cover", 5, lambda t: page("cover"), None),
        Scene("bullets that appear", 9, lambda t: bullets(min(4, int(t / 1.5)))),
        Scene("a fade of one second", 6, lambda t: blend(bullets(4), page("text"), t), (0.0, 1.0)),
        Scene("a pointer that rests on text", 14, pointing, None),
        Scene("a video inside the page", 16, video_inside),
        Scene("a sum", 6, lambda t: sum_page("36 ÷ 4 = ?")),
        Scene("one number is another", 6, lambda t: sum_page("36 ÷ 6 = ?")),
        Scene("the cover again", 5, lambda t: page("cover")),
        Scene("handwriting", 14, handwriting),
        Scene("the laser dot", 8, laser),
        Scene("bullets again, all of them", 5, lambda t: bullets(4)),
        Scene("a browser that scrolls", 18, scrolling),
        Scene("a wipe", 5, lambda t: wipe(scrolling(18), page("compare"), t / 0.8), (0.0, 0.8)),
        Scene("a push", 5, lambda t: push(page("compare"), page("practice"), t / 0.7), (0.0, 0.7)),
        Scene("a photograph", 6, lambda t: photograph(5)),
        Scene("a video that fills the screen", 12, lambda t: photograph(7, t)),
        Scene("a page with a clock", 9, lambda t: clock(int(t))),
        Scene("the screen is black", 4, lambda t: blank(WIDTH_PX, HEIGHT_PX, (0, 0, 0))),
        Scene("homework", 6, lambda t: page("homework")),
    ]


def true_changes() -> list[tuple[float, float]]:
    """When another page is there, in seconds: where the transition begins and ends; the first page is no change."""
    changes, began_s = [], 0.0
    for scene in scenes():
        if scene.change_s is not None:
            changes.append((began_s + scene.change_s[0], began_s + scene.change_s[1]))
        began_s += scene.duration_s
    return changes


def duration_s() -> float:
    """How long the deck takes."""
    return sum(scene.duration_s for scene in scenes())


def chosen(*names: str) -> list[Scene]:
    """Scenes of the deck by name, in this order."""
    by_name = {scene.name: scene for scene in scenes()}
    return [by_name[name] for name in names]


def frames(
    rate: float, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, shown: Sequence[Scene] = ()
) -> Iterator[tuple[float, Image]]:
    """Time and BGR picture of every frame, of the whole deck or of some scenes."""
    began_s = 0.0
    for scene in shown or scenes():
        for index in range(round(scene.duration_s * rate)):
            picture = scene.draw(index / rate)
            size = (width_px, height_px)
            small = (
                picture if size == (WIDTH_PX, HEIGHT_PX) else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            )
            yield began_s + index / rate, small
        began_s += scene.duration_s


def encode(
    rate: int, width_px: int, height_px: int, bit_rate: int, gop_s: float = 4.0, shown: Sequence[Scene] = ()
) -> Iterator[tuple[float, bytes, bool]]:
    """Time, H.264 (Annex B) and whether it is a keyframe, of every frame: as the capture agent encodes slides."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, rate), Fraction(rate), bit_rate
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "threads": "1",
        "x264-params": f"keyint={round(gop_s * rate)}:scenecut=0:repeat-headers=1:vbv-maxrate={bit_rate // 1000}"
        f":vbv-bufsize={bit_rate // 1000}",
    }  # fmt: skip
    for index, (at_s, picture) in enumerate(frames(rate, width_px, height_px, shown)):
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = index
        (packet,) = encoder.encode(frame)
        yield at_s, bytes(packet), packet.is_keyframe


def write_mp4(path: Path, rate: int = 10, bit_rate: int = 1_500_000) -> None:
    """The deck as a file that any player and the capture agent read."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH_PX, HEIGHT_PX, "yuv420p", bit_rate
        for _, picture in frames(rate):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)


# --- pages ---------------------------------------------------------------------------------------------------------

_SAMPLE = {"cover": 0, "text": 1, "reading": 2, "folding": 3, "compare": 4, "practice": 5, "homework": 6}
_pen = Pen()


@lru_cache(maxsize=16)
def page(name: str) -> Image:
    """A page of the sample lesson."""
    return draw_slide(_SAMPLE[name])


@lru_cache(maxsize=8)
def _titled(title: str) -> Image:
    picture = blank(WIDTH_PX, HEIGHT_PX, PAPER)
    cv2.rectangle(picture, (0, 0), (WIDTH_PX, 150), BLUE, -1)
    _pen.write(picture, title, 90, 104, 72, (255, 255, 255), 700)
    return picture


@lru_cache(maxsize=8)
def bullets(count: int) -> Image:
    """A page with its first bullets."""
    picture = _titled("学习目标").copy()
    lines = ("认识几分之一", "会读、会写简单的分数", "会比较分子是 1 的分数", "在生活中找一找分数")
    for index, line in enumerate(lines[:count]):
        cv2.circle(picture, (150, 300 + 170 * index), 14, RED, -1, cv2.LINE_AA)
        _pen.write(picture, line, 200, 324 + 170 * index, 68, INK)
    return picture


@lru_cache(maxsize=8)
def sum_page(text: str) -> Image:
    """A page with a sum."""
    picture = _titled("口算练习").copy()
    _pen.write(picture, "先想一想，再举手回答。", 120, 300, 64, INK)
    _pen.write(picture, text, 300, 600, 110, INK)
    return picture


def pointing(t: float) -> Image:
    """The pointer comes, rests on text for five seconds, goes on to more text, rests, and hides."""
    picture = page("text").copy()
    rests = [(1700, 900), (905, 460), (500, 250), (1300, 560)]
    if t < 12:
        leg, within = min(2, int(t / 4)), t % 4 if t < 12 else 4.0
        share = min(1.0, within / 0.8)
        (x, y), (to_x, to_y) = rests[leg], rests[leg + 1]
        draw_pointer(picture, round(x + share * (to_x - x)), round(y + share * (to_y - y)))
    return picture


def draw_pointer(picture: Image, x: int, y: int) -> None:
    """An arrow as desktops draw it at 150 %."""
    arrow = [(0, 0), (0, 34), (8, 27), (14, 39), (19, 37), (13, 25), (24, 24)]
    shape = np.array([(x + dx, y + dy) for dx, dy in arrow], np.int32)
    cv2.fillPoly(picture, [shape], (255, 255, 255), cv2.LINE_AA)
    cv2.polylines(picture, [shape], True, (0, 0, 0), 2, cv2.LINE_AA)


def video_inside(t: float) -> Image:
    """A page whose video waits for two seconds, plays for nine, and stops at its last picture."""
    picture = _titled("看一看").copy()
    _pen.write(picture, "观看视频，说一说月饼是怎样分的。", 120, 260, 60, INK)
    _pen.write(picture, "注意：每份一样多。", 120, 1020, 52, RED)
    picture[320:940, 480:1440] = cv2.resize(photograph(3, min(max(0.0, t - 2), 9.0)), (960, 620))
    return picture


def handwriting(t: float) -> Image:
    """Strokes on and around what is printed; after nine seconds they are wiped away."""
    picture = page("practice").copy()
    if t < 9:
        points = _strokes()[: int(len(_strokes()) * min(1.0, t / 8))]
        for (x, y), (to_x, to_y) in pairwise(points):
            if abs(to_x - x) < 100:
                cv2.line(picture, (x, y), (to_x, to_y), RED, 7, cv2.LINE_AA)
    return picture


@lru_cache(maxsize=1)
def _strokes() -> list[tuple[int, int]]:
    angles = np.linspace(0, 2 * np.pi, 60)
    circle = [(round(300 + 210 * np.cos(a)), round(540 + 205 * np.sin(a))) for a in angles]
    line = [(x, 300 + x // 40 % 2 * 8) for x in range(460, 1000, 20)]
    digits = [(640 + round(60 * np.sin(3 * a)), 860 + round(50 * np.cos(2 * a))) for a in angles]
    return circle + line + digits


def laser(t: float) -> Image:
    """A red dot that circles, trembles on a word, and circles again."""
    picture = page("reading").copy()
    trembling = 3 < t < 6
    x = 840 + round(6 * np.sin(23 * t)) if trembling else 960 + round(500 * np.cos(1.4 * t))
    y = 480 + round(6 * np.cos(19 * t)) if trembling else 560 + round(200 * np.sin(2.1 * t))
    cv2.circle(picture, (x, y), 12, (40, 40, 255), -1, cv2.LINE_AA)
    return picture


def scrolling(t: float) -> Image:
    """A browser: rests, scrolls evenly, rests, scrolls by the wheel; a clock below changes once."""
    wheel = 130 * min(8, max(0, int((t - 11) / 0.5)))
    top = round(min(max(t - 3, 0), 5) * 240) + wheel
    picture = blank(WIDTH_PX, HEIGHT_PX, (255, 255, 255))
    long = _long_page()
    picture[130:1040] = long[top : top + 910]
    cv2.rectangle(picture, (0, 0), (WIDTH_PX, 130), (235, 230, 226), -1)
    _pen.write(picture, "国家中小学智慧教育平台 · 教学参考", 60, 80, 40, INK)
    cv2.rectangle(picture, (0, 1040), (WIDTH_PX, HEIGHT_PX), (70, 60, 50), -1)
    _pen.write(picture, "10:41" if t < 14 else "10:42", 1820, 1068, 20, (255, 255, 255))
    return picture


@lru_cache(maxsize=1)
def _long_page() -> Image:
    picture = blank(WIDTH_PX, 3400, (255, 255, 255))
    words = (
        "分数",
        "表示",
        "把一个整体",
        "平均分成",
        "若干份",
        "其中的",
        "一份或几份",
        "例如",
        "四分之一",
        "学生活动",
        "教师提问",
    )
    choice = np.random.default_rng(3)
    for line in range(50):
        text = "，".join(words[index] for index in choice.integers(0, len(words), choice.integers(3, 8)))
        _pen.write(picture, f"{line + 1}. {text}。", 220, 90 + 66 * line, 40, INK)
    return picture


@lru_cache(maxsize=4)
def _texture(seed: int) -> Image:
    choice = np.random.default_rng(seed)
    size = (2 * WIDTH_PX, 2 * HEIGHT_PX)
    octaves = [choice.integers(0, 255, (9 * parts, 16 * parts, 3), np.uint8) for parts in (2, 5, 12)]
    return np.mean([cv2.resize(octave, size, interpolation=cv2.INTER_CUBIC) for octave in octaves], axis=0).astype(
        np.uint8
    )


def photograph(seed: int, t: float = 0.0) -> Image:
    """A picture without edges of text; with a time, a video whose camera moves."""
    x, y = round(480 + 470 * np.sin(0.9 * t)), round(270 + 260 * np.cos(1.3 * t))
    return np.ascontiguousarray(_texture(seed)[y : y + HEIGHT_PX, x : x + WIDTH_PX], np.uint8)


@lru_cache(maxsize=16)
def clock(second: int) -> Image:
    """A page on which a countdown runs."""
    picture = page("folding").copy()
    _pen.write(picture, f"0:{20 - second:02}", 1660, 1040, 90, RED, 700)
    return picture


# --- transitions ---------------------------------------------------------------------------------------------------


def blend(old: Image, new: Image, share: float) -> Image:
    """A fade."""
    share = min(1.0, share)
    return np.asarray(cv2.addWeighted(old, 1 - share, new, share, 0), np.uint8) if share < 1 else new


def wipe(old: Image, new: Image, share: float) -> Image:
    """The new page uncovers from the left."""
    edge = round(min(1.0, share) * WIDTH_PX)
    return np.hstack([new[:, :edge], old[:, edge:]])


def push(old: Image, new: Image, share: float) -> Image:
    """The new page pushes the old one out to the left."""
    edge = round(min(1.0, share) * WIDTH_PX)
    return np.ascontiguousarray(np.hstack([old, new])[:, edge : edge + WIDTH_PX])


if __name__ == "__main__":
    write_mp4(Path(sys.argv[1]))
    print([round(began_s, 1) for began_s, _ in true_changes()])
