"""The library and the replay doors over real sockets, with recordings on disk and both databases."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from datetime import UTC, datetime
from io import BytesIO

import pytest

from classroom.recording.lesson_file import read_lesson, write_lesson
from classroom.web.auth import ViewerKey, issue_operator_token, issue_viewer_key, verify_viewer_key
from classroom.web.replay import MEDIA_KEY_S
from tests.databases import Postgres
from tests.integration.holdings import PICTURE, hold, index, rest
from tests.unit.catalogue.entries import DATABASES, new_url
from tests.unit.web.running_node import SECRET, running

METADATA = {"title": "分数的初步认识", "stage": "小学", "grade": "三年级", "teacher": "王秀英", "keywords": ["分子"]}


def operator(ttl_s: int = 3600) -> str:
    return issue_operator_token(SECRET, time.time(), ttl_s)


def viewer(lesson="maths", holding=None, ttl_s: float = 3600) -> str:
    return issue_viewer_key(SECRET, ViewerKey(lesson, holding, int(time.time() + ttl_s)))


@pytest.fixture(params=DATABASES)
async def doors(request, tmp_path):
    url = new_url(request.param)
    async with running(tmp_path, **({} if url is None else {"database_url": url})) as doors:
        yield doors


@pytest.fixture
async def here(tmp_path):
    """With SQLite, for what no database has a say in."""
    async with running(tmp_path) as doors:
        yield doors


async def told(response, status: int = 200):
    assert response.status == status, await response.text()
    return await response.json()


async def library(doors, **query):
    return await told(await doors.ask("GET", "/api/library", operator(), params=query))


async def until_found(doors, count: int, **query):
    """The library as soon as it has so many recordings."""
    async with asyncio.timeout(30):
        while True:
            response = await doors.ask("GET", "/api/library", operator(), params=query)
            if response.status == 200 and (found := await response.json())["total"] == count:
                return found
            await asyncio.sleep(0.05)


async def look(doors) -> None:
    await doors.node.cataloguer.look_at_all()


async def test_a_recording_is_found_by_everything_in_it(doors, tmp_path):
    index(hold(tmp_path))
    await until_found(doors, 1)
    await told(await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json=METADATA))
    for words, kind, at_s in [
        ("初步认识", "title", None),
        ("王秀英", "people", None),
        ("山坪", "people", None),
        ("月饼", "slide", 0.0),
        ("moon", "caption", 1.0),
    ]:
        found = await library(doors, q=words)
        (item,) = found["items"]
        assert item["hits"][0]["kind"] == kind
        assert item["hits"][0]["at_s"] == at_s
        [[start, end]] = item["hits"][0]["marks"]
        assert item["hits"][0]["text"][start:end] == words
    assert (item["lesson"], item["holding"], item["title"]) == ("maths", "2026-09-1", "分数的初步认识")
    assert (item["state"], item["duration_s"], item["gaps"], item["progress"]) == ("complete", 2.0, 1, None)
    assert item["started_at"] == "2026-09-01T12:00:05.000Z"
    assert (item["stage"], item["grade"], item["teacher"]) == ("小学", "三年级", "王秀英")
    assert found["facets"]["grade"] == [{"value": "三年级", "count": 1}]
    response = await doors.client.get(item["cover"])  # as <img> does
    assert (response.status, response.content_type, await response.read()) == (200, "image/webp", PICTURE)


async def test_filters_and_pages(doors, tmp_path):
    for number in range(1, 4):
        hold(tmp_path, "maths", number)
    hold(tmp_path, "music")
    await until_found(doors, 4)
    await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json=METADATA)
    assert (await library(doors, stage="小学"))["total"] == 3
    assert (await library(doors, stage="小学", grade="四年级"))["total"] == 0
    page = await library(doors, sort="oldest", page_size="2", page="2")
    assert (page["total"], page["page"], page["page_size"], len(page["items"])) == (4, 2, 2, 2)
    assert (await library(doors, **{"from": "2026-09-01", "to": "2026-09-01"}))["total"] == 4
    assert (await library(doors, **{"from": "2026-09-02"}))["total"] == 0
    assert (await library(doors, stage="\0", q=""))["total"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "page_size=101",
        "sort=best",
        "from=yesterday",
        "to=9999-12-31",
        "unknown=1",
        "q=" + "x" * 201,
    ],
)
async def test_what_cannot_be_asked_is_refused(here, query):
    response = await here.ask("GET", f"/api/library?{query}", operator())
    assert (response.status, (await response.json())["code"]) == (400, "bad_query")


async def test_of_two_who_edit_at_once_the_second_is_told(doors, tmp_path):
    await until_found(doors, 0)
    path = "/api/lessons/maths/metadata"
    tag = (await doors.ask("GET", path, operator())).headers["ETag"]
    first = await doors.ask("PUT", path, operator(), json=METADATA, headers={"If-Match": tag})
    second = await doors.ask("PUT", path, operator(), json={"title": "别的"}, headers={"If-Match": tag})
    answer = await told(second, 412)
    assert first.status == 200 and answer["code"] == "metadata_changed" and "别人" in answer["detail"]
    now = await doors.ask("GET", path, operator())
    assert (now.headers["ETag"], (await now.json())["title"]) == (first.headers["ETag"], METADATA["title"])
    for condition in (now.headers["ETag"], "*"):
        again = await doors.ask("PUT", path, operator(), json={"title": "别的"}, headers={"If-Match": condition})
        assert again.status == 200


async def test_metadata_are_kept_beside_the_recording(doors, tmp_path):
    folder = hold(tmp_path)
    await until_found(doors, 1)
    empty = await told(await doors.ask("GET", "/api/lessons/maths/metadata", operator()))
    assert (empty["title"], empty["keywords"]) == ("", [])
    response = await doors.ask("PUT", "/api/lessons/maths/metadata", doors.token("teacher"), json=METADATA)
    assert await told(response) == {**empty, **METADATA}
    assert await told(await doors.ask("GET", "/api/lessons/maths/metadata", viewer())) == {**empty, **METADATA}
    assert json.loads((folder / "metadata.json").read_text())["title"] == "分数的初步认识"
    manifest = await told(await doors.ask("GET", "/api/lessons/maths/recording", operator()))
    assert (manifest["title"], manifest["metadata"]["grade"]) == ("分数的初步认识", "三年级")
    # what the page got, it may give back
    assert (await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json={**empty, **METADATA})).status == 200


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"description": "\x1b[31m"}, "description"),
        ({"stage": "大学"}, "stage"),
        ({"school_code": "12"}, "school_code"),
        ({"language": "Chinese"}, "language"),
        ({"keywords": ["x"] * 21}, "keywords"),
        ({"keywords": "x"}, "keywords"),
        ({"unknown": "x"}, "unknown"),
        ([], "JSON"),
        ("\ud800", "JSON"),
    ],
)
async def test_metadata_are_checked(here, body, names):
    response = await here.ask(
        "PUT", "/api/lessons/maths/metadata", operator(),
        data=json.dumps(body), headers={"Content-Type": "application/json"},
    )  # fmt: skip
    answer = await response.json()
    assert (response.status, answer["code"]) == (422, "bad_metadata")
    assert names in answer["detail"]


async def test_a_catalogue_is_made_again_from_disk(tmp_path):
    folder = hold(tmp_path)
    async with running(tmp_path) as doors:
        await until_found(doors, 1)
        await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json=METADATA)
    for file in (tmp_path / ".state").glob("catalogue.db*"):
        file.unlink()
    async with running(tmp_path) as doors:
        (item,) = (await until_found(doors, 1, q="王秀英"))["items"]
        assert (item["title"], item["grade"]) == ("分数的初步认识", "三年级")
        shutil.rmtree(folder)
        await look(doors)
        (item,) = (await library(doors))["items"]
        assert (item["state"], item["cover"]) == ("missing", None)
        assert await doors.node.cataloguer.rebuild() == 0
        assert (await library(doors))["total"] == 0
        hold(tmp_path)
        await look(doors)
        (item,) = (await library(doors))["items"]
        assert item["title"] == "分数的初步认识"  # what was said is not forgotten


async def test_a_live_lesson_is_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.recording.cataloguing.LOOK_S", 0.05)
    async with running(tmp_path) as doors:
        await until_found(doors, 0)
        await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))
        (item,) = (await until_found(doors, 1))["items"]
        assert (item["state"], item["title"]) == ("recording", "maths")
        await doors.ask("POST", "/api/lessons/maths/end", doors.token("teacher"))
        async with asyncio.timeout(30):
            while (await library(doors))["items"][0]["state"] != "complete":
                await asyncio.sleep(0.05)


async def test_a_damaged_recording_hides_no_other(doors, tmp_path):
    hold(tmp_path)
    (hold(tmp_path, "music") / "lesson.json").write_text("{")
    found = await until_found(doors, 1)
    assert found["items"][0]["lesson"] == "maths"


async def test_the_library_says_when_its_database_is_away(tmp_path):
    async with running(tmp_path, database_url="postgresql://classroom:hunter2@127.0.0.1:9/nothing") as doors:
        response = await doors.ask("GET", "/api/library", operator())
        assert (response.status, (await response.json())["code"]) == (503, "catalogue_unavailable")
        assert "Retry-After" in response.headers
        hold(tmp_path)
        assert (await doors.ask("GET", "/api/lessons/maths/recording", operator())).status == 200
        assert (await doors.ask("POST", "/api/lessons/new/start", doors.token("teacher", "new"))).status == 200


async def test_a_database_that_goes_away_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("classroom.recording.cataloguing.LOOK_S", 0.1)
    monkeypatch.setattr("classroom.recording.cataloguing.RETRY_S", 0.1)
    database = await asyncio.to_thread(Postgres)
    try:
        url = await asyncio.to_thread(database.new_database)
        hold(tmp_path)
        async with running(tmp_path, database_url=url) as doors:
            await until_found(doors, 1)
            await asyncio.to_thread(database.stop)
            hold(tmp_path, "music")
            response = await doors.ask("GET", "/api/library", operator())
            assert (response.status, (await response.json())["code"]) == (503, "catalogue_unavailable")
            assert (await doors.ask("GET", "/api/lessons/maths/recording", operator())).status == 200
            await asyncio.to_thread(database.start)
            await until_found(doors, 2)
    finally:
        await asyncio.to_thread(database.close)


@pytest.mark.parametrize("copy", ["maths.bak", "maths-copy", "maths.1", "maths.²", "maths.02", "数学 副本"])
async def test_a_copy_that_somebody_put_beside_a_recording_is_in_nobodys_way(here, tmp_path, copy):
    folder = hold(tmp_path)
    shutil.copytree(folder, folder.with_name(copy))
    hold(tmp_path, "zoology")
    found = await until_found(here, 2)
    assert sorted(item["lesson"] for item in found["items"]) == ["maths", "zoology"]
    manifest = await told(await here.ask("GET", "/api/lessons/maths/recording", operator()))
    assert manifest["holding"] == "2026-09-1"


async def test_the_manifest_tells_all_that_is_known(doors, tmp_path):
    folder = hold(tmp_path)
    told_of_index = index(folder)
    manifest = await told(await doors.ask("GET", "/api/lessons/maths/recording", doors.token("observer")))
    media = "/media/maths/2026-09-1"
    key = f"?key={manifest['key']}"
    assert (manifest["holding"], manifest["duration_s"], manifest["repair"]) == ("2026-09-1", 2.0, None)
    assert manifest["tracks"][0]["gaps"] == [{"start_s": 0.5, "end_s": 1.0, "reason": "outage"}]
    [chapter] = manifest["chapters"]
    assert chapter.pop("thumbnail") == f"{media}/index/chapter-0001.webp{key}"
    assert chapter == {"start_s": 0.0, "end_s": 2.0, "text": "分月饼", "title": "", "page": None}
    assert manifest["strip"] == {**told_of_index["strip"], "sheets": [f"{media}/index/strip-0001.webp{key}"]}
    assert manifest["loudness"] == {"gain_db": 4.1}
    assert manifest["voice"]["spans"] == [[0.0, 1.0, "teacher"]]
    assert manifest["captions"] == [
        {"language": "en", "url": f"{media}/index/captions-en.vtt{key}", "source": "speech"}
    ]
    assert manifest["index"] == {"state": "done", "indexed_to_s": 2.0, "ocr": "done", "speech": "done"}
    assert [event.get("name") for event in manifest["events"][2:]] == ["山坪小学", "山坪小学", "camera-a"]
    assert [(event["kind"], event["at_s"]) for event in manifest["events"]] == [
        ("slide", 0.0), ("gap", 0.5), ("participant", 1.0), ("floor", 3.0), ("programme", 4.0)
    ]  # fmt: skip
    response = await doors.client.get(manifest["captions"][0]["url"])  # as <track> does
    assert response.content_type == "text/vtt"
    assert "00:00:01.000 --> 00:00:02.000\nHalf of the moon cake" in await response.text()


@pytest.mark.parametrize(
    "damage",
    [
        "", "{", "[]", "null", "[" * 100_000, '{"chapters": {}, "strip": [], "voice": 1, "captions": [{}], "cover": 3}',
        '{"cover": "../lesson.json", "strip": {"sheets": ["/etc/passwd"]}, "chapters": [{"start_s": NaN}]}',
        '{"state": 1}',
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
async def test_an_index_that_is_damaged_is_as_none(here, tmp_path, damage):
    folder = hold(tmp_path)
    index(folder)
    (folder / "index" / "index.json").write_text(damage)
    manifest = await told(await here.ask("GET", "/api/lessons/maths/recording", operator()))
    empty = (manifest["chapters"], manifest["strip"], manifest["voice"], manifest["captions"], manifest["cover"])
    assert empty == ([], None, None, [], None)
    assert (await until_found(here, 1))["items"][0]["cover"] is None


VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n大家好\n"


async def test_supplied_captions_are_kept_and_found(doors, tmp_path):
    folder = hold(tmp_path)
    index(folder)
    await until_found(doors, 1)
    path = "/api/lessons/maths/recordings/2026-09-1/captions"
    vtt = {"Content-Type": "text/vtt"}
    response = await doors.ask("PUT", f"{path}/zh-CN", doors.token("teacher"), data=VTT.encode(), headers=vtt)
    assert response.status == 204
    # on disk they are timed on the axis of the recording, which stays when earlier frames are brought in
    assert "00:00:06.000 --> 00:00:07.000" in (folder / "captions" / "zh-CN.vtt").read_text()
    manifest = await told(await doors.ask("GET", "/api/lessons/maths/recordings/2026-09-1", viewer()))
    assert [(it["language"], it["source"]) for it in manifest["captions"]] == [("zh-CN", "supplied"), ("en", "speech")]
    response = await doors.client.get(manifest["captions"][0]["url"])
    assert "00:00:01.000 --> 00:00:02.000\n大家好" in await response.text()
    etag = response.headers["ETag"]
    assert (await doors.client.get(manifest["captions"][0]["url"], headers={"If-None-Match": etag})).status == 304
    (item,) = (await library(doors, q="大家"))["items"]
    assert (item["hits"][0]["kind"], item["hits"][0]["at_s"]) == ("caption", 1.0)
    for language, body, headers, status in [
        ("zh-CN", b"no captions", vtt, 422),
        ("zh-CN", BytesIO(VTT.encode() + b"\n" * (2 << 20)), vtt, 413),
        ("zh-CN", VTT.encode(), {"Content-Type": "text/plain"}, 415),
        ("..%2Fx", VTT.encode(), vtt, 422),
    ]:
        response = await doors.ask("PUT", f"{path}/{language}", operator(), data=body, headers=headers)
        assert response.status == status
    response = await doors.ask("PUT", path.replace("-1/", "-7/") + "/en", operator(), data=VTT, headers=vtt)
    assert (response.status, (await response.json())["code"]) == (404, "unknown_recording")


async def test_a_link_opens_one_lesson_for_a_time(doors, tmp_path):
    hold(tmp_path)
    hold(tmp_path, "maths", 2)
    response = await doors.ask("POST", "/api/lessons/maths/links", doors.token("teacher"), json={"ttl_s": 3600})
    link = await told(response, 201)
    page, _, key = link["url"].partition("#key=")
    assert page == "/replay/maths"
    expires_at = datetime.fromisoformat(link["expires_at"])
    assert 3590 < (expires_at - datetime.now(UTC)).total_seconds() <= 3600
    manifest = await told(await doors.ask("GET", "/api/lessons/maths/recording", key))
    assert manifest["holding"] == "2026-09-2"
    # the key for media is never good for longer than the link
    assert verify_viewer_key(SECRET, manifest["key"], time.time()).expires_at_s <= expires_at.timestamp()
    link = await told(
        await doors.ask("POST", "/api/lessons/maths/links", operator(), json={"holding": "2026-09-1"}), 201
    )
    page, _, key = link["url"].partition("#key=")
    assert page == "/replay/maths/2026-09-1"
    manifest = await told(await doors.ask("GET", "/api/lessons/maths/recordings/2026-09-1", key))
    assert verify_viewer_key(SECRET, manifest["key"], time.time()).holding == "2026-09-1"
    for path in ("recording", "recordings/2026-09-2"):
        assert (await doors.ask("GET", f"/api/lessons/maths/{path}", key)).status == 403
    for body, status in [
        ({"ttl_s": 1}, 422), ({"ttl_s": 10**9}, 422), ({"x": 1}, 422), ([], 422), ({"holding": "../x"}, 422),
        ({"holding": "2026-09-9"}, 404),
    ]:  # fmt: skip
        response = await doors.ask("POST", "/api/lessons/maths/links", operator(), json=body)
        assert response.status == status


async def test_the_key_of_a_manifest_stays_the_same_for_a_while(doors, tmp_path):
    """Else a browser would load every picture again with every look."""
    index(hold(tmp_path))
    token = operator(30 * 3600)
    first, second = [await told(await doors.ask("GET", "/api/lessons/maths/recording", token)) for _ in range(2)]
    assert first["key"] == second["key"] or time.time() % 3600 < 5
    expires_in_s = verify_viewer_key(SECRET, first["key"], time.time()).expires_at_s - time.time()
    assert MEDIA_KEY_S - 3600 <= expires_in_s <= MEDIA_KEY_S


async def test_what_is_known_is_not_read_again_after_a_restart(tmp_path, monkeypatch):
    index(hold(tmp_path))
    async with running(tmp_path) as doors:
        await until_found(doors, 1)
        await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json=METADATA)

    def never(*_):
        raise OSError("it was read again")

    monkeypatch.setattr("classroom.recording.cataloguing.read_entry", never)
    async with running(tmp_path) as doors:
        await until_found(doors, 1, q="王秀英")
        await look(doors)
        assert (await library(doors))["items"][0]["state"] == "complete"


async def test_what_was_missing_comes_back(tmp_path):
    hold(tmp_path / "data")
    async with running(tmp_path / "data") as doors:
        await until_found(doors, 1)
        (tmp_path / "data" / "2026").rename(tmp_path / "2026")
        await look(doors)
        assert (await library(doors))["items"][0]["state"] == "missing"
        (tmp_path / "2026").rename(tmp_path / "data" / "2026")
        await look(doors)
        assert (await library(doors))["items"][0]["state"] == "complete"


async def test_a_disk_that_takes_no_metadata_does_not_hide_them(tmp_path, monkeypatch):
    hold(tmp_path)

    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr("classroom.recording.metadata_file.replace_file", full)
    async with running(tmp_path) as doors:
        await until_found(doors, 1)
        assert (await doors.ask("PUT", "/api/lessons/maths/metadata", operator(), json=METADATA)).status == 200
        await until_found(doors, 1, q="王秀英")


async def test_an_index_of_what_was_there_before_a_splice_is_not_done(doors, tmp_path):
    folder = hold(tmp_path)
    for source, state in (("camera", "done"), ("camera.1", "running")):
        index(folder, source={"camera": source})
        manifest = await told(await doors.ask("GET", "/api/lessons/maths/recording", operator()))
        assert (manifest["index"]["state"], len(manifest["chapters"])) == (state, 1)


async def test_how_far_index_and_repair_are(doors, tmp_path):
    folder = hold(tmp_path)
    index(folder, state="running", indexed_to_s=6.0)
    (item,) = (await until_found(doors, 1))["items"]
    assert item["progress"] == 0.5
    index(folder)
    record = read_lesson(folder)
    record.detail = "x"
    write_lesson(folder, record)
    rest(folder)
    await look(doors)
    assert (await library(doors))["items"][0]["progress"] is None
