"""`make bench`: what the SFU costs, as a table with the commit and the machine."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.client import ClientTransport
from tests.bench import end_to_end
from tests.bench.load import LightReceiver, Publisher, encoded_frames, offer, remote

FPS = 25
BITRATE_BPS = 2_000_000
POLL_S = 0.005


class Sfu:
    """The measured process, pinned to one core."""

    def __init__(self, core: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sfu_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.usage = psutil.Process(self._process.pid)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {core})

    async def ask(self, **command: str) -> dict:
        def exchange() -> dict:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

        return await asyncio.to_thread(exchange)

    def cpu_s(self) -> float:
        times = self.usage.cpu_times()
        return times.user + times.system

    def rss_bytes(self) -> int:
        return self.usage.memory_info().rss

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


async def measure(receivers: int, seconds: float, frames: list[list[bytes]]) -> dict[str, float]:
    cores = sorted(os.sched_getaffinity(0))
    sfu = Sfu(cores[0])
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    certificate = Certificate()
    up = ClientTransport(certificate=certificate)
    downs = [LightReceiver(certificate, open_eyes=number == 0) for number in range(receivers)]
    try:
        await up.connect(remote((await sfu.ask(do="publish", offer=offer(up, "sendonly")))["answer"]))
        publisher = Publisher(up, frames, FPS, BITRATE_BPS)
        sending = asyncio.create_task(publisher.run())
        await asyncio.sleep(0.5)
        rss_before = sfu.rss_bytes()
        joins = []
        for down in downs:
            asked_s = time.monotonic()
            answer = (await sfu.ask(do="subscribe", offer=offer(down, "recvonly")))["answer"]
            await down.connect(remote(answer))
            joins.append((down, asked_s))
            if not down.open_eyes:
                down.stop_listening()
        polling = asyncio.create_task(poll(downs[1:]))
        await asyncio.sleep(3)
        first_packet_s = [down.first_s - asked_s for down, asked_s in joins if down.first_s is not None]
        rss = (sfu.rss_bytes() - rss_before) / receivers
        downs[0].delays_s.clear()
        before, counted, sent_before = sfu.cpu_s(), sum(d.count for d in downs), publisher.sent
        calls_before = await sfu.ask(do="stats")
        await asyncio.sleep(seconds)
        after, received = sfu.cpu_s(), sum(d.count for d in downs) - counted
        calls = await sfu.ask(do="stats")
        sending.cancel()
        polling.cancel()
        delays = sorted(downs[0].delays_s)
        sent = publisher.sent - sent_before
        return {
            "receivers": receivers,
            "packets_per_s": received / seconds,
            "cpu_us_per_packet": (after - before) / received * 1e6,
            "cpu_percent": (after - before) / seconds * 100,
            "delay_p50_ms": delays[len(delays) // 2] * 1e3,
            "delay_p99_ms": delays[len(delays) * 99 // 100] * 1e3,
            "lost_percent": max(0.0, 1 - received / (sent * receivers)) * 100,
            "datagrams_per_call": (calls["datagrams_sent_total"] - calls_before["datagrams_sent_total"])
            / (calls["send_calls_total"] - calls_before["send_calls_total"]),
            "rss_kib_per_receiver": rss / 1024,
            "first_packet_ms": statistics.median(first_packet_s) * 1e3,
        }
    finally:
        await up.close()
        for down in downs:
            await down.close()
        sfu.close()


async def poll(receivers: list[LightReceiver]) -> None:
    """Empty the sockets of the receivers every few milliseconds, as a network card would."""
    while True:
        for receiver in receivers:
            receiver.poll()
        await asyncio.sleep(POLL_S)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receivers", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--only", choices=("sfu", "end-to-end"), help="one of the two parts")
    arguments = parser.parse_args()
    results = [] if arguments.only == "end-to-end" else await bench_sfu(arguments.receivers, arguments.seconds)
    console = Console(width=140)
    if results:
        console.print(sfu_table(results))
    figures = {} if arguments.only == "sfu" else await end_to_end.measure()
    if figures:
        console.print(end_to_end_table(figures))
    console.print(where())
    if arguments.json:
        arguments.json.write_text(json.dumps({"where": where(), "sfu": results, "end_to_end": figures}, indent=1))


async def bench_sfu(receivers: list[int], seconds: float) -> list[dict[str, float]]:
    cores = os.sched_getaffinity(0)
    frames = encoded_frames(BITRATE_BPS)
    try:
        return [await measure(count, seconds, frames) for count in receivers]
    finally:
        os.sched_setaffinity(0, cores)


def end_to_end_table(figures: dict[str, float]) -> Table:
    table = Table(title="End to end on loopback: capture agent, server, Chromium")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if name.endswith("_s") else f"{value:.0f}")
    return table


def sfu_table(results: list[dict[str, float]]) -> Table:
    columns = {
        "receivers": "{:.0f}", "packets_per_s": "{:.0f}", "cpu_us_per_packet": "{:.2f}", "cpu_percent": "{:.1f}",
        "delay_p50_ms": "{:.2f}", "delay_p99_ms": "{:.2f}", "lost_percent": "{:.2f}", "datagrams_per_call": "{:.2f}",
        "rss_kib_per_receiver": "{:.0f}", "first_packet_ms": "{:.1f}",
    }  # fmt: skip
    table = Table(title="SFU, one core, 2 Mbit/s H.264 720p25 in bursts of 5 ms, AES-128-GCM")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for result in results:
        table.add_row(*(form.format(result[name]) for name, form in columns.items()))
    return table


def where() -> str:
    """The commit and the machine that the figures are of."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    machine = f"{os.cpu_count()} × {_processor()}, Linux {platform.release()}, Python {platform.python_version()}"
    return f"commit {git.stdout.strip()}, {machine}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    asyncio.run(main())
