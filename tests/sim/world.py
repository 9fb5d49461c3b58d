"""A lesson in virtual time: LessonMedia driven as the server drives it, with simulated links around it."""

from __future__ import annotations

import random
from itertools import pairwise

from classroom.model import ParticipantId, SessionId
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.ntp import NTP_EPOCH_OFFSET_S
from tests.sim.netem import Conditions
from tests.sim.publisher import Publisher, Stream, incoming
from tests.sim.receiver import Received, Receiver, Recorder

WALL_OFFSET_S = 1_700_000_000.0
BATCH_S = 0.001  # what arrives within it reaches the core before it is drained, as in a wake-up of the server
LAN = Conditions(delay_s=0.002)


class World:
    """``now`` is virtual. Publishers' clocks are wrong by as much as they like (``ntp_error_s``)."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.media = LessonMedia(lambda: self._random.getrandbits(32), WALL_OFFSET_S, "sfu")
        self.now = 100.0
        self.publishers: dict[SessionId, Publisher] = {}
        self.receivers: dict[SessionId, Receiver] = {}
        self.recorders: dict[SessionId, Recorder] = {}
        self.events: list[tuple[float, object]] = []
        self.forwarded = 0
        self._sessions = 0

    @property
    def ntp_s(self) -> float:
        """NTP seconds at the server at virtual time 0."""
        return WALL_OFFSET_S + NTP_EPOCH_OFFSET_S

    def _session(self) -> SessionId:
        self._sessions += 1
        return SessionId(f"s{self._sessions}")

    def publish(
        self, *streams: Stream, participant: str = "teacher", up: Conditions = LAN, down: Conditions = LAN,
        ntp_error_s: float = 0.0, name_for=str, early_report: bool = False,
    ) -> Publisher:  # fmt: skip
        session = self._session()
        publisher = Publisher(
            list(streams), up, down, 1000 + self._sessions, self.now,
            ntp_s=self.ntp_s + ntp_error_s, early_report=early_report,
        )  # fmt: skip
        self.media.add_publisher(
            session, ParticipantId(participant), publisher, incoming(list(streams)), name_for, self.now
        )
        self.publishers[session] = publisher
        return publisher

    def receive(
        self, *wishes, up: Conditions = LAN, down: Conditions = LAN, participant: str | None = None, **options
    ) -> Receiver:
        session = self._session()
        receiver = Receiver(list(wishes), up, down, 2000 + self._sessions, **options)
        receiver.now = self.now
        self.receivers[session] = receiver
        self.media.add_receiver(
            session,
            ParticipantId(participant or session),
            receiver,
            receiver.slots,
            self.now,
            downlink=receiver.downlink,
        )
        self.drain()
        return receiver

    def record(self) -> Recorder:
        session, recorder = self._session(), Recorder()
        self.recorders[session] = recorder
        self.media.add_receiver(session, ParticipantId(""), recorder, [], self.now, follow_all=True)
        self.drain()
        return recorder

    def leave(self, end: Publisher | Receiver | Recorder, reason: str = "left") -> None:
        for ends in (self.publishers, self.receivers, self.recorders):
            for session, other in list(ends.items()):
                if other is end:
                    del ends[session]
                    self.media.remove(session, reason, self.now)
        self.drain()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until_s = self.now + seconds
        while True:
            times = [end.next_timeout() for end in (*self.publishers.values(), *self.receivers.values())]
            uplinks = [end.uplink.next_timeout() for end in (*self.publishers.values(), *self.receivers.values())]
            times += [arrival_s for arrival_s in uplinks if arrival_s is not None]
            if (due_s := self.media.next_timeout()) is not None:
                times.append(due_s)
            at = max(self.now, min(times, default=float("inf")))
            at = max(at, (int(at / BATCH_S) + 1) * BATCH_S)
            if at > until_s:
                self.now = until_s
                return
            self.now = at
            self._step(at)

    def _step(self, now: float) -> None:
        for session, publisher in self.publishers.items():
            publisher.advance(now)
            for data in publisher.uplink.receive(now):
                self.media.receive(session, data, now)
        for session, receiver in self.receivers.items():
            receiver.advance(now)
            for data in receiver.uplink.receive(now):
                self.media.receive(session, data, now)
        self.drain()
        due_s = self.media.next_timeout()
        if due_s is not None and due_s <= now:
            self.media.handle_timeout(now)
            self.drain()

    def drain(self) -> None:
        """As MediaServer._flush_lesson does."""
        for end in (*self.publishers.values(), *self.receivers.values()):
            end.now = self.now
        for sink, data in self.media.take_rtcp():
            sink.send_rtcp(data)
        for burst in self.media.take_bursts():
            self.forwarded += len(burst.packets)
            burst.down.sink.send(burst)
        for down, data in self.media.take_resends():
            down.sink.resend(down, data)
        self.events += [(self.now, event) for event in self.media.take_events()]

    def happened(self, kind: type) -> list:
        return [event for _, event in self.events if isinstance(event, kind)]


def check_numbers(receiver: Receiver) -> None:
    """What holds for every receiver at all times: one packet per number, time that never goes back."""
    for reception in receiver.receptions:
        assert not reception.conflicts
        packets = reception.in_order
        assert_ascending(packets)


def assert_ascending(packets: list[Received]) -> None:
    """Timestamps follow the numbers; a picture has one timestamp, the next one a later."""
    for before, after in pairwise(packets):
        assert after.ts >= before.ts, (before, after)
        same = (before.identity.stream, before.identity.frame) == (after.identity.stream, after.identity.frame)
        if after.identity.index > 0 and same and before.identity.total == after.identity.total:  # of the same layer
            assert after.ts == before.ts
