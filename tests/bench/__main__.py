"""`make bench`: what the SFU costs, next to Janus in the same run, as tables with the commit and the machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from classroom.sfu.transport.kernel import LIBRARY
from tests.bench import control, end_to_end, forwarding, joining, recording, saturation, search, servers, terminals
from tests.bench.figures import make_table, ratios

FORWARDING_COLUMNS = {
    "server": "{}", "variant": "{}", "receivers": "{:.0f}", "packets_per_s": "{:.0f}", "cpu_us_per_packet": "{:.2f}",
    "datagrams_per_call": "{:.1f}", "delay_p50_ms": "{:.2f}", "delay_p99_ms": "{:.2f}", "lost_percent": "{:.2f}",
    "rss_kib_each": "{:.0f}", "load_percent": "{:.0f}", "pacing_late_ms": "{:.1f}",
}  # fmt: skip
RATIO_COLUMNS = {
    "receivers": "{:.0f}",
    "of": "{}",
    "variant": "{}",
    "to": "{}",
    "cpu_per_packet": "{:.2f}",
    "the_other_way": "{:.2f}",
}
SATURATION_COLUMNS = {
    "server": "{}", "kpps": "{:.0f}", "delay_p99_ms": "{:.1f}", "cpu_us_per_packet": "{:.2f}", "cpu_percent": "{:.0f}",
    "lost_percent": "{:.2f}", "half_kpps": "{:.0f}", "half_delay_p99_ms": "{:.1f}", "load_percent": "{:.0f}",
    "ended_by": "{}",
}  # fmt: skip
STORM_COLUMNS = {
    "server": "{}", "joined": "{}", "first_media_p50_ms": "{:.0f}", "first_media_p99_ms": "{:.0f}",
    "gap_before_ms": "{:.0f}", "gap_during_ms": "{:.0f}", "delay_p99_during_ms": "{:.1f}", "cpu_ms_per_join": "{:.1f}",
    "took_s": "{:.1f}", "newcomers_percent": "{:.0f}",
}  # fmt: skip
CHURN_COLUMNS = {
    "joined": "{}", "joins_per_s": "{:.0f}", "rss_before_mib": "{:.1f}", "rss_after_mib": "{:.1f}", "tasks_left": "{}",
    "descriptors_left": "{}", "timers_left": "{}", "sessions_left": "{}",
}  # fmt: skip
RECORDING_COLUMNS = {
    "mbit_per_s": "{:.2f}", "loop_percent": "{:.2f}", "thread_percent": "{:.2f}", "syncs_per_s": "{:.1f}",
}  # fmt: skip
SEARCH_COLUMNS = {
    "database": "{}", "lessons": "{}", "fill_s": "{:.0f}", "found_percent": "{:.0f}", "search_p50_ms": "{:.0f}",
    "search_p95_ms": "{:.0f}", "search_max_ms": "{:.0f}", "browse_p95_ms": "{:.0f}",
}  # fmt: skip
CONTROL_COLUMNS = {
    "server": "{}", "compressed": "{}", "terminals": "{}", "p50_ms": "{:.1f}", "p95_ms": "{:.1f}", "max_ms": "{:.1f}",
    "cpu_us_each": "{:.0f}", "p95_to_peer": "{:.2f}",
}  # fmt: skip
TERMINAL_COLUMNS = {
    "terminals": "{:.0f}", "rss_mib": "{:.0f}", "kib_each": "{:.1f}", "idle_cpu_percent": "{:.2f}",
    "all_in_s": "{:.1f}", "cpu_ms_each": "{:.1f}", "bell_p50_ms": "{:.0f}", "bell_p99_ms": "{:.0f}",
    "bell_cpu_s": "{:.2f}", "start_ms": "{:.0f}", "back_p50_s": "{:.1f}", "back_all_s": "{:.1f}",
    "back_cpu_s": "{:.1f}",
}  # fmt: skip
SERVERS = {"ours": servers.OURS, "janus": servers.JANUS, "janus-one-loop": servers.JANUS_ONE_LOOP}
COMPARED_RECEIVERS = 50  # with fewer, what starts and stops counts more than what flows
PARTS = ("forwarding", "saturation", "storm", "churn", "recording", "end-to-end", "search", "control", "terminals")


class Bench:
    """The parts, each of which prints its table and keeps its figures."""

    def __init__(self, arguments: argparse.Namespace, console: Console) -> None:
        self._arguments = arguments
        self._console = console
        self._cores = servers.share_cores()
        self._names = _chosen(arguments.servers, console)
        self.figures: dict[str, Any] = {"where": where()}

    async def run(self) -> None:
        parts = {
            "forwarding": self._forwarding,
            "saturation": self._saturation,
            "storm": self._storm,
            "churn": self._churn,
            "recording": self._recording,
            "end-to-end": self._end_to_end,
            "search": self._search,
            "control": self._control,
            "terminals": self._terminals,
        }
        self._console.print(self.figures["where"])
        async with forwarding.loading(self._cores) as load:
            for part in self._arguments.only:
                began_s = time.monotonic()
                await parts[part](load)
                self._console.print(f"{part}: {time.monotonic() - began_s:.0f} s\n")

    async def _forwarding(self, load: forwarding.Load) -> None:
        rows = []
        for receivers in self._arguments.receivers:
            for name in self._names:
                for variant in self._variants(name, receivers):
                    self._console.print(f"{receivers} receivers, {name} {variant}")
                    seconds = self._arguments.seconds
                    rows += [await forwarding.measure(name, variant, receivers, seconds, self._cores, load)]
        title = "Forwarding: one core, one publisher of 2 Mbit/s H.264 720p25 in bursts of 5 ms, AES-128-GCM"
        self._show("forwarding", title, FORWARDING_COLUMNS, rows)
        compared = ratios(rows, servers.OURS)
        if compared:
            self._show("ratios", "CPU per forwarded packet, ratios of this run", RATIO_COLUMNS, compared)

    def _variants(self, name: str, receivers: int) -> tuple[str, ...]:
        """Janus sends one datagram per call and hears no transport-wide feedback: for it the plain one is all."""
        if name != servers.OURS:
            return (forwarding.PLAIN,) if receivers >= COMPARED_RECEIVERS else ()
        if receivers < max(self._arguments.receivers):
            return (forwarding.PLAIN,)
        return (forwarding.PLAIN, forwarding.ONE_BY_ONE, forwarding.TRANSPORT_CC)

    async def _saturation(self, load: forwarding.Load) -> None:
        rows = [await saturation.measure(name, self._arguments.limit, self._cores, load) for name in self._names]
        title = f"Saturation: lessons of {saturation.LESSON_RECEIVERS} until p99 passes {saturation.LIMIT_MS:.0f} ms"
        self._show("saturation", title, SATURATION_COLUMNS, rows)

    async def _storm(self, load: forwarding.Load) -> None:
        rows = [await joining.storm(name, self._arguments.joiners, 2.0, self._cores, load) for name in self._names]
        self._show("storm", f"Bell storm: {self._arguments.joiners} join within 2 s", STORM_COLUMNS, rows)

    async def _churn(self, load: forwarding.Load) -> None:
        row = await joining.churn(self._arguments.joins, self._cores, load)
        self._show("churn", "Churn: what joins and leaves leave behind in the server", CHURN_COLUMNS, [row])
        self._console.print(f"objects left: {row['objects_left']}")

    async def _recording(self, _: forwarding.Load) -> None:
        row = await recording.measure(20.0)
        self._show("recording", "Recording: one stream of 2 Mbit/s H.264 720p25", RECORDING_COLUMNS, [row])

    async def _end_to_end(self, _: forwarding.Load) -> None:
        figures = await end_to_end.measure()
        self.figures["end_to_end"] = figures
        rows = [{"figure": name.replace("_", " "), "value": value} for name, value in figures.items()]
        title = "End to end on loopback: capture agent, server, Chromium"
        self._console.print(make_table(title, {"figure": "{}", "value": "{:.3f}"}, rows))

    async def _search(self, _: forwarding.Load) -> None:
        rows = await search.measure(self._arguments.lessons, self._arguments.questions)
        self._show("search", "Library: answers of GET /api/library, one after the other", SEARCH_COLUMNS, rows)

    async def _control(self, _: forwarding.Load) -> None:
        rows = await control.measure(self._arguments.told, self._arguments.commands, self._cores)
        title = "Control: a page is turned; the time until each terminal of the lesson is told"
        self._show("control", title, CONTROL_COLUMNS, rows)

    async def _terminals(self, _: forwarding.Load) -> None:
        row = await terminals.measure(self._arguments.waiting, self._arguments.idle, self._cores)
        title = "Terminals: idle with a ping each 15 s; the bell; the start of a lesson; back after kill -9"
        self._show("terminals", title, TERMINAL_COLUMNS, [row])

    def _show(self, part: str, title: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
        self.figures[part] = rows
        self._console.print(make_table(title, columns, rows))
        for row in rows:
            if row.get("failures"):
                self._console.print(f"{row.get('server', '')} failures: {row['failures']}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--servers", nargs="+", choices=tuple(SERVERS), default=tuple(SERVERS))
    parser.add_argument("--receivers", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement of forwarding")
    parser.add_argument("--limit", type=float, default=25, help="seconds of saturation for each server")
    parser.add_argument("--joiners", type=int, default=200, help="of the bell storm")
    parser.add_argument("--joins", type=int, default=2000, help="of churn")
    parser.add_argument("--lessons", type=int, default=500, help="in the library")
    parser.add_argument("--questions", type=int, default=300, help="to the library")
    parser.add_argument("--told", type=int, default=200, help="that are told of control messages")
    parser.add_argument("--commands", type=int, default=200, help="of control")
    parser.add_argument("--waiting", type=int, default=1000, help="that wait for the bell")
    parser.add_argument("--idle", type=float, default=30, help="seconds of waiting that are measured")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    bench = Bench(arguments, Console(width=190))
    await bench.run()
    if arguments.json:
        arguments.json.write_text(json.dumps(bench.figures, indent=1))


def _chosen(wanted: list[str], console: Console) -> list[str]:
    available = servers.available()
    names = [SERVERS[key] for key in wanted]
    if missing := [name for name in names if name not in available]:
        console.print(f"left out, because Debian's package janus is not installed: {', '.join(missing)}")
    return [name for name in names if name in available]


def where() -> str:
    """The commit and the machine that the figures are of."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    kernel = "compiled kernel" if LIBRARY.exists() else "no compiled kernel"
    machine = f"{os.cpu_count()} × {_processor()}, Linux {platform.release()}, Python {platform.python_version()}"
    return f"commit {git.stdout.strip()}, {kernel}, {machine}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    asyncio.run(main())
