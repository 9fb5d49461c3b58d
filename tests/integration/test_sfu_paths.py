"""Paths that die, come back and move, through real sockets: noticed within three seconds, and nobody joins again."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from classroom.model import ParticipantId
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import SessionClosed, SessionConnected, SessionInterrupted
from classroom.sfu.core.rtp import parse_rtp
from classroom.sfu.transport import client, stun
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_sfu_hostile import Nat, behind_nat
from tests.integration.test_sfu_transport import IDR, LESSON, SLICE, frame, media_server, offer, remote
from tests.stopwatch import Stopwatch


class Lesson:
    """A publisher that sends a picture every 20 ms, and a receiver behind a router."""

    def __init__(self, server, nat: Nat) -> None:
        self.server = server
        self.nat = nat
        self.watch = Stopwatch()
        self.times_s: list[float] = []
        self.up, self.down = ClientTransport(), ClientTransport(on_rtp=lambda _: self.times_s.append(self.watch.s))

    async def __aenter__(self):
        self.watch.start()
        await self.server.publish(self.up)
        session = await self.server.media.subscribe(LESSON, ParticipantId("v"), offer(self.down, "recvonly"))
        self.session = session
        await self.down.connect(self.nat(replace(remote(session.answer), tcp_candidates=())))
        await self.server.until(SessionConnected, 2)
        self._sending = asyncio.create_task(self._send())
        await self.receives()
        return self

    async def __aexit__(self, *_) -> None:
        self._sending.cancel()
        self.watch.stop()
        await asyncio.gather(self.up.close(), self.down.close())

    async def _send(self) -> None:
        seq = 0
        while True:
            self.up.send_rtp([frame(seq, IDR if seq % 10 == 0 else SLICE)])
            seq += 1
            await asyncio.sleep(0.02)

    async def receives(self) -> float:
        """Wait until something comes; how long that took from now, in seconds."""
        began_s = self.watch.s
        self.times_s.clear()
        async with asyncio.timeout(30):
            while not self.times_s:
                await asyncio.sleep(0.005)
        return self.times_s[0] - began_s

    def told(self, kind: type) -> list:
        return [event for event in self.server.events if isinstance(event, kind)]


async def test_a_dead_path_is_noticed_within_three_seconds_and_goes_on_when_it_is_back(monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 30)
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        died_s = lesson.watch.s
        nat.dead = True
        (interrupted,) = await server.until(SessionInterrupted)
        assert lesson.watch.s - died_s < 3
        assert interrupted.participant_id == "v" and not interrupted.publishing
        before = nat.to_client
        await asyncio.sleep(1)
        # Reports and questions, a few a second: no picture is sent to where nobody is heard.
        assert nat.to_client - before < 15
        await asyncio.sleep(2)
        nat.dead = False
        assert await lesson.receives() < 1.5
        await server.until(SessionConnected, 3)
        assert not lesson.told(SessionClosed)


async def test_a_path_that_stays_dead_ends_its_session(monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 30)
    monkeypatch.setattr("classroom.sfu.server.SILENT_PATH_S", 5.0)
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        nat.dead = True
        (closed,) = await server.until(SessionClosed)
        assert closed.session_id == lesson.session.id and "silent" in closed.reason
        assert len(lesson.told(SessionInterrupted)) == 1


async def test_who_is_quiet_is_asked_and_not_taken_for_dead(monkeypatch):
    """It sends neither reports nor checks of its own: it only answers."""
    monkeypatch.setattr(client, "CONSENT_INTERVAL_S", 60)
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        await asyncio.sleep(5)
        assert not lesson.told(SessionInterrupted) and lesson.down.connected
        assert await lesson.receives() < 0.2


@pytest.mark.parametrize("reports", [True, False])
async def test_a_receiver_whose_address_changes_goes_on_within_a_check(reports):
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        gaps_s = []
        for _ in range(3):
            await nat.rebind()
            if reports:
                lesson.down.send_rtcp(rtcp.build_rr(1, []))
            gaps_s.append(await lesson.receives())
        # The client checks once a second; the question that follows needs a round trip.
        assert max(gaps_s) < client.CONSENT_INTERVAL_S + 0.3
        assert not lesson.told(SessionClosed) and not lesson.told(SessionInterrupted)
        print(f"gap at a change of address: {[round(gap_s, 3) for gap_s in gaps_s]} s")


async def test_a_client_whose_udp_is_blocked_in_mid_lesson_goes_on_over_tcp():
    async with media_server() as server, behind_nat(server) as nat, Stopwatch() as watch:
        up = ClientTransport()
        times_s: list[float] = []
        down = ClientTransport(on_rtp=lambda _: times_s.append(watch.s))
        await server.publish(up)
        session = await server.media.subscribe(LESSON, ParticipantId("v"), offer(down, "recvonly"))
        description = remote(session.answer)
        await down.connect(replace(nat(description), tcp_candidates=description.tcp_candidates))
        await server.until(SessionConnected, 2)
        assert not down.over_tcp
        nat.dead = True
        died_s, seq = watch.s, 0
        async with asyncio.timeout(30):
            while not times_s:
                up.send_rtp([frame(seq, IDR)])
                seq += 1
                await asyncio.sleep(0.02)
        assert down.over_tcp and times_s[0] - died_s < 3
        assert not [event for event in server.events if isinstance(event, SessionClosed)]
        print(f"UDP blocked to media over TCP: {times_s[0] - died_s:.2f} s")
        await asyncio.gather(up.close(), down.close())


async def test_a_forged_answer_to_a_question_moves_nothing():
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        peer = server.media._sessions[lesson.session.id].peer
        thief = Nat(("127.0.0.1", server.media.port))
        await thief.open()
        check = next(data for data in reversed(nat.seen) if data[:2] == b"\0\1")
        thief._outside.sendto(check)  # what it saw on its way
        async with asyncio.timeout(30):
            while not (questions := [data for data in thief.from_server_seen if data[:2] == b"\0\1"]):
                await asyncio.sleep(0.01)
        question = stun.parse_check(stun.parse(questions[0]))
        thief._outside.sendto(stun.build_success(question, ("192.0.2.1", 1), "wrong password"))
        await lesson.receives()
        assert peer._address[1] == nat._outside.get_extra_info("sockname")[1]
        assert not [data for data in thief.from_server_seen if data[0] >= 128]
        thief.close()


async def test_what_comes_after_a_change_of_address_has_the_numbers_that_follow():
    got: list[int] = []
    async with media_server() as server, behind_nat(server) as nat, Lesson(server, nat) as lesson:
        lesson.down._on_rtp = lambda data: got.append(parse_rtp(data).seq)

        async def until_got(count: int) -> None:
            async with asyncio.timeout(30):
                while len(got) < count:
                    await asyncio.sleep(0.01)

        await until_got(5)
        await nat.rebind()
        before = len(got)
        await until_got(before + 5)
        after = got[before:]
        assert [(b - a) & 0xFFFF for a, b in pairwise(after)] == [1] * (len(after) - 1)
        assert 0 < (after[0] - got[before - 1]) & 0xFFFF < 100
