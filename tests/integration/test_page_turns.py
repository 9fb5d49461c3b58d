"""Pages that a real agent sees turned: at everybody in the lesson, in its record and its chapters, over a kill -9."""

import asyncio
import time

import av
import cv2
import pytest
from aiohttp import ClientSession

from classroom.recording.happenings import read_page_turns
from classroom.recording.index.follow import Follower as Indexer
from classroom.recording.index_file import read_index
from tests import deck
from tests.integration.test_control_restart import Follower
from tests.running import LESSON, capturing, serving

PAGES = ("cover", "text", "reading")
PAGE_S, RATE = 4, 5


@pytest.fixture(params=["main", "high"], ids=["passed through", "encoded anew"])
def film(request, tmp_path):
    """Pages one after the other; the agent sends a stream of main profile as it is."""
    path = tmp_path / "slides.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"profile": request.param, "tune": "zerolatency", "g": str(2 * RATE)}
        for index in range(len(PAGES) * PAGE_S * RATE):
            page = cv2.resize(deck.page(PAGES[index // (PAGE_S * RATE)]), (640, 360), interpolation=cv2.INTER_AREA)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(page, format="bgr24")))
        file.mux(stream.encode(None))
    return path


async def until_page(follower: Follower, page: int) -> None:
    while (await follower.hear("lesson_changed"))["lesson"]["page"] != page:
        pass


async def test_page_turns_reach_everybody_and_the_chapters(film, tmp_path):
    async with serving(tmp_path / "data") as server, ClientSession() as http:
        teacher = Follower(server, await server.token("teacher"), http)
        terminal = Follower(server, await server.token("classroom", "大足二小"), http)
        await teacher.join()
        await terminal.join()
        async with capturing(server, "--slides", str(film), "--loop"):
            for page in (1, 2, 3, 1):
                await asyncio.gather(*(until_page(follower, page) for follower in (teacher, terminal)))
                print("page", page, "told at", time.time())
        await teacher.command("end_lesson")
        for follower in (teacher, terminal):
            await follower.socket.close()
    folder = next((tmp_path / "data").rglob(LESSON))
    turns = read_page_turns(folder)
    assert [turn.page for turn in turns] == [1, 2, 3, 1]
    assert [turn.at_s - turns[0].at_s for turn in turns] == pytest.approx([0, PAGE_S, 2 * PAGE_S, 3 * PAGE_S], abs=1.0)
    indexer = Indexer(tmp_path / "data")
    while indexer.turn():
        pass
    chapters = read_index(folder).chapters
    assert [chapter.page for chapter in chapters] == [1, 2, 3, 1]
    assert [chapter.start_s for chapter in chapters[1:]] == pytest.approx([turn.at_s for turn in turns[1:]], abs=0.002)
    assert all(chapter.thumbnail for chapter in chapters)


@pytest.mark.parametrize("film", ["main"], indirect=True)
async def test_a_turn_is_on_record_once_whenever_the_server_was_killed(film, tmp_path):
    async with serving(tmp_path / "data") as server, ClientSession() as http:
        teacher = Follower(server, await server.token("teacher"), http)
        await teacher.join()
        async with capturing(server, "--slides", str(film), "--loop"):
            await until_page(teacher, 2)
            await server.kill()  # the turn is told; that it was is not on the disk for up to a second
            await server.start()
            if (await teacher.join())["lesson"]["page"] not in (2, 3):
                await until_page(teacher, 2)
            for page in (3, 1):
                await until_page(teacher, page)
        await teacher.command("end_lesson")
        await teacher.socket.close()
    pages = [turn.page for turn in read_page_turns(next((tmp_path / "data").rglob(LESSON)))]
    assert pages == [1, 2, 3, 1]
