"""The stopwatch of the tests that have a bound on time."""

import asyncio
import time

from tests.stopwatch import Stopwatch


async def test_it_counts_what_the_loop_had_and_not_what_it_was_kept_from():
    async with Stopwatch() as watch:
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < 0.3:
            await asyncio.sleep(0.001)
        assert watch.s <= passed_s + 0.01
        before_s = watch.s
        assert before_s > 0.02
        time.sleep(0.5)  # noqa: ASYNC251 - as a busy machine does
        assert watch.s - before_s < 0.1
