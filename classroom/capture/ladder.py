"""Which layers a picture is sent in: their sizes, rates and names on the wire. Pure."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from classroom.capture.video_encoder import Content

if TYPE_CHECKING:
    from classroom.capture.video_encoder import VideoFormat

MAX_LAYERS = 3
MAX_PAGE_LAYERS = 2  # a quarter of a page cannot be read
# On a side of less than this a blackboard is unreadable, and the layer above it costs hardly more.
MIN_SIDE_PX = 160
_RIDS = {1: ("h",), 2: ("h", "l"), 3: ("h", "m", "l")}


def rids(content: Content, layers: int) -> tuple[str, ...]:
    """The names of up to ``layers`` layers, largest first; pages have no more than two."""
    return _RIDS[max(1, min(layers, MAX_PAGE_LAYERS if content is Content.PAGES else MAX_LAYERS))]


@lru_cache(maxsize=64)
def ladder(picture: VideoFormat, layers: int) -> tuple[VideoFormat, ...]:
    """The layers of a picture, largest first, each half as wide and high as the one above; fewer if it is small."""
    found = [picture]
    for step in range(1, layers):
        width_px, height_px = (picture.width_px >> step) & ~1, (picture.height_px >> step) & ~1
        if min(width_px, height_px) < MIN_SIDE_PX:
            break
        found.append(replace(picture, width_px=width_px, height_px=height_px))
    return tuple(found)
