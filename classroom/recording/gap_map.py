"""Which gaps of a track remain once frames were put into it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.layout import usual_picture
from classroom.recording.track import Gap, GapReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from classroom.recording.splice_plan import Piece, Window

LONGEST_PICTURE_S = 1.0  # a camera that shows nothing new for longer was away
_SHORTEST = {True: VIDEO_TIMESCALE_HZ // 200, False: AUDIO_TIMESCALE_HZ // 100}
Stretch = tuple[int, int]  # begin and end, in ticks


def remaining_gaps(
    gaps: Iterable[Gap], windows: Sequence[Window], former: Stretch | None, timescale_hz: int, video: bool
) -> list[Gap]:
    """The gaps that are left of those before; ``former`` is where the track began and ended then, None if it was not.

    What the copy has without a break is no gap. Where frames lie beyond what the track was, a new gap may be.
    """
    known = [(round(gap.start_s * timescale_hz), round(gap.end_s * timescale_hz), gap.reason) for gap in gaps]
    for window in windows:
        known += [(begin, end, GapReason.OUTAGE) for begin, end in _beyond(window.pieces, former)]
    covered = sorted(stretch for window in windows for stretch in _covered(window.pieces, timescale_hz, video))
    found = []
    for begin, end, reason in known:
        touched = any(begin < stop and start < end for start, stop in covered)
        pieces = _without((begin, end), covered) if touched else [(begin, end)]
        shortest = _SHORTEST[video] if touched else 0
        found += [
            Gap(start / timescale_hz, stop / timescale_hz, reason) for start, stop in pieces if stop - start >= shortest
        ]
    return sorted(found, key=lambda gap: gap.start_s)


def _beyond(pieces: Sequence[Piece], former: Stretch | None) -> list[Stretch]:
    if not pieces:
        return []
    begin, end = pieces[0].start, pieces[-1].start + pieces[-1].duration
    if former is None:
        return [(begin, end)]
    beyond = [(begin, min(end, former[0])), (max(begin, former[1]), end)]
    return [(start, stop) for start, stop in beyond if start < stop]


def _covered(pieces: Sequence[Piece], timescale_hz: int, video: bool) -> list[Stretch]:
    real = [piece for piece in pieces if piece.stored >= 0 or piece.frame >= 0]
    if not video:
        return [(piece.start, piece.start + piece.duration) for piece in real]
    usual = usual_picture([piece.start for piece in real])
    longest = max(round(LONGEST_PICTURE_S * timescale_hz), 3 * usual)
    stretches = []
    for piece, following in zip(real, [*real[1:], None], strict=True):
        # The one behind the window is a keyframe of the archive, or the end.
        unbroken = piece.frame >= 0 and (following is None or following.frame == piece.frame + 1)
        whole = unbroken and piece.duration <= longest
        stretches.append((piece.start, piece.start + (piece.duration if whole else min(usual, piece.duration))))
    return stretches


def _without(stretch: Stretch, covered: Sequence[Stretch]) -> list[Stretch]:
    begin, end = stretch
    left = []
    for start, stop in covered:
        if stop <= begin or start >= end:
            continue
        if start > begin:
            left.append((begin, start))
        begin = max(begin, stop)
    if begin < end:
        left.append((begin, end))
    return left
