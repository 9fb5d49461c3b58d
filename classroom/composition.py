"""Puts a server together. With cli.py and demo.py the only place that knows everybody."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

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
from classroom.live import ports
from classroom.live.commands import Commands
from classroom.live.journal import Journal
from classroom.live.links import LinkMemory
from classroom.live.service import LessonService
from classroom.model import LessonState
from classroom.recording.cataloguing import RETRY_S, Cataloguer
from classroom.recording.deliveries import Deliveries
from classroom.recording.repair import repair_recordings
from classroom.recording.shelf import RecordingLibrary
from classroom.schoolday.day import SchoolDay
from classroom.schoolday.pairing import PairingDesk
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
from classroom.web.secret import STATE
from classroom.web.withdrawn import Withdrawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from classroom.config import Settings
    from classroom.live.ports import Record
    from classroom.web.openid import OpenIdProvider

logger = logging.getLogger(__name__)

UI = Path(classroom.web.__file__).parent / "ui" / "dist"
FORGET_EVERY_S = 24 * 3600.0
FIRST_LOOK_S = 10.0  # for a database that neither answers nor refuses to say what tokens are void, and
LOOK_AGAIN_S = 2.0  # when what it said before is known


class NodeMedia(ports.MediaServer, Protocol):
    """The SFU of a node: what the lesson service sees of it, and what it counts."""

    def stats(self) -> dict[str, float]:
        """Counters since the start, by Prometheus-like names."""


class Node:
    """One server: its lessons and its doors, around media that somebody else starts and closes."""

    def __init__(self, settings: Settings, secret: str, media: NodeMedia, record: Record | None, ui: Path = UI) -> None:
        root = self._root = settings.recordings
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
            media,
            record,
            self._journal,
            links,
            max_sessions=settings.max_sessions,
        )
        devices = Devices(self.database)
        memory = root / STATE / "withdrawn.json"
        self._withdrawn = Withdrawn(self._withdrawals, devices, self.service.expel, memory)
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
                media_stats=media.stats,
                observe=media.observe,
                ui=ui,
                version=version("lianti-classroom"),
                started_s=time.monotonic(),
            )
        )

    async def open(self) -> None:
        """Mend what a crash left, go on with the lessons that were live. The media have been started.

        Doors may open when this is done: what tokens are void is known then, or at least what it was.
        """
        known = await self._withdrawn.recall()
        live = {entry.id for entry in await self._journal.load() if entry.state is LessonState.LIVE}
        await asyncio.to_thread(repair_recordings, self._root, live)
        await self.service.open()
        self._routines = [
            asyncio.create_task(self.cataloguer.follow(), name="cataloguer"),
            asyncio.create_task(self._when_opened(self.day.follow), name="school day"),
            asyncio.create_task(self._when_opened(self._withdrawn.follow), name="withdrawals"),
            asyncio.create_task(self._when_opened(self._forget_daily), name="forgetting"),
        ]
        await self._first_look(LOOK_AGAIN_S if known else FIRST_LOOK_S)

    async def _first_look(self, patience_s: float) -> None:
        """Let nobody in who has been shown out; without a database, nobody of whom that was known before."""
        try:
            async with asyncio.timeout(patience_s):
                if await self.database.tried() and await self._withdrawn.tried():
                    return
        except TimeoutError:
            pass
        logger.warning("the database does not answer: void are the tokens of which that was known before")

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
        """Close the catalogue; the service has drained, and the media are closed."""
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
