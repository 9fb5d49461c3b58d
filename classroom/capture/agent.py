"""The agent of one lesson: sources, tracks and one WHIP session that is made again whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from classroom.capture.clock import CaptureClock
from classroom.capture.copy.lesson_copy import LessonCopy
from classroom.capture.frames import SourceError
from classroom.capture.ladder import MAX_LAYERS
from classroom.capture.page_watch import PageWatch
from classroom.capture.refusals import LessonEnded, LessonNotOpen, Refused, WhipError
from classroom.capture.sdp import BadAnswer
from classroom.capture.session import Session
from classroom.capture.sources.choose import Assignment, assign
from classroom.capture.sources.source import Outputs
from classroom.capture.threads import Threads
from classroom.capture.tokens import GivenToken, Tokens
from classroom.capture.tracks import AudioTrack, VideoTrack
from classroom.capture.turn_link import TurnLink
from classroom.capture.video_encoder import Content
from classroom.capture.whip import WhipClient
from classroom.model import InvalidLessonId, Label, parse_lesson_id
from classroom.sfu.transport.client import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from classroom.capture.copy.settings import CopySettings
    from classroom.capture.frames import Probe
    from classroom.capture.tracks import Track
    from classroom.capture.uplink import UplinkState

logger = logging.getLogger(__name__)

EXIT_OK, EXIT_REFUSED = 0, 2
SOURCE_RETRY_S = 3.0
ENDED_POLL_S = 5.0
NOT_OPEN_POLL_S = 2.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.3, 2.0
DRAIN_TIMEOUT_S = 2.0
JOIN_TIMEOUT_S = 1.0
_START_DELAY_S = 0.05  # from the first connection to the first frame: threads have to start
_DROPS_WORTH_TELLING = 25
_SETTLING_S = 1.0  # in which the first probes find out what the uplink carries
_TELL_INTERVAL_S = 5.0  # between two lines on one track
_WELL_S = 2.0  # a source that has run for so long works
_ORDER = (Label.CAMERA, Label.SLIDES, Label.MIC)


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What ``classroom capture`` was told. A source is a file, a device, ``rtsp://…`` or ``sample``.

    Without ``lesson`` and ``token`` it is a paired device that goes by the agenda of its room (capture/device).
    """

    server: str
    lesson: str | None = None
    token: str | None = None
    camera: str | None = None
    slides: str | None = None
    mic: str | None = None
    loop: bool = False
    layers: int = MAX_LAYERS
    copy: CopySettings | None = None


async def run_agent(settings: CaptureSettings) -> int:
    """Publish until every source has ended or SIGINT or SIGTERM comes; returns the exit status of the process."""
    if settings.lesson is None or settings.token is None:
        logger.error("没有指定课程和令牌 / no lesson and token were given")
        return EXIT_REFUSED
    try:
        parse_lesson_id(settings.lesson)
    except InvalidLessonId as error:
        logger.error("课程编号不对 / bad lesson id: %s", error)
        return EXIT_REFUSED
    assignments = assignments_of(settings)
    if assignments is None:
        return EXIT_REFUSED
    agent = Agent(settings, assignments, settings.lesson, GivenToken(settings.token))
    with stopped_by_signals(agent.stop):
        return await agent.run()


