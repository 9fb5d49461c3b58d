"""Instants as messages have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def iso(wall: datetime) -> str: ...
@overload
def iso(wall: None) -> None: ...
def iso(wall: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds; None stays None."""
    if wall is None:
        return None
    return wall.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
