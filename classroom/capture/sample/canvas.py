"""Text and planes: what drawing with OpenCV needs besides its shapes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Image = np.ndarray[Any, np.dtype[np.uint8]]
Colour = tuple[int, int, int]  # blue, green, red


def blank(width_px: int, height_px: int, colour: Colour) -> Image:
    """A BGR picture of one colour."""
    image = np.empty((height_px, width_px, 3), np.uint8)
    image[:] = colour
    return image


class Pen:
    """Writes Chinese and Latin text with the font inside OpenCV; not for use by two threads at once."""

    def __init__(self) -> None:
        self._font = cv2.FontFace("uni")

    def write(
        self, image: Image, text: str, x_px: int, y_px: int, size_px: int, colour: Colour, weight: int = 400
    ) -> None:
        """Write with the baseline's left end at (x, y)."""
        cv2.putText(image, text, (x_px, y_px), colour, self._font, size_px, weight)

    def centre(
        self, image: Image, text: str, x_px: int, y_px: int, size_px: int, colour: Colour, weight: int = 400
    ) -> None:
        """Write with the middle of the baseline at (x, y)."""
        height_px, width_px = image.shape[:2]
        box = cv2.getTextSize((width_px, height_px), text, (0, 0), self._font, size_px, weight)
        self.write(image, text, x_px - int(box[2]) // 2, y_px, size_px, colour, weight)

    def fraction(self, image: Image, over: str, under: str, x_px: int, y_px: int, size_px: int, colour: Colour) -> None:
        """Write a fraction whose bar has its middle at (x, y)."""
        half = round(size_px * 0.34 * max(len(over), len(under)))
        cv2.line(image, (x_px - half, y_px), (x_px + half, y_px), colour, max(2, size_px // 14), cv2.LINE_AA)
        self.centre(image, over, x_px, y_px - round(size_px * 0.22), size_px, colour)
        self.centre(image, under, x_px, y_px + round(size_px * 0.95), size_px, colour)


def to_i420(image: Image) -> Image:
    """A BGR picture with even sides as I420: rows of Y, then of U, then of V, in one array (height * 3/2, width)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)


def paste_i420(onto: Image, patch: Image, x_px: int, y_px: int) -> None:
    """Put an I420 picture into a larger one; all numbers even."""
    for target, source, scale in zip(_planes(onto), _planes(patch), (1, 2, 2), strict=True):
        top, left = y_px // scale, x_px // scale
        target[top : top + source.shape[0], left : left + source.shape[1]] = source


def _planes(image: Image) -> tuple[Image, Image, Image]:
    width_px = image.shape[1]
    height_px = image.shape[0] * 2 // 3
    flat = image.reshape(-1)
    luma, chroma = width_px * height_px, width_px * height_px // 4
    half = (height_px // 2, width_px // 2)
    return (
        flat[:luma].reshape(height_px, width_px),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma : luma + 2 * chroma].reshape(half),
    )
