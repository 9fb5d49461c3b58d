"""Media are not public: who gets in where, what is never served, and how files are cached, over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from random import Random

import pytest

from classroom.model import LessonId
from classroom.recording.shelf import RecordingLibrary
from classroom.web.auth import ViewerKey, issue_operator_token, issue_viewer_key
from classroom.web.media import ASK_AGAIN, FOR_EVER
from tests.integration.holdings import PICTURE, PLAYLIST, SEGMENT, hold, index
from tests.unit.web.running_node import SECRET, running

SECRET_TEXT = "nobody's business"
VTT = {"data": b"WEBVTT\n\n00:01.000 --> 00:02.000\nx\n", "headers": {"Content-Type": "text/vtt"}}

# The door, what it answers when it opens, and to whom it opens: every other one is refused.
EVERYBODY = "operator teacher capture classroom observer viewer viewer-of-1"
DOORS = [
    ("GET", "/api/library", {}, 200, "operator"),
    ("GET", "/api/lessons/maths/recording", {}, 200, "operator teacher capture classroom observer viewer"),
    ("GET", "/api/lessons/maths/recordings/2026-09-1", {}, 200, EVERYBODY),
    ("GET", "/api/lessons/maths/recordings/2026-09-2", {}, 200, "operator teacher capture classroom observer viewer"),
    ("GET", "/api/lessons/maths/metadata", {}, 200, "operator teacher capture classroom observer viewer"),
    ("PUT", "/api/lessons/maths/metadata", {"json": {"title": "x"}}, 200, "operator teacher"),
    ("PUT", "/api/lessons/maths/recordings/2026-09-1/captions/en", VTT, 204, "operator teacher"),
    ("POST", "/api/lessons/maths/links", {"json": {}}, 201, "operator teacher"),
    ("GET", "/media/maths/2026-09-1/camera/000001.m4s", {}, 200, EVERYBODY),
    ("GET", "/media/maths/2026-09-1/index/cover.webp", {}, 200, EVERYBODY),
    ("GET", "/media/maths/2026-09-1/index/captions-en.vtt", {}, 200, EVERYBODY),
    ("GET", "/media/maths/2026-09-2/camera/000001.m4s", {}, 200, "operator teacher capture classroom observer viewer"),
    ("GET", "/media/maths/camera/000001.m4s", {}, 200, "operator teacher capture classroom observer viewer"),
    ("POST", "/api/lessons/maths/end", {}, 404, "teacher"),  # it is not live: a teacher is let in and told so
    ("GET", "/api/lessons/maths", {}, 404, "teacher capture classroom observer"),
    ("GET", "/api/stats", {}, 200, "operator"),
]
TOKENS = [
    "operator", "teacher", "capture", "classroom", "observer", "viewer", "viewer-of-1", "none", "nonsense",
    "teacher-of-music", "viewer-of-music", "expired-operator", "expired-viewer", "expired-teacher",
    "of-another-server",
]  # fmt: skip


def token(doors, name: str) -> str | None:
    """The token of somebody of the lesson maths, unless it says otherwise."""

    def key(lesson="maths", holding=None, ttl_s=600):
        return issue_viewer_key(SECRET, ViewerKey(LessonId(lesson), holding, int(time.time()) + ttl_s))

    made = {
        "operator": lambda: issue_operator_token(SECRET, time.time(), 600),
        "expired-operator": lambda: issue_operator_token(SECRET, time.time() - 3600, 600),
        "viewer": key,
        "viewer-of-1": lambda: key(holding="2026-09-1"),
        "viewer-of-music": lambda: key("music"),
        "expired-viewer": lambda: key(ttl_s=-1),
        "expired-teacher": lambda: doors.token("teacher", ttl_s=-60),
        "teacher-of-music": lambda: doors.token("teacher", "music"),
        "nonsense": lambda: "a.b.c",
        "of-another-server": lambda: issue_viewer_key(
            "x" * 32, ViewerKey(LessonId("maths"), None, int(time.time()) + 600)
        ),
        "none": lambda: None,
    }
    return made[name]() if name in made else doors.token(name)


@pytest.fixture
async def doors(tmp_path):
    """A server with two recordings of maths, one of music, and what nobody may see."""
    index(hold(tmp_path))
    index(hold(tmp_path, "maths", 2))
    index(hold(tmp_path, "music"))
    async with running(tmp_path, bad_tokens_per_minute=1_000_000) as doors:
        async with asyncio.timeout(30):
            while (await doors.ask("GET", "/api/library", token(doors, "operator"))).status != 200:
                await asyncio.sleep(0.05)
        yield doors


async def test_every_door_opens_to_whom_it_should_and_to_nobody_else(doors):
    wrong = []
    for (method, path, body, status, whom), name in itertools.product(DOORS, TOKENS):
        response = await doors.ask(method, path, token(doors, name), **body)
        opens = name in whom.split()
        if (response.status == status) != opens or (not opens and response.status not in (401, 403)):
            wrong.append((method, path, name, response.status))
    assert wrong == []


@pytest.mark.parametrize("path", ["/media/maths/2026-09-1/index/cover.webp", "/media/maths/2026-09-1/master.m3u8"])
async def test_a_key_in_the_address_is_a_viewers_and_opens_media_only(doors, path):
    async def ask(name, path=path, method="GET"):
        response = await doors.client.request(method, path, params={"key": token(doors, name) or ""})
        return response.status

    assert await ask("viewer") == await ask("viewer-of-1") == await ask("viewer", method="HEAD") == 200
    for name in ("operator", "teacher", "expired-viewer", "nonsense", "none"):
        assert await ask(name) == 401
    assert await ask("viewer-of-music") == 403
    for elsewhere in ("/api/lessons/maths/recording", "/api/lessons/maths/metadata", "/api/library"):
        assert await ask("viewer", elsewhere) == 401
    # one that is sent as it should be is the one that counts
    response = await doors.client.get(
        path, params={"key": token(doors, "viewer")}, headers={"Authorization": "Bearer nonsense"}
    )
    assert response.status == 401


async def test_keys_are_not_logged(doors, caplog, tmp_path):
    caplog.set_level("DEBUG")
    key = token(doors, "viewer")
    (tmp_path / "2026" / "09" / "maths" / "lesson.json").write_text("{")
    for path in ("index/cover.webp", "index/captions-en.vtt", "nothing.mp4"):
        await doors.client.get(f"/media/maths/2026-09-1/{path}?key={key}")
    assert key not in caplog.text


async def raw(doors, target: bytes, bearer: str) -> tuple[int, bytes]:
    """A request whose target no client has tidied up."""
    reader, writer = await asyncio.open_connection(doors.client.host, doors.client.port)
    try:
        head = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n"
        writer.write(head % (target, bearer.encode()))
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


PARTS = [
    b"..", b".", b"%2e%2e", b"%2E%2e", b"..%2f", b"%2f", b"%5c..", b"..%5c", b"%00", b"..%00",
    b"%252e%252e%252f", b"....//", b"camera", b"index", b"captions", b"music", b"maths", b"maths.2",
    b"2026-09-1", b"2026-09-2", b"2026-09-1%2f..", b"2026", b"09", b".state", b"secret", b"lesson.json",
    b"events.jsonl", b"metadata.json", b"index.json", b"000001.m4s", b"index.m3u8", b".index.m3u8.tmp",
    b"master.m3u8", b"cover.webp", b"link.mp4", b"linked", b"outside.mp4", b"etc", b"passwd", b"~", b"*", b";",
    b"%c0%ae%c0%ae", b"%e4%b8%ad", b"%ff", b"con.mp4", b"x" * 300, b"%0d%0a", b"?", b"#", b"",
]  # fmt: skip


async def test_whatever_a_path_says_it_leads_to_no_other_file(doors, tmp_path):
    folder = tmp_path / "2026" / "09" / "maths"
    (tmp_path / "outside.mp4").write_text(SECRET_TEXT)
    (folder / "metadata.json").write_text(SECRET_TEXT)
    (folder / "camera" / ".hidden.mp4").write_text(SECRET_TEXT)
    (folder / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    (folder / "linked").symlink_to(tmp_path / "2026" / "09" / "music" / "camera")
    (tmp_path / "2026" / "09" / "music" / "camera" / "000001.m4s").write_text(SECRET_TEXT)
    (tmp_path / "2026" / "09" / "music" / "index" / "cover.webp").write_text(SECRET_TEXT)
    masters = {each.read_bytes() for each in folder.parent.glob("maths*/master.m3u8")}  # written when the server began
    allowed = {SEGMENT, PLAYLIST.encode(), PICTURE, b"init"} | masters
    bearer = token(doors, "viewer")
    random = Random(7)
    paths = [b"/".join(random.choices(PARTS, k=random.randint(1, 6))) for _ in range(1500)]
    paths += [b"../" * depth + b"etc/passwd" for depth in range(12)]
    paths += [b"%2e%2e/music/camera/000001.m4s", b"..%2fmusic%2fcamera%2f000001.m4s", b"linked/000001.m4s", b"link.mp4"]
    opened = 0
    for path in paths:
        status, body = await raw(doors, b"/media/maths/" + path, bearer)
        assert status in (200, 301, 400, 401, 403, 404), (path, status)
        assert SECRET_TEXT.encode() not in body and b'"state"' not in body, path
        if status == 200:
            opened += 1
            assert body in {*allowed, (folder / "master.m3u8").read_bytes()} or body.startswith(b"<"), path
    assert opened > 0  # some of them are fine


@pytest.mark.parametrize(
    "path",
    [
        "index/index.json", "index/.cover.webp.tmp", "captions/.en.vtt.tmp", "camera/cover.webp",
        "index/x.m3u8", "master.webp", "camera/x.vtt", "en.vtt", "metadata.json", ".reserve", "index/a/b.webp",
        "index", "index/",
    ],
)  # fmt: skip
async def test_only_what_belongs_in_a_folder_is_served_from_it(doors, tmp_path, path):
    file = tmp_path / "2026" / "09" / "maths" / path
    if not path.endswith(("index", "/")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SECRET_TEXT)
    response = await doors.ask("GET", f"/media/maths/2026-09-1/{path}", token(doors, "operator"))
    assert response.status == 404


async def test_ranges_and_conditions(doors, tmp_path):
    path, bearer = "/media/maths/2026-09-1/camera/000001.m4s", token(doors, "viewer")
    whole = await doors.ask("GET", path, bearer)
    etag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert (whole.headers["Accept-Ranges"], whole.headers["Cache-Control"]) == ("bytes", FOR_EVER)
    some = {"Range": "bytes=10-19"}
    for headers, status, body in [
        (some, 206, SEGMENT[10:20]),
        ({"Range": "bytes=-5"}, 206, SEGMENT[-5:]),
        ({"Range": "bytes=2040-"}, 206, SEGMENT[2040:]),
        ({"Range": "bytes=99999-"}, 416, b""),
        ({"Range": "bytes=20-10"}, 200, SEGMENT),
        ({"Range": "bytes=0-1,5-6"}, 200, SEGMENT),
        ({"Range": "lines=1-2"}, 200, SEGMENT),
        ({"Range": "BYTES=0-9"}, 206, SEGMENT[:10]),
        ({"If-None-Match": etag}, 304, b""),
        ({"If-None-Match": f'"x", W/{etag}'}, 304, b""),
        ({"If-None-Match": '"x"'}, 200, SEGMENT),
        ({"If-Modified-Since": modified}, 304, b""),
        ({"If-Match": '"x"'}, 412, b""),
        ({**some, "If-Range": etag}, 206, SEGMENT[10:20]),
        ({**some, "If-Range": modified}, 206, SEGMENT[10:20]),
        ({**some, "If-Range": '"of something else"'}, 200, SEGMENT),
        ({**some, "If-Range": f"W/{etag}"}, 200, SEGMENT),
        ({**some, "If-Range": "Tue, 01 Nov 2022 00:00:00 GMT"}, 200, SEGMENT),
    ]:
        response = await doors.ask("GET", path, bearer, headers=headers)
        assert (response.status, response._body) == (status, body), headers
        kept = "no-store" if status >= 400 else FOR_EVER
        assert response.headers["Cache-Control"] == kept, headers
        if status == 206:
            assert response.headers["ETag"] == etag


async def test_the_rest_of_a_segment_that_has_grown_is_not_taken_for_the_rest_of_the_old_one(doors, tmp_path):
    file = tmp_path / "2026" / "09" / "maths" / "camera" / "000001.m4s"
    path, bearer = "/media/maths/2026-09-1/camera/000001.m4s", token(doors, "viewer")
    etag = (await doors.ask("GET", path, bearer)).headers["ETag"]
    file.write_bytes(b"new" + SEGMENT)
    response = await doors.ask("GET", path, bearer, headers={"Range": "bytes=2048-", "If-Range": etag})
    assert (response.status, response._body) == (200, b"new" + SEGMENT)
    assert response.headers["Cache-Control"] == ASK_AGAIN  # it has just been written


@pytest.mark.parametrize(
    ("path", "final"),
    [
        ("2026-09-1/camera/000001.m4s", True),
        ("2026-09-1/camera/init-000001.mp4", True),
        ("2026-09-1/camera/index.m3u8", False),
        ("2026-09-1/master.m3u8", False),
        ("2026-09-1/index/cover.webp", True),
        ("2026-09-1/index/captions-en.vtt", False),
        ("camera/000001.m4s", False),  # another holding may come
    ],
)
async def test_what_may_change_is_asked_for_again(doors, path, final):
    response = await doors.ask("GET", f"/media/maths/{path}", token(doors, "viewer"))
    assert response.headers["Cache-Control"] == (FOR_EVER if final else ASK_AGAIN)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = {"If-None-Match": response.headers["ETag"]}
    assert (await doors.ask("GET", f"/media/maths/{path}", token(doors, "viewer"), headers=again)).status == 304


def test_a_file_that_is_being_written_is_not_final(tmp_path):
    folder = hold(tmp_path)
    library = RecordingLibrary(tmp_path)
    segment = folder / "camera" / "000001.m4s"
    assert library.file(LessonId("maths"), "2026-09-1/camera/000001.m4s").final
    os.utime(segment)
    assert not library.file(LessonId("maths"), "2026-09-1/camera/000001.m4s").final
