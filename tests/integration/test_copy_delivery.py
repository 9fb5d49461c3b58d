"""Copies on disk, delivered over HTTP to a door that is strict and fails in every way that the protocol knows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from classroom.capture.clock import CaptureClock
from classroom.capture.copy.deliverer import Deliverer
from classroom.capture.copy.frame_log import DELIVERED
from classroom.capture.copy.frame_record import IDENTITY, Identity
from classroom.capture.copy.keeper import Keeper
from classroom.capture.copy.schedule import parse_upload
from classroom.capture.copy.shelf import Shelf
from classroom.capture.copy.sitting import About
from classroom.capture.frames import CodedFrame
from classroom.capture.threads import Threads
from classroom.capture.uplink import UplinkState
from classroom.model import Label
from tests.integration.delivery_door import TOKEN, DeliveryDoor, problem
from tests.running import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Site:
    """A door on a socket; it can be stopped and started again at the same port."""

    def __init__(self, *doors: DeliveryDoor) -> None:
        self.doors = doors
        self.port = free_port(socket.SOCK_STREAM)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=32 << 20)
        for door in self.doors:
            door.routes(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


class Agent:
    """What of an agent a delivery needs: a shelf, a thread that writes, a clock."""

    def __init__(self, root: Path, server: str, lesson: str = "maths", upload: str = "idle") -> None:
        self.shelf, self.threads, self.clock = Shelf(root, 10**9), Threads(), CaptureClock()
        self.keeper = Keeper(self.shelf, lesson, server, self.clock)
        self.lesson, self.server = lesson, server
        self.uplink: UplinkState | None = None
        self.deliverer = Deliverer(
            self.shelf, self.keeper, self.threads, self.clock, parse_upload(upload), None, lambda: self.uplink
        )
        self.samples: dict[tuple[str, int], bytes] = {}

    def capture(self, count: int = 200, size_bytes: int = 1000, ago_s: float = 600.0, seed: int = 1) -> None:
        """Pictures and sound from some minutes ago."""
        rng = random.Random(seed)
        began_s = self.clock.now_s() - ago_s
        for number in range(count):
            for label, every_s, size in ((Label.CAMERA, 0.04, size_bytes), (Label.MIC, 0.02, 80)):
                unit = b"\x41" + rng.randbytes(rng.randint(size // 2, size))
                frame = CodedFrame(began_s + number * every_s, (unit,), True)
                self.keeper.keep(label, frame)
                sample = unit if label is Label.MIC else len(unit).to_bytes(4, "big") + unit
                self.samples[label, self.clock.ntp(frame.capture_s)] = sample

    def introduce(self, token: str = "secret-token") -> None:
        self.deliverer.token = (self.server, self.lesson, token)

    async def close(self) -> None:
        await asyncio.to_thread(self.keeper.close)
        self.shelf.close()


@pytest.fixture
async def door() -> DeliveryDoor:
    return DeliveryDoor()


@pytest.fixture
async def site(door: DeliveryDoor) -> AsyncIterator[Site]:
    site = Site(door)
    await site.start()
    yield site
    await site.stop()


@pytest.fixture
async def agent(tmp_path: Path, site: Site) -> AsyncIterator[Agent]:
    agent = Agent(tmp_path, site.url)
    yield agent
    await agent.close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are tried again soon."""
    monkeypatch.setattr("classroom.capture.copy.deliverer.FIRST_BACKOFF_S", 0.05)
    monkeypatch.setattr("classroom.capture.copy.deliverer.LAST_BACKOFF_S", 0.2)
    monkeypatch.setattr("classroom.capture.copy.deliverer.LOOK_S", 0.1)
    monkeypatch.setattr("classroom.capture.copy.deliverer.LIVE_POLL_S", 0.2)


async def rested(count: Callable[[], int], seconds: float) -> int:
    """Wait until a number has stayed the same for so long; returns it."""
    async with asyncio.timeout(30):
        while True:
            before = count()
            await asyncio.sleep(seconds)
            if count() == before:
                return before


