"""Chapters, thumbnails and the hover strip of one picture track, segment by segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.files import replace_file
from classroom.recording.index.chapters import settle
from classroom.recording.index.images import COVER_PX, THUMBNAIL_PX, fit, webp
from classroom.recording.index.media import bgr, load_segment, luma, picture_at, pictures
from classroom.recording.index_file import Chapter
from classroom.slides.changes import INTERVAL_S, PageDetector, ink_share, small_grey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.recording.index.images import Image
    from classroom.recording.index.media import MediaSegment, SegmentFile
    from classroom.recording.index.strip import StripWriter
    from classroom.recording.page_turns import PageTurn

    FindSegment = Callable[[float], SegmentFile | None]

SETTLED_S = 1.0  # a page is pictured so long before its end: a fade to the next has not begun
FIRST_PICTURE_S = 4.0  # a page that goes on is pictured after so long, too
_TITLE_CHARACTERS = 40  # a longer first line is no title
_CONTENT = 0.01  # of a picture is ink, then there is something to see


class Screen:
    """What is found on the slides; on a camera (``pages`` is None) only the strip.

    ``find`` gives the segment of the track that holds a time. Blocks. Raises OSError, DamagedMedia.
    """

    def __init__(
        self,
        folder: Path,
        find: FindSegment,
        strip: StripWriter,
        pages: PageDetector | None,
        chapters: list[Chapter],
        read_text: Callable[[Image], str],
    ) -> None:
        self.pages = pages
        self.chapters = chapters
        self.strip = strip
        self._folder = folder
        self._find = find
        self._read_text = read_text

    def add(self, segment: MediaSegment) -> None:
        """Take the next segment of the track."""
        changes: list[float] = []
        for at_s, frame in pictures(segment, INTERVAL_S):
            last = frame
            if self.strip.wants(at_s):
                self.strip.show(bgr(frame), at_s)
            if self.pages is None:
                break  # a keyframe every other second is enough for a strip
            changes += self.pages.add(at_s, small_grey(luma(frame)))
        if self.strip.wants(segment.end_s - 1e-3):
            self.strip.show(bgr(last), segment.end_s - 1e-3)
        if self.pages is None:
            return
        held_s = segment.end_s - INTERVAL_S / 2
        if held_s > at_s:
            changes += self.pages.add(held_s, small_grey(luma(last)))
        if not self.chapters:
            self.chapters.append(Chapter(round(segment.start_s, 3), segment.end_s))
        for change_s in changes:
            self._turn(change_s)
        chapter = self.chapters[-1]
        chapter.end_s = round(segment.end_s, 3)
        if not chapter.thumbnail and chapter.end_s - chapter.start_s >= FIRST_PICTURE_S:
            self._picture(chapter)

    def settle(self, turns: list[PageTurn], until_s: float) -> None:
        """Let the page turns count that were told of the lesson up to a time."""
        for index in settle(self.chapters, turns, until_s):
            self._picture(self.chapters[index - 1], read=True)
            self._picture(self.chapters[index], read=index < len(self.chapters) - 1)

    def finish(self) -> None:
        """The track has ended: picture its last page. It may go on all the same."""
        if self.chapters:
            self._picture(self.chapters[-1], read=True)

    def cover(self) -> str | None:
        """Picture the first page with something on it that was shown for a while, and return the file's name."""
        long = [c for c in self.chapters if c.end_s - c.start_s >= 2 * SETTLED_S] or self.chapters
        for chapter in long:
            picture = self._at(self._settled_s(chapter))
            if picture is not None and ink_share(small_grey(picture[:, :, 1])) >= _CONTENT:
                return self._write("cover", chapter.start_s, self._settled_s(chapter), picture, COVER_PX)
        return None

    def cover_at(self, at_s: float) -> str | None:
        """Picture what is shown at a time as the cover, and return the file's name."""
        picture = self._at(at_s)
        return None if picture is None else self._write("cover", 0.0, at_s, picture, COVER_PX)

    def _turn(self, at_s: float) -> None:
        ended = self.chapters[-1]
        at_s = round(at_s, 3)
        if at_s <= ended.start_s:
            return
        ended.end_s = at_s
        self._picture(ended, read=True)
        self.chapters.append(Chapter(at_s, at_s))

    def _picture(self, chapter: Chapter, read: bool = False) -> None:
        at_s = self._settled_s(chapter)
        picture = self._at(at_s)
        if picture is not None:
            chapter.thumbnail = self._write("page", chapter.start_s, at_s, picture, THUMBNAIL_PX)
            if read:
                chapter.text = self._read_text(picture)
                first_line = chapter.text.partition("\n")[0]
                chapter.title = first_line if len(first_line) <= _TITLE_CHARACTERS else ""

    def _settled_s(self, chapter: Chapter) -> float:
        half_s = (chapter.end_s - chapter.start_s) / 2
        return max(chapter.end_s - SETTLED_S, chapter.start_s + half_s)

    def _at(self, at_s: float) -> Image | None:
        file = self._find(at_s)
        return None if file is None else bgr(picture_at(load_segment(file, video=True), at_s))

    def _write(self, kind: str, start_s: float, at_s: float, picture: Image, size_px: tuple[int, int]) -> str:
        name = f"{kind}-{round(start_s * 1000):08d}-{round(at_s * 1000):08d}.webp"
        replace_file(self._folder / name, webp(fit(picture, size_px)))
        return name
