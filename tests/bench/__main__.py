"""`make bench`: what the SFU costs, next to Janus in the same run, as tables with the commit and the machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import end_to_end, forwarding, servers
from tests.bench.figures import make_table

FORWARDING_COLUMNS = {
    "server": "{}", "receivers": "{:.0f}", "packets_per_s": "{:.0f}", "cpu_us_per_packet": "{:.2f}",
    "cpu_percent": "{:.1f}", "datagrams_per_call": "{:.2f}", "delay_p50_ms": "{:.2f}", "delay_p99_ms": "{:.2f}",
    "lost_percent": "{:.2f}", "rss_kib_per_receiver": "{:.0f}", "load_percent": "{:.0f}", "publisher_late_ms": "{:.1f}",
}  # fmt: skip
PARTS = ("forwarding", "end-to-end")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--servers", nargs="+", choices=("ours", "janus", "janus-one-loop"), help="default: all")
    parser.add_argument("--receivers", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--no-gro", action="store_true", help="receivers take datagrams one by one")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    console = Console(width=200)
    console.print(where())
    figures: dict[str, Any] = {"where": where()}
    names = _chosen(arguments.servers, console)
    cores = servers.share_cores()
    os.sched_setaffinity(0, cores.load)
    if "forwarding" in arguments.only:
        rows = [
            await forwarding.measure(name, receivers, arguments.seconds, cores, gro=not arguments.no_gro)
            for receivers in arguments.receivers
            for name in names
        ]
        console.print(make_table("Forwarding", FORWARDING_COLUMNS, rows))
        figures["forwarding"] = rows
    os.sched_setaffinity(0, cores.server | cores.load)
    if "end-to-end" in arguments.only:
        figures["end_to_end"] = await end_to_end.measure()
        columns = {"figure": "{}", "value": "{:.3f}"}
        rows = [{"figure": name.replace("_", " "), "value": value} for name, value in figures["end_to_end"].items()]
        console.print(make_table("End to end on loopback: capture agent, server, Chromium", columns, rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def _chosen(wanted: list[str] | None, console: Console) -> list[str]:
    """The servers to measure, ours first."""
    known = {"ours": servers.OURS, "janus": servers.JANUS, "janus-one-loop": servers.JANUS_ONE_LOOP}
    names = [known[name] for name in wanted or known]
    available = servers.available()
    if missing := [name for name in names if name not in available]:
        console.print(f"left out, because Debian's package janus is not installed: {', '.join(missing)}")
    return [name for name in names if name in available]


def where() -> str:
    """The commit and the machine that the figures are of."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    machine = f"{os.cpu_count()} × {_processor()}, Linux {platform.release()}, Python {platform.python_version()}"
    return f"commit {git.stdout.strip()}, {machine}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    asyncio.run(main())
