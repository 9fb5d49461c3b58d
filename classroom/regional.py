"""``classroom region`` and ``classroom demo-data``: the region in files, shown in a terminal."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from classroom.catalogue.region.apart import Spreadsheets
from classroom.catalogue.region.region import Region
from classroom.catalogue.region.values import FIELD_NAMES
from classroom.model import ClassroomError
from classroom.storage import open_database
from classroom.web.secret import secret_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from classroom.catalogue.region.importing import Outcome
    from classroom.config import Settings

SHOWN = 50  # bad rows and changes on the screen; the rest are counted


class UnusableFile(ClassroomError):
    """A file cannot be read or written; the text says why."""


async def take_in(settings: Settings, paths: Sequence[Path], *, dry_run: bool) -> int:
    """Import files, or only check them; returns the exit status: 1 when a row is bad. Raises BadFile, UnusableFile."""
    console = Console()
    files = [(path, await asyncio.to_thread(_read, path)) for path in paths]
    async with _region(settings) as region:
        with console.status("正在检查和导入… Checking and importing…"):
            outcome = await (region.exchange.check(files) if dry_run else region.exchange.take_in(files))
    return _show(console, outcome, done=not dry_run)


async def give_out(settings: Settings, path: Path) -> None:
    """Export everything to a file. Raises UnusableFile."""
    console = Console()
    async with _region(settings) as region:
        with console.status("正在导出… Exporting…"):
            data = await region.exchange.give_out()
    await asyncio.to_thread(_write, path, data)
    console.print(f"已写入 {path}。 Written to {path}.", markup=False)


async def give_template(path: Path) -> None:
    """Write an empty workbook. Raises UnusableFile."""
    await asyncio.to_thread(_write, path, await Spreadsheets().template())
    Console().print(f"已写入 {path}。 Written to {path}.", markup=False)


async def fill_in(settings: Settings, *, into_existing: bool) -> int:
    """Import the demo district; returns the exit status. Raises NotEmpty."""
    console = Console()
    async with _region(settings) as region:
        with console.status("正在写入演示数据… Writing the demo data…"):
            outcome = await region.exchange.take_in_demo(into_existing=into_existing)
    return _show(console, outcome, done=True)


@asynccontextmanager
async def _region(settings: Settings) -> AsyncIterator[Region]:
    """The region of the settings, also while the server runs."""
    secret = await asyncio.to_thread(secret_of, settings)
    database = open_database(settings)
    try:
        await database.open()
        yield Region(database, secret, ZoneInfo(settings.timezone))
    finally:
        await database.close()


def _show(console: Console, outcome: Outcome, *, done: bool) -> int:
    counts = Table(box=box.SIMPLE)
    for header in ("表 Sheet", "新增 New", "修改 Changed", "不变 Same"):
        counts.add_column(header, justify="left" if header.startswith("表") else "right")
    for count in outcome.counts:
        counts.add_row(f"{count.sheet.zh} {count.sheet.name}", str(count.created), str(count.changed), str(count.same))
    console.print(counts)
    changed = [change for change in outcome.changes if not change.is_new]
    for change in changed[:SHOWN]:
        fields = "、".join(FIELD_NAMES[field] for field in change.fields)
        console.print(f"修改 {change.place} 第 {change.row} 行 {change.name}：{fields}", markup=False)
    if not outcome.bad:
        total = len(outcome.changes)
        told = (
            f"已导入，共 {total} 项。 Imported: {total}."
            if done
            else "没有错误，可以导入。 No errors; it can be imported."
        )
        console.print(Text(told, style="green"))
        return 0
    faults = Table(box=box.SIMPLE)
    for header in ("位置 Where", "行 Row", "列 Column", "原因和办法 Why, and what to do"):
        faults.add_column(header, overflow="fold")
    for bad in outcome.bad[:SHOWN]:
        row = "" if bad.row is None else str(bad.row)
        faults.add_row(Text(bad.place), row, Text(bad.column or ""), Text(bad.why))
    console.print(faults)
    total = len(outcome.bad)
    console.print(Text(f"有 {total} 处错误，什么也没有导入。 Errors: {total}; nothing was imported.", style="bold red"))
    return 1


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"无法读取 {path}：{error.strerror}。 {path} cannot be read: {error.strerror}.") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UnusableFile(
            f"无法写入 {path}：{error.strerror}。 {path} cannot be written: {error.strerror}."
        ) from error
