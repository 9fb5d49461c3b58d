"""Joining: 200 classrooms when the bell rings, and what 2,000 that come and go leave behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench.doors import OwnDoor
from tests.bench.figures import percentile
from tests.bench.forwarding import BITRATE_BPS, Load
from tests.bench.servers import OURS, Cores, serving

SITTING = 10
CALM_S = 3.0
WARM_UP_JOINS = 1000
SILENCE_S = 20.0  # by then the server must have noticed who went without a word
COUNTED = ("tasks", "descriptors", "timers", "sessions")


async def storm(name: str, joiners: int, within_s: float, cores: Cores, load: Load) -> dict[str, Any]:
    """Many join at once; those who sit already must not notice."""
    async with serving(name, cores) as server:
        await load.publishers.ask("start", door=server.door, lesson=1, bitrate_bps=BITRATE_BPS)
        await load.crowd.ask("join", door=server.door, lesson=1, count=SITTING, eyes=SITTING)
        await asyncio.sleep(1)
        await load.crowd.ask("start")
        await asyncio.sleep(CALM_S)
        calm = await load.crowd.ask("read")
        await load.crowd.ask("start")
        cpu_s = server.cpu_s()
        joined = await load.newcomers.ask(
            "join", door=server.door, lesson=1, count=joiners, stamped=True, spread_s=within_s
        )
        cpu_s = server.cpu_s() - cpu_s
        during = await load.crowd.ask("read")
        await load.leave()
    firsts_ms = joined["first_media_ms"]
    return {
        "server": name,
        "joined": f"{joined['joined']} of {joiners}",
        "first_media_p50_ms": percentile(firsts_ms, 50),
        "first_media_p99_ms": percentile(firsts_ms, 99),
        "gap_before_ms": calm["longest_gap_ms"],
        "gap_during_ms": during["longest_gap_ms"],
        "delay_p99_during_ms": during["delay_p99_ms"],
        "cpu_ms_per_join": cpu_s / max(joined["joined"], 1) * 1e3,
        "took_s": joined["took_s"],
        "newcomers_percent": joined["load_percent"],
        "failures": joined["failures"],
    }


async def churn(joins: int, cores: Cores, load: Load) -> dict[str, Any]:
    """Join and leave; what the server holds before and after, each time after a garbage collection."""
    async with serving(OURS, cores) as server:
        door = await OwnDoor.open(server.door)
        await load.publishers.ask("start", door=server.door, lesson=1, bitrate_bps=BITRATE_BPS)
        # The first joins fill caches that stay: the lesson's packets, OpenSSL's and Python's memory.
        await load.crowd.ask("churn", door=server.door, lesson=1, count=WARM_UP_JOINS)
        before = await _census(door)
        came = await load.crowd.ask("churn", door=server.door, lesson=1, count=joins)
        after = await _census(door)
        await load.leave()
    return {
        "joined": came["joined"],
        "joins_per_s": came["joined"] / came["took_s"],
        "rss_before_mib": before["rss_bytes"] / (1 << 20),
        "rss_after_mib": after["rss_bytes"] / (1 << 20),
        **{f"{name}_left": after[name] - before[name] for name in COUNTED},
        "before": {name: before[name] for name in COUNTED},
        "objects_left": left_behind(before["objects"], after["objects"]),
        "failures": came["failures"],
    }


async def _census(door: OwnDoor) -> dict[str, Any]:
    """Once the publisher is alone, or never will be."""
    began_s = time.monotonic()
    while (await door.ask("stats"))["sessions"] > 1 and time.monotonic() - began_s < SILENCE_S:
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)
    return await door.ask("census")


def left_behind(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Objects by type of which there are more, or fewer, than before."""
    changes = {kind: after.get(kind, 0) - before.get(kind, 0) for kind in sorted(before | after)}
    return {kind: change for kind, change in changes.items() if change}
