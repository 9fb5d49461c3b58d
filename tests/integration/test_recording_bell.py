"""When the bell rings: a lesson of 45 minutes can be replayed as soon as it has been ended."""

import time

import pytest
from aiohttp import ClientSession

from classroom.model import RecordingState
from classroom.recording.holding import open_archive
from classroom.recording.lesson_file import read_lesson
from tests.running import LESSON, capturing, published, serving
from tests.unit.recording.lesson_source import Wire, encode_audio, encode_video, feed, in_order

LESSON_S = 45 * 60.0
LOOP_S = 4.0


def looped(frames, seconds):
    """The frames again and again."""
    return tuple(
        type(frame)(frame.at_s + LOOP_S * turn, frame.nals, frame.keyframe)
        for turn in range(round(seconds / LOOP_S))
        for frame in frames
    )


def hold_most_of_it(root, seconds):
    """Record so many seconds of a lesson, up to now, in virtual time; what is left is what a server left that died."""
    began_s = time.time() - seconds
    archive = open_archive(root, LESSON, "数学课", began_s, False, lambda data: None)
    picture = encode_video(LOOP_S, width=64, height=48, rate=10, bit_rate=20_000)
    wires = [
        Wire("camera", looped(picture, seconds), began_s, ssrc=1),
        Wire("slides", looped(picture[::5], seconds), began_s, ssrc=3),
        Wire("mic", looped(encode_audio(LOOP_S), seconds), began_s, ssrc=2),
    ]
    feed(archive, in_order(wires))
    archive._events.close()  # its process is gone
    return archive.folder


async def ring(root, seconds):
    """End a lesson of so many seconds at the door of a real server; returns what took how long, in seconds."""
    folder = hold_most_of_it(root, seconds)
    async with serving(root) as server, capturing(server, "--camera", "sample", "--slides", "sample"):
        teacher = await server.token("teacher")
        path = f"/api/lessons/{LESSON}"
        everything = {"camera", "mic", "slides"}
        await server.until(lambda answer: set(published(answer)) == everything, path, teacher)
        await server.until(
            lambda answer: answer is not None and answer["duration_s"] > seconds + 3.0, f"{path}/recording", teacher
        )
        headers = {"Authorization": f"Bearer {teacher}"}
        async with ClientSession(server.url, headers=headers) as http:

            async def get(address):
                async with http.get(address) as response:
                    assert response.status == 200
                    return await response.read()

            rang_s = time.monotonic()
            async with http.post(f"{path}/end") as response:
                assert (await response.json())["recording"]["state"] == "complete"
            complete_s = time.monotonic()
            manifest = await server.get(f"{path}/recording", teacher)
            assert manifest["state"] == "complete"
            for track in manifest["tracks"]:
                playlist = (await get(track["playlist"])).decode()
                assert playlist.endswith("#EXT-X-ENDLIST\n")
                files = [line for line in playlist.splitlines() if line.endswith(".m4s")]
                for name in ("init-000001.mp4", files[0], files[-1]):
                    assert await get(track["playlist"].replace("index.m3u8", name))
            playable_s = time.monotonic()
    assert folder.is_dir() and read_lesson(folder).state is RecordingState.COMPLETE
    assert manifest["duration_s"] > seconds + 3.0
    return {"complete": complete_s - rang_s, "playable": playable_s - rang_s}


@pytest.mark.timeout(300)
async def test_a_lesson_of_45_minutes_is_there_when_it_is_ended(tmp_path):
    took_s = await ring(tmp_path, LESSON_S)
    print(f"complete after {took_s['complete']:.2f} s, playable after {took_s['playable']:.2f} s")
    assert took_s["playable"] < 10.0, "a timing is no matter of a test, but this would be no bell"
