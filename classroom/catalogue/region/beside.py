"""Work on many rows, beside the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Threads of its own: a reader that holds a connection must not wait behind recorders that wait for a disk. More than
# two would only take the interpreter from each other. Unbounded: those who wait hold one of the few connections each.
_THREADS = ThreadPoolExecutor(2, "region")


async def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work returns or raises; the loop goes on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *args, **kwargs))
