"""Days that a query names: they are those of the schools, whatever the zone of the server is."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING

from classroom.catalogue.region.calendar import instant

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_FIRST, _LAST = date(1970, 1, 2), date(9998, 12, 31)  # beyond them no zone can be reckoned with


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins, in UTC; days of other centuries are the first or the last that can be asked for."""
    return instant(min(max(day, _FIRST), _LAST), time(), zone)
