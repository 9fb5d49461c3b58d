"""The way out of the pictures, in virtual time."""

from __future__ import annotations

from itertools import groupby

import pytest

from classroom.capture.pacer import MAX_QUEUE_PACKETS, Pacer
from classroom.capture.probing import ProbeTrain


class Timer:
    def __init__(self, loop: Loop, at_s: float, callback) -> None:  # type: ignore[no-untyped-def]
        self.loop, self.at_s, self.callback = loop, at_s, callback

    def cancel(self) -> None:
        self.loop.timers.remove(self)


class Loop:
    """call_later in virtual time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[Timer] = []

    def call_later(self, delay_s: float, callback) -> Timer:  # type: ignore[no-untyped-def]
        self.timers.append(Timer(self, self.now_s + delay_s, callback))
        return self.timers[-1]

    def time(self) -> float:
        return self.now_s

    def run(self) -> None:
        while self.timers:
            timer = min(self.timers, key=lambda timer: timer.at_s)
            self.timers.remove(timer)
            self.now_s = timer.at_s
            timer.callback()


class Way:
    """What leaves a pacer: (when, packet)."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.sent: list[tuple[float, bytes]] = []
        self.asked: list[int] = []
        self.pacer = Pacer(self.loop, self._send, self.asked.append)  # type: ignore[arg-type]

    def _send(self, packets) -> None:  # type: ignore[no-untyped-def]
        self.sent += [(self.loop.now_s, packet) for packet in packets]

    @property
    def packets(self) -> list[bytes]:
        return [packet for _, packet in self.sent]

    @property
    def bursts(self) -> list[int]:
        return [len(list(packets)) for _, packets in groupby(self.sent, key=lambda sent: sent[0])]


def numbered(count: int, size: int = 1200) -> list[bytes]:
    return [number.to_bytes(2, "big") + bytes(size - 2) for number in range(count)]


@pytest.mark.parametrize("count", [1, 8, 9, 100, 380])
def test_a_frame_leaves_within_30_ms_in_order(count: int) -> None:
    way = Way()
    way.pacer.push(1, numbered(count))
    way.loop.run()
    assert way.packets == numbered(count)
    assert way.pacer.idle and way.sent[-1][0] <= 0.031
    assert count <= 8 or max(way.bursts) < count, "not in one blast"
    assert (len(way.bursts) == 1) == (count <= 8)


def test_a_second_frame_waits_behind_the_first() -> None:
    way = Way()
    way.pacer.push(1, numbered(60))
    way.pacer.push(1, [b"b"])
    way.loop.run()
    assert way.packets == [*numbered(60), b"b"]


def test_what_is_worth_more_goes_first() -> None:
    way = Way()
    for worth in (3, 1, 2):
        way.pacer.push(worth, [bytes([worth]) * 1200] * 40)
    way.loop.run()
    behind_the_first_burst = way.packets[way.bursts[0] :]
    assert [packet[0] for packet in behind_the_first_burst] == sorted(
        [packet[0] for packet in behind_the_first_burst], key=lambda worth: {1: 1, 2: 2, 3: 3}[worth]
    )
    assert way.packets[0][0] == 3, "it was alone when it came"


def test_an_overflow_drops_that_stream_and_asks_for_a_keyframe() -> None:
    way = Way()
    way.pacer.push(1, [b"a" * 100] * (MAX_QUEUE_PACKETS - 1))
    way.pacer.push(2, [b"c"] * 3)
    way.pacer.push(1, [b"b"] * 2000)
    way.loop.run()
    assert way.asked == [1] and b"b" not in way.packets and way.packets.count(b"c") == 3


def test_a_rate_is_kept_and_no_queue_is_longer_than_a_second() -> None:
    way = Way()
    way.pacer.rate_bps = 960_000  # 100 packets of 1200 bytes a second
    way.pacer.push(1, numbered(100))
    way.pacer.push(2, numbered(60))
    way.loop.run()
    assert len(way.packets) == 160
    assert way.loop.now_s == pytest.approx(1.6, abs=0.03)
    half = sum(at_s < 0.8 for at_s, _ in way.sent)
    assert half == pytest.approx(80, abs=3), "evenly"
    way.pacer.push(1, numbered(120))
    way.pacer.push(1, numbered(1))
    assert way.asked == [1], "more than a second waits: a keyframe is sooner there"


def test_after_a_pause_a_small_frame_leaves_at_once() -> None:
    way = Way()
    way.pacer.rate_bps = 4_000_000
    way.loop.now_s = 10.0
    way.pacer.push(1, numbered(6))
    assert way.bursts == [6]


def test_what_was_not_sent_is_forgotten_at_the_end() -> None:
    way = Way()
    way.pacer.push(1, numbered(100))
    sent = len(way.packets)
    way.pacer.close()
    way.loop.run()
    assert len(way.packets) == sent and way.pacer.idle


def test_a_probe_leaves_evenly_at_its_rate() -> None:
    loop, sent, ended = Loop(), [], []
    train = ProbeTrain(
        loop,  # type: ignore[arg-type]
        loop.time,
        lambda packets: sent.extend((loop.now_s, len(packet)) for packet in packets),
        lambda: ended.append(loop.now_s),
    )
    train.start([bytes(1200)] * 20, 4_800_000)
    loop.run()
    span_s = sent[-1][0] - sent[0][0]
    assert sum(size for _, size in sent[:-1]) * 8 / span_s == pytest.approx(4_800_000, rel=0.06)
    assert ended == [sent[-1][0]]
    train.start([bytes(1200)] * 20, 4_800_000)
    train.close()
    loop.run()
    assert len(sent) == 21 and len(ended) == 1
