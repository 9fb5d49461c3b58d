"""How the WebSockets of the agent come back when the connection was lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidHandshake, InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Generator

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.3, 3.0


def worth_trying(error: Exception) -> Exception | None:
    """For ``process_exception``: every server may come back, and whatever stands in front of it."""
    return None if isinstance(error, OSError | TimeoutError | InvalidHandshake | InvalidMessage | EOFError) else error


def delays() -> Generator[float]:
    """For ``reconnect_delays``: longer and longer, never the same for all agents."""
    delay_s = FIRST_BACKOFF_S
    while True:
        yield delay_s * random.uniform(0.8, 1.2)
        delay_s = min(2 * delay_s, LAST_BACKOFF_S)