@contextlib.asynccontextmanager
async def running(deliverer: Deliverer) -> AsyncIterator[None]:
    task = asyncio.create_task(deliverer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def list_files(root: Path) -> list[Path]:
    return [path for path in root.glob("*/*/*") if path.is_file()]


def some(share: float) -> Callable[[str, Identity], bool]:
    """A lossy uplink: frames are lacking here and there, always the same."""
    return lambda track, identity: random.Random(identity.crc32).random() < share


def lacking(agent: Agent, door: DeliveryDoor) -> dict[tuple[str, int], bytes]:
    from classroom.capture.copy.frame_record import identify

    return {
        (track, at): sample for (track, at), sample in agent.samples.items() if door.lacks(track, identify(at, sample))
    }


async def test_exactly_what_is_lacking_is_delivered_and_the_copy_stays_until_it_is_in_the_recording(
    agent: Agent, door: DeliveryDoor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    agent.capture()
    door.lacks = some(0.3)
    agent.introduce()
    await agent.deliverer.finish("maths")
    assert door.staged == lacking(agent, door) and len(door.staged) > 50
    assert not door.problems and door.completed == 1
    assert door.asked == {"token": 1, "inventory": 2, "frames": 2, "complete": 1}
    assert Counter(path.suffix for path in list_files(tmp_path)) == {DELIVERED: 2, ".json": 1, "": 1}
    assert "补传完成" in caplog.text and "gaps that recording 2026-11-1 still has: 0" in caplog.text
    assert TOKEN not in caplog.text and "secret-token" not in caplog.text


async def test_nothing_is_sent_when_nothing_is_lacking(agent: Agent, door: DeliveryDoor) -> None:
    agent.capture()
    agent.introduce()
    await agent.deliverer.finish("maths")
    assert door.asked == {"token": 1, "inventory": 2, "complete": 1} and not agent.shelf.waiting()


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])  # inventory, frames, inventory, frames, complete
@pytest.mark.parametrize(
    "refusal",
    [
        lambda: problem(503, "busy", {"Retry-After": "0"}),
        lambda: web.Response(status=502, text="<html>"),
        lambda: web.Response(status=200, text="not JSON"),
        lambda: web.json_response({"holding": 7, "wanted": [], "wanted_bytes": 0, "live": False}),
        lambda: web.json_response({"holding": "x", "wanted": "all", "wanted_bytes": 0, "live": False}),
        lambda: problem(409, "not_wanted"),
        lambda: problem(422, "bad_frames"),
        lambda: problem(507, "disk_full"),
    ],
)
async def test_after_a_refusal_at_any_step_it_starts_over_and_comes_to_the_same_end(
    agent: Agent, door: DeliveryDoor, number: int, refusal: Callable[[], web.Response]
) -> None:
    agent.capture(60)
    door.lacks = some(0.5)
    door.refuse = {number: refusal, number + 1: refusal}
    agent.introduce()
    await agent.deliverer.finish("maths")
    assert door.staged == lacking(agent, door) and not door.problems and door.completed >= 1
    assert not agent.shelf.waiting()


