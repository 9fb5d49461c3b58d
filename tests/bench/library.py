"""A data directory with many believable lessons: ``python -m tests.bench.library DIR --lessons 500``.

Each has media that play (three recordings of some 40 minutes, made once, whose files are hard links in every lesson),
and what a recording has besides: index, cover, chapters, captions, events, metadata. The same number gives the same
lessons.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
import cv2
import numpy as np

from classroom.capture.sample.canvas import Colour, Pen, blank
from classroom.capture.sample.presenter import Presenter
from classroom.capture.sample.slides import SLIDES, slide_i420
from classroom.media.depacketize import AccessUnit, OpusFrame
from classroom.media.webvtt import Cue, write_webvtt
from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.archive import describe
from classroom.recording.bmff import AUDIO_TIMESCALE_HZ, VIDEO_TIMESCALE_HZ
from classroom.recording.lesson_file import LessonRecord, TrackRecord, write_lesson
from classroom.recording.playlist import Rendition, iso_time, master_playlist
from classroom.recording.track import AudioTrack, Gap, GapReason, VideoTrack
from classroom.recording.track_folder import TrackFolder
from tests.bench.lesson_texts import LessonText, make_text

SEGMENT_S = 60  # longer than the recorder's: 500 lessons are hard links of some hundred files each as it is
BASES = {"short": 2300, "usual": 2405, "long": 2610}  # seconds
SLIDE_PAGES = 20
FIRST_DAY = datetime(2026, 2, 23, tzinfo=UTC)
SCHOOL_DAYS, SCHOOL_HOURS_UTC = 180, (0, 1, 2, 3, 6, 7)
STRIP_INTERVAL_S, STRIP_SIDE = 5, 10
SCHOOLS_LISTENING = ("山坪小学", "红旗小学", "石桥教学点", "新村小学", "大湾教学点")
INKS: dict[str, Colour] = {
    "数学": (170, 92, 24), "语文": (60, 60, 170), "英语": (140, 110, 30), "科学": (70, 130, 40), "物理": (130, 60, 90),
    "历史": (50, 90, 140), "生物": (90, 140, 60), "化学": (60, 110, 150),
}  # fmt: skip


# --- media, made once -------------------------------------------------------------------------------------------


def encode_pictures(pictures: list[np.ndarray[Any, Any]], every_s: float) -> list[tuple[list[bytes], bool]]:
    """H.264 of I420 pictures, the first one a keyframe: NAL units and whether it is one."""
    height_px, width_px = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 10), Fraction(10)
    encoder.options = {
        "preset": "veryfast", "tune": "zerolatency", "profile": "baseline", "threads": "1", "crf": "28",
        "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1",
    }  # fmt: skip
    units = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = round(index * every_s * 10)
        (packet,) = encoder.encode(frame)
        data = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1")
        units.append(([nal for nal in data.split(b"\0\0\1") if nal], packet.is_keyframe))
    return units


def write_pictures(folder: Path, minutes: list[list[tuple[list[bytes], bool]]], every_s: float, until_s: float) -> None:
    """A track of coded minutes, one after the other and again from the first, until ``until_s``."""
    track = VideoTrack(TrackFolder.open(folder, VIDEO_TIMESCALE_HZ, 0.0), lambda gap: None)
    at_s, number = 0.0, 0
    while at_s < until_s:
        for index, (nals, keyframe) in enumerate(minutes[number % len(minutes)]):
            if at_s + index * every_s < until_s:
                track.add(
                    AccessUnit(round((at_s + index * every_s) * VIDEO_TIMESCALE_HZ), nals, keyframe),
                    at_s + index * every_s,
                )
        at_s, number = at_s + SEGMENT_S, number + 1
    track.finish(until_s)


class LongAudioTrack(AudioTrack):
    """Sound in segments of a minute."""

    def _segment_is_full(self, at: int) -> bool:
        return self._segment_start is not None and at - self._segment_start >= SEGMENT_S * AUDIO_TIMESCALE_HZ


def write_sound(folder: Path, until_s: float) -> None:
    """A quiet hum."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout, encoder.bit_rate = AUDIO_TIMESCALE_HZ, "s16", "mono", 12_000
    wave = (np.sin(np.arange(AUDIO_TIMESCALE_HZ) * 2 * np.pi * 200 / AUDIO_TIMESCALE_HZ) * 900).astype(np.int16)
    packets = []
    for at in range(0, AUDIO_TIMESCALE_HZ, 960):
        frame = av.AudioFrame.from_ndarray(wave[None, at : at + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts = AUDIO_TIMESCALE_HZ, at
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    track = LongAudioTrack(TrackFolder.open(folder, AUDIO_TIMESCALE_HZ, 0.0), lambda gap: None)
    for number in range(round(until_s * 50)):
        track.add(OpusFrame(number * 960, packets[number % len(packets)], 960), number / 50)
    track.finish(None)


def half(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An I420 picture in half its size."""
    image = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420)


def make_bases(root: Path) -> None:
    """The recordings that all lessons share."""
    presenter = Presenter()
    camera = [encode_pictures([half(presenter.draw(s / 2, 0.4 * (s % 3 == 0))) for s in range(2 * SEGMENT_S)], 0.5)]
    slides = [encode_pictures([half(slide_i420(number))] * 6, 10.0) for number in range(SLIDES)]
    for name, until_s in BASES.items():
        base = root / name
        base.mkdir(parents=True)
        write_pictures(base / "camera", camera, 0.5, until_s)
        write_pictures(base / "slides", slides, 10.0, until_s)
        write_sound(base / "mic", until_s)
    sheet = np.zeros((90 * STRIP_SIDE, 160 * STRIP_SIDE, 3), np.uint8)
    for tile in range(STRIP_SIDE**2):
        image = cv2.cvtColor(slide_i420(tile // 12 % SLIDES), cv2.COLOR_YUV2BGR_I420)
        row, column = divmod(tile, STRIP_SIDE)
        sheet[row * 90 : row * 90 + 90, column * 160 : column * 160 + 160] = cv2.resize(
            image, (160, 90), interpolation=cv2.INTER_AREA
        )
    (root / "strip.webp").write_bytes(webp(sheet, 60))


# --- what is written for each lesson ----------------------------------------------------------------------------


def webp(image: np.ndarray[Any, Any], quality: int = 75) -> bytes:
    ok, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert ok
    return data.tobytes()


def draw_page(text: str, ink: Colour, pen: Pen) -> np.ndarray[Any, Any]:
    """A slide of 640×360 with its lines."""
    title, *lines = text.split("\n")
    page = blank(640, 360, (250, 252, 253))
    cv2.rectangle(page, (0, 0), (640, 76), ink, -1)
    pen.write(page, title, 28, 52, 34 if len(title) < 16 else 24, (255, 255, 255), 700)
    for number, line in enumerate(lines):
        pen.write(page, line, 36, 140 + 56 * number, 28, (60, 48, 40))
    return page


@functools.cache
def stock_page(text: str, subject: str) -> bytes:
    """A thumbnail of a page that many lessons of a subject have."""
    return webp(cv2.resize(draw_page(text, INKS[subject], Pen()), (320, 180), interpolation=cv2.INTER_AREA))


class Library:
    """Writes lessons into a data directory."""

    def __init__(self, root: Path, seed: int = 1) -> None:
        self._root = root
        self._bases = root / ".bases"
        self._seed = seed
        self._pen = Pen()
        if not self._bases.exists():
            make_bases(self._bases)
        self._tracks = {name: self._read_tracks(name) for name in BASES}

    def write(self, number: int) -> Path:
        """Write a lesson; returns its folder."""
        random = Random(f"{self._seed}/{number}")
        text = make_text(random, number)
        base = "usual" if number == 0 else random.choice(list(BASES))
        day = FIRST_DAY + timedelta(days=SCHOOL_DAYS if number == 0 else random.randrange(SCHOOL_DAYS))
        begins = day.replace(hour=random.choice(SCHOOL_HOURS_UTC), minute=random.choice((0, 5, 10, 30)))
        lesson = f"lesson-{number + 1:04}"
        folder = self._root / f"{begins:%Y}" / f"{begins:%m}" / lesson
        folder.mkdir(parents=True)
        self._link_media(folder, base)
        self._write_record(folder, lesson, base, begins, text, random)
        self._write_index(folder, BASES[base], text, random)
        (folder / "metadata.json").write_text(json.dumps(metadata(text, lesson, random), ensure_ascii=False, indent=1))
        return folder

    def _read_tracks(self, base: str) -> list[TrackRecord]:
        records = []
        for name, kind in (("camera", TrackKind.VIDEO), ("slides", TrackKind.VIDEO), ("mic", TrackKind.AUDIO)):
            hz = VIDEO_TIMESCALE_HZ if kind is TrackKind.VIDEO else AUDIO_TIMESCALE_HZ
            folder = TrackFolder.open(self._bases / base / name, hz, 0.0)
            record = TrackRecord(name, Label(name), kind)
            describe(record, (VideoTrack if kind is TrackKind.VIDEO else AudioTrack)(folder, lambda gap: None))
            records.append(record)
        return records

    def _link_media(self, folder: Path, base: str) -> None:
        for track in self._tracks[base]:
            (folder / track.name).mkdir()
            for file in (self._bases / base / track.name).iterdir():
                os.link(file, folder / track.name / file.name)

    def _write_record(
        self, folder: Path, lesson: str, base: str, begins: datetime, text: LessonText, random: Random
    ) -> None:
        until_s = BASES[base]
        state = RecordingState.INTERRUPTED if random.random() < 0.04 else RecordingState.COMPLETE
        tracks = [
            TrackRecord(**{name: getattr(track, name) for name in TrackRecord.__slots__})
            for track in self._tracks[base]
        ]
        if random.random() < 0.15:
            at_s = random.uniform(60, until_s - 60)
            tracks[0].gaps = [Gap(at_s, at_s + random.uniform(1, 20), GapReason.OUTAGE)]
        started_at, ended_at = iso_time(begins.timestamp()), iso_time(begins.timestamp() + until_s)
        write_lesson(
            folder, LessonRecord(lesson, text.title, started_at, state, None, ended_at, float(until_s), tracks)
        )
        camera, _, mic = tracks
        pair = [
            Rendition(track.name, track.codec or "", track.peak_bps, track.average_bps, track.width, track.height)
            for track in (camera, mic)
        ]
        (folder / "master.m3u8").write_text(master_playlist(*pair) or "")
        with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
            for event in events(until_s, random):
                file.write(
                    json.dumps({**event, "at": iso_time(begins.timestamp() + event["at_s"])}, ensure_ascii=False) + "\n"
                )

    def _write_index(self, folder: Path, until_s: int, text: LessonText, random: Random) -> None:
        index = folder / "index"
        index.mkdir()
        starts = [0.0, *sorted(random.sample(range(40, until_s - 60), SLIDE_PAGES - 1))]
        pages = [text.slide(random, number) for number in range(SLIDE_PAGES)]
        ink = INKS[text.course["subject"]]
        (index / "cover.webp").write_bytes(webp(draw_page(pages[0], ink, self._pen)))
        chapters = []
        for number, (start_s, page) in enumerate(zip(starts, pages, strict=True), 1):
            name = f"chapter-{number:04}.webp"
            shown = pages[0] if number == 1 else f"{page.splitlines()[0][:4]}\n{text.course['words'][number % 3]}"
            (index / name).write_bytes(stock_page(shown, text.course["subject"]))
            end_s = starts[number] if number < SLIDE_PAGES else until_s
            chapters.append(
                {"start_s": start_s, "end_s": end_s, "thumbnail": name, "text": page, "title": page.splitlines()[0]}
            )
        sheets = [f"strip-{number + 1:04}.webp" for number in range(-(-until_s // (STRIP_INTERVAL_S * STRIP_SIDE**2)))]
        for sheet in sheets:
            os.link(self._bases / "strip.webp", index / sheet)
        cues, spans = speak(until_s, text, random)
        (index / "captions-zh-CN.vtt").write_bytes(write_webvtt(cues))
        silence_s = until_s - sum(end_s - start_s for start_s, end_s, _ in spans)
        shares = {who: round(sum(e - s for s, e, w in spans if w == who), 1) for who in ("teacher", "classroom")}
        told = {
            "format": 1,
            "state": "done",
            "indexed_to_s": float(until_s),
            "source": {},
            "chapters": chapters,
            "cover": "cover.webp",
            "strip": {
                "interval_s": STRIP_INTERVAL_S,
                "width_px": 160,
                "height_px": 90,
                "columns": STRIP_SIDE,
                "rows": STRIP_SIDE,
                "sheets": sheets,
            },
            "loudness": {"mic": {"integrated_lufs": -27.1, "gain_db": 4.1}},
            "voice": {
                "spans": spans,
                "teacher_s": shares["teacher"],
                "classroom_s": shares["classroom"],
                "silence_s": round(silence_s, 1),
            },
            "captions": [{"language": "zh-CN", "file": "captions-zh-CN.vtt", "source": "speech"}],
            "ocr": "done",
            "speech": "done",
        }
        (index / "index.json").write_text(json.dumps(told, ensure_ascii=False))


def speak(until_s: int, text: LessonText, random: Random) -> tuple[list[Cue], list[list[Any]]]:
    """What is said, and who spoke when."""
    cues: list[Cue] = []
    spans: list[list[Any]] = []
    at_s = 2.0
    while at_s < until_s - 8:
        sentence = text.sentence(random)
        end_s = at_s + max(1.5, 0.22 * len(sentence))
        cues.append(Cue(at_s, end_s, sentence))
        spans.append([round(at_s, 2), round(end_s, 2), "classroom" if random.random() < 0.2 else "teacher"])
        at_s = end_s + random.choice((0.2, 0.4, 0.8, 2.5))
    return cues, spans


def events(until_s: int, random: Random) -> list[dict[str, Any]]:
    """What happened in the lesson."""
    found: list[dict[str, Any]] = [{"event": "recording_started", "at_s": 0.0}]
    for number, name in enumerate(random.sample(SCHOOLS_LISTENING, 3)):
        who = {
            "event": "participant",
            "id": f"{number:016x}",
            "role": "classroom",
            "name": name,
            "publishing": True,
            "receiving": True,
        }
        asked_s = random.uniform(300, until_s - 300)
        found.append({**who, "at_s": round(random.uniform(0, 40), 3), "online": True})
        found.append({"event": "floor", "at_s": round(asked_s, 3), "participants": [{"id": who["id"], "name": name}]})
        found.append({"event": "programme", "at_s": round(asked_s + 1, 3), "programme": f"camera-{number}"})
        found.append({"event": "programme", "at_s": round(asked_s + 30, 3), "programme": None})
        found.append({"event": "floor", "at_s": round(asked_s + 31, 3), "participants": []})
    found.append({"event": "recording_ended", "at_s": float(until_s), "state": "complete"})
    return sorted(found, key=lambda event: float(event["at_s"]))


def metadata(text: LessonText, lesson: str, random: Random) -> dict[str, Any]:
    """What ``metadata.json`` says."""
    return {
        "lesson": lesson,
        "title": text.title,
        "stage": text.course["stage"],
        "grade": text.grade,
        "subject": text.course["subject"],
        "edition": text.course["edition"],
        "volume": text.volume,
        "chapter": text.chapter,
        "teacher": text.teacher,
        "school": text.school,
        "school_code": f"{3_300_000_000 + hash_of(text.school)}",
        "district": text.district,
        "lesson_type": random.choice(("新授课", "新授课", "复习课", "练习课", "实验课")),
        "keywords": random.sample(text.course["words"], 3),
        "description": f"{text.grade}{text.course['subject']}，{text.chapter}。",
        "language": "zh-CN",
        "licence": "仅限本区域教学使用",
    }


def hash_of(name: str) -> int:
    """A number that stays the same from run to run."""
    return int.from_bytes(name.encode()[-6:], "big") % 1_000_000


def write_library(root: Path, lessons: int, seed: int = 1) -> None:
    """Write so many lessons into a data directory that has none of them."""
    library = Library(root, seed)
    for number in range(lessons):
        library.write(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lessons", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    write_library(arguments.folder, arguments.lessons, arguments.seed)
    sys.stdout.write(f"{arguments.lessons} lessons in {arguments.folder}\n")


if __name__ == "__main__":
    main()
