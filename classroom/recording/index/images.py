"""Pictures for people: thumbnails, covers, and sheets of small ones. BGR arrays in, WebP out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    Image = np.ndarray[Any, np.dtype[np.uint8]]

THUMBNAIL_PX = (480, 270)
COVER_PX = (640, 360)
CELL_PX = (160, 90)
COLUMNS, ROWS = 10, 10
CELLS = COLUMNS * ROWS
_QUALITY = 78


def fit(picture: Image, size_px: tuple[int, int], fill: bool = False) -> Image:
    """Scale down to fit (width, height), its shape kept; with ``fill``, black beside it up to that size."""
    height, width = picture.shape[:2]
    scale = min(size_px[0] / width, size_px[1] / height, 1.0 if not fill else np.inf)
    small_px = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(picture, small_px, interpolation=cv2.INTER_AREA), np.uint8)
    if not fill or small_px == size_px:
        return small
    left, top = (size_px[0] - small_px[0]) // 2, (size_px[1] - small_px[1]) // 2
    whole = np.zeros((size_px[1], size_px[0], 3), np.uint8)
    whole[top : top + small_px[1], left : left + small_px[0]] = small
    return whole


def webp(picture: Image) -> bytes:
    """Encode as WebP; a thumbnail of a slide takes some 10 kB, a sheet some 200 kB."""
    _, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    return bytes(data)


def read_image(data: bytes) -> Image | None:
    """Decode a picture; None if that cannot be done."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if picture is None else np.asarray(picture, np.uint8)


def blank_sheet() -> Image:
    """A sheet without cells."""
    return np.zeros((ROWS * CELL_PX[1], COLUMNS * CELL_PX[0], 3), np.uint8)


def put_cell(sheet: Image, number: int, cell: Image) -> None:
    """Put a picture of CELL_PX into a sheet."""
    row, column = divmod(number, COLUMNS)
    top, left = row * CELL_PX[1], column * CELL_PX[0]
    sheet[top : top + CELL_PX[1], left : left + CELL_PX[0]] = cell


def crop_sheet(sheet: Image, cells: int) -> Image:
    """The rows of a sheet that have cells."""
    return sheet[: -(-cells // COLUMNS) * CELL_PX[1]]
