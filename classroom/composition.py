"""Puts a server together and runs it. With cli.py and demo.py the only place that knows everybody."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import resource
import signal
import socket
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from aiohttp import web

import classroom.web
from classroom.catalogue.accounts.accounts import FIRST_LOGIN, Accounts
from classroom.catalogue.accounts.audit import AuditLog
from classroom.catalogue.accounts.devices import Devices
from classroom.catalogue.accounts.passwords import Passwords
from classroom.catalogue.accounts.sessions import Sessions
from classroom.catalogue.accounts.signing_in import SigningIn
from classroom.catalogue.accounts.withdrawals import Withdrawals
from classroom.catalogue.catalogue import Catalogue
from classroom.catalogue.database import CatalogueUnavailable
from classroom.catalogue.region.region import Region
from classroom.indexing import IndexProcess
from classroom.live import ports
from classroom.live.commands import Commands
from classroom.live.journal import Journal
from classroom.live.links import LinkMemory
from classroom.live.service import LessonService
from classroom.model import ClassroomError, LessonState
from classroom.recording.cataloguing import RETRY_S, Cataloguer
from classroom.recording.deliveries import Deliveries
from classroom.recording.repair import repair_recordings
from classroom.recording.shelf import RecordingLibrary
from classroom.schoolday.day import SchoolDay
from classroom.schoolday.pairing import PairingDesk
from classroom.sfu.session import MediaSettings
from classroom.sfu.transport.ports import local_addresses
from classroom.sfu.workers.pool import WorkerPool
from classroom.storage import open_database
from classroom.web.app import make_app
from classroom.web.audit import Audit
from classroom.web.context import Context
from classroom.web.crowd import Crowd
from classroom.web.identity import Identities
from classroom.web.known_browser import KnownBrowsers
from classroom.web.limits import (
    PAIRING_GUESSES_PER_MINUTE,
    SIGN_INS_OF_LOGIN_PER_MINUTE,
    SIGN_INS_PER_MINUTE,
    RateLimit,
)
from classroom.web.local_ca import ca_path
from classroom.web.secret import STATE, secret_of
from classroom.web.tls import Tls, reloading
from classroom.web.withdrawn import Withdrawn
from classroom.worker import COMMAND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from classroom.config import Settings
    from classroom.live.ports import Record
    from classroom.model import LessonId
    from classroom.sfu.core.events import MediaEvent
    from classroom.sfu.server import OnEvent
    from classroom.web.openid import OpenIdProvider

logger = logging.getLogger(__name__)

UI = Path(classroom.web.__file__).parent / "ui" / "dist"
FORGET_EVERY_S = 24 * 3600.0
CLOSE_S = 3.0  # for answers that are under way when the server stops
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class CannotServe(ClassroomError):
    """The server cannot start; the text says why and what to do."""


async def serve(settings: Settings, announce: Callable[[str], Any]) -> None:
    """Run the server until SIGTERM or SIGINT, then drain; ``announce`` gets what people should read.

    Raises ClassroomError when it cannot start.
    """
    if max(settings.media_port, settings.media_tcp_port or 0) + worker_count(settings) > 65536:
        raise CannotServe(
            "媒体端口不够：每个媒体进程用一个，从 --media-port(TCP：--media-tcp-port)起往上数。 "
            "There are not enough media ports: each worker takes one, "
            "from --media-port (TCP: --media-tcp-port) upwards."
        )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _allow_many_files()
    secret = await asyncio.to_thread(secret_of, settings)
    tls = None if settings.tls is None else await asyncio.to_thread(Tls, *settings.tls)
    with _only_one(settings.recordings / STATE), _listen(settings.host, settings.port) as listener:
        async with reloading(tls):
            await _run(settings, secret, listener, tls, stop, announce)


async def _run(
    settings: Settings,
    secret: str,
    listener: socket.socket,
    tls: Tls | None,
    stop: asyncio.Event,
    announce: Callable[[str], Any],
) -> None:
    node = Node(settings, secret)
    index = IndexProcess(settings) if settings.index else None
    runner = web.AppRunner(node.app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        await node.open()
        if index is not None:
            index.start()
        await web.SockSite(runner, listener, ssl_context=None if tls is None else tls.context).start()
        announce(_addresses(settings, listener.getsockname()[1], node.media.ports))
        greeting = asyncio.create_task(node.greet(announce), name="first account")
        try:
            await stop.wait()
        finally:
            greeting.cancel()
            await asyncio.wait([greeting])
        announce("正在停止，正在进行的课程会在重启后继续。 Stopping; live lessons go on after a restart.")
    finally:
        await node.service.drain()
        await runner.cleanup()
        if index is not None:
            await index.close()
        await node.close()


class NodeMedia(ports.MediaServer, Protocol):
    """The SFU of a node: what the lesson service sees of it, and its life."""

    @property
    def ports(self) -> tuple[int, ...]:
        """The media ports."""

    async def start(self) -> None:
        """Open the media ports; raises MediaPortTaken."""

    async def close(self) -> None:
        """Close everything."""

    def stats(self) -> dict[str, float]:
        """Counters since the start, by Prometheus-like names."""


def worker_count(settings: Settings) -> int:
    """How many SFU processes there are: one a core, and two at least, so that one can take over from the other."""
    return settings.workers or max(2, len(os.sched_getaffinity(0)))


def worker_pool(settings: Settings, wall_offset_s: float, on_event: OnEvent) -> tuple[NodeMedia, Record]:
    """Media in processes of their own, which record, too."""
    pool = WorkerPool(
        worker_count(settings),
        COMMAND,
        MediaSettings(
            settings.media_host,
            settings.media_port,
            settings.media_address,
            tcp=settings.media_tcp,
            tcp_port=settings.media_tcp_port,
        ),
        wall_offset_s,
        str(settings.recordings) if settings.record else None,
        on_event,
    )
    return pool, pool.record


class Node:
    """One server: its media, its lessons, its doors."""

    def __init__(
        self,
        settings: Settings,
        secret: str,
        ui: Path = UI,
        make_media: Callable[[Settings, float, OnEvent], tuple[NodeMedia, Record]] = worker_pool,
    ) -> None:
        root = self._root = settings.recordings
        self.media, record = make_media(settings, time.time() - time.monotonic(), self._on_event)
        self._journal = Journal(root / STATE / "lessons.json")
        self.database = open_database(settings)
        self.catalogue = Catalogue(self.database)
        self.cataloguer = Cataloguer(root, self.catalogue)
        self._routines: list[asyncio.Task[None]] = []
        zone = ZoneInfo(settings.timezone)
        self.region = Region(self.database, secret, zone)
        self._passwords = Passwords()
        self.accounts = Accounts(self.database, self._passwords)
        self._openid = openid_provider(settings)
        sessions = Sessions(self.database)
        self._withdrawals, self._audit_log = Withdrawals(self.database), AuditLog(self.database)
        self._audit_kept = timedelta(days=settings.audit_days)
        links = LinkMemory(root / STATE / "links.json")
        self.service = LessonService(
            self.media,
            record if settings.record else None,
            self._journal,
            links,
            max_sessions=settings.max_sessions,
        )
        self._withdrawn = Withdrawn(self._withdrawals, self.service.expel)
        devices = Devices(self.database)
        self.day = SchoolDay(self.region.plans, devices, self.service, zone, self.region.planning.materialise)
        self.app = make_app(
            Context(
                service=self.service,
                commands=Commands(self.service),
                recordings=RecordingLibrary(root),
                deliveries=Deliveries(root),
                catalogue=self.catalogue,
                look_at=self.cataloguer.look_at,
                identities=Identities(sessions, devices, secret),
                sessions=sessions,
                signing_in=SigningIn(self.database, self._passwords),
                accounts=self.accounts,
                audit=Audit(self._audit_log),
                openid=self._openid,
                openid_name=None if self._openid is None else settings.oidc_name,
                region=self.region,
                region_changed=self.day.plans_changed,
                browsers=KnownBrowsers(secret),
                sign_ins=RateLimit(SIGN_INS_PER_MINUTE),
                sign_ins_of_login=RateLimit(SIGN_INS_OF_LOGIN_PER_MINUTE),
                devices=devices,
                day=self.day,
                pairings=PairingDesk(),
                pairing_guesses=RateLimit(PAIRING_GUESSES_PER_MINUTE),
                secret=secret,
                withdrawn=self._withdrawn,
                bad_tokens=RateLimit(settings.bad_tokens_per_minute),
                crowd=Crowd(),
                max_connections=settings.max_connections,
                proxies=settings.proxies,
                metrics_from=settings.metrics_from,
                local_ca=ca_path(root / STATE),
                media_stats=self.media.stats,
                observe=self.media.observe,
                ui=ui,
                version=version("lianti-classroom"),
                started_s=time.monotonic(),
            )
        )

    def _on_event(self, lesson: LessonId, event: MediaEvent) -> None:
        self.service.on_event(lesson, event)

    async def open(self) -> None:
        """Open media ports, mend what a crash left, go on with the lessons that were live. Raises MediaPortTaken."""
        await self.media.start()
        live = {entry.id for entry in await self._journal.load() if entry.state is LessonState.LIVE}
        await asyncio.to_thread(repair_recordings, self._root, live)
        await self.service.open()
        self._routines = [
            asyncio.create_task(self.cataloguer.follow(), name="cataloguer"),
            asyncio.create_task(self._when_opened(self.day.follow), name="school day"),
            asyncio.create_task(self._when_opened(self._withdrawn.follow), name="withdrawals"),
            asyncio.create_task(self._when_opened(self._forget_daily), name="forgetting"),
        ]

    async def _when_opened(self, routine: Callable[[], Awaitable[None]]) -> None:
        """There is nothing to read before the tables are there."""
        await self.database.opened()
        await routine()

    async def _forget_daily(self) -> None:
        """Remove what is kept for a time only."""
        while True:
            now = datetime.now(UTC)
            try:
                await self._audit_log.forget(now - self._audit_kept)
                await self._withdrawals.forget(now)
            except CatalogueUnavailable:
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(FORGET_EVERY_S)

    async def close(self) -> None:
        """Close media and catalogue; the service has drained."""
        await self.media.close()
        for routine in self._routines:
            routine.cancel()
        if self._routines:
            await asyncio.wait(self._routines)
        await self.day.close()
        await self.catalogue.close()
        self._passwords.close()
        if self._openid is not None:
            await self._openid.close()

    async def greet(self, announce: Callable[[str], Any]) -> None:
        """As soon as there is a database: if nobody can sign in yet, make somebody who can, and say it once."""
        while True:
            await self.database.opened()
            try:
                password = await self.accounts.first(datetime.now(UTC))
            except CatalogueUnavailable:
                await asyncio.sleep(RETRY_S)
                continue
            if password is not None:
                announce(
                    f"首次启动，管理员账号 {FIRST_LOGIN}，一次性密码 {password}（登录后须修改，只显示这一次）\n"
                    f"First start: sign in as {FIRST_LOGIN} with the one-time password {password}; it is shown once."
                )
            return


async def rebuild_catalogue(settings: Settings) -> int:
    """Read all recordings again from disk, also while the server runs; returns how many there are.

    Raises CatalogueUnavailable, BadDatabaseUrl.
    """
    catalogue = Catalogue(open_database(settings))
    try:
        return await Cataloguer(settings.recordings, catalogue).rebuild()
    finally:
        await catalogue.close()


def openid_provider(settings: Settings) -> OpenIdProvider | None:
    """The OpenID provider that is set, if one is."""
    if settings.oidc_issuer is None:
        return None
    from classroom.web.openid import OpenIdProvider  # a tenth of a server's start, which most need not pay

    secret = settings.oidc_client_secret.get_secret_value()
    return OpenIdProvider(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_claim)


def _allow_many_files() -> None:
    """Take all open files that the system grants.

    The usual 1024 are fewer than the connections we promise, and one too many takes the recorder its next segment.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Two servers must not write to one data directory."""
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotServe(
                f"另一个服务器正在使用数据目录 {state.parent}，请先停止它，或换一个 --recordings。 "
                f"Another server uses the data directory {state.parent}; stop it, or choose another --recordings."
            ) from None
        yield


def _listen(host: str, port: int) -> socket.socket:
    """Bind the HTTP port; "0.0.0.0" and "::" mean every address of both families."""
    create = partial(socket.create_server, backlog=256)
    everywhere = host in ("0.0.0.0", "::", "")
    try:
        if everywhere and socket.has_dualstack_ipv6():
            try:
                return create(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            except OSError as error:
                if error.errno not in _NO_IPV6:
                    raise
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return create(("0.0.0.0" if everywhere else host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # the text of create_server goes on about its address
        if error.errno == errno.EADDRNOTAVAIL:
            raise CannotServe(
                f"本机没有地址 {host}，请换一个 --host。 This machine has no address {host}; choose another --host."
            ) from error
        raise CannotServe(
            f"端口 {port}/TCP 无法使用（{reason}），请换一个 --port。 "
            f"The port {port}/TCP cannot be used ({reason}); choose another --port."
        ) from error


def _addresses(settings: Settings, port: int, media_ports: tuple[int, ...]) -> str:
    hosts = [f"[{host}]" if ":" in host else host for host in local_addresses(settings.host)]
    lines = [f"联体课堂 Lianti Classroom {version('lianti-classroom')}"]
    scheme = "http" if settings.tls is None else "https"
    lines += [f"  网页 pages       {scheme}://{host}:{port}/" for host in hosts]
    lines.append(f"  媒体 media       {', '.join(map(str, media_ports))}/UDP{'+TCP' if settings.media_tcp else ''}")
    lines.append(f"  录像 recordings  {settings.recordings.resolve()}")
    return "\n".join(lines)
