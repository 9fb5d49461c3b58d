"""A lesson on two workers: two media servers in this process, with the relay's real socket between them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from classroom.model import Label, LessonId, ParticipantId, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.assignment import Direction
from classroom.sfu.core.events import PublicationAdded, PublicationRemoved
from classroom.sfu.core.peers import Encoding, IncomingMedia
from classroom.sfu.core.rtp import build_extensions, build_rtp
from classroom.sfu.server import MediaServer, MediaSettings
from classroom.sfu.workers import relay
from classroom.sfu.workers.relay import RelayDoor, start_relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LESSON, TEACHER = LessonId("maths"), ParticipantId("teacher")
IDR, SLICE = b"\x65" + bytes(50), b"\x41" + bytes(50)


class Sink:
    """Keeps what it gets: (rid, number) of every packet, and RTCP."""

    def __init__(self) -> None:
        self.packets: list[tuple[str, int]] = []
        self.rtcp: list[rtcp.Rtcp] = []

    def send(self, burst) -> None:
        self.packets += [(burst.down.up.rid, packet.seq) for packet in burst.packets]

    def resend(self, down, data) -> None:
        raise AssertionError("nothing is lost here")

    def send_rtcp(self, data) -> None:
        self.rtcp += rtcp.parse_rtcp(data)

    def close(self, reason) -> None:
        pass

    def asks_for_a_keyframe(self) -> bool:
        return any(isinstance(packet, rtcp.PictureLoss) for packet in self.rtcp)


class Two:
    """The holder of a lesson with a publisher of two layers, and a worker that carries the lesson on."""

    def __init__(self, near: MediaServer, far: MediaServer, told: list) -> None:
        self.near, self.far, self.told = near, far, told
        self.publisher = Sink()
        media = IncomingMedia("0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, nack=True)
        media.encodings = [Encoding("f", 70), Encoding("h", 71)]
        self.source = near.add_source(LESSON, TEACHER, media, self.publisher)

    def send(self, *seqs: int, payload: bytes = SLICE) -> None:
        for seq in seqs:
            for ssrc in (70, 71):
                self.source.receive(build_rtp(pt=96, seq=seq, ts=seq * 3000, ssrc=ssrc, payload=payload, marker=True))


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[Two]:
    offset_s = time.time() - time.monotonic()
    told: list = []
    near = MediaServer(MediaSettings("127.0.0.1", 0), lambda *_: None, offset_s)
    far = MediaServer(MediaSettings("127.0.0.1", 0), lambda _, event: told.append(event), offset_s)
    for server in (near, far):
        await server.start()
        await server.open_lesson(LESSON)
    door = RelayDoor(far, str(folder / "far"))
    await start_relay(near, LESSON, str(folder / "far"))
    try:
        yield Two(near, far, told)
    finally:
        door.close()
        await near.close()
        await far.close()


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_every_layer_arrives_under_one_publication_and_leaves_with_it(tmp_path):
    async with two(tmp_path) as both:
        both.send(1, payload=IDR)
        both.send(2, 3)
        await until(lambda: len(list(both.far._lessons[LESSON].media.tracks())) == 2)
        sink = Sink()
        await both.far.attach(LESSON, sink, every_layer=True)
        both.send(4, 5)
        await until(lambda: len(sink.packets) == 10)  # those from the keyframe on, for one who comes late, too
        assert {rid for rid, _ in sink.packets} == {"f", "h"}
        near = next(iter(both.near._lessons[LESSON].media.publications))
        assert [e.publication.id for e in both.told if isinstance(e, PublicationAdded)] == [near]
        both.source.close("left")
        await until(lambda: [e.publication_id for e in both.told if isinstance(e, PublicationRemoved)] == [near])
        await until(lambda: not both.far._lessons[LESSON].media.publishers)


async def test_a_full_socket_loses_nothing_for_good(tmp_path, monkeypatch):
    async with two(tmp_path) as both:
        both.send(1, payload=IDR)
        sink = Sink()
        await both.far.attach(LESSON, sink)
        await until(lambda: sink.packets)
        whole = relay._Pipe.send
        with monkeypatch.context() as full:
            full.setattr(relay._Pipe, "send", lambda pipe, data: bytes(data[:1]) != relay.RTP and whole(pipe, data))
            both.send(2, 3)
            await asyncio.sleep(0.02)
        both.send(4)
        await until(lambda: len(sink.packets) == 4)


async def test_a_wish_for_a_keyframe_goes_all_the_way_back(tmp_path):
    async with two(tmp_path) as both:
        both.send(1, payload=IDR)
        sink = Sink()
        feedback = await both.far.attach(LESSON, sink)
        await until(lambda: sink.packets)
        assert not both.publisher.asks_for_a_keyframe()
        slot = next(iter(both.far._lessons[LESSON].media.receivers.values())).slots[0]
        feedback(rtcp.build_pli(1, slot.down.ssrc))
        seqs = count(2)
        async with asyncio.timeout(30):
            while not both.publisher.asks_for_a_keyframe():
                both.send(next(seqs))  # who sends nothing is asked for nothing
                await asyncio.sleep(0.02)


async def test_the_clock_of_the_publisher_is_known_from_the_first_packet(tmp_path):
    """Sound and picture are in sync on the far worker as they are on the near one, however long the way there takes."""
    async with two(tmp_path) as both:
        began_s = time.monotonic()
        both.send(1, payload=IDR)
        time.sleep(0.1)  # noqa: ASYNC251 as a machine does that is busy
        near, far = (server._lessons[LESSON].media for server in (both.near, both.far))
        await until(lambda: [track.highest >= 0 for track in far.tracks()] == [True, True])
        took_s = time.monotonic() - began_s
        assert all(track.clock.agrees_with(next(far.tracks()).clock) for track in far.tracks()), "told, not guessed"
        of_near, of_far = ([t.clock.captured_s(t.last_ts) for t in media.tracks()] for media in (near, far))
        assert of_far[1] - of_far[0] == pytest.approx(of_near[1] - of_near[0], abs=1e-3)
        assert -1e-3 < of_far[0] - of_near[0] < took_s + 1e-3


async def test_who_is_loudest_is_known_at_the_far_end_too(tmp_path):
    async with two(tmp_path) as both:
        people = [ParticipantId(name) for name in ("east", "west")]
        sources = []
        for ssrc, person in enumerate(people, 80):
            media = IncomingMedia("0", TrackKind.AUDIO, Label.MIC, 111, 48_000, audio_level_ext=5)
            media.encodings = [Encoding("", ssrc)]
            sources.append(both.near.add_source(LESSON, person, media, Sink()))
        ends = [server._lessons[LESSON].media for server in (both.near, both.far)]
        for server in (both.near, both.far):
            server.direct(LESSON, Direction(floor=frozenset(people)))

        def speaking(media) -> list[ParticipantId]:
            return [media.publications[publication].publication.participant_id for publication in media._speaking]

        async def speak(*levels: int, until: list[ParticipantId]) -> None:
            async with asyncio.timeout(30):
                while [speaking(media) for media in ends] != [until, until]:
                    seq = next(seqs)
                    for ssrc, (source, level) in enumerate(zip(sources, levels, strict=True), 80):
                        source.receive(
                            build_rtp(
                                pt=111, seq=seq, ts=960 * seq, ssrc=ssrc, payload=b"opus",
                                extensions=build_extensions([(3, b"?"), (5, bytes((level,)))]),
                            )
                        )  # fmt: skip
                    await asyncio.sleep(0.02)

        seqs = count()
        await speak(20, 90, until=people)
        await speak(90, 20, until=people[::-1])
        await speak(20, 90, until=people)
        (heard,) = [track for track in ends[1].tracks() if track.publication.participant_id == "east"]
        assert heard.cache.get(heard.highest).payload == b"opus"


async def test_each_end_forgets_the_relay_when_the_other_is_gone(tmp_path):
    async with two(tmp_path) as both:
        both.send(1, payload=IDR)
        await until(lambda: both.told)
        await both.near.close_lesson(LESSON, "the lesson has ended")
        await until(lambda: not both.far._lessons[LESSON].media.publishers)
        await both.near.open_lesson(LESSON)
        await start_relay(both.near, LESSON, str(tmp_path / "far"))
        assert len(both.near._lessons[LESSON].media.receivers) == 1
        both.near.detach(LESSON, Sink())  # one that is unknown
        both.near.detach(LessonId("music"), Sink())
        assert len(both.near._lessons[LESSON].media.receivers) == 1
        await both.far.close_lesson(LESSON, "fault")  # nothing was published there
        again = Two(both.near, both.far, both.told)
        again.send(1, payload=IDR)
        await until(lambda: not both.near._lessons[LESSON].media.receivers)


async def test_a_lesson_that_is_closed_at_the_far_end_is_sent_there_no_more(tmp_path):
    async with two(tmp_path) as both:
        both.send(1, payload=IDR)
        await until(lambda: both.told)
        await both.far.close_lesson(LESSON, "nobody receives it here any more")
        await until(lambda: not both.near._lessons[LESSON].media.receivers)
        both.send(2)


async def test_a_lesson_comes_by_one_relay_whatever_came_before(tmp_path):
    async with two(tmp_path) as both:
        await both.far.close_lesson(LESSON, "nobody receives it here any more")  # and nothing tells the relay
        await both.far.open_lesson(LESSON)
        await start_relay(both.near, LESSON, str(tmp_path / "far"))
        await until(lambda: len(both.near._lessons[LESSON].media.receivers) == 1)
        both.send(1, payload=IDR)
        sink = Sink()
        await both.far.attach(LESSON, sink)
        await until(lambda: sink.packets)
        assert len(both.far._lessons[LESSON].media.publishers) == 1
