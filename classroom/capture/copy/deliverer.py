"""Brings what the archive misses to it, whenever that disturbs nobody; gives up on nothing that can still succeed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from classroom.capture.copy.delivery_client import (
    DeliveryClient,
    DeliveryError,
    LessonLive,
    NoDeliveries,
    NotAuthorized,
    StartOver,
    UnknownRecording,
    delivery_session,
    pack_entries,
)
from classroom.capture.copy.frame_record import MAX_BATCH_BYTES
from classroom.capture.copy.inventory import batches
from classroom.capture.copy.left_over import LeftOver
from classroom.capture.copy.throttle import Stalled, Throttle
from classroom.sfu.core.ntp import FRACTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from classroom.capture.clock import CaptureClock
    from classroom.capture.copy.delivery_client import Wanted
    from classroom.capture.copy.inventory import Inventory
    from classroom.capture.copy.keeper import Keeper
    from classroom.capture.copy.schedule import Upload
    from classroom.capture.copy.shelf import Shelf
    from classroom.capture.copy.sitting import Sitting
    from classroom.capture.threads import Threads
    from classroom.capture.uplink import UplinkState

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 60.0
LOOK_S = 2.0  # at the clock, whether a delivery may begin or must stop
AGAIN_S = 300.0  # a sitting that goes on after its delivery, or a lesson of which the archive knows nothing
# Of a lesson that is being recorded an archive wants nothing that is younger: it may still be on its way.
SETTLED_S = 10.5
LIVE_AGAIN_S = 60.0  # in mid-lesson: what was lost since
LIVE_POLL_S = 5.0  # a lesson that is being recorded can be completed when it has ended
GIVE_UP_S = 60.0  # without any success at the end of the agent; the next start goes on
_BATCH_S = 2.0  # so much an interruption costs
_LEAST_BATCH_BYTES = 64 << 10
_TELL_S = 5.0


@dataclass(slots=True)
class _Case:
    """How far one sitting is, as far as this process knows. The truth is in the next inventory."""

    again_s: float = float("-inf")  # not before
    failures: int = 0
    failing_since_s: float | None = None
    confirmed: set[Path] = field(default_factory=set)  # the archive had all of these while the lesson went on
    unfinished: set[str] = field(default_factory=set)  # recordings to complete when their lesson has ended
    delivered: bool = False  # whether anything has been, so that there is something to complete
    hopeless: bool = False  # until the agent has another token
    told: str = ""


@dataclass(slots=True)
class _Round:
    """What one inventory of everything has come to."""

    holdings: set[str] = field(default_factory=set)
    asked: list[Path] = field(default_factory=list)
    wanted_frames: int = 0
    live: bool = False
    unsettled_s: float = 0.0  # until all of it is old enough for an archive to say whether it has it


class Deliverer:
    """Delivers all sittings on the shelf: the newest first, each from its inventory on whenever it was interrupted.

    ``sending`` says whether a lesson is being sent, ``token`` is that of the lesson (server, lesson, token) once the
    server has taken it; ``uplink_state`` tells what a lesson leaves over.
    """

    def __init__(
        self,
        shelf: Shelf,
        keeper: Keeper,
        threads: Threads,
        clock: CaptureClock,
        upload: Upload,
        cap_bps: float | None,
        uplink_state: Callable[[], UplinkState | None],
    ) -> None:
        self.sending = True
        self.token: tuple[str, str, str] | None = None
        self._shelf = shelf
        self._keeper = keeper
        self._threads = threads
        self._clock = clock
        self._upload = upload
        self._cap_bps = cap_bps
        self._uplink_state = uplink_state
        self._left_over = LeftOver()
        self._throttle = Throttle(self._rate_bps)
        self._loop = asyncio.get_running_loop()
        self._cases: dict[Path, _Case] = {}
        self._authorized = False
        self._told = ""
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A lesson has begun or ended, or a connection was lost: look at once what there is to do."""
        for case in self._cases.values():
            case.again_s = float("-inf")
        self._changed.set()

    async def run(self) -> None:
        """Deliver whenever it is time, for ever."""
        authorize_s = float("-inf")
        while True:
            self._changed.clear()
            try:
                if self.token is not None and not self._authorized and self._loop.time() >= authorize_s:
                    authorize_s = self._loop.time() + LAST_BACKOFF_S
                    await self._authorize()
                if self._allowed():
                    await self._while_allowed()
            except Exception:
                logger.exception("补传内部错误 / internal error of the delivery")
            await self._sleep(LOOK_S)

    async def finish(self, lesson: str) -> None:
        """Deliver what can be delivered before this program ends: returns when ``lesson`` is done, or cannot be now."""
        self.sending = False
        if not self._allowed():
            logger.info("副本留待规定时段补传 / the copy is delivered at its hours, by the next start")
            return
        self.changed()
        await self._threads.run("settle copy", self._keeper.settle)
        while True:
            await self._authorize()
            await self._deliver_all()
            cases = [self._cases.get(sitting.folder) for sitting in await self._waiting() if sitting.lesson == lesson]
            left = [case for case in cases if case and not case.hopeless and (case.failures or case.unfinished)]
            if not left:
                return
            if all(self._loop.time() - (case.failing_since_s or self._loop.time()) > GIVE_UP_S for case in left):
                logger.warning("补传还没有完成，下次启动时继续 / not all is delivered yet; the next start goes on")
                return
            await asyncio.sleep(max(0.1, min(case.again_s for case in left) - self._loop.time()))

    # --- when ----------------------------------------------------------------------------------------------------

    def _allowed(self) -> bool:
        return self._upload.allows(self.sending, datetime.now().astimezone().time())

    def _rate_bps(self) -> float | None:
        if not self.sending:
            return self._cap_bps
        left_over_bps = self._left_over.rate_bps(self._uplink_state(), self._loop.time())
        return left_over_bps if self._cap_bps is None else min(left_over_bps, self._cap_bps)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            pass

    async def _while_allowed(self) -> None:
        """Deliver, but not for longer than is allowed; what is interrupted begins with its inventory again."""
        sending = self.sending
        work = self._loop.create_task(self._deliver_all(), name="deliver")
        try:
            while not work.done() and self._allowed() and self.sending == sending:
                await asyncio.wait([work], timeout=LOOK_S)
        finally:
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled():
            work.result()

    # --- what ----------------------------------------------------------------------------------------------------

    async def _authorize(self) -> None:
        """Exchange the lesson's token for one that outlives the lesson, and keep it with the copy; once."""
        if self.token is None or self._authorized:
            return
        server, lesson, token = self.token
        try:
            async with delivery_session() as http:
                about = await DeliveryClient(http, server, lesson, token).authorize()
            await self._threads.run("keep token", partial(self._shelf.authorize, lesson, about))
        except NoDeliveries as error:
            self._authorized = True  # to ask again would not help
            logger.info("%s", error)
        except (DeliveryError, NotAuthorized, StartOver, UnknownRecording, LessonLive, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                logger.info("还没有补传令牌 / no delivery token yet: %s", error)
        else:
            self._authorized = True
            for case in self._cases.values():
                case.hopeless = False
            self.changed()

    async def _waiting(self) -> list[Sitting]:
        try:
            return await self._threads.run("look at copies", self._shelf.waiting)
        except OSError as error:
            logger.debug("the copies cannot be listed: %s", error)
            return []

    async def _deliver_all(self) -> None:
        for sitting in await self._waiting():
            case = self._cases.setdefault(sitting.folder, _Case())
            if case.hopeless or self._loop.time() < case.again_s:
                continue
            try:
                await self._deliver(sitting, case)
            except (DeliveryError, StartOver, Stalled, OSError) as error:
                self._failed(case, sitting, error)
            except UnknownRecording:
                case.unfinished.clear()
                case.again_s, case.failures = self._loop.time() + AGAIN_S, 0
            except (NotAuthorized, NoDeliveries) as error:
                case.hopeless = True
                self._tell(case, f"{sitting.name}：{error}")
            else:
                case.failures, case.failing_since_s = 0, None

    def _failed(self, case: _Case, sitting: Sitting, error: Exception) -> None:
        now_s = self._loop.time()
        wait_s = min(FIRST_BACKOFF_S * 2**case.failures, LAST_BACKOFF_S)
        case.failures = min(case.failures + 1, 10)
        case.unfinished.clear()  # it starts over from the inventory
        case.failing_since_s = case.failing_since_s or now_s
        case.again_s = now_s + max(wait_s, getattr(error, "retry_after_s", 0.0))
        self._tell(case, f"{sitting.name}：补传中断，稍后继续 / interrupted, goes on later: {error}")

    def _tell(self, case: _Case, text: str) -> None:
        if case.told != text:
            case.told = text
            logger.warning("%s", text)

    async def _deliver(self, sitting: Sitting, case: _Case) -> None:
        if not await self._threads.run("lock copy", partial(self._shelf.claim, sitting)):
            case.again_s = self._loop.time() + AGAIN_S
            return
        about = await self._threads.run("read copy", sitting.read_about)
        if about is None or not about.token:
            if about is not None and not self._authorized and self.token and about.server == self.token[0]:
                raise DeliveryError("还没有令牌 / there is no token yet")
            case.again_s = self._loop.time() + LAST_BACKOFF_S
            return
        async with delivery_session(gentle=self.sending) as http:
            client = DeliveryClient(http, about.server, sitting.lesson, about.token)
            if case.unfinished and not await self._complete(client, sitting, case):
                return
            await self._threads.run("settle copy", self._keeper.settle)
            # Only what was captured until now: more comes, the camera may run on. When a part has been put into the
            # recording it is marked, and the next one is what there is.
            while found := await self._threads.run("inventory", partial(self._inventories, sitting, case)):
                done = await self._round(client, sitting, case, found)
                case.delivered = case.delivered or done.wanted_frames > 0
                if done.live and (self.sending or not case.delivered):
                    if not self.sending and done.unsettled_s > 0:
                        await asyncio.sleep(done.unsettled_s)
                        continue
                    case.again_s = self._loop.time() + LIVE_AGAIN_S
                    return
                case.unfinished |= done.holdings
                if not await self._complete(client, sitting, case):
                    return
                if not done.live:  # else something may have been lost since the inventory
                    await self._threads.run("mark copy", partial(self._shelf.mark_delivered, done.asked))
        case.again_s = self._loop.time() + AGAIN_S

    async def _complete(self, client: DeliveryClient, sitting: Sitting, case: _Case) -> bool:
        """Have the recordings completed; False when the lesson is still being recorded."""
        for holding in sorted(case.unfinished):
            try:
                gaps = await client.complete(holding)
            except LessonLive as error:
                case.again_s = self._loop.time() + max(error.retry_after_s, LIVE_POLL_S)
                self._tell(case, f"{sitting.name}：已补传，等待下课后并入录像 / delivered; waits for the lesson to end")
                return False
            case.unfinished.discard(holding)
            logger.info("%s: 补传完成，录像 %s 还有 %d 处空缺 / delivered; gaps that recording %s still has: %d",
                        sitting.name, holding, gaps, holding, gaps)  # fmt: skip
        return True

    async def _round(
        self, client: DeliveryClient, sitting: Sitting, case: _Case, found: list[tuple[Inventory, bytes]]
    ) -> _Round:
        """Tell what there is of each track, and deliver what is wanted of it."""
        done = _Round()
        for inventory, packed in found:
            await self._throttle.until_open()
            now_ntp = self._clock.ntp(self._clock.now_s())
            body = self._throttle.pieces(packed)
            try:
                wanted = await client.inventory(inventory.label, body, len(packed), now_ntp)
            except UnknownRecording:
                continue
            await self._send(client, sitting, case, inventory, wanted)
            done.holdings.add(wanted.holding)
            done.asked += inventory.paths
            done.wanted_frames += sum(count for _, count in wanted.ranges)
            done.live = done.live or wanted.live
            settled_ntp = now_ntp - int(SETTLED_S * FRACTION)
            done.unsettled_s = max(done.unsettled_s, (inventory.last_instant - settled_ntp) / FRACTION)
            if wanted.live:
                case.confirmed.update(inventory.before(settled_ntp))
        if not done.holdings:
            raise UnknownRecording("")
        return done

    def _inventories(self, sitting: Sitting, case: _Case) -> list[tuple[Inventory, bytes]]:
        found = self._shelf.inventories(sitting, case.confirmed if self.sending else ())
        return [(inventory, pack_entries(inventory.entries)) for inventory in found]

    async def _send(
        self, client: DeliveryClient, sitting: Sitting, case: _Case, inventory: Inventory, wanted: Wanted
    ) -> None:
        if not wanted.ranges:
            return
        batch_bytes = self._batch_bytes()
        parts: Iterator[bytes] = batches(inventory.records(wanted.ranges), lambda: batch_bytes)
        sent_bytes, told_s = 0, self._loop.time()
        while (batch := await self._threads.run("read copy", partial(next, parts, b""))) != b"":
            await self._frames(client, inventory.label, wanted.holding, batch)
            sent_bytes += len(batch)
            batch_bytes = self._batch_bytes()
            case.failures, case.failing_since_s = 0, None
            if self._loop.time() >= told_s + _TELL_S:
                told_s = self._loop.time()
                self._progress(sitting, inventory.label, sent_bytes, wanted.wanted_bytes)
        self._progress(sitting, inventory.label, sent_bytes, wanted.wanted_bytes)

    async def _frames(self, client: DeliveryClient, label: str, holding: str, batch: bytes) -> None:
        """Deliver a batch; one that had to stop for the lesson on the same uplink is sent again when there is room."""
        while True:
            await self._throttle.until_open()
            self._throttle.stalled = False
            try:
                await client.frames(label, holding, self._throttle.pieces(batch), len(batch))
            except DeliveryError:
                if not self._throttle.stalled:
                    raise
            else:
                return

    def _batch_bytes(self) -> int:
        rate_bps = self._rate_bps()
        if rate_bps is None:
            return MAX_BATCH_BYTES
        return int(min(max(rate_bps / 8 * _BATCH_S, _LEAST_BATCH_BYTES), MAX_BATCH_BYTES))

    @staticmethod
    def _progress(sitting: Sitting, label: str, sent_bytes: int, wanted_bytes: int) -> None:
        sent_mb, wanted_mb = sent_bytes / 1e6, wanted_bytes / 1e6
        logger.info("%s %s: 已补传 %.1f MB，共 %.1f MB / delivered %.1f of %.1f MB",
                    sitting.name, label, sent_mb, wanted_mb, sent_mb, wanted_mb)  # fmt: skip
