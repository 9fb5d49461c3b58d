"""The national holidays of 2026, as the State Council has arranged them (国办发明电〔2025〕7号, 2025-11-04).

The notice says which weekends are worked, not whose lessons they have: that is for the schools. Here they have those of
the weekdays that are off for them, in order, which is usual.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple


class Holiday(NamedTuple):
    """A holiday with its first and last day, and by each worked weekend the day whose lessons it has."""

    name: str
    first: date
    last: date
    swapped: tuple[tuple[date, date], ...] = ()

    @property
    def days(self) -> list[date]:
        """Its days, both ends among them."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


def _on(month: int, day: int) -> date:
    return date(2026, month, day)


NATIONAL_HOLIDAYS = (
    Holiday("元旦", _on(1, 1), _on(1, 3), ((_on(1, 4), _on(1, 2)),)),
    Holiday("春节", _on(2, 15), _on(2, 23), ((_on(2, 14), _on(2, 20)), (_on(2, 28), _on(2, 23)))),
    Holiday("清明节", _on(4, 4), _on(4, 6)),
    Holiday("劳动节", _on(5, 1), _on(5, 5), ((_on(5, 9), _on(5, 5)),)),
    Holiday("端午节", _on(6, 19), _on(6, 21)),
    Holiday("中秋节", _on(9, 25), _on(9, 27)),
    Holiday("国庆节", _on(10, 1), _on(10, 7), ((_on(9, 20), _on(10, 6)), (_on(10, 10), _on(10, 7)))),
)
