"""Finds page changes in what a screen shows: pictures with times in, changes out. Pure; OpenCV and numpy on arrays.

What a page is made of is its *ink*: pixels with contrast around them. Another page is there when ink is gone:

* A page that only gains (bullets that appear, handwriting) is the same page; so is one that loses again what it gained.
* What does not come to rest decides nothing: a fade, a pointer or a dot that moves, a video, a clock.
* A page that scrolls is the same page, as long as one could read along.
* A little ink replaced by other ink (one number) is another page if it stays so, is as large as text that a class can
  read, and nothing like a pointer moved around that time.

One pixel is a plain value per question ("since when is it lost?"), so that the whole state is a few small arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

Grey = np.ndarray[Any, np.dtype[np.uint8]]
Seconds = np.ndarray[Any, np.dtype[np.float32]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

cv2.setNumThreads(1)  # several threads would take from the lessons what one gives back

WIDTH_PX, HEIGHT_PX = 480, 270  # every picture is looked at in this size, whatever its shape
INTERVAL_S = 0.2  # as often is enough; more pictures do no harm

# Contrast in 3x3 pixels from which it is ink, and what part of it a pixel must differ by to be other than it was.
_INK_CONTRAST, _CHANGED_SHARE, _CHANGED_LEAST = 40, 0.5, 22
_REST_S = 0.8  # what has not changed for so long has come to rest
_LOST_SHARE = 0.25  # of a page's ink, then it is another page
_LOST_LEAST_PX = 40
_GROUND_SHARE = 0.5  # of all pixels: another background
_CUT_REST_S = 0.09  # a page that went from one picture to the next, when pictures come 10 times a second
_SMALL_S = 2.5  # how long one number must be another
_SMALL_WINDOW_PX, _SMALL_LOST_PX, _SMALL_INK_PX = 17, 9, 5
_POINTER_PX = 20  # a place where one pointer may have been
_POINTER_S = 1.3  # it moved shortly before or after
_CLOCK_S = 1.3  # an encoder at its limit needs as long to show one change
_MOVED_LEVELS = 24
_BLOCK_PX = 6
_VIDEO_S, _VIDEO_ACTIVITY = 5.0, 0.4  # what changes most of the time for some seconds is a video
_VIDEO_PAGE_SHARE, _STILL_S = 0.6, 2.5  # of the screen, then it is a page of its own; till it is still
_SCROLL_EDGE_SHARE = 0.1  # of the fullest row or column; less beside what scrolls is something else: a clock
_SCROLL_SHARE, _SCROLL_MATCH, _SCROLL_UNEXPLAINED, _SCROLL_S, _SCROLL_PAGES = 0.02, 0.5, 0.5, 1.0, 0.9
_NEVER = np.float32(np.inf)
_GRID = (HEIGHT_PX // _BLOCK_PX, WIDTH_PX // _BLOCK_PX)


@dataclass(slots=True)
class _State:
    """All that the detector remembers. Per pixel unless said otherwise; times in seconds, infinite for "not"."""

    at: Seconds  # () time of the latest picture
    latest: Grey
    rest: Grey  # each pixel as it was when it last moved
    base: Grey  # the page as it began
    page: Grey  # the page as it was when each pixel last came to rest on it
    first: Mask  # ink that the page began with
    ink: Mask  # that and what it gained
    rests_since: Seconds
    lost_since: Seconds  # ink that is not there
    ground_since: Seconds  # differs from the page, ink or not
    activity: Seconds  # per block: how much of the last seconds it changed, 0..1
    busy_since: Seconds  # per block: since when it has gone on changing
    video: Mask  # per block: where a video was on this page
    moving: Mask  # () the page is one that moves everywhere: a video that fills the screen
    moved: Seconds  # (n, 1 + blocks): times, and where something changed then, of the last seconds
    scrolled: Seconds  # (n, 2): times and shares of a page


class PageDetector:
    """Takes pictures of a screen by time and says when another page began.

    ``add`` returns times in order, some seconds after they were; the first page is no change.
    """

    def __init__(self) -> None:
        self._state: _State | None = None

    def add(self, at_s: float, picture: Grey) -> list[float]:
        """Take a picture (270, 480); its time is later than the one before. Returns when other pages began.

        Times are kept with 32 bits: they are to count from the first picture or so, not from the computer's start.
        """
        state = self._state
        if state is None:
            self._state = _begin(at_s, picture)
            return []
        now = np.float32(at_s)
        if _scrolls(state, now, picture):
            _take_page(state, now, picture, scrolled=True)
            return []
        # Against the picture at rest, not the one before: what creeps moves, too.
        difference = cv2.absdiff(picture, state.rest)
        moved = difference > _MOVED_LEVELS
        state.rest[moved] = picture[moved]
        _note_motion(state, now, moved, difference > 2 * _MOVED_LEVELS)
        state.rests_since[moved] = now
        _compare(state, now, picture)
        state.at, state.latest = np.array(now), picture
        began_s = _other_page(state, now)
        if began_s is None:
            _learn(state, now, picture)
            return []
        moves = bool(state.video.mean() >= _VIDEO_PAGE_SHARE) and not state.moving
        _take_page(state, now, picture)
        state.moving = np.array(moves)
        return [began_s]

    @property
    def page(self) -> Grey | None:
        """The page as it is by now, at rest; it is not written to any more once another has begun."""
        return None if self._state is None else self._state.page

    def cut_s(self) -> float | None:
        """When the page went, if most of it is gone and what came instead has rested for one picture.

        That is likely another page, told half a second before ``add`` is sure of it.
        """
        state = self._state
        if state is None or state.moving or state.video.mean() >= _VIDEO_PAGE_SHARE:
            return None
        now = np.float32(state.at)
        rests = (now - state.rests_since >= _CUT_REST_S) & ~_pixels(state.video)
        lost = (now - state.lost_since >= _CUT_REST_S) & rests
        if _count(lost) >= max(_LOST_LEAST_PX, _LOST_SHARE * _count(state.ink)):
            return None if _is_as_it_began(state, rests) else _onset(state.lost_since[lost])
        ground = (now - state.ground_since >= _CUT_REST_S) & rests
        return _onset(state.ground_since[ground]) if _share(ground) >= _GROUND_SHARE else None

    def save(self) -> dict[str, np.ndarray[Any, Any]]:
        """The state as arrays by name; empty before the first picture."""
        state = self._state
        return {} if state is None else {field.name: np.asarray(getattr(state, field.name)) for field in fields(state)}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> PageDetector:
        """A detector that goes on as the saved one would. Raises KeyError, ValueError for what was not saved here."""
        detector = cls()
        if arrays:
            state = _State(**{field.name: arrays[field.name].copy() for field in fields(_State)})
            if state.latest.shape != (HEIGHT_PX, WIDTH_PX) or state.activity.shape != _GRID:
                raise ValueError("the saved state has another size")
            detector._state = state
        return detector


def small_grey(picture: Grey) -> Grey:
    """A luma picture of any size as ``add`` takes it."""
    return np.asarray(cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def ink_share(picture: Grey) -> float:
    """How much of a picture of that size is ink, 0..1: nearly nothing for a blank one."""
    return float(ink_of(picture).mean())


def _begin(at_s: float, picture: Grey) -> _State:
    def times(shape: tuple[int, ...], value: float | np.float32) -> Seconds:
        return np.full(shape, value, np.float32)

    ink = ink_of(picture)
    shape = picture.shape
    return _State(
        at=times((), at_s), latest=picture, rest=picture.copy(), base=picture, page=picture.copy(),
        first=ink, ink=ink.copy(),
        rests_since=times(shape, at_s), lost_since=times(shape, _NEVER), ground_since=times(shape, _NEVER),
        activity=times(_GRID, 0), busy_since=times(_GRID, _NEVER), video=np.zeros(_GRID, bool), moving=np.array(False),
        moved=times((0, 1 + _GRID[0] * _GRID[1]), 0), scrolled=times((0, 2), 0),
    )  # fmt: skip


def _take_page(state: _State, now: np.float32, picture: Grey, scrolled: bool = False) -> None:
    """From now on the page is what is there."""
    state.at, state.latest, state.base, state.page = np.array(now), picture, picture, picture.copy()
    state.ink = ink_of(picture)
    state.lost_since[:], state.ground_since[:] = _NEVER, _NEVER
    state.rest = picture.copy()
    if scrolled:
        state.first = state.ink.copy()
        return
    # What still moves is no part of the page: a transition is over by now, a pointer is not.
    state.first = state.ink & (now - state.rests_since >= _REST_S / 2)
    state.video[:], state.activity[:], state.busy_since[:] = False, 0, _NEVER
    state.moving = np.array(False)


def _contrast(picture: Grey) -> Grey:
    return np.asarray(cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), np.uint8)


def ink_of(picture: Grey) -> Mask:
    """What of a picture is print, lines and edges."""
    return _contrast(picture) > _INK_CONTRAST


def _blocks(mask: Mask) -> Mask:
    """Which blocks of 6x6 pixels have at least two of the mask."""
    counts = cv2.resize(_bytes(mask) * _BLOCK_PX**2, (_GRID[1], _GRID[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(counts >= 2)


def _bytes(mask: Mask) -> Grey:
    return mask.view(np.uint8)


def _count(mask: Mask) -> int:
    return int(cv2.countNonZero(_bytes(mask)))


def _share(mask: Mask) -> float:
    return _count(mask) / mask.size


def _pixels(blocks: Mask) -> Mask:
    """A mask of blocks, and those around them, as one of pixels."""
    return _widen(blocks, 3).repeat(_BLOCK_PX, 0).repeat(_BLOCK_PX, 1)


def _note_motion(state: _State, now: np.float32, moved: Mask, clearly: Mask) -> None:
    blocks = _blocks(moved)
    weight = np.float32(np.exp(-min(float(now - state.at), 1.0) / _VIDEO_S))
    state.activity += (blocks - state.activity) * (1 - weight)
    np.minimum(state.busy_since, now, out=state.busy_since, where=blocks)
    state.busy_since[state.activity < _VIDEO_ACTIVITY / 4] = _NEVER
    state.video |= state.activity > _VIDEO_ACTIVITY
    row = np.concatenate([[now], _blocks(clearly).ravel().astype(np.float32)])
    kept = state.moved[state.moved[:, 0] > now - _SMALL_S - 2 * _POINTER_S]
    state.moved = np.vstack([kept, row]).astype(np.float32)


def _scrolls(state: _State, now: np.float32, picture: Grey) -> bool:
    """Whether what changed is explained by a shift up or down that one can follow."""
    state.scrolled = state.scrolled[state.scrolled[:, 0] > now - _SCROLL_S]
    gone_px = _count(state.lost_since < _NEVER)
    # A step that came in as a blur is looked at again, against the page, when it has become clear.
    before = state.page if gone_px >= max(_LOST_LEAST_PX, _LOST_SHARE * _count(state.ink)) else state.latest
    share = _shift(before, picture)
    if share == 0:
        return False
    state.scrolled = np.vstack([state.scrolled, np.array([[now, share]])]).astype(np.float32)
    return bool(state.scrolled[:, 1].sum() <= _SCROLL_PAGES)


def _shift(before: Grey, after: Grey) -> float:
    """How far what differs was shifted up or down, of its height; 0 if that is not what happened."""
    moved = cv2.absdiff(after, before) > _MOVED_LEVELS
    if _share(moved) < _SCROLL_SHARE:
        return 0.0
    counts = (moved.sum(axis=1), moved.sum(axis=0))
    rows, columns = (np.flatnonzero(count > _SCROLL_EDGE_SHARE * count.max()) for count in counts)
    height, width = (int(edges[-1] - edges[0]) + 1 for edges in (rows, columns))
    if height < HEIGHT_PX // 4 or width < WIDTH_PX // 8:
        return 0.0
    part = np.s_[rows[0] : rows[0] + height, columns[0] : columns[0] + width]
    old, new, third = before[part], after[part], height // 3
    match = cv2.matchTemplate(new, old[third : height - third], cv2.TM_CCOEFF_NORMED)[:, 0]
    peak = int(match.argmax())
    if not 0 < peak < len(match) - 1 or match[peak] < _SCROLL_MATCH:
        return 0.0
    low, top, high = (float(match[peak + step]) for step in (-1, 0, 1))
    dy = peak - third + (low - high) / (2 * (low - 2 * top + high) or 1.0)
    if abs(dy) < 0.5:
        return 0.0
    shifted = cv2.warpAffine(old, np.array([[1, 0, 0], [0, 1, dy]]), (width, height))
    kept = slice(math.ceil(dy), height) if dy > 0 else slice(0, height + math.floor(dy))
    unexplained = cv2.absdiff(shifted[kept], new[kept]) > 2 * _MOVED_LEVELS
    differs = cv2.absdiff(old[kept], new[kept]) > 2 * _MOVED_LEVELS
    return abs(dy) / height if unexplained.mean() <= _SCROLL_UNEXPLAINED * differs.mean() else 0.0


def _compare(state: _State, now: np.float32, picture: Grey) -> None:
    changed = differs(picture, state.page)
    for since, mask in ((state.lost_since, changed & state.ink), (state.ground_since, changed)):
        since[~mask] = _NEVER
        np.minimum(since, now, out=since, where=mask)


def differs(picture: Grey, page: Grey) -> Mask:
    """Where a picture shows something else than a page: by more than half of the contrast that the page has there."""
    least = np.maximum(_contrast(page) * np.float32(_CHANGED_SHARE), _CHANGED_LEAST)
    return np.asarray(cv2.absdiff(picture, page) > least)


def _other_page(state: _State, now: np.float32) -> float | None:
    """When another page began, if one is there."""
    if state.moving:
        rests = now - state.rests_since >= _STILL_S
        return _onset(state.rests_since[rests]) if _share(rests) >= _VIDEO_PAGE_SHARE else None
    if state.video.mean() >= _VIDEO_PAGE_SHARE:
        return float(np.quantile(state.busy_since[state.video], 0.1))
    apart = _pixels(state.video)
    rests = (now - state.rests_since >= _REST_S) & ~apart
    lost = (now - state.lost_since >= _REST_S) & rests
    ink_px, lost_px = _count(state.ink & ~apart), _count(lost)
    if lost_px >= max(_LOST_LEAST_PX, _LOST_SHARE * ink_px) and not _is_as_it_began(state, rests):
        return _onset(state.lost_since[lost])
    # What was added and is wiped away was never the page's.
    wiped = lost & (now - state.lost_since >= _SMALL_S) & ~differs(state.latest, state.base)
    state.page[wiped] = state.latest[wiped]
    state.ink[wiped] = False
    state.lost_since[wiped] = _NEVER
    ground = (now - state.ground_since >= _REST_S) & rests
    if _share(ground) >= _GROUND_SHARE:
        return _onset(state.ground_since[ground])
    return _small_change(state, now, apart)


def _is_as_it_began(state: _State, rests: Mask) -> bool:
    """Whether nothing is there but what the page began with: what was added has been wiped away."""
    first_lost = (state.lost_since < _NEVER) & state.first
    other = ink_of(state.latest) & ~_widen(state.first, 3)
    few = 0.03 * max(int(state.first.sum()), 1)
    return bool(first_lost.sum() <= few and (other & rests).sum() <= few)


def _small_change(state: _State, now: np.float32, apart: Mask) -> float | None:
    """When a little of what the page began with was replaced by something else, for good."""
    rests = now - state.rests_since >= _SMALL_S - INTERVAL_S
    lost = (now - state.lost_since >= _SMALL_S) & state.first & rests & ~apart
    if _count(lost) < _SMALL_LOST_PX:
        return None
    # Replaced: ink went and other ink came, seen against the ground between. Ink that was covered only comes.
    ground = cv2.medianBlur(state.base, _SMALL_WINDOW_PX)
    before, after = cv2.absdiff(state.base, ground), cv2.absdiff(state.latest, ground)
    went = lost & (before > after.astype(np.int16) + _CHANGED_LEAST)
    came = rests & (now - state.ground_since >= _SMALL_S) & (after > before.astype(np.int16) + _CHANGED_LEAST)
    found = (_count_around(went) >= _SMALL_LOST_PX) & (_count_around(came) >= _SMALL_INK_PX)
    places, labels = cv2.connectedComponents(
        _widen((went | came) & _widen(found, _SMALL_WINDOW_PX), 5).astype(np.uint8)
    )
    for place in range(1, places):
        here = (labels == place) & went
        if here.sum() >= _SMALL_LOST_PX:
            began_s = _onset(state.lost_since[here])
            if not _pointer_was_near(state, began_s, here) and not _goes_on(state, began_s, here):
                return began_s
    return None


def _count_around(mask: Mask) -> Seconds:
    window = (_SMALL_WINDOW_PX, _SMALL_WINDOW_PX)
    return np.asarray(cv2.boxFilter(mask.astype(np.float32), -1, window, normalize=False), np.float32)


def _widen(mask: Mask, size_px: int) -> Mask:
    return np.asarray(cv2.dilate(_bytes(mask), np.ones((size_px, size_px), np.uint8)) > 0)


def _pointer_was_near(state: _State, began_s: float, here: Mask) -> bool:
    """Whether a small place may have changed because a pointer came or went."""
    rows, columns = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
    if max(rows[-1] - rows[0], columns[-1] - columns[0]) >= _POINTER_PX:
        return False
    times = state.moved[:, 0]
    around = (abs(times - began_s) <= _POINTER_S) & (abs(times - began_s) > INTERVAL_S / 2)
    elsewhere = state.moved[around, 1:].reshape(-1, *_GRID).astype(bool) & ~state.video & ~_widen(_blocks(here), 5)
    return bool(elsewhere.any(axis=(1, 2)).sum() >= 2)


def _goes_on(state: _State, began_s: float, here: Mask) -> bool:
    """Whether a place is next to one that has changed again since: a digit of a clock."""
    near = _widen(_blocks(here), 5)
    later = state.moved[state.moved[:, 0] > began_s + _CLOCK_S, 1:].reshape(-1, *_GRID).astype(bool)
    return bool((later & near).any())


def _onset(times: Seconds) -> float:
    return float(np.median(times))


def _learn(state: _State, now: np.float32, picture: Grey) -> None:
    """What was added and rests belongs to the page; what is there follows slow drifts of the encoder."""
    there = (state.ground_since == _NEVER) & (now - state.rests_since >= _REST_S)
    state.page[there] = cv2.addWeighted(state.page, 0.8, picture, 0.2, 0.5)[there]
    gained = (now - state.ground_since >= _REST_S) & (now - state.rests_since >= _REST_S) & ~state.ink
    # Around new ink the page had none: anything else would forget what is lost.
    near_lost = _widen(state.lost_since < _NEVER, 5)
    gained &= ~near_lost
    if gained.any():
        state.page[gained] = picture[gained]
        state.ground_since[gained] = _NEVER
        state.ink |= ink_of(state.page) & _widen(gained, 3)
