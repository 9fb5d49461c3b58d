"""Takes in what never reached the server: what is missing, what has come, and when it is put in (docs/recording.md)."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from classroom.live.delivery import Completed, Told, Wanted
from classroom.live.errors import BadDelivery, RecordingLive, UnknownRecording
from classroom.model import Label, LessonId, RecordingState, TrackKind
from classroom.recording.comparison import compare
from classroom.recording.editing import editing, recording_live
from classroom.recording.folders import all_recordings, holding_key, holdings
from classroom.recording.generations import remove_unreferenced
from classroom.recording.holding import RESUME_WITHIN_S
from classroom.recording.inventory import FrameIdentity, Inventory, spans
from classroom.recording.lesson_file import DamagedRecording, LessonRecord, Repair, read_lesson
from classroom.recording.playlist import iso_time
from classroom.recording.splice_plan import decodable
from classroom.recording.splicing import RESERVE_BYTES, Unstorable, check_space, splice_recording
from classroom.recording.staging import MAX_FRAME_BYTES, Request, Staging, deliveries_of
from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

SETTLED_S = 10.0  # what was captured later may still be on its way, or wait in the recorder
ABANDONED_S = 24 * 3600.0  # a repair that nobody continues is none
FORGOTTEN_S = 30 * 24 * 3600.0  # delivery tokens are good for so long
KEEP_FORMER_S = 600.0  # players may still read the former generation
PROGRESS_S = 2.0
# What no source of ours reaches: whoever may deliver must not fill the disk with it.
MAX_BPS = {TrackKind.VIDEO: 10_000_000, TrackKind.AUDIO: 1_000_000}
_AT_ONCE_S = 10.0  # a short piece may be a large keyframe
STAGINGS_IN_MEMORY = 12  # an inventory of a lesson takes some 50 MB
_SAME_DAYS_S = 24 * 3600.0  # a holding that is farther away than this is not looked at
DETAIL = (
    "采集端正在补传网络中断时缺失的片段，现在可以回放，补完后更完整。 "
    "What the network lost is being delivered; the recording can be watched meanwhile."
)


class Deliveries:
    """The deliveries to the recordings of a data directory.

    Methods block and may be called in threads; one at a time changes a recording. What they raise beside OSError is
    fit for people. ``wall`` is seconds since 1970.
    """

    def __init__(self, root: Path, wall: Callable[[], float] = time.time) -> None:
        self._root = root
        self._wall = wall
        self._guard = threading.Lock()
        self._locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._stagings: OrderedDict[tuple[Path, str], Staging] = OrderedDict()
        self._told_at_s: dict[Path, float] = {}
        self._spliced_at_s: dict[Path, float] = {}

    def take_inventory(
        self, lesson: LessonId, track: str, label: Label, kind: TrackKind, now_ntp: int, data: bytes
    ) -> Wanted:
        """Compare a copy with the latest recording that it belongs to. Raises BadDelivery, UnknownRecording."""
        inventory = Inventory(data)
        request = Request(label, kind, now_ntp, self._wall(), [])
        behind_s = float("inf")
        for folder in reversed(holdings(self._root, lesson)):
            try:
                record = read_lesson(folder)
            except DamagedRecording as error:
                logger.warning("lesson=%s %s", lesson, error)
                continue
            if inventory.frames and _may_overlap(record, request, inventory):
                with self._lock(folder):
                    wanted = self._ask(folder, track, request, inventory, behind_s)
                if wanted is not None:
                    return wanted
            behind_s = record.epoch_s
        raise UnknownRecording("没有与这些内容对应的录像。 There is no recording that these frames belong to (yet).")

    def take_frames(self, lesson: LessonId, holding: str, track: str, body: bytes) -> None:
        """Take frames that an inventory asked for: durable afterwards, all or nothing.

        Raises UnknownRecording, NotWanted, BadDelivery, DiskShort.
        """
        folder = self._find(lesson, holding)
        check_space(folder, RESERVE_BYTES + len(body))
        with self._lock(folder):
            staging = self._staging(folder, track)
            staging.take(body)
            now_s = time.monotonic()
            if now_s - self._told_at_s.get(folder, 0.0) >= PROGRESS_S:
                self._told_at_s[folder] = now_s
                self._note_progress(folder)

    def complete(self, lesson: LessonId, holding: str) -> Completed:
        """Put in what has come. Raises UnknownRecording, RecordingLive, BadDelivery, DiskShort."""
        folder = self._find(lesson, holding)
        with self._lock(folder):
            record = read_lesson(folder)
            if record.state is RecordingState.RECORDING:
                raise recording_live()
            stagings = [self._staging(folder, track) for track in deliveries_of(folder)]
            waiting: set[str] = set()
            refused: Unstorable | None = None
            while any(staging.due for staging in stagings):
                try:
                    record, waiting = splice_recording(folder, stagings, _end_s(record))
                except Unstorable as error:  # it must not keep the others out
                    logger.warning("lesson=%s %s: %s", lesson, error.track, error)
                    refused = error
                    self._remove(next(s for s in stagings if s.track == error.track), folder)
                    continue
                self._spliced_at_s[folder] = time.monotonic()
                logger.info("lesson=%s what was delivered has been put into %s", lesson, folder.name)
                break
            else:
                if record.state is RecordingState.REPAIRING:
                    record = _give_up(folder)
                if refused is not None:
                    raise refused
            for staging in stagings:
                if staging.track not in waiting:
                    self._remove(staging, folder)
            return Completed(record.state, sum(len(track.gaps) for track in record.tracks))

    def told(self, lesson: LessonId) -> Told | None:
        """What the latest recording of a lesson says of itself; None when there is none that can be read."""
        found = holdings(self._root, lesson)
        try:
            record = read_lesson(found[-1]) if found else None
        except (OSError, DamagedRecording):
            return None
        return None if record is None else Told(lesson, record.state, record.detail)

    def keep_house(self) -> list[Told]:
        """End repairs that nobody continues, remove what is not needed any more; says whose state that is.

        To be called when the server starts, and about once an hour.
        """
        told = []
        for folder in list(all_recordings(self._root)):
            try:
                with self._lock(folder):
                    ended = self._keep(folder)
            except (OSError, DamagedRecording, RecordingLive) as error:
                logger.warning("cannot look after the recording %s: %s", folder, error)
                continue
            if ended and folder == holdings(self._root, ended.id)[-1]:
                told.append(Told(LessonId(ended.id), ended.state, ended.detail))
        return told

    def remove_former(self) -> None:
        """Remove the generations that splices have replaced KEEP_FORMER_S ago; to be called every minute or so."""
        for folder, spliced_at_s in list(self._spliced_at_s.items()):
            if time.monotonic() - spliced_at_s < KEEP_FORMER_S:
                continue
            with self._lock(folder):
                self._spliced_at_s.pop(folder, None)
                try:
                    remove_unreferenced(folder, read_lesson(folder))
                except (OSError, DamagedRecording) as error:
                    logger.warning("the former generations in %s stay: %s", folder, error)

    # --- inside ------------------------------------------------------------------------------------------------

    def _lock(self, folder: Path) -> threading.Lock:
        with self._guard:
            return self._locks[folder]

    def _find(self, lesson: LessonId, holding: str) -> Path:
        for folder in holdings(self._root, lesson):
            if holding_key(folder) == holding:
                return folder
        raise UnknownRecording("没有这段录像。 There is no such recording of this lesson.")

    def _staging(self, folder: Path, track: str) -> Staging:
        """The staging of a track; the disk has all of it, so that those that were not used for long are forgotten."""
        key = (folder, track)
        with self._guard:
            known = self._stagings.pop(key, None)
        staging = known or Staging(folder, track)
        with self._guard:
            self._stagings[key] = staging
            while len(self._stagings) > STAGINGS_IN_MEMORY:
                self._stagings.popitem(last=False)
        return staging

    def _remove(self, staging: Staging, folder: Path) -> None:
        staging.remove()
        with self._guard:
            self._stagings.pop((folder, staging.track), None)

    def _ask(self, folder: Path, track: str, request: Request, inventory: Inventory, behind_s: float) -> Wanted | None:
        record = read_lesson(folder)
        known = record.track(track)
        if known is not None and (known.kind, known.label) != (request.kind, request.label):
            raise BadDelivery(f"录像里的 {track} 不是这种轨。 The track {track} of the recording is of another kind.")
        live = record.state is RecordingState.RECORDING
        end_s = request.received_at_s - record.epoch_s - SETTLED_S if live else _end_s(record)
        comparison = compare(folder, record, track, request, inventory.frames, min(end_s, behind_s - record.epoch_s))
        if not comparison.overlaps:
            return None
        staging = self._staging(folder, track)
        missing = [index for index in comparison.missing if inventory.frames[index].size_bytes <= MAX_FRAME_BYTES]
        twice = bool(comparison.alignment.twice) and not live
        if not missing and not staging.staged and not twice:
            return Wanted(holding_key(folder), [], 0, live)
        _refuse_excess(request.kind, [inventory.frames[index] for index in missing])
        if staging.request is not None and staging.request.kind is not request.kind:
            raise BadDelivery(f"{track} 曾是另一种轨。 The track {track} was of another kind before.")
        asked = Request(request.label, request.kind, request.now_ntp, request.received_at_s, spans(missing), twice)
        staging.ask(asked, inventory)
        left = [index for index in missing if inventory.frames[index].captured_ntp not in staging.staged]
        facts = {
            index: staging.staged[inventory.frames[index].captured_ntp].facts
            for index in missing
            if inventory.frames[index].captured_ntp in staging.staged
        }
        video = request.kind is TrackKind.VIDEO
        if not live and (left or (decodable(comparison.alignment, facts) if video else facts)):
            self._begin_repair(folder)
        wanted_bytes = sum(inventory.frames[index].size_bytes for index in left)
        return Wanted(holding_key(folder), spans(left), wanted_bytes, live)

    def _begin_repair(self, folder: Path) -> None:
        with editing(folder) as (record, events):
            before = record.repair.before if record.repair is not None else record.state
            if record.state is not RecordingState.REPAIRING:
                events.add("repair_began", record.duration_s, {"before": before})
            record.state, record.detail = RecordingState.REPAIRING, DETAIL
            record.repair = self._repair(folder, before)

    def _note_progress(self, folder: Path) -> None:
        if read_lesson(folder).state is not RecordingState.REPAIRING:
            return  # a recorder has the lock for as long as it records
        try:
            with editing(folder) as (record, _):
                if record.repair is not None:
                    record.repair = self._repair(folder, record.repair.before)
        except RecordingLive:
            pass  # it is told when the lesson is over

    def _repair(self, folder: Path, before: RecordingState) -> Repair:
        stagings = [self._staging(folder, track) for track in deliveries_of(folder)]
        wanted_bytes = sum(staging.wanted_bytes for staging in stagings)
        received_bytes = sum(staging.received_bytes for staging in stagings)
        return Repair(wanted_bytes, min(received_bytes, wanted_bytes), before, iso_time(self._wall()))

    def _keep(self, folder: Path) -> LessonRecord | None:
        """Look after one recording; its record if it is being repaired, or was."""
        for track in deliveries_of(folder):
            staging = self._staging(folder, track)
            if staging.request is None or self._wall() - staging.request.received_at_s > FORGOTTEN_S:
                self._remove(staging, folder)
        record = read_lesson(folder)
        if record.state is not RecordingState.REPAIRING:
            return None
        went_on_s = 0.0 if record.repair is None else datetime.fromisoformat(record.repair.continued_at).timestamp()
        return record if self._wall() - went_on_s <= ABANDONED_S else _give_up(folder)


def _refuse_excess(kind: TrackKind, missing: list[FrameIdentity]) -> None:
    """Raise BadDelivery when there is more of it than time for it."""
    if missing:
        span_s = (missing[-1].captured_ntp - missing[0].captured_ntp) / FRACTION + _AT_ONCE_S
        if sum(frame.size_bytes for frame in missing) * 8 > MAX_BPS[kind] * span_s:
            raise BadDelivery(
                f"补传内容超过 {MAX_BPS[kind] // 1_000_000} Mbit/s，不予接收。 "
                f"What is to be delivered is over {MAX_BPS[kind] // 1_000_000} Mbit/s; it is not taken."
            )


def _give_up(folder: Path) -> LessonRecord:
    """A repair has ended without anything to put in: the recording is what it was."""
    with editing(folder) as (record, events):
        if record.state is RecordingState.REPAIRING:
            record.state = record.repair.before if record.repair is not None else RecordingState.INTERRUPTED
            record.detail, record.repair = None, None
            events.add("repair_ended", record.duration_s, {"state": record.state})
    return record


def _end_s(record: LessonRecord) -> float:
    """Where a recording ends on the axis, or would have ended: without an orderly end the lesson may have gone on."""
    state = record.repair.before if record.repair is not None else record.state
    ended_at = record.ended_at
    ended_s = record.duration_s if ended_at is None else datetime.fromisoformat(ended_at).timestamp() - record.epoch_s
    return ended_s if state is RecordingState.COMPLETE else ended_s + RESUME_WITHIN_S


def _may_overlap(record: LessonRecord, request: Request, inventory: Inventory) -> bool:
    """Whether a copy can have anything of a recording, as far as its clock can be trusted."""
    ago_s = [(request.now_ntp - inventory.frames[index].captured_ntp) / FRACTION for index in (0, -1)]
    first_s, last_s = (request.received_at_s - ago - record.epoch_s for ago in ago_s)
    return last_s > -_SAME_DAYS_S and first_s < record.duration_s + _SAME_DAYS_S
