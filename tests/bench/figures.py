"""Percentiles, ratios and tables of the bench."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

Row = Mapping[str, Any]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of ascending values; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def make_table(title: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Table:
    """A table of rows by column; ``columns`` gives the format of each. What a row lacks is left out."""
    table = Table(title=title)
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right" if columns[name] != "{}" else "left")
    for row in rows:
        table.add_row(*(form.format(row[name]) if name in row else "" for name, form in columns.items()))
    return table


def ratios(rows: Sequence[Row], mine: str) -> list[Row]:
    """CPU per packet of ``mine``, in each variant, to each other server with as many receivers; and the other way."""
    compared: list[Row] = []
    for row in rows:
        for other in rows:
            if row["server"] != mine or other["server"] == mine or row["receivers"] != other["receivers"]:
                continue
            ratio = float(row["cpu_us_per_packet"]) / float(other["cpu_us_per_packet"])
            compared.append(
                {
                    "receivers": row["receivers"],
                    "of": mine,
                    "variant": row["variant"],
                    "to": other["server"],
                    "cpu_per_packet": ratio,
                    "the_other_way": 1 / ratio,
                }
            )
    return compared
