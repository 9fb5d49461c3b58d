"""Recordings on disk as recorder and index leave them, for tests of what is done with them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from classroom.media.webvtt import Cue, write_webvtt
from classroom.model import Label, RecordingState, TrackKind
from classroom.recording.lesson_file import LessonRecord, TrackRecord, write_lesson
from classroom.recording.track import Gap, GapReason

if TYPE_CHECKING:
    from pathlib import Path

PLAYLIST = "#EXTM3U\n#EXTINF:2.0,\n000001.m4s\n"
SEGMENT = bytes(range(256)) * 8
PICTURE = b"RIFF....WEBPVP8 "
OLD_S = 1_700_000_000
ORIGIN_S = 5.0  # on the axis of the recording the camera begins here


def hold(root: Path, lesson: str = "maths", number: int = 1, **changed: Any) -> Path:
    """A recording of a lesson, an hour after the one before it."""
    name = lesson if number == 1 else f"{lesson}.{number}"
    folder = root / "2026" / "09" / name
    (folder / "camera").mkdir(parents=True)
    (folder / "camera" / "index.m3u8").write_text(PLAYLIST)
    (folder / "camera" / "000001.m4s").write_bytes(SEGMENT)
    (folder / "camera" / "init-000001.mp4").write_bytes(b"init")
    (folder / "camera" / ".index.m3u8.tmp").write_text("secret")
    (folder / "master.m3u8").write_text(PLAYLIST)
    events = [
        {"event": "participant", "at_s": 6.0, "id": "a", "role": "classroom", "name": "山坪小学", "online": True},
        {"event": "participant", "at_s": 6.5, "id": "a", "role": "classroom", "name": "山坪小学", "online": True},
        {"event": "participant", "at_s": 7.0, "id": "b", "role": "capture", "name": "", "online": True},
        {"event": "floor", "at_s": 8.0, "participants": [{"id": "a", "name": "山坪小学"}]},
        {"event": "programme", "at_s": 9.0, "programme": "camera-a"},
    ]
    lines = [json.dumps(event, ensure_ascii=False) for event in events]
    (folder / "events.jsonl").write_text("\n".join([*lines, "{", "[]", '{"event": "floor"}', ""]))
    camera = TrackRecord("camera", Label.CAMERA, TrackKind.VIDEO, "avc1.42e01f", 1280, 720, ORIGIN_S, 2.0)
    camera.gaps.append(Gap(5.5, 6.0, GapReason.OUTAGE))
    started = f"2026-09-01T{11 + number:02}:00:00.000Z"
    record = LessonRecord(lesson, "数学", started, RecordingState.COMPLETE, duration_s=7.0, tracks=[camera])
    for key, value in changed.items():
        setattr(record, key, value)
    write_lesson(folder, record)
    rest(folder)
    return folder


def index(folder: Path, **changed: Any) -> dict[str, Any]:
    """What the index of a recording finds; times on the axis."""
    target = folder / "index"
    target.mkdir(exist_ok=True)
    for name in ("cover.webp", "chapter-0001.webp", "strip-0001.webp"):
        (target / name).write_bytes(PICTURE)
    (target / "captions-en.vtt").write_bytes(write_webvtt([Cue(ORIGIN_S + 1, ORIGIN_S + 2, "Half of the moon cake")]))
    told: dict[str, Any] = {
        "format": 1,
        "state": "done",
        "indexed_to_s": 7.0,
        "chapters": [{"start_s": 5.0, "end_s": 7.0, "thumbnail": "chapter-0001.webp", "text": "分月饼", "title": ""}],
        "cover": "cover.webp",
        "strip": {
            "interval_s": 5, "width_px": 160, "height_px": 90, "columns": 10, "rows": 10, "sheets": ["strip-0001.webp"]
        },
        "loudness": {"mic": {"integrated_lufs": -27.1, "gain_db": 4.1}},
        "voice": {"spans": [[5.0, 6.0, "teacher"]], "teacher_s": 1.0, "classroom_s": 0.0, "silence_s": 1.0},
        "captions": [{"language": "en", "file": "captions-en.vtt", "source": "speech"}],
        "ocr": "done",
        "speech": "done",
    }  # fmt: skip
    told |= changed
    (target / "index.json").write_text(json.dumps(told, ensure_ascii=False))
    rest(folder)
    return told


def rest(folder: Path) -> None:
    """Nothing has been written here for long."""
    for file in folder.rglob("*"):
        os.utime(file, (OLD_S, OLD_S))
