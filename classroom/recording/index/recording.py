"""The index of one recording, made segment by segment, also while the recording grows."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.happenings import read_page_turns
from classroom.recording.index import chapters
from classroom.recording.index.attempt import ATTEMPT_FILE, Attempt
from classroom.recording.index.captions import store_captions, supplied_captions
from classroom.recording.index.dictation import LANGUAGE
from classroom.recording.index.media import DamagedMedia, load_segment, segments_after
from classroom.recording.index.screen import Screen
from classroom.recording.index.speakers import SoundTrack, loudness_of, voice_of
from classroom.recording.index.state import (
    STATE_FILE,
    Remembered,
    TrackProgress,
    load_state,
    part,
    save_state,
    with_prefix,
)
from classroom.recording.index.strip import StripWriter
from classroom.recording.index.transcript import SETTLED_S, Transcript
from classroom.recording.index_file import (
    INDEX_FILE,
    INDEX_FOLDER,
    Captions,
    IndexRecord,
    IndexState,
    read_index,
    write_index,
)
from classroom.recording.lesson_file import LESSON_FILE, read_lesson
from classroom.recording.master import MIC
from classroom.slides.changes import PageDetector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from classroom.recording.index.dictation import Dictation
    from classroom.recording.index.media import SegmentFile
    from classroom.recording.index.state import Arrays
    from classroom.recording.index.text import TextReader
    from classroom.recording.lesson_file import TrackRecord

logger = logging.getLogger(__name__)

PUBLISH_S = 10.0  # how often a growing index is told, and
SAVE_S = 60.0  # how often the state is saved, of the recording's time
_GROWING = (RecordingState.RECORDING,)
_SLIDES = (Label.SLIDES, Label.SCREEN)  # what pages are looked for on, the first that there is
KEPT_S = 600.0  # files that the index has ceased to name, for pages that are open


@dataclass(slots=True)
class _Track:
    """A track that is indexed; the progress of one is what ``state.npz`` remembers."""

    name: str
    progress: TrackProgress
    part: Screen | SoundTrack
    waiting: list[SegmentFile]


class RecordingIndex:
    """Makes and extends the index of a recording. Everything blocks.

    Raises OSError, DamagedRecording and Poisonous; what is on disk then is the index as it was last published. A
    segment that cannot be decoded is left out.
    """

    def __init__(self, folder: Path, reader: TextReader, dictation: Dictation) -> None:
        """Go on where the index was left, or begin anew when the recording is made of other files now."""
        self._folder = folder
        self._index = folder / INDEX_FOLDER
        self._index.mkdir(exist_ok=True)
        self._reader = reader
        self._dictation = dictation
        self._transcript: Transcript | None = None
        self._lesson = read_lesson(folder)
        self._turns = read_page_turns(folder)
        # The record of a lesson that goes on is written all the time: that is no change.
        self._attempt = Attempt(self._index, (folder / LESSON_FILE).stat().st_mtime_ns if self.ended else 0)
        self._attempt.at("open")
        self._memory, self._arrays = load_state(self._index)
        if any(self._now_in(name) != each.folder for name, each in self._memory.tracks.items()):
            self._memory, self._arrays = Remembered(), {}
        # Until the new one is made, an index of what the recording was before a splice is better than none.
        old = read_index(folder)
        spliced = old is not None and any(self._now_in(name) != where for name, where in old.source.items())
        self._old = old if spliced else None
        memory = self._memory
        self._strip = StripWriter(self._index, memory.cells, memory.sheets)
        self._tracks: dict[str, _Track] = {}
        self._damaged: set[str] = set()
        self._published_s = self._saved_s = self.indexed_to_s
        self._attempt.rest()

    @property
    def indexed_to_s(self) -> float:
        """Up to where every track is indexed, on the axis."""
        return min((track.end_s for track in self._memory.tracks.values()), default=0.0)

    def step(self) -> bool:
        """Take the earliest segment that is not indexed yet; returns whether there was one."""
        waiting = [track for track in self._open_tracks() if track.waiting]
        if not waiting:
            return False
        track = min(waiting, key=lambda each: each.progress.end_s)
        file, progress = track.waiting.pop(0), track.progress
        self._attempt.at(f"{progress.folder}/{file.path.name}")
        progress.done = file.number
        try:
            segment = load_segment(file, video=isinstance(track.part, Screen))
            progress.starts.append((file.number, segment.start_s))
            track.part.add(segment)
            progress.end_s = segment.end_s
            if isinstance(track.part, Screen):
                track.part.settle(self._turns, segment.end_s - chapters.SETTLED_S)
            self._write_down(ended=False)
        except DamagedMedia as error:
            if track.name not in self._damaged:
                self._damaged.add(track.name)
                logger.warning(
                    "%s; 已跳过，同一轨道的其他损坏不再记录。 Skipped, and so are others of the track.", error
                )
        if self.indexed_to_s - self._published_s >= PUBLISH_S:
            self._published_s = self.indexed_to_s
            self.publish(done=False)
        if self.indexed_to_s - self._saved_s >= SAVE_S:
            self._saved_s = self.indexed_to_s
            self.save()
        return True

    def look(self) -> bool:
        """Read ``lesson.json`` again; returns whether this index can go on with what the recording is made of now."""
        self._lesson = read_lesson(self._folder)
        self._turns = read_page_turns(self._folder)
        ended = self.ended
        for track in self._tracks.values():
            track.waiting = segments_after(self._folder / track.progress.folder, track.progress.done, ended)
        return all(self._now_in(name) == each.folder for name, each in self._memory.tracks.items())

    @property
    def ended(self) -> bool:
        """Whether the recording grows no more."""
        return self._lesson.state not in _GROWING

    def finish(self) -> None:
        """Everything is indexed and the recording has ended: say so."""
        self._attempt.at("finish")
        for track in self._open_tracks():
            if isinstance(track.part, Screen):
                track.part.settle(self._turns, math.inf)
                track.part.finish()
        self._memory.cover = self._cover()
        self._write_down(ended=True)
        self.save()
        self._old = None
        self.publish(done=True)

    def rest(self) -> None:
        """Say that nothing is being done for now."""
        self._attempt.rest()

    def save(self) -> None:
        """Remember everything, to go on from here."""
        memory = self._memory
        self._strip.write()
        memory.cells, memory.sheets = self._strip.cells, list(self._strip.sheets)
        arrays: Arrays = {}
        for track in self._tracks.values():
            if isinstance(track.part, SoundTrack):
                arrays |= with_prefix(track.part.save(), f"sound/{track.name}/")
            elif track.part.pages is not None:
                arrays |= with_prefix(track.part.pages.save(), "pages/")
        save_state(self._index, memory, arrays)

    def publish(self, done: bool) -> None:
        """Write ``index.json``; what it has ceased to name goes some time later."""
        record = self._record(done)
        write_index(self._folder, record)
        remove_unnamed(self._folder, record)

    # --- inside ------------------------------------------------------------------------------------------------

    def _record(self, done: bool) -> IndexRecord:
        state = IndexState.DONE if done else IndexState.RUNNING
        if self._old is not None:
            self._old.state = state
            return self._old
        memory = self._memory
        sounds = {track.name: track.part for track in self._tracks.values() if isinstance(track.part, SoundTrack)}
        starts_s = [track.start_s for track in self._lesson.tracks if track.start_s is not None]
        if memory.cover is None and len(memory.chapters) > 1:
            memory.cover = self._cover()
        return IndexRecord(
            state=state,
            indexed_to_s=round(self.indexed_to_s, 3),
            source={name: each.folder for name, each in memory.tracks.items()},
            chapters=memory.chapters,
            cover=memory.cover,
            strip=self._strip.record(final=done),
            loudness=loudness_of(sounds),
            voice=voice_of(sounds, min(starts_s, default=0.0), self.indexed_to_s),
            captions=self._captions(),
            ocr=self._reader.state if self._slides() is not None else "off",
            speech=self._dictation.state,
        )

    def _captions(self) -> list[Captions]:
        """Those that somebody supplied, and what was written down unless there are some in its language."""
        captions = supplied_captions(self._folder)
        data = None if self._transcript is None else self._transcript.captions()
        if data is not None and all(each.language != LANGUAGE for each in captions):
            captions.append(store_captions(self._folder, LANGUAGE, data, supplied=False))
        return captions

    def _write_down(self, ended: bool) -> None:
        mic = self._tracks.get(MIC)
        if self._dictation.ready and mic is not None and isinstance(mic.part, SoundTrack):
            if self._transcript is None:
                self._transcript = Transcript(self._dictation, self._finder(mic.progress), self._memory.written)
            until_s = math.inf if ended else mic.progress.end_s - SETTLED_S
            self._transcript.follow(mic.part.voice.finish(), until_s)

    def _open_tracks(self) -> list[_Track]:
        """The tracks that are indexed, with those that have appeared meanwhile."""
        for record in self._lesson.tracks:
            if record.name not in self._tracks and record.start_s is not None and self._is_wanted(record):
                where = self._now_in(record.name)
                progress = self._memory.tracks.setdefault(record.name, TrackProgress(where))
                waiting = segments_after(self._folder / where, progress.done, self.ended)
                self._tracks[record.name] = _Track(record.name, progress, self._part(record, progress), waiting)
        return list(self._tracks.values())

    def _part(self, record: TrackRecord, progress: TrackProgress) -> Screen | SoundTrack:
        if record.kind is TrackKind.AUDIO:
            sound = SoundTrack.load(part(self._arrays, f"sound/{record.name}/"))
            before = segments_after(self._folder / progress.folder, progress.done - 1, True)
            if progress.done and before and before[0].number == progress.done:
                try:
                    sound.warm_up(load_segment(before[0], video=False))
                except DamagedMedia:
                    pass  # it was left out, too, when it was taken
            return sound
        pages = PageDetector.load(part(self._arrays, "pages/")) if record.label in _SLIDES else None
        return Screen(self._index, self._finder(progress), self._strip, pages, self._memory.chapters, self._reader.read)

    def _finder(self, progress: TrackProgress) -> Callable[[float], SegmentFile | None]:
        def find(at_s: float) -> SegmentFile | None:
            number = next((number for number, start_s in reversed(progress.starts) if start_s <= at_s), None)
            if number is None:
                return None
            return next(iter(segments_after(self._folder / progress.folder, number - 1, True)), None)

        return find

    def _is_wanted(self, record: TrackRecord) -> bool:
        if record.kind is TrackKind.AUDIO:
            return True
        slides = self._slides()
        return record is slides or (slides is None and record.label is Label.CAMERA)

    def _slides(self) -> TrackRecord | None:
        found = [
            record
            for label in _SLIDES
            for record in self._lesson.tracks
            if record.label is label and record.kind is TrackKind.VIDEO and record.start_s is not None
        ]
        return found[0] if found else None

    def _cover(self) -> str | None:
        screens = [track.part for track in self._tracks.values() if isinstance(track.part, Screen)]
        covers = (screen.cover() for screen in screens if screen.pages is not None)
        return next((cover for cover in covers if cover is not None), None) or self._camera_cover()

    def _camera_cover(self) -> str | None:
        """A picture of the camera some time into the lesson, when the slides have nothing to show."""
        record = next((r for r in self._lesson.tracks if r.label is Label.CAMERA and r.start_s is not None), None)
        if record is None or record.start_s is None:
            return None
        progress = TrackProgress(self._now_in(record.name))
        at_s = record.start_s + min(60.0, record.duration_s / 2)
        for file in segments_after(self._folder / progress.folder, 0, self.ended):
            progress.starts.append((file.number, load_segment(file, video=True).start_s))
            if progress.starts[-1][1] > at_s:
                break
        screen = Screen(self._index, self._finder(progress), self._strip, None, [], self._reader.read)
        return screen.cover_at(at_s)

    def _now_in(self, name: str) -> str:
        """The folder that a track is in now: a splice gives it another."""
        record = self._lesson.track(name)
        return "" if record is None else record.folder


def remove_unnamed(folder: Path, record: IndexRecord) -> None:
    """Remove files that the index of a recording has not named for ``KEPT_S``. Blocks. Raises OSError."""
    named = {chapter.thumbnail for chapter in record.chapters} | {record.cover, STATE_FILE, INDEX_FILE, ATTEMPT_FILE}
    named |= set(record.strip.sheets if record.strip else ()) | {each.file for each in record.captions}
    for path in (folder / INDEX_FOLDER).iterdir():
        if path.name not in named and time.time() - path.stat().st_mtime >= KEPT_S:
            path.unlink(missing_ok=True)
