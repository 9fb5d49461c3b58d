"""What people write into the cells of a table, as values: 周三, 2026/9/1, 8：30, 是. Pure.

Every reader takes a cell that is not empty and raises CellError. Codes and dates are read whatever their width.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from unicodedata import normalize

from classroom.catalogue.region.calendar import Weeks

Cell = str | int | float | bool | date | time | datetime | None
MAX_CELL_CHARS = 500
_MAX_EXACT = 1 << 53  # beyond it a spreadsheet has lost digits
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]00:00(?::00)?)?")
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::00)?")
_WEEKDAYS = {char: number for number, char in enumerate("一二三四五六日", 1)} | {"天": 7}
_ENGLISH_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YES, _NO = {"是", "有", "能", "yes", "y", "true", "1", "√"}, {"否", "无", "不能", "no", "n", "false", "0", "×"}
_WEEKS = {
    **dict.fromkeys(("全部", "每周", "all", "every"), Weeks.ALL),
    **dict.fromkeys(("单", "单周", "odd"), Weeks.ODD),
    **dict.fromkeys(("双", "双周", "even"), Weeks.EVEN),
}
_ACTIVE = "=+-@'\t\r"  # a spreadsheet may take a text that begins so for a formula


class CellError(ValueError):
    """A cell cannot be read; ``zh`` and ``en`` say what it should be."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


def is_empty(cell: Cell) -> bool:
    """Whether nothing stands there."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def text(cell: Cell) -> str:
    """Words as they stand there; a number without its point when it is whole."""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, int) and abs(cell) >= _MAX_EXACT:
        raise CellError(
            "数字太长，已经不准，请把这一列设为文本后重填", "too long a number; make the column text and fill it again"
        )
    found = activated(str(cell)).strip()
    if len(found) > MAX_CELL_CHARS:
        raise CellError(f"太长，最多 {MAX_CELL_CHARS} 字", f"it is too long; the most is {MAX_CELL_CHARS} characters")
    return found


def code(cell: Cell) -> str:
    """Digits and letters, however wide they are."""
    return normalize("NFKC", text(cell)).strip()


def number(cell: Cell) -> int:
    """A whole number; 第2节 is 2."""
    found = re.fullmatch(r"第?(-?\d{1,9})[节周人]?", code(cell))
    if found is None:
        raise CellError("应为整数", "it must be a whole number")
    return int(found[1])


def yes_no(cell: Cell) -> bool:
    """是 or 否."""
    found = code(cell).lower()
    if found not in _YES | _NO:
        raise CellError("应为“是”或“否”", "it must be yes or no")
    return found in _YES


def day(cell: Cell) -> date:
    """A date."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    found = _DATE.fullmatch(code(cell))
    try:
        if found is not None:
            return date(*map(int, found.groups()))
    except ValueError:
        pass
    raise CellError("应为日期，如 2026-09-01", "it must be a date such as 2026-09-01")


def clock(cell: Cell) -> time:
    """A time of day, without seconds."""
    if isinstance(cell, datetime):
        cell = cell.time()
    if isinstance(cell, time):
        return cell.replace(second=0, microsecond=0)
    found = _TIME.fullmatch(code(cell))
    try:
        if found is not None:
            return time(int(found[1]), int(found[2]))
    except ValueError:
        pass
    raise CellError("应为时间，如 08:30", "it must be a time such as 08:30")


def weekday(cell: Cell) -> int:
    """A day of the week, 1 is Monday: 周三, 星期三, 三, 3, Wednesday."""
    found = code(cell).lower()
    for prefix in ("星期", "礼拜", "周"):
        found = found.removeprefix(prefix)
    if found in _WEEKDAYS:
        return _WEEKDAYS[found]
    if found[:3] in _ENGLISH_DAYS:
        return _ENGLISH_DAYS.index(found[:3]) + 1
    if found in tuple("1234567"):
        return int(found)
    raise CellError("应为周一到周日", "it must be a day of the week, Monday to Sunday")


def weeks(cell: Cell) -> Weeks:
    """每周, 单周 or 双周."""
    found = _WEEKS.get(code(cell).lower())
    if found is None:
        raise CellError("应为“每周”、“单周”或“双周”", "it must be all, odd or even")
    return found


def activated(words: str) -> str:
    """A text without the apostrophe that ``neutral`` puts before it."""
    return words[1:] if words[:1] == "'" and words[1:2] and words[1] in _ACTIVE else words


def neutral(words: str) -> str:
    """A text that no spreadsheet takes for a formula: what might be one has an apostrophe before it."""
    return f"'{words}" if words[:1] and words[0] in _ACTIVE else words
