"""``classroom top``: the links of all classrooms, live, in a terminal."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from classroom.live.link import CAUSES, WORDS, Cause, Link
from classroom.model import ClassroomError, TrackKind
from classroom.sfu.core.histogram import quantile_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

INTERVAL_S = 2.0
RATE_S = 1.2  # the server's rates are those since the answer before, at least a second ago
TOKEN_S = 12 * 3600
TIMEOUT_S = 5.0
_STYLES = {Link.GOOD: "green", Link.FAIR: "yellow", Link.POOR: "bold red"}
_COLUMNS = (
    "课堂 Lesson",
    "教室 Classroom",
    "线路 Link",
    "码率 Mbit/s",
    "丢包 Loss",
    "往返 RTT ms",
    "估计 Estimate",
    "画面 Layer",
    "排队 Queue ms",
)
_NUMBERS = frozenset(_COLUMNS[3:7] + _COLUMNS[8:])


class CannotWatch(ClassroomError):
    """The server does not answer, or refuses; the text says why."""


async def watch(server: str, token: str, path: str, lesson: str | None, *, once: bool) -> None:
    """Show what ``path`` tells every INTERVAL_S until interrupted, or once; all lessons, or one of them.

    Raises CannotWatch at the first answer; later it says so on the screen and goes on.
    """
    console = Console()
    headers, timeout = {"Authorization": f"Bearer {token}"}, ClientTimeout(total=TIMEOUT_S)
    async with ClientSession(headers=headers, timeout=timeout) as http:
        ask = partial(_ask, http, server.rstrip("/") + path, lesson)
        answer = await ask()
        if once:
            await asyncio.sleep(RATE_S)
            console.print(show(await ask(), answer))
            return
        with Live(show(answer, None), console=console, screen=True, auto_refresh=False) as screen:
            while True:
                await asyncio.sleep(INTERVAL_S)
                before = answer
                try:
                    answer = await ask()
                except CannotWatch as error:
                    screen.update(Group(show(before, None), Text(str(error), style="bold red")), refresh=True)
                else:
                    screen.update(show(answer, before), refresh=True)


async def _ask(http: ClientSession, url: str, lesson: str | None) -> dict[str, Any]:
    try:
        async with http.get(url) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
    except (ClientError, TimeoutError, ValueError) as error:
        raise CannotWatch(f"服务器没有应答：{error}。 The server does not answer: {error}.") from error
    if response.status != 200:
        raise CannotWatch(str(answer.get("detail", response.status)))
    if lesson is not None:
        answer["lessons"] = [one for one in answer["lessons"] if one["id"] == lesson]
    return answer


def show(answer: Mapping[str, Any], before: Mapping[str, Any] | None) -> RenderableType:
    """An answer of the server as tables; ``before`` is the former one, for what passed between them."""
    lessons: Sequence[Mapping[str, Any]] = answer["lessons"]
    if not lessons:
        return Text("没有正在进行的课堂。 No lesson is live.")
    former = {} if before is None else {lesson["id"]: lesson for lesson in before["lessons"]}
    table = Table(box=box.SIMPLE, title="联体课堂 Lianti Classroom")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _NUMBERS else "left", overflow="fold")
    for lesson in lessons:
        delay = _forwarding(lesson, former.get(lesson["id"]))
        title = lesson["title"]
        for publication in lesson["publications"]:
            table.add_row(title, *_publication_row(publication))
            title = ""
        for receiver in lesson["receivers"]:
            table.add_row(title, *_receiver_row(receiver))
            title = ""
        table.add_row(title, Text(f"转发 forwarding {delay}", style="dim"), end_section=True)
    return table


def _publication_row(publication: Mapping[str, Any]) -> list[str | Text]:
    layers = publication["layers"]
    sizes = " ".join(f"{layer['height_px']}p" if layer["height_px"] else "-" for layer in layers if not layer["paused"])
    return [
        f"↑ {publication['name']}",
        "" if publication["live"] else Text("没有数据 silent", style="bold red"),
        _megabits(sum(layer["bitrate_bps"] for layer in layers if not layer["paused"])),
        f"{max((layer['loss'] for layer in layers), default=0.0):.1%}",
        f"{1000 * publication['rtt_s']:.0f}",
        "",
        sizes if publication["kind"] == TrackKind.VIDEO else "",
        "",
    ]


def _receiver_row(receiver: Mapping[str, Any]) -> list[str | Text]:
    link, cause = Link(receiver["link"]), Cause(receiver["cause"])
    words = Text(" ".join(WORDS[link]), style=_STYLES[link])
    if cause is not Cause.NONE:
        words.append(f"\n{CAUSES[cause][0]}\n{CAUSES[cause][1]}", style="dim")
    queue_s = receiver["queue_delay_s"]
    return [
        f"↓ {receiver['name'] or receiver['participant_id']}",
        words,
        _megabits(receiver["bitrate_bps"]),
        f"{receiver['loss']:.1%}",
        f"{1000 * receiver['rtt_s']:.0f}",
        "" if receiver["estimate_bps"] is None else _megabits(receiver["estimate_bps"]),
        " ".join(_layer(slot) for slot in receiver["slots"] if slot["kind"] == TrackKind.VIDEO and slot["layers"]),
        "" if queue_s is None else f"{1000 * queue_s:.0f}",
    ]


def _layer(slot: Mapping[str, Any]) -> str:
    shown = "-" if slot["layer"] is None else slot["layer"] + 1
    return f"{slot['wish']} {shown}/{slot['layers']}"


def _megabits(bitrate_bps: float) -> str:
    return f"{bitrate_bps / 1e6:.2f}"


def _forwarding(lesson: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    counts = lesson["forwarding_delay"]["counts"]
    if before is not None:
        counts = [now - then for now, then in zip(counts, before["forwarding_delay"]["counts"], strict=True)]
    texts = []
    for share in (0.5, 0.99):
        bound_s = quantile_s(counts, share)
        texts.append("-" if bound_s is None else f"p{100 * share:.0f} ≤ {1000 * bound_s:g} ms")
    return ", ".join(texts)
