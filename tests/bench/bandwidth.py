"""What a transport-wide report and an item that passes the pacer cost: ``python -m tests.bench.bandwidth``.

Medians of single calls, so that other load on the machine shows less.
"""

from __future__ import annotations

import random
from statistics import median
from time import perf_counter

from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.rtcp import parse_rtcp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.twcc import TransportFeedback, build_transport_feedback

REPORTS, ITEMS = 2000, 100_000
REPORT_S = 0.0625  # as Chromium
GAP_S, PACKET_BYTES = 0.005, 1200


def reports(loss: float) -> tuple[float, float, float]:
    """(packets in a report, µs to parse it, µs to evaluate it) at 1.9 Mbit/s sent evenly: as many groups."""
    dice, log = random.Random(1), SendLog()
    downlink: Downlink[None] = Downlink(log)
    parsing, evaluating = [], []
    now, packets = 100.0, 0
    for _ in range(REPORTS):
        first = log.next_seq
        end_s = now + REPORT_S
        ticks: list[int | None] = []
        while now < end_s:
            log.add(now, PACKET_BYTES)
            lost = dice.random() < loss
            ticks.append(None if lost else int((now + 0.02 + 0.003 * dice.random()) * 4000))
            now += GAP_S
        ticks[-1] = int((now + 0.025) * 4000)
        data, _ = build_transport_feedback(1, 2, first, 0, ticks)
        packets += len(ticks)
        began = perf_counter()
        (feedback,) = parse_rtcp(data)
        parsed = perf_counter()
        assert isinstance(feedback, TransportFeedback)
        downlink.feedback(feedback, now + 0.03)
        done = perf_counter()
        parsing.append(parsed - began)
        evaluating.append(done - parsed)
    return packets / REPORTS, 1e6 * median(parsing), 1e6 * median(evaluating)


def passing() -> float:
    """µs for an item that passes at once."""
    downlink: Downlink[None] = Downlink(SendLog())
    times = []
    for step in range(ITEMS):
        now = 100.0 + step
        began = perf_counter()
        downlink.push(None, PACKET_BYTES, Priority.PICTURE, "stream", now)
        times.append(perf_counter() - began)
    return 1e6 * median(times)


if __name__ == "__main__":
    for loss in (0.0, 0.05):
        count, parse_us, evaluate_us = reports(loss)
        print(f"loss {loss:.0%}: {count:.1f} packets in a report, {parse_us:.1f} us to parse, {evaluate_us:.1f} more")
    print(f"an item that passes the pacer at once: {passing():.2f} us")
