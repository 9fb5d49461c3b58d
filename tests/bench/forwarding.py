"""What forwarding costs: one publisher, many receivers; and how much one core carries."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.doors import OwnDoor
from tests.bench.process import LineProcess
from tests.bench.servers import OURS, Cores, Measured, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BITRATE_BPS = 2_000_000
SETTLE_S = 1.5
ESTIMATED_SETTLE_S = 6.0  # until the estimates carry the whole stream
PLAIN, ONE_BY_ONE, TRANSPORT_CC = "", "no UDP_GRO", "transport-cc"
VARIANTS: dict[str, dict[str, bool]] = {PLAIN: {}, ONE_BY_ONE: {"gro": False}, TRANSPORT_CC: {"transport_cc": True}}


class Load(NamedTuple):
    """The processes that make the load. ``newcomers`` are receivers who join while the crowd sits."""

    publishers: LineProcess
    crowd: LineProcess
    newcomers: LineProcess

    async def leave(self) -> None:
        """Let everybody go, so that the next server meets the same load."""
        await self.publishers.ask("stop")
        await self.crowd.ask("leave")
        await self.newcomers.ask("leave")


@contextlib.asynccontextmanager
async def loading(cores: Cores) -> AsyncIterator[Load]:
    """Start the load's processes, idle."""
    load = Load(
        LineProcess("tests.bench.publishers", cores.load, hurried=True),  # receivers must not disturb the pace
        LineProcess("tests.bench.crowd", cores.load),
        LineProcess("tests.bench.crowd", cores.load),
    )
    try:
        yield load
    finally:
        for process in load:
            process.close()


async def measure(name: str, variant: str, receivers: int, seconds: float, cores: Cores, load: Load) -> dict[str, Any]:
    """One publisher and its receivers, in one of VARIANTS."""
    async with serving(name, cores) as server:
        await load.publishers.ask("start", door=server.door, lesson=1, bitrate_bps=BITRATE_BPS)
        await asyncio.sleep(0.5)
        rss_bytes = server.rss_bytes()
        joined = await load.crowd.ask(
            "join", door=server.door, lesson=1, count=receivers, eyes=max(1, receivers // 10), **VARIANTS[variant]
        )
        await asyncio.sleep(ESTIMATED_SETTLE_S if variant == TRANSPORT_CC else SETTLE_S)
        rss_bytes = server.rss_bytes() - rss_bytes
        figures = await window(server, load, seconds)
        await load.leave()
    return {
        "server": name,
        "variant": variant,
        "receivers": receivers,
        "failures": joined["failures"],
        **figures,
        "rss_kib_each": rss_bytes / max(joined["joined"], 1) / 1024,
    }


async def window(server: Measured, load: Load, seconds: float) -> dict[str, Any]:
    """Measure what flows during some seconds."""
    numbers = await _numbers(server)
    sent = await load.publishers.ask("read")
    started = await load.crowd.ask("start")
    began_s, cpu_s = time.monotonic(), server.cpu_s()
    await asyncio.sleep(seconds)
    cpu_s, took_s = server.cpu_s() - cpu_s, time.monotonic() - began_s
    got = await load.crowd.ask("read")
    sent_after = await load.publishers.ask("read")
    after = await _numbers(server)
    load_cpu_s = got["cpu_s"] - started["cpu_s"] + sent_after["cpu_s"] - sent["cpu_s"]
    figures = {
        "packets_per_s": got["received"] / took_s,
        "cpu_us_per_packet": cpu_s / max(got["received"], 1) * 1e6,
        "cpu_percent": cpu_s / took_s * 100,
        "delay_p50_ms": got["delay_p50_ms"],
        "delay_p99_ms": got["delay_p99_ms"],
        "lost_percent": (1 - got["received"] / max(got["expected"], 1)) * 100,
        "load_percent": load_cpu_s / took_s * 100,
        "pacing_late_ms": max(0.0, sent_after["late_p99_s"] * 1e3),
    }
    if after:
        calls = after["send_calls_total"] - numbers["send_calls_total"]
        figures["datagrams_per_call"] = (after["datagrams_sent_total"] - numbers["datagrams_sent_total"]) / max(
            calls, 1
        )
    return figures


async def _numbers(server: Measured) -> dict[str, Any]:
    """Counters of our own server; others don't tell."""
    return await (await OwnDoor.open(server.door)).ask("stats") if server.name == OURS else {}
