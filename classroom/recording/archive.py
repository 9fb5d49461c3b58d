"""A lesson's recording on disk while it is written: the part of the recorder that blocks. One thread owns it."""

from __future__ import annotations

import logging
import os
import re
from functools import partial
from typing import TYPE_CHECKING

from classroom.files import remove_temporaries, replace_file, sync_folder
from classroom.model import Publication, RecordingState, TrackKind
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.event_log import EventLog
from classroom.recording.lesson_file import LESSON_FILE, LessonRecord, TrackRecord, read_lesson, write_lesson
from classroom.recording.master import CAMERA, MASTER, MIC, PARTNERS, rendition
from classroom.recording.playlist import Rendition, iso_time, master_playlist
from classroom.recording.stream import Stream
from classroom.recording.track import AudioTrack, Gap, VideoTrack
from classroom.recording.track_folder import PLAYLIST, TrackFolder
from classroom.sfu.core.ntp import ntp_to_unix
from classroom.sfu.core.rtcp import Bye, RtcpError, SenderReport, build_pli, parse_rtcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

logger = logging.getLogger(__name__)

SYNC_INTERVAL_S = 0.7  # with the writer's poll and a picture that waits for the next, a power cut costs less than 1 s
RECORD_INTERVAL_S = 2.0
RESERVE = ".reserve"  # given back when the disk is full, so that the end of the recording can still be written
RESERVE_BYTES = 1 << 20
BYE_GRACE_S = 0.2  # BYE may overtake the last packets
_MAX_EARLY_REPORTS = 64
_RECORDER_SSRC = 1
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")  # a dot is for generations of a track
SPLICE_WAIT_S = 2.0  # a splice that is being committed takes some milliseconds


