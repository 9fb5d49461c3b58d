"""Handshakes take their time in portions, in order; what waits for them waits no longer than a portion."""

import asyncio
import time
from itertools import pairwise

from classroom.sfu.transport import handshakes
from classroom.sfu.transport.handshakes import Handshakes


class Slow:
    """Works for a while on each datagram."""

    def __init__(self, work_s: float, seen: list[bytes]) -> None:
        self.work_s = work_s
        self.seen = seen

    def receive_dtls(self, datagram: bytes) -> None:
        end = time.perf_counter() + self.work_s
        while time.perf_counter() < end:
            pass
        self.seen.append(datagram)


async def test_a_single_datagram_is_passed_on_at_once():
    seen, batches = [], []
    taker = Handshakes(lambda: batches.append(1))
    assert taker.take(Slow(0, seen), b"hello")
    assert seen == [b"hello"]
    await asyncio.sleep(0.01)
    assert batches == []


async def test_a_storm_is_worked_off_in_portions_between_which_others_have_their_turn():
    seen, turns, batches = [], [], []
    taker = Handshakes(lambda: batches.append(len(seen)))
    slow = Slow(handshakes.BUDGET_S / 2.5, seen)
    for number in range(40):
        assert taker.take(slow, bytes([number]))
    assert len(seen) <= 3, "the budget lasts for two and a half"
    while len(seen) < 40:
        turns.append(len(seen))
        await asyncio.sleep(0)
    assert seen == [bytes([number]) for number in range(40)], "in order"
    portions = [after - before for before, after in pairwise(turns)]
    assert max(portions) <= 3 and len(portions) >= 12
    assert batches and batches[-1] == 40


async def test_those_who_come_later_do_not_overtake():
    seen = []
    taker = Handshakes(lambda: None)
    slow = Slow(handshakes.BUDGET_S, seen)
    for number in range(3):
        taker.take(slow, bytes([number]))
    await asyncio.sleep(0)
    taker.take(Slow(0, seen), b"later")
    while len(seen) < 4:
        await asyncio.sleep(0)
    assert seen == [b"\x00", b"\x01", b"\x02", b"later"]


async def test_a_fault_does_not_hold_up_the_others(monkeypatch):
    class Faulty:
        def receive_dtls(self, datagram: bytes) -> None:
            raise RuntimeError("a fault of ours")

    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    seen = []
    taker = Handshakes(lambda: None)
    taker.take(Slow(handshakes.BUDGET_S, seen), b"first")
    taker.take(Faulty(), b"bad")
    taker.take(Slow(0, seen), b"second")
    async with asyncio.timeout(30):
        while len(seen) < 2:
            await asyncio.sleep(0)
    assert seen == [b"first", b"second"] and len(faults) == 1


async def test_more_than_may_wait_is_refused(monkeypatch):
    monkeypatch.setattr(handshakes, "MAX_WAITING", 5)
    seen = []
    taker = Handshakes(lambda: None)
    slow = Slow(handshakes.BUDGET_S, seen)
    assert [taker.take(slow, b"") for _ in range(8)] == [True] * 6 + [False] * 2
