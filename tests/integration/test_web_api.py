"""API, recordings, pages, metrics and headers over real sockets."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from classroom.model import Label, LessonId, RecordingState, TrackKind
from classroom.recording.lesson_file import LessonRecord, TrackRecord, write_lesson
from classroom.recording.shelf import RecordingLibrary
from classroom.web.context import CONTEXT
from tests.unit.web.running_node import make_offer, running

PLAYLIST = "#EXTM3U\n#EXTINF:2.0,\n000001.m4s\n"
SEGMENT = bytes(range(256)) * 8
OLD_S = 1_700_000_000


def record(root: Path, name: str = "maths", lesson: str = "maths") -> Path:
    """A recording on disk as the recorder leaves it."""
    folder = root / "2026" / "09" / name
    (folder / "camera").mkdir(parents=True)
    (folder / "camera" / "index.m3u8").write_text(PLAYLIST)
    (folder / "camera" / "000001.m4s").write_bytes(SEGMENT)
    (folder / "camera" / "init-000001.mp4").write_bytes(b"init")
    (folder / "camera" / ".index.m3u8.tmp").write_text("secret")
    (folder / "master.m3u8").write_text(PLAYLIST)
    (folder / "events.jsonl").write_text("{}\n")
    camera = TrackRecord("camera", Label.CAMERA, TrackKind.VIDEO, "avc1.42e01f", 1280, 720, start_s=0.5, duration_s=2.0)
    started = "2026-09-01T12:00:00.000Z"
    write_lesson(
        folder, LessonRecord(lesson, "数学", started, RecordingState.COMPLETE, duration_s=2.5, tracks=[camera])
    )
    for file in folder.rglob("*"):
        os.utime(file, (OLD_S, OLD_S))
    return folder


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path) as doors:
        yield doors


async def code(response) -> tuple[int, str]:
    return response.status, json.loads(response._body)["code"]


async def test_health(doors):
    response = await doors.ask("GET", "/healthz")
    told = await response.json()
    assert (response.status, told["status"], told["lessons"]) == (200, "ok", 0)
    assert told["uptime_s"] >= 0
    await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))
    assert (await (await doors.ask("GET", "/healthz")).json())["lessons"] == 1


async def test_the_api_starts_shows_and_ends_a_lesson(doors):
    teacher = doors.token("teacher")
    assert await code(await doors.ask("GET", "/api/lessons/maths", teacher)) == (404, "unknown_lesson")
    assert await code(await doors.ask("POST", "/api/lessons/maths/end", teacher)) == (404, "unknown_lesson")
    told = await (await doors.ask("POST", "/api/lessons/maths/start", teacher)).json()
    assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "recording")
    assert set(told) == {"lesson", "participants", "publications", "recording"}
    told = await (await doors.ask("GET", "/api/lessons/maths", doors.token("observer"))).json()
    assert told["lesson"]["state"] == "live"
    response = await doors.ask("POST", "/api/lessons/maths/end", teacher)
    told = await response.json()
    assert (told["lesson"]["state"], told["recording"]["state"]) == ("ended", "complete")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("role", ["capture", "classroom", "observer"])
@pytest.mark.parametrize("command", ["start", "end"])
async def test_only_a_teacher_conducts(doors, role, command):
    response = await doors.ask("POST", f"/api/lessons/maths/{command}", doors.token(role))
    assert await code(response) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/api/lessons/maths", "/api/lessons/maths/recording", "/media/maths/master.m3u8"])
async def test_what_belongs_to_a_lesson_needs_its_token(doors, tmp_path, path):
    record(tmp_path)
    assert await code(await doors.ask("GET", path)) == (401, "unauthorized")
    assert await code(await doors.ask("GET", path, doors.token("teacher", "music"))) == (403, "forbidden")


async def test_the_lesson_goes_on_after_a_restart(tmp_path):
    async with running(tmp_path) as doors:
        teacher = doors.token("teacher")
        started = await (await doors.ask("POST", "/api/lessons/maths/start", teacher)).json()
        await doors.ask("POST", "/api/lessons/music/start", doors.token("teacher", "music"))
        await doors.ask("POST", "/api/lessons/music/end", doors.token("teacher", "music"))
    async with running(tmp_path) as doors:
        told = await (await doors.ask("GET", "/api/lessons/maths", teacher)).json()
        assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "recording")
        assert told["lesson"]["started_at"] == started["lesson"]["started_at"]
        assert (await doors.offer("whip", doors.token("capture"), await make_offer(sending=True))).status == 201
        told = await (await doors.ask("GET", "/api/lessons/music", doors.token("observer", "music"))).json()
        assert (told["lesson"]["state"], told["recording"]["state"]) == ("ended", "complete")


async def test_a_lesson_goes_on_when_it_cannot_be_recorded(tmp_path):
    async with running(tmp_path) as doors:
        for year in range(2026, 2030):
            (tmp_path / str(year)).touch()  # where the recorder needs a folder
        told = await (await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))).json()
        assert (told["lesson"]["state"], told["recording"]["state"]) == ("live", "failed")
        assert told["recording"]["detail"]
        assert (await doors.offer("whip", doors.token("capture"), await make_offer(sending=True))).status == 201
        told = await (await doors.ask("POST", "/api/lessons/maths/end", doors.token("teacher"))).json()
        assert told["recording"]["state"] == "failed"


async def test_recording_can_be_switched_off(tmp_path):
    async with running(tmp_path, record=False) as doors:
        told = await (await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))).json()
        assert told["recording"]["state"] == "off"
        assert not list(tmp_path.glob("20*"))


async def test_the_manifest_leads_to_files_of_the_latest_holding(doors, tmp_path):
    observer = doors.token("observer")
    response = await doors.ask("GET", "/api/lessons/maths/recording", observer)
    assert await code(response) == (404, "unknown_recording")
    record(tmp_path)
    record(tmp_path, "maths.2")
    told = await (await doors.ask("GET", "/api/lessons/maths/recording", observer)).json()
    assert (told["lesson"], told["title"], told["state"]) == ("maths", "数学", "complete")
    [track] = told["tracks"]
    assert track["playlist"] == "/media/maths/2026-09-2/camera/index.m3u8"
    assert told["master"] is None or told["master"] == "/media/maths/2026-09-2/master.m3u8"
    response = await doors.ask("GET", track["playlist"], observer)
    assert (response.status, response._body.decode()) == (200, PLAYLIST)
    assert response.content_type == "application/vnd.apple.mpegurl"
    assert response.headers["Cache-Control"] == "private, no-cache"


async def test_a_damaged_recording_is_as_none(doors, tmp_path):
    (record(tmp_path) / "lesson.json").write_text("{")
    response = await doors.ask("GET", "/api/lessons/maths/recording", doors.token("observer"))
    assert await code(response) == (404, "unknown_recording")


async def test_segments_may_be_kept_for_ever_once_nothing_can_change_them(doors, tmp_path):
    observer = doors.token("observer")
    folder = record(tmp_path)
    for name, kind in (("000001.m4s", "video/iso.segment"), ("init-000001.mp4", "video/mp4")):
        response = await doors.ask("GET", f"/media/maths/2026-09-1/camera/{name}", observer)
        assert (response.status, response.content_type) == (200, kind)
        assert "immutable" in response.headers["Cache-Control"]
        assert "private" in response.headers["Cache-Control"]
        latest = await doors.ask("GET", f"/media/maths/camera/{name}", observer)
        assert latest.headers["Cache-Control"] == "private, no-cache"  # another holding may come
    os.utime(folder / "camera" / "000001.m4s")
    response = await doors.ask("GET", "/media/maths/2026-09-1/camera/000001.m4s", observer)
    assert response.headers["Cache-Control"] == "private, no-cache"  # it may still grow


async def test_ranges_and_conditions(doors, tmp_path):
    record(tmp_path)
    path, observer = "/media/maths/camera/000001.m4s", doors.token("observer")
    response = await doors.ask("GET", path, observer, headers={"Range": "bytes=10-19"})
    assert (response.status, response._body) == (206, SEGMENT[10:20])
    assert response.headers["Content-Range"] == f"bytes 10-19/{len(SEGMENT)}"
    assert (await doors.ask("GET", path, observer, headers={"Range": "bytes=999999-"})).status == 416
    etag = response.headers["ETag"]
    assert (await doors.ask("GET", path, observer, headers={"If-None-Match": etag})).status == 304
    response = await doors.ask("HEAD", path, observer)
    assert (response.status, response.headers["Content-Length"]) == (200, str(len(SEGMENT)))


@pytest.mark.parametrize(
    "path",
    [
        "lesson.json",
        "events.jsonl",
        "camera/",
        "camera/.index.m3u8.tmp",
        "camera/nothing.m4s",
        "..%2Fmusic%2Fmaster.m3u8",
        "camera%2F..%2F..%2Fmusic%2Fmaster.m3u8",
        "2026-09-1/..%2Fmusic%2Fmaster.m3u8",
        "2026-09-7/master.m3u8",
        "%2Fetc%2Fpasswd.mp4",
        "camera%00/index.m3u8",
        "link.mp4",
    ],
)
async def test_nothing_else_is_served(doors, tmp_path, path):
    folder = record(tmp_path)
    record(tmp_path, "music", "music")
    (tmp_path / "outside.mp4").write_text("secret")
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    response = await doors.client.get(
        f"/media/maths/{path}", headers={"Authorization": f"Bearer {doors.token('teacher')}"}
    )
    await response.read()
    assert await code(response) in {(404, "unknown_recording"), (400, "bad_request")}


def test_holdings_of_one_lesson_are_told_apart(tmp_path):
    first, second = record(tmp_path), record(tmp_path, "maths.2")
    library = RecordingLibrary(tmp_path)
    lesson = LessonId("maths")
    assert library.file(lesson, "2026-09-1/master.m3u8").path == first / "master.m3u8"
    assert library.file(lesson, "2026-09-2/master.m3u8").path == second / "master.m3u8"
    assert library.file(lesson, "master.m3u8").path == second / "master.m3u8"


async def test_pages_say_how_to_build_them_when_they_are_not_built(tmp_path):
    async with running(tmp_path / "data", ui=tmp_path / "none") as doors:
        response = await doors.ask("GET", "/teacher")
        assert response.status == 503
        assert "make run" in response._body.decode()


async def test_pages_assets_and_their_caching(tmp_path):
    ui = tmp_path / "dist"
    (ui / "assets").mkdir(parents=True)
    page = "<title>联体课堂</title>".encode()
    (ui / "index.html").write_bytes(page)
    (ui / "mark.svg").write_text("<svg/>")
    (ui / "assets" / "app-1a2b.js").write_text("1")
    (ui / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(b"1"))
    (tmp_path / "secret.js").write_text("secret")
    async with running(tmp_path / "data", ui=ui) as doors:
        for path in ("/", "/teacher", "/terminal", "/replay/maths"):
            response = await doors.ask("GET", path)
            assert (response.status, response.content_type) == (200, "text/html")
            assert "联体课堂" in response._body.decode()
            assert response.headers["Cache-Control"] == "no-cache"
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "script-src" not in policy  # that of default-src: no inline script, no eval
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
        response = await doors.ask("GET", "/assets/app-1a2b.js")
        assert (response.status, response._body) == (200, b"1")
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
        plain = await doors.ask("GET", "/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
        assert (plain._body, plain.headers.get("Content-Encoding")) == (b"1", None)
        assert (await doors.ask("GET", "/mark.svg")).status == 200
        for path in ("/assets/none.js", "/assets/..%2F..%2Fsecret.js", "/nothing", "/api/nothing"):
            assert await code(await doors.ask("GET", path)) == (404, "not_found")
        by_a_person = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
        for path in ("/nothing", "/nothing/at/all", "/nothing.html", "/replay"):
            response = await doors.ask("GET", path, headers=by_a_person)
            assert (response.status, response.content_type, response._body) == (404, "text/html", page)
            assert response.headers["Content-Security-Policy"] == policy
        for path in ("/api", "/api/nothing", "/whep/a/b/c", "/media/maths", "/ws"):
            assert await code(await doors.ask("GET", path, headers=by_a_person)) == (404, "not_found")
        assert await code(await doors.ask("POST", "/nothing", headers=by_a_person)) == (404, "not_found")
        shutil.rmtree(ui)
        assert (await doors.ask("GET", "/mark.svg")).status == 404


async def test_metrics(doors):
    teacher = doors.token("teacher")
    await doors.ask("POST", "/api/lessons/maths/start", teacher)
    await doors.offer("whip", doors.token("capture"), await make_offer(sending=True))
    control = await doors.client.ws_connect("/ws/maths")
    await control.send_json({"type": "hello", "token": teacher})
    await control.receive()
    await doors.ask("GET", "/" + "x" * 50)
    response = await doors.ask("GET", "/metrics")
    lines = response._body.decode().splitlines()
    for line in (
        'classroom_lessons{state="live"} 1.0',
        'classroom_recordings{state="recording"} 1.0',
        "classroom_participants 1.0",
        'classroom_sessions{door="whip"} 1.0',
        'classroom_sessions{door="whep"} 0.0',
        "classroom_control_connections 1.0",
        "classroom_media_sessions 1.0",
        "classroom_media_datagrams_received_total 0.0",
        'classroom_http_requests_total{method="POST",route="/whip/{lesson}",status="201"} 1.0',
        'classroom_http_requests_total{method="GET",route="none",status="404"} 1.0',
    ):
        assert line in lines
    assert doors.node.app[CONTEXT].media_stats()["lessons"] == 1