class LessonArchive:
    """The folder of one holding of a lesson, its tracks and the streams that fill them.

    Times that come in are seconds since 1970 on the server's clock; inside, and in all files, ``axis_s`` counts from
    the beginning of the recording. All methods block and may raise OSError; after that only ``fail`` is to be called.
    """

    def __init__(
        self, folder: Path, record: LessonRecord, now_s: float, feedback: Callable[[bytes], None], event: str
    ) -> None:
        """Begin or go on with a recording, mending what a crash left; ``event`` says which.

        Raises RecordingBusy, DamagedRecording.
        """
        self.folder = folder
        self.record = record
        self._feedback = feedback
        self._streams: dict[int, Stream] = {}
        self._early_reports: dict[int, SenderReport] = {}
        self._tracks: dict[str, VideoTrack | AudioTrack] = {}
        self._master_key: object = None
        self._next_sync_s = self._next_record_s = now_s
        self._events = EventLog(folder, record.epoch_s, SPLICE_WAIT_S)
        try:
            remove_temporaries(folder)
            if (folder / LESSON_FILE).is_file():  # what was read before the lock may be from before a splice
                record.tracks = read_lesson(folder).tracks
            self._reserve()
            for track in record.tracks:
                self._open_track(track)
            # The clock may have been set back meanwhile; the axis never is.
            self._zero_s = min(record.epoch_s, now_s - self.end_s)
            record.state, record.detail, record.ended_at = RecordingState.RECORDING, None, None
            record.repair = None
            self.add_event(event, now_s, {"title": record.title})
            self._write_record()
        except BaseException:
            self._events.close()
            raise

    @property
    def end_s(self) -> float:
        """Where what is recorded ends on the axis."""
        ends = [t.folder.end / t.folder.timescale_hz for t in self._tracks.values() if t.folder.end is not None]
        return max(ends, default=0.0)

    # --- what comes in -----------------------------------------------------------------------------------------

    def open_stream(self, ssrc: int, publication: Publication, clock_rate_hz: int, now_s: float) -> None:
        """A DownTrack begins; it goes on with the track of its name."""
        name = _UNSAFE.sub("_", publication.name) or publication.kind
        record = self.record.track(name)
        if record is not None and record.kind is not publication.kind:
            name = f"{name}-{publication.kind}"
            record = self.record.track(name)
        if record is None:
            record = TrackRecord(name, publication.label, publication.kind)
            self.record.tracks.append(record)
            self._open_track(record)
        track = self._tracks[name]
        for other in [s for s in self._streams.values() if s.track is track]:
            self._close_stream(other)
        stream = Stream(ssrc, clock_rate_hz, track)
        self._streams[ssrc] = stream
        report = self._early_reports.pop(ssrc, None)
        if report is not None:
            stream.report(report.rtp_ts, self._axis(ntp_to_unix(report.ntp)))
        about: dict[str, object] = {"label": publication.label, "participant": publication.participant_id}
        self.add_event("publication_added", now_s, {"track": name, **about})
        self._write_record()

    def packets(self, ssrc: int, packets: Iterable[tuple[int, int, bool, bytes, int]], now_s: float) -> None:
        """Take (seq, ts, marker, payload, captured_ntp) of a DownTrack that came at ``now_s``."""
        stream = self._streams.get(ssrc)
        if stream is not None:
            axis_now_s = self._axis(now_s)
            for seq, ts, marker, payload, captured_ntp in packets:
                stream.push(seq, ts, marker, payload, captured_ntp, axis_now_s)

    def rtcp(self, data: bytes, now_s: float) -> None:
        """Take a compound RTCP packet: sender reports and BYE."""
        try:
            packets = parse_rtcp(data)
        except RtcpError:
            return
        for packet in packets:
            if isinstance(packet, SenderReport):
                stream = self._streams.get(packet.ssrc)
                if stream is not None:
                    stream.report(packet.rtp_ts, self._axis(ntp_to_unix(packet.ntp)))
                elif len(self._early_reports) < _MAX_EARLY_REPORTS:
                    self._early_reports[packet.ssrc] = packet
            elif isinstance(packet, Bye):
                for ssrc in packet.ssrcs:
                    self._early_reports.pop(ssrc, None)
                    if ssrc in self._streams:
                        self._streams[ssrc].ended_at_s = self._axis(now_s)

    def add_event(self, event: str, now_s: float, data: dict[str, object]) -> None:
        """Note that something happened in the lesson."""
        self._events.add(event, self._axis(now_s), data)

    def advance(self, now_s: float) -> None:
        """Do what is due: late packets, keyframe requests, durability, the record."""
        axis_now_s = self._axis(now_s)
        for stream in list(self._streams.values()):
            stream.advance(axis_now_s)
            if stream.ended_at_s is not None:
                if axis_now_s - stream.ended_at_s >= BYE_GRACE_S:
                    self._close_stream(stream)
            elif stream.wants_keyframe(axis_now_s):
                self._feedback(build_pli(_RECORDER_SSRC, stream.ssrc))
        for track in self._tracks.values():  # also of one whose publisher is gone: its last picture waits
            track.advance(axis_now_s)
        if now_s >= self._next_sync_s:
            self._next_sync_s = now_s + SYNC_INTERVAL_S
            for track in self._tracks.values():
                track.sync()
            self._events.sync()
        if now_s >= self._next_record_s:
            self._next_record_s = now_s + RECORD_INTERVAL_S
            self._write_record()

    # --- the end -----------------------------------------------------------------------------------------------

    def finish(self, state: RecordingState, now_s: float, detail: str | None = None) -> None:
        """Close the recording with its final state; ``detail`` is what people should know of it."""
        live = {id(stream.track) for stream in self._streams.values() if stream.ended_at_s is None}
        for stream in list(self._streams.values()):
            self._close_stream(stream)
        for track in self._tracks.values():
            track.finish(self._axis(now_s) if id(track) in live else None)
        self.record.state, self.record.ended_at = state, iso_time(self._axis(now_s) + self.record.epoch_s)
        self.record.detail = detail
        self.add_event("recording_ended", now_s, {"state": state})
        self._write_record(final=True)
        self._release()
        self._events.close()

    def fail(self, detail: str, now_s: float) -> None:
        """The disk refused: save what can be saved. Never raises."""
        record = self.record
        record.state, record.detail = RecordingState.FAILED, detail
        record.ended_at = iso_time(self._axis(now_s) + record.epoch_s)
        steps: list[Callable[[], None]] = [self._release]
        steps += [partial(track.finish, None) for track in self._tracks.values()]
        steps += [track.folder.finish for track in self._tracks.values()]
        steps += [
            lambda: self.add_event("recording_failed", now_s, {"detail": detail}),
            lambda: self._write_record(final=True),
            self._events.close,
        ]
        for step in steps:
            try:
                step()
            except Exception:  # what is on disk stays readable, startup mends the rest, and the next step may succeed
                logger.debug("a step of saving %s failed", self.folder, exc_info=True)

    # --- inside ------------------------------------------------------------------------------------------------

    def _axis(self, unix_s: float) -> float:
        return unix_s - self._zero_s

    def _open_track(self, record: TrackRecord) -> None:
        video = record.kind is TrackKind.VIDEO
        timescale_hz = VIDEO_TIMESCALE_HZ if video else AUDIO_TIMESCALE_HZ
        folder = TrackFolder.open(self.folder / record.folder, timescale_hz, self.record.epoch_s)
        if folder.listed and not (folder.path / PLAYLIST).is_file():  # a crash ended its first segment
            folder.write_playlist(ended=False)

        def on_gap(gap: Gap) -> None:
            record.gaps.append(gap)
            self._events.add("gap", gap.end_s, {"track": record.name, "start_s": gap.start_s, "reason": gap.reason})

        partner = PARTNERS.get(record.name)

        def lead_from_s() -> float | None:
            other = None if partner is None else self._tracks.get(partner)
            return None if other is None else other.start_s

        kind = VideoTrack if video else AudioTrack
        self._tracks[record.name] = kind(folder, on_gap, lead_from_s)

    def _close_stream(self, stream: Stream) -> None:
        stream.close()
        del self._streams[stream.ssrc]
        if stream.ended_at_s is not None:
            name = next(name for name, track in self._tracks.items() if track is stream.track)
            self._events.add("publication_removed", stream.ended_at_s, {"track": name})

    def _write_record(self, final: bool = False) -> None:
        for record in self.record.tracks:
            describe(record, self._tracks[record.name])
        self.record.duration_s = round(self.end_s, 3)
        self._write_master(final)
        write_lesson(self.folder, self.record)
        sync_folder(self.folder)  # of the new record, the tracks that began, the log

    def _write_master(self, final: bool) -> None:
        video, audio = (self._rendition(name) for name in (CAMERA, MIC))
        key = [(r.name, r.codec, r.width_px, r.height_px) for r in (video, audio) if r is not None]
        if final or key != self._master_key:
            self._master_key = key
            text = master_playlist(video, audio)
            if text is not None:
                replace_file(self.folder / MASTER, text.encode(), durable=final)

    def _rendition(self, name: str) -> Rendition | None:
        record = self.record.track(name)
        if record is None or record.codec is None or not self._tracks[name].folder.listed:
            return None
        return rendition(record)

    def _reserve(self) -> None:
        fd = os.open(self.folder / RESERVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)

    def _release(self) -> None:
        (self.folder / RESERVE).unlink(missing_ok=True)


def describe(record: TrackRecord, track: VideoTrack | AudioTrack) -> None:
    """Bring the record of a track up to date with its folder."""
    folder = track.folder
    start, end = folder.start, folder.end
    if start is None or end is None:
        return
    record.start_s = round(start / folder.timescale_hz, 6)
    record.duration_s = round((end - start) / folder.timescale_hz, 6)
    record.frames = folder.samples
    record.peak_bps, record.average_bps = folder.bit_rates()
    if folder.listed:  # a codec says that it plays: whoever reads the record finds it in the master, too
        record.codec = track.codec
    if isinstance(track, VideoTrack) and track.sps is not None:
        record.width, record.height = track.sps.width_px, track.sps.height_px