async def test_a_connection_that_is_cut_in_the_middle_loses_one_request(
    agent: Agent, door: DeliveryDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.copy.deliverer.MAX_BATCH_BYTES", 20_000)
    agent.capture(300)
    door.lacks = lambda track, identity: True
    agent.introduce()
    door.drop_after_bytes = 9_000
    work = asyncio.create_task(agent.deliverer.finish("maths"))
    await door.until(lambda: len(door.staged) > 400)
    door.drop_after_bytes = 9_000
    await work
    assert door.staged == agent.samples and not door.problems and door.completed == 1


async def test_a_server_that_is_killed_and_started_again_is_told_anew(
    agent: Agent, door: DeliveryDoor, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("classroom.capture.copy.deliverer.MAX_BATCH_BYTES", 20_000)
    agent.capture(600)
    door.lacks = lambda track, identity: True
    agent.introduce()
    work = asyncio.create_task(agent.deliverer.finish("maths"))
    for staged in (300, 700):
        await door.until(lambda staged=staged: len(door.staged) > staged)  # type: ignore[misc]
        await site.stop()
        door.restart()
        await asyncio.sleep(0.3)
        await site.start()
    await work
    assert door.staged == agent.samples and not door.problems, "no frame was sent twice"
    assert "稍后继续" in caplog.text


async def test_the_agent_is_killed_and_the_next_one_goes_on_where_it_was(
    tmp_path: Path, site: Site, door: DeliveryDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.copy.deliverer.MAX_BATCH_BYTES", 20_000)
    first = Agent(tmp_path, site.url)
    first.capture(600)
    door.lacks = lambda track, identity: True
    first.introduce()
    work = asyncio.create_task(first.deliverer.finish("maths"))
    await door.until(lambda: len(door.staged) > 300)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await first.close()
    second = Agent(tmp_path, site.url, lesson="physics")  # the next day: another lesson, which has not begun
    second.deliverer.sending = False
    async with running(second.deliverer):
        await door.until(lambda: door.completed == 1)
    assert door.staged == first.samples and not door.problems and door.asked["token"] == 1
    await second.close()


async def test_a_lesson_that_is_still_recorded_is_completed_when_it_has_ended(
    agent: Agent, door: DeliveryDoor, caplog: pytest.LogCaptureFixture
) -> None:
    agent.capture()
    door.lacks, door.live = some(0.3), True
    agent.introduce()
    work = asyncio.create_task(agent.deliverer.finish("maths"))
    await door.until(lambda: door.asked["complete"] >= 2)
    assert not work.done() and door.staged == lacking(agent, door)
    assert door.asked["inventory"] == 2, "it is not told again and again"
    assert "waits for the lesson to end" in caplog.text
    number = door.asked.total()
    door.refuse = {number + 1: lambda: problem(503, "busy"), number + 2: lambda: problem(503, "busy")}
    await door.until(lambda: door.asked["inventory"] >= 4)
    await door.until(lambda: door.asked.total() > number + 6)
    assert not work.done(), "it starts over, and still waits: there is something to complete"
    late = next(iter(agent.samples))  # what a crash at the very end has taken from the archive
    some_lacked = door.lacks
    door.lacks = lambda track, identity: (track, identity.captured_ntp) == late or some_lacked(track, identity)
    door.live = False
    async with asyncio.timeout(30):
        await work
    assert door.staged == lacking(agent, door) and late in door.staged and not agent.shelf.waiting()


async def test_nobody_waits_for_a_lesson_of_which_nothing_is_lacking(agent: Agent, door: DeliveryDoor) -> None:
    agent.capture()
    door.live = True
    agent.introduce()
    async with asyncio.timeout(30):
        await agent.deliverer.finish("maths")
    assert not door.asked["complete"] and agent.shelf.waiting(), "the next start looks again, for a crash may come"


async def test_idle_waits_for_the_end_of_the_lesson_and_stops_when_the_next_begins(
    agent: Agent, door: DeliveryDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.copy.deliverer.MAX_BATCH_BYTES", 10_000)
    agent.capture(2000)
    door.lacks = lambda track, identity: True
    agent.introduce()
    async with running(agent.deliverer):
        await door.until(lambda: door.asked["token"] == 1)
        await asyncio.sleep(0.5)
        assert door.asked == {"token": 1}, "while it is sending it asks for nothing else"
        agent.deliverer.sending = False
        agent.deliverer.changed()
        await door.until(lambda: len(door.staged) > 100)
        agent.deliverer.sending = True
        agent.deliverer.changed()
        assert await rested(lambda: len(door.staged), 0.5) < 4000
        agent.deliverer.sending = False
        agent.deliverer.changed()
        await door.until(lambda: door.completed == 1)
    assert door.staged == agent.samples and not door.problems


async def test_now_delivers_during_the_lesson_what_the_uplink_leaves_over(
    tmp_path: Path, site: Site, door: DeliveryDoor
) -> None:
    agent = Agent(tmp_path, site.url, upload="now")
    agent.capture(300)
    door.lacks, door.live = (lambda track, identity: True), True
    agent.introduce()
    async with running(agent.deliverer):
        await door.until(lambda: door.asked["token"] == 1)
        await asyncio.sleep(0.5)
        assert not door.asked["inventory"], "nothing is known of the uplink yet"
        agent.uplink = UplinkState(1_600_000, disturbed=False)
        await door.until(lambda: len(door.received_at_s) > 20)
        agent.uplink = UplinkState(1_600_000, disturbed=True)
        await rested(lambda: len(door.received_at_s), 1.0)
        assert door.staged != agent.samples, "the first sign of a queue stops it, in the middle of a request"
        agent.uplink = UplinkState(1_600_000, disturbed=False)
        await door.until(lambda: door.staged == agent.samples)
        assert door.asked["complete"] == 0, "that waits for the end of the lesson"
    for (began_s, _), (ended_s, _) in itertools.pairwise(door.received_at_s[::50]):
        size = sum(size for at_s, size in door.received_at_s if began_s < at_s <= ended_s)
        assert size * 8 < 900_000 * (ended_s - began_s) + 20_000 * 8, "half of what is left, at most"
    assert not door.problems
    await agent.close()


async def test_a_rate_is_kept(tmp_path: Path, site: Site, door: DeliveryDoor) -> None:
    agent = Agent(tmp_path, site.url)
    agent.deliverer._cap_bps = 2_000_000
    agent.capture(500)
    door.lacks = lambda track, identity: True
    agent.introduce()
    await agent.deliverer.finish("maths")
    at_s, sizes = [at for at, _ in door.received_at_s], [size for _, size in door.received_at_s]
    rate_bps = sum(sizes) * 8 / (at_s[-1] - at_s[0])
    print(f"{rate_bps / 1e6:.2f} of 2 Mbit/s")
    assert rate_bps < 2_200_000 and door.staged == agent.samples
    await agent.close()


async def test_what_no_recording_knows_is_left_and_does_not_hold_up_the_end(agent: Agent, door: DeliveryDoor) -> None:
    agent.capture(20)
    door.known = False
    agent.introduce()
    async with asyncio.timeout(30):
        await agent.deliverer.finish("maths")
    assert agent.shelf.waiting() and not door.completed


async def test_a_token_that_has_expired_is_told_and_a_new_one_helps(
    agent: Agent, door: DeliveryDoor, caplog: pytest.LogCaptureFixture
) -> None:
    agent.capture(20)
    door.lacks = some(0.5)
    await asyncio.to_thread(agent.keeper.settle)
    agent.shelf.authorize("maths", About(agent.server, "expired"))
    agent.deliverer.sending = False
    async with running(agent.deliverer):
        await door.until(lambda: "does not accept the delivery token" in caplog.text)
        agent.introduce()
        await door.until(lambda: door.completed == 1)
    assert caplog.text.count("does not accept the delivery token") == 1


async def test_a_server_without_deliveries_is_left_in_peace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site = Site()
    await site.start()
    agent = Agent(tmp_path, site.url)
    agent.capture(20)
    agent.introduce()
    async with asyncio.timeout(30):
        await agent.deliverer.finish("maths")
    assert caplog.text.count("this server takes no deliveries") == 1 and agent.shelf.waiting()
    await agent.close()
    await site.stop()


async def test_a_server_that_is_gone_at_the_end_is_given_up_and_left_to_the_next_start(
    agent: Agent, site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classroom.capture.copy.deliverer.GIVE_UP_S", 1.0)
    agent.capture(20)
    agent.introduce()
    await agent.deliverer._authorize()
    await site.stop()
    async with asyncio.timeout(30):
        await agent.deliverer.finish("maths")
    assert "the next start goes on" in caplog.text and agent.shelf.waiting()


async def test_an_inventory_of_ninety_minutes_costs_nothing_noticeable(
    tmp_path: Path, site: Site, door: DeliveryDoor
) -> None:
    """270,000 packets of sound and 135,000 pictures: told from what is in memory, and as quickly from the disk."""
    agent = Agent(tmp_path, site.url)
    for part in range(30):  # the pace of a real lesson is kept: files of five minutes
        frames = (CodedFrame(-6000 + part * 180 + n / 50, (b"\x41" + bytes(20),), True) for n in range(9000))
        for n, frame in enumerate(frames):
            agent.keeper.keep(Label.MIC, frame)
            if n % 2 == 0:
                agent.keeper.keep(Label.CAMERA, frame)
        await asyncio.to_thread(agent.keeper.settle)
    [sitting] = agent.shelf.waiting()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    found = await asyncio.to_thread(agent.shelf.inventories, sitting)
    known_s, began_s = loop.time() - began_s, loop.time()
    again = await asyncio.to_thread(Shelf(tmp_path, 10**9).inventories, sitting)
    print(f"inventory of 90 minutes: {known_s * 1000:.0f} ms, from disk {(loop.time() - began_s) * 1000:.0f} ms")
    assert [len(part.entries) // IDENTITY.size for part in found] == [270_000, 135_000]
    assert [part.entries for part in again] == [part.entries for part in found]
    await agent.close()