def assignments_of(settings: CaptureSettings) -> list[Assignment] | None:
    """What is to be sent; None, with a word in the log, where the settings make no sense."""
    if not settings.server.startswith(("http://", "https://")):
        logger.error("服务器地址要以 http:// 或 https:// 开头 / the server's address starts with http:// or https://")
        return None
    assignments = assign(camera=settings.camera, slides=settings.slides, mic=settings.mic, loop=settings.loop)
    if not assignments:
        logger.error("没有指定来源 / nothing to send: give --camera, --slides or --mic")
        return None
    return assignments


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Agent:
    """Keeps sources and encoders running for as long as they last, whatever becomes of the server meanwhile.

    In ``standby`` the lesson has not begun: what captures as it happens runs already, so that the lesson begins with a
    picture, but nothing is sent or kept before ``go_live``. ``on_check`` hears of each source whether it works.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        assignments: list[Assignment],
        lesson: str,
        tokens: Tokens,
        *,
        standby: bool = False,
        on_check: Callable[[Assignment, str | None], None] = lambda assignment, fault: None,
    ) -> None:
        self._settings = settings
        self._assignments = assignments
        self._lesson = lesson
        self._tokens = tokens
        self._standby = standby
        self._on_check = on_check
        self._loop = asyncio.get_running_loop()
        self._clock = CaptureClock()
        self._tracks: dict[Label, VideoTrack | AudioTrack] = {}
        self._threads = Threads()
        self._stop_threads = threading.Event()
        self._stopping = asyncio.Event()
        self._live = asyncio.Event()
        self._over = asyncio.Event()
        self._tracks_changed = asyncio.Event()
        self._connected_once = asyncio.Event()
        self._start_s = 0.0
        self._told: dict[str, str] = {}
        self._session: Session | None = None
        self._last_time_bps: int | None = None  # what the uplink carried in the session before
        self._copy: LessonCopy | None = None
        self._turns = TurnLink(settings.server, lesson, tokens)
        self._watch: PageWatch | None = None
        if not standby:
            self._live.set()

    def go_live(self) -> None:
        """The lesson has begun."""
        self._live.set()

    def end(self) -> None:
        """The lesson is over: let go of the sources, then deliver what did not get through."""
        self._over.set()

    def stop(self) -> None:
        """End as soon as goodbye has been said."""
        self._stopping.set()

    async def run(self) -> int:
        """Publish; returns the exit status."""
        await self._prepare()
        standby_s = time.monotonic() + _START_DELAY_S
        sources = [
            self._loop.create_task(self._run_source(assignment, standby_s), name=assignment.source.name)
            for assignment in self._assignments
        ]
        connection = self._loop.create_task(self._stay_connected(), name="connection")
        stopping = self._loop.create_task(self._stopping.wait(), name="stop")
        over = self._loop.create_task(self._over.wait(), name="over")
        ended = self._loop.create_task(asyncio.wait(sources), name="sources")
        try:
            watched: set[asyncio.Future[Any]] = {connection, stopping, over, ended}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if connection.done():
                return connection.result()
            if not stopping.done():
                if over.done():
                    await self._release(sources)
                else:
                    logger.info("所有来源都已播放完毕 / every source has ended")
                await self._finish(connection, stopping)
            return EXIT_OK
        finally:
            self._stop_threads.set()
            for task in (connection, stopping, over, ended, *sources):
                task.cancel()
            await asyncio.gather(connection, stopping, over, ended, *sources, return_exceptions=True)
            await self._close_tracks()
            if self._copy is not None:
                await self._copy.close()
            await self._threads.join(JOIN_TIMEOUT_S)

    async def _release(self, sources: list[asyncio.Task[None]]) -> None:
        """End the sources; cameras and microphones are free afterwards."""
        self._stop_threads.set()
        for task in sources:
            task.cancel()
        await asyncio.gather(*sources, return_exceptions=True)
        await self._threads.join(JOIN_TIMEOUT_S)

    async def _prepare(self) -> None:
        """Find out what there is to send; what cannot be opened yet is reported and tried again later."""
        settings = self._settings
        if settings.copy is not None:
            self._copy = await LessonCopy.begin(
                settings.copy,
                self._threads,
                (settings.server, self._lesson),
                self._uplink_state,
                keeping=not self._standby,
            )
            self._clock = self._copy.clock
        for assignment in self._assignments:
            if assignment.video is not None:
                content = Content.PAGES if assignment.video is Label.SLIDES else Content.MOTION
                track = VideoTrack(assignment.video, self._loop, content, settings.layers)
                self._add(track)
                if content is Content.PAGES:
                    self._watch_pages(track)
            if assignment.sound_is_certain:
                self._add(AudioTrack(Label.MIC, self._loop))
        probes = await asyncio.gather(*(self._probe(assignment) for assignment in self._assignments))
        for assignment, probe in zip(self._assignments, probes, strict=True):
            if probe is not None:
                self._on_check(assignment, None)
                self._found(assignment, probe)

    def _add(self, track: Track) -> None:
        self._tracks[track.label] = track
        if self._copy is not None:
            self._copy.add(track)

    def _watch_pages(self, track: VideoTrack) -> None:
        self._watch = PageWatch(self._loop, self._turns.turned)
        self._turns.on_joined = self._watch.begin
        track.on_picture = self._watch.picture

    def _uplink_state(self) -> UplinkState | None:
        return self._session.uplink_state if self._session is not None else None

    async def _probe(self, assignment: Assignment) -> Probe | None:
        try:
            return await self._threads.run(f"probe {assignment.source.name}", assignment.source.probe)
        except SourceError as error:
            self._complain(assignment, error)
            return None

    def _complain(self, assignment: Assignment, error: SourceError) -> None:
        """Say what is wrong with a source, once until something else is."""
        self._on_check(assignment, str(error))
        if self._told.get(assignment.source.name) != str(error):
            self._told[assignment.source.name] = str(error)
            logger.warning("%s；每 %g 秒重试 / trying again every %g s", error, SOURCE_RETRY_S, SOURCE_RETRY_S)

    def _found(self, assignment: Assignment, probe: Probe) -> None:
        """A camera that brings its sound along gets a track for it as soon as that is known."""
        if assignment.sound and probe.has_sound and Label.MIC not in self._tracks:
            self._add(AudioTrack(Label.MIC, self._loop))
            self._tracks_changed.set()

    async def _run_source(self, assignment: Assignment, standby_s: float) -> None:
        """Run a source once the server is there, and again whenever it fails; returns when it has ended.

        In standby all that is not played from its beginning runs from ``standby_s`` on.
        """
        source, start_s = assignment.source, standby_s
        if not self._standby or source.is_recorded:
            await self._connected_once.wait()
            start_s = self._start_s
        while True:
            well = self._loop.call_later(_WELL_S, self._on_check, assignment, None)
            try:
                if assignment.sound and Label.MIC not in self._tracks:
                    self._found(assignment, await self._threads.run(f"probe {source.name}", source.probe))
                work = partial(source.run, self._outputs(assignment), start_s, self._stop_threads)
                await self._threads.run(source.name, work)
                logger.info("%s: 播放完毕 / has ended", source.name)
                return
            except SourceError as error:
                self._complain(assignment, error)
            except Exception:
                logger.exception("%s: 内部错误，重新开始 / internal error, starting anew", source.name)
            finally:
                well.cancel()
            await asyncio.sleep(SOURCE_RETRY_S)
            start_s = time.monotonic()

    def _outputs(self, assignment: Assignment) -> Outputs:
        video = self._tracks.get(assignment.video) if assignment.video is not None else None
        audio = self._tracks.get(Label.MIC) if assignment.sound else None
        return Outputs(
            video if isinstance(video, VideoTrack) else None, audio if isinstance(audio, AudioTrack) else None
        )

    async def _stay_connected(self) -> int:
        """Connect, and again whenever the connection is lost; returns only when the server refuses for good."""
        backoff_s, told = FIRST_BACKOFF_S, ""
        await self._live.wait()
        async with ClientSession() as http:
            whip = WhipClient(http, self._settings.server, self._lesson, self._tokens)
            while True:
                self._tracks_changed.clear()
                session = Session(whip, self._clock, self._last_time_bps)
                wait_s = backoff_s
                try:
                    await session.open(self._offered())
                except Refused as error:
                    logger.error("%s", error)
                    return EXIT_REFUSED
                except LessonEnded as error:
                    self._lesson_off()
                    wait_s, text = ENDED_POLL_S, f"本节课已结束，等待老师重新开始 / the lesson has ended: {error}"
                except LessonNotOpen as error:
                    self._lesson_off()
                    wait_s, text = NOT_OPEN_POLL_S, f"课程还没有开始，等待主讲教师 / the lesson has not begun: {error}"
                except WhipError as error:
                    wait_s, text = max(backoff_s, min(error.retry_after_s, ENDED_POLL_S)), str(error)
                except (BadAnswer, TransportError) as error:
                    text = f"媒体连接失败 / no media connection: {error}"
                else:
                    text, told = await self._use(session, whip.token, http), ""
                    wait_s = backoff_s = FIRST_BACKOFF_S
                if text != told:
                    logger.warning("%s", text)
                    told = text
                if text:
                    await asyncio.sleep(wait_s)
                    backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    def _lesson_off(self) -> None:
        if self._copy is not None:
            self._copy.lesson_off()

    def _offered(self) -> list[Track]:
        return [self._tracks[label] for label in _ORDER if label in self._tracks]

    async def _use(self, session: Session, token: str, http: ClientSession) -> str:
        """Send over a session while it lasts; returns why it is over, empty when a new one is wanted at once."""
        self._session = session
        if self._copy is not None:
            self._copy.lesson_on(token)
        if not self._connected_once.is_set():
            self._start_s = time.monotonic() + _START_DELAY_S
            self._connected_once.set()
        logger.info("已连接 %s / connected, lesson %s", self._settings.server, self._lesson)
        changed = self._loop.create_task(self._tracks_changed.wait(), name="tracks changed")
        beside = [self._loop.create_task(self._announce(), name="announce")]
        if self._watch is not None:
            beside.append(self._loop.create_task(self._turns.run(http), name="page turns"))
        try:
            watched: set[asyncio.Future[Any]] = {session.closed, changed}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if session.closed.done():
                return f"连接中断，正在重连 / the connection was lost, reconnecting: {session.closed.result()}"
            return ""
        finally:
            for task in (changed, *beside):
                task.cancel()
            for fault in await asyncio.gather(changed, *beside, return_exceptions=True):
                if isinstance(fault, Exception):  # our own: the lesson goes on without what it was for
                    logger.error(
                        "采集程序内部出错，课继续上 / a fault of the agent, the lesson goes on", exc_info=fault
                    )
            self._session = None
            self._last_time_bps = session.path_bps or self._last_time_bps
            for line in session.statistics():
                logger.info("%s", line)
            await session.close()

    async def _announce(self) -> None:
        """Say of each track when it is on the air, how, what changes in that, and when this computer is too slow."""
        told: dict[Label, str] = {}
        again_s = dict.fromkeys(self._tracks, 0.0)
        dropped = {label: self._dropped(track) for label, track in self._tracks.items()}
        await asyncio.sleep(_SETTLING_S)
        while True:
            for label, track in list(self._tracks.items()):
                text, now_s = track.description, self._loop.time()
                if text and told.get(label) != text and now_s >= again_s.get(label, 0.0):
                    told[label], again_s[label] = text, now_s + _TELL_INTERVAL_S
                    logger.info("%s: %s → live", label, text)
                lost = self._dropped(track) - dropped.get(label, 0)
                if lost > _DROPS_WORTH_TELLING:
                    dropped[label] = self._dropped(track)
                    logger.warning("%s: 电脑太慢，丢了 %d 帧 / too slow here, %d pictures dropped", label, lost, lost)
            await asyncio.sleep(0.2 if len(told) < len(self._tracks) else 1.0)

    @staticmethod
    def _dropped(track: Track) -> int:
        return track.pictures_dropped if isinstance(track, VideoTrack) else 0

    async def _finish(self, connection: asyncio.Task[int], stopping: asyncio.Task[bool]) -> None:
        """Encode and send what is still in the queues, take leave, and deliver what did not get through."""
        await self._close_tracks()
        if self._session is not None:
            await self._session.drain(DRAIN_TIMEOUT_S)
        elif not self._over.is_set():
            logger.warning("结束时没有连接，最后的内容没有送达 / not connected at the end: the last part was not sent")
        if self._copy is not None:
            connection.cancel()
            await asyncio.wait([connection])
            delivery = self._loop.create_task(self._copy.deliver_rest(), name="deliver the rest")
            await asyncio.wait([delivery, stopping], return_when=asyncio.FIRST_COMPLETED)
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def _close_tracks(self) -> None:
        """Let the encoders finish what waits; their last frames have been handed over afterwards."""
        ending = [*self._tracks.values(), *([self._watch] if self._watch is not None else [])]
        await asyncio.gather(*(self._threads.run("close track", each.close) for each in ending))
