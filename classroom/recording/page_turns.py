"""When which page of the slides was turned to, as the lesson's participants told it. Pure, but for reading the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SAME_MOMENT_S = 0.25  # how long a message was on its way differs by so much


class PageTurn(NamedTuple):
    """From a time on, in seconds on the axis, a page is shown."""

    at_s: float
    page: int


def page_turn(event: dict[str, Any]) -> PageTurn | None:
    """The turn that a ``page`` line of the log tells of; None when it makes no sense."""
    page, ago_s = event.get("page"), event.get("ago_s", 0.0)
    if not isinstance(page, int) or page < 1 or not isinstance(ago_s, int | float) or not ago_s >= 0:
        return None
    return PageTurn(max(0.0, event["at_s"] - ago_s), page)


def settled(told: Iterable[PageTurn]) -> list[PageTurn]:
    """The turns that there were, by time, of those that were told in this order.

    One that is told for the time of an earlier one puts that right; a page that is told again is one turn.
    """
    turns: list[PageTurn] = []
    for turn in told:
        if turns and turns[-1].page == turn.page and turn.at_s >= turns[-1].at_s - SAME_MOMENT_S:
            continue
        while turns and turns[-1].at_s >= turn.at_s - SAME_MOMENT_S:
            turns.pop()
        if not turns or turns[-1].page != turn.page:
            turns.append(turn)
    return turns
