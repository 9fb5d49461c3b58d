"""The camera's picture: a teacher at a blackboard who moves, points and speaks."""

from __future__ import annotations

import math

import cv2
import numpy as np

from classroom.capture.sample.canvas import Colour, Image, Pen, blank, paste_i420, to_i420

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 25
# Only this part of the picture moves; the rest is drawn and converted once.
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 544, 112, 1232, 720
_SKIN: Colour = (160, 190, 235)
_HAIR: Colour = (35, 32, 40)
_JACKET: Colour = (120, 70, 40)
_SHIRT: Colour = (240, 240, 240)
_CHALK: Colour = (225, 235, 235)
STAMP_BITS, STAMP_COLUMNS, STAMP_WIDTH_PX, STAMP_HEIGHT_PX = 24, 12, 50, 40


class Presenter:
    """Draws the picture of any instant."""

    def __init__(self) -> None:
        self._room = _draw_room()
        self._base = to_i420(self._room)

    def draw(self, at_s: float, loudness: float) -> Image:
        """The picture at ``at_s`` seconds with the mouth open by 0…1, as I420 (1080, 1280)."""
        patch = self._room[_TOP_PX:_BOTTOM_PX, _LEFT_PX:_RIGHT_PX].copy()
        _draw_teacher(patch, at_s, loudness)
        picture = self._base.copy()
        paste_i420(picture, to_i420(patch), _LEFT_PX, _TOP_PX)
        return picture


def stamp(picture: Image, milliseconds: int) -> None:
    """Write the low 24 bits of a time into the luma: 2 rows of 12 blocks of 50x40 px, highest bit first."""
    for bit in range(STAMP_BITS):
        row, column = divmod(bit, STAMP_COLUMNS)
        level = 235 if milliseconds >> (STAMP_BITS - 1 - bit) & 1 else 16
        top, left = row * STAMP_HEIGHT_PX, column * STAMP_WIDTH_PX
        picture[top : top + STAMP_HEIGHT_PX, left : left + STAMP_WIDTH_PX] = level


def _draw_room() -> Image:
    room = blank(WIDTH_PX, HEIGHT_PX, (196, 214, 222))
    cv2.rectangle(room, (0, 600), (WIDTH_PX, HEIGHT_PX), (120, 150, 170), -1)
    cv2.rectangle(room, (50, 90), (1230, 560), (70, 110, 150), -1)
    cv2.rectangle(room, (66, 106), (1214, 544), (62, 82, 44), -1)
    cv2.rectangle(room, (420, 548), (860, 566), (90, 130, 170), -1)
    pen = Pen()
    pen.write(room, "分数的初步认识", 110, 190, 62, _CHALK, 600)
    cv2.line(room, (110, 212), (560, 212), (120, 200, 240), 3, cv2.LINE_AA)
    cv2.circle(room, (210, 350), 90, _CHALK, 3, cv2.LINE_AA)
    cv2.line(room, (210, 260), (210, 440), _CHALK, 3, cv2.LINE_AA)
    cv2.ellipse(room, (210, 350), (86, 86), 0, -90, 90, (70, 130, 190), -1, cv2.LINE_AA)
    pen.fraction(room, "1", "2", 360, 350, 60, _CHALK)
    pen.write(room, "读作：二分之一", 420, 340, 40, _CHALK)
    pen.write(room, "平均分成 2 份", 420, 400, 40, _CHALK)
    pen.write(room, "取其中 1 份", 420, 460, 40, _CHALK)
    pen.write(room, "三年级（2）班", 980, 160, 32, (170, 190, 180))
    return room


def _draw_teacher(patch: Image, at_s: float, loudness: float) -> None:
    """Coordinates below are those of the patch."""
    sway = 46 * math.sin(at_s * 0.55) + 8 * math.sin(at_s * 1.9)
    nod = 3 * math.sin(at_s * 2.3) + 5 * loudness
    x, neck = round(426 + sway), 250
    point = 0.5 + 0.5 * math.sin(at_s * 0.8)  # 0: arm down, 1: pointing at the board
    # Body and legs.
    cv2.rectangle(patch, (x - 62, 470), (x + 62, 608), (60, 50, 50), -1)
    _polygon(patch, [(x - 92, neck + 40), (x + 92, neck + 40), (x + 78, 490), (x - 78, 490)], _JACKET)
    _polygon(patch, [(x - 26, neck + 38), (x + 26, neck + 38), (x, neck + 120)], _SHIRT)
    _limb(patch, (x + 86, neck + 62), (x + 112, neck + 160), (x + 96, neck + 244), _JACKET)
    cv2.circle(patch, (x + 96, neck + 250), 17, _SKIN, -1, cv2.LINE_AA)
    # The arm that points, with a stick.
    angle = math.radians(100 + 85 * point + 4 * math.sin(at_s * 5))
    elbow = (round(x - 84 + 92 * math.cos(angle * 0.95)), round(neck + 62 + 92 * math.sin(angle * 0.95)))
    hand = (round(elbow[0] + 92 * math.cos(angle * 1.06)), round(elbow[1] + 92 * math.sin(angle * 1.06)))
    tip = (round(hand[0] + 104 * math.cos(angle * 1.1)), round(hand[1] + 104 * math.sin(angle * 1.1)))
    cv2.line(patch, hand, tip, (40, 90, 160), 6, cv2.LINE_AA)
    _limb(patch, (x - 84, neck + 62), elbow, hand, _JACKET)
    cv2.circle(patch, hand, 17, _SKIN, -1, cv2.LINE_AA)
    # Head.
    head = round(neck - 60 + nod)
    cv2.rectangle(patch, (x - 20, neck - 20), (x + 20, neck + 46), (140, 172, 220), -1)
    cv2.ellipse(patch, (x, head - 12), (80, 92), 0, 0, 360, _HAIR, -1, cv2.LINE_AA)
    cv2.ellipse(patch, (x, head + 10), (64, 76), 0, 0, 360, _SKIN, -1, cv2.LINE_AA)
    cv2.ellipse(patch, (x, head - 34), (68, 44), 0, 180, 360, _HAIR, -1, cv2.LINE_AA)
    blink = at_s % 3.7 < 0.14
    look = round(6 * math.sin(at_s * 0.55))
    for side in (-26, 26):
        eye = (x + side, head + 2)
        cv2.ellipse(patch, eye, (11, 1 if blink else 8), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        if not blink:
            cv2.circle(patch, (eye[0] + look, eye[1]), 5, _HAIR, -1, cv2.LINE_AA)
        cv2.ellipse(patch, (eye[0], head - 8), (15, 11), 0, 205, 335, _HAIR, 4, cv2.LINE_AA)
    cv2.line(patch, (x, head + 8), (x - 5, head + 26), (130, 160, 210), 3, cv2.LINE_AA)
    mouth = round(2 + 17 * loudness)
    cv2.ellipse(patch, (x, head + 46), (22, mouth), 0, 0, 360, (70, 60, 170), -1, cv2.LINE_AA)
    if mouth > 7:
        cv2.ellipse(patch, (x, head + 42), (15, 3), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)


def _limb(
    image: Image, shoulder: tuple[int, int], elbow: tuple[int, int], hand: tuple[int, int], colour: Colour
) -> None:
    cv2.line(image, shoulder, elbow, colour, 38, cv2.LINE_AA)
    cv2.line(image, elbow, hand, colour, 34, cv2.LINE_AA)


def _polygon(image: Image, points: list[tuple[int, int]], colour: Colour) -> None:
    cv2.fillPoly(image, [np.array(points, np.int32)], colour, cv2.LINE_AA)
