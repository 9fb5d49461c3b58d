"""What the doors share, and how a request gets in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiohttp import web

from classroom.model import LessonId, parse_lesson_id
from classroom.web.auth import (
    REFUSALS,
    Action,
    BadToken,
    Claims,
    Deliverer,
    Forbidden,
    Operator,
    ViewerKey,
    verify_deliverer,
    verify_operator_token,
    verify_reader,
    verify_token,
    verify_viewer_key,
)
from classroom.web.identity import bearer_of
from classroom.web.origin import network_of
from classroom.web.principal import PRINCIPAL, AccountPrincipal
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from classroom.catalogue.accounts.accounts import Accounts
    from classroom.catalogue.accounts.devices import Devices
    from classroom.catalogue.accounts.sessions import Sessions
    from classroom.catalogue.accounts.signing_in import SigningIn
    from classroom.catalogue.catalogue import Catalogue
    from classroom.catalogue.metadata import DatedMetadata
    from classroom.catalogue.region.region import Region
    from classroom.live.commands import Commands
    from classroom.live.delivery import Completed, Told, Wanted
    from classroom.live.service import LessonService
    from classroom.model import Label, TrackKind
    from classroom.schoolday.day import SchoolDay
    from classroom.schoolday.pairing import PairingDesk
    from classroom.sfu.core.stats import LessonStats
    from classroom.web.audit import Audit
    from classroom.web.crowd import Crowd
    from classroom.web.identity import Identities
    from classroom.web.known_browser import KnownBrowsers
    from classroom.web.limits import RateLimit
    from classroom.web.openid import OpenIdProvider
    from classroom.web.origin import Networks
    from classroom.web.withdrawn import Withdrawn

T = TypeVar("T")
Reader = Claims | ViewerKey | Operator | AccountPrincipal


class RecordedFile(Protocol):
    """A file of a recording; ``final``: what this address gives will never change."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def media_type(self) -> str:
        """What it is."""

    @property
    def final(self) -> bool:
        """Whether a browser may keep it for ever."""


class Recordings(Protocol):
    """The recordings on disk, as the doors see them. Methods block; the doors call them in a thread."""

    def manifest(self, lesson: LessonId, holding: str | None = None) -> Mapping[str, Any] | None:
        """What the replay page is told (docs/protocol.md §5), of the latest holding if none is named.

        Paths are those that ``file`` and ``captions`` take.
        """

    def captions(self, lesson: LessonId, path: str) -> bytes | None:
        """Captions of a recording as WebVTT, timed as the manifest is; None as for ``file``."""

    def put_captions(self, lesson: LessonId, holding: str, language: str, data: bytes) -> bool:
        """Keep supplied captions, timed as the manifest is; False when there is no such holding.

        Raises BadCaptions, OSError.
        """

    def put_metadata(self, lesson: LessonId, metadata: DatedMetadata) -> None:
        """Write what is said about a lesson beside each of its recordings; a disk that refuses is logged."""

    def file(self, lesson: LessonId, path: str) -> RecordedFile | None:
        """A file of the lesson's recording; None for what is not there or nobody's business, whatever the path says."""


class Deliveries(Protocol):
    """Takes in what recordings miss. Methods block; the doors call them in a thread. They raise live.errors."""

    def take_inventory(
        self, lesson: LessonId, track: str, label: Label, kind: TrackKind, now_ntp: int, data: bytes
    ) -> Wanted:
        """What of a copy is wanted."""

    def take_frames(self, lesson: LessonId, holding: str, track: str, body: bytes) -> None:
        """Keep frames that are wanted, durably."""

    def complete(self, lesson: LessonId, holding: str) -> Completed:
        """Put in what has come."""

    def told(self, lesson: LessonId) -> Told | None:
        """What the latest recording of a lesson says of itself."""

    def keep_house(self) -> Sequence[Told]:
        """To be called at the start and once an hour: ends what nobody continues; says whose state that is."""

    def remove_former(self) -> None:
        """To be called every minute: removes what splices have replaced."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a door needs, given by the composition root."""

    service: LessonService
    commands: Commands
    recordings: Recordings
    deliveries: Deliveries
    catalogue: Catalogue
    look_at: Callable[[LessonId], Awaitable[None]]  # tell the catalogue what is on disk of this lesson
    identities: Identities
    sessions: Sessions
    signing_in: SigningIn
    accounts: Accounts
    audit: Audit
    openid: OpenIdProvider | None
    openid_name: str | None  # on the button
    region: Region
    region_changed: Callable[[], None]  # tell the school day, which holds the plans of today in memory
    browsers: KnownBrowsers
    sign_ins: RateLimit  # by address, or by browser if it is known
    sign_ins_of_login: RateLimit
    devices: Devices
    day: SchoolDay
    pairings: PairingDesk
    pairing_guesses: RateLimit
    secret: str
    withdrawn: Withdrawn
    bad_tokens: RateLimit
    crowd: Crowd
    max_connections: int
    proxies: Networks  # whose word about a client's address is taken
    metrics_from: Networks  # who may read the metrics
    local_ca: Path  # the certificate of this machine's authority, if it has one
    media_stats: Callable[[], Mapping[str, float]]
    observe: Callable[[LessonId], Awaitable[LessonStats]]
    ui: Path
    version: str
    started_s: float  # monotonic

    def verify(self, token: str, address: str) -> Claims:
        """Check a token; raises BadToken, or Refusal (429) when too many from this address were bad.

        A good token is always let in: one bad terminal must not lock out the school behind the same address.
        """
        return self._check(verify_token, token, address)

    def verify_operator(self, token: str, address: str) -> Operator:
        """Check the token of an operator; raises as ``verify`` does."""
        return self._check(verify_operator_token, token, address)

    def verify_reader(self, token: str, address: str) -> Reader:
        """Check whatever may open a recording; raises as ``verify`` does."""
        return self._check(verify_reader, token, address)

    def verify_viewer_key(self, token: str, address: str) -> ViewerKey:
        """Check a viewer key; raises as ``verify`` does."""
        return self._check(verify_viewer_key, token, address)

    def verify_deliverer(self, token: str, address: str) -> Deliverer:
        """Check a token that deliveries need; raises as ``verify`` does, and Forbidden."""
        return self._check(verify_deliverer, token, address)

    def _check(self, verify: Callable[[str, str, float], T], token: str, address: str) -> T:
        try:
            found = verify(self.secret, token, time.time())
            if isinstance(found, Claims | Deliverer):
                if self.day.presence.is_revoked(found.participant):
                    raise BadToken("这台设备已被解除绑定。 The device was revoked.")
                if self.withdrawn.has(found.participant, found.issued_at_s):
                    raise BadToken(
                        "账号已变更或设备已被解除绑定，请重新登录。 "
                        "The account is not what it was, or the device was revoked; sign in again."
                    )
            return found
        except BadToken:
            wait_s = self.bad_tokens.spend(address, time.monotonic())
            if wait_s is None:
                raise
            raise too_many_bad_tokens(wait_s) from None


CONTEXT = web.AppKey("context", Context)


def too_many_bad_tokens(wait_s: int) -> Refusal:
    """Somebody seems to be guessing."""
    return Refusal(
        429,
        "too_many_requests",
        "无效令牌过多，请稍后再试。 Too many bad tokens from this address; try again later.",
        Retry_After=str(wait_s),
    )


def admit(request: web.Request, action: Action) -> Claims:
    """Let a request in: raises InvalidLessonId, BadToken, Forbidden, Refusal (429)."""
    lesson = parse_lesson_id(request.match_info["lesson"])
    claims = request.app[CONTEXT].verify(bearer_of(request), network_of(request))
    claims.require(action, lesson)
    return claims


def admit_operator(request: web.Request) -> Operator | AccountPrincipal:
    """Let in an account that has the right, or the token of an operator: raises BadToken, Refusal (429)."""
    if (account := _admitted(request)) is not None:
        return account
    return request.app[CONTEXT].verify_operator(bearer_of(request), network_of(request))


def admit_reader(request: web.Request, holding: str | None, *, key_in_address: bool = False) -> Reader:
    """Let in whoever may open a recording of the lesson, signed in or with a token: raises as ``admit`` does.

    ``key_in_address``: a viewer key may stand there, because <img> and <track> send no headers. Only a viewer key may:
    addresses are kept in histories.
    """
    lesson = parse_lesson_id(request.match_info["lesson"])
    if (account := _admitted(request)) is not None:
        return account
    context = request.app[CONTEXT]
    key = request.query.get("key") if key_in_address and "Authorization" not in request.headers else None
    reader: Reader
    if key is not None:
        reader = context.verify_viewer_key(key, network_of(request))
    else:
        reader = context.verify_reader(bearer_of(request), network_of(request))
    if isinstance(reader, Claims):
        reader.require(Action.FOLLOW, lesson)
    elif isinstance(reader, ViewerKey):
        reader.require(lesson, holding)
    return reader


async def admit_editor(request: web.Request) -> LessonId:
    """Let in an operator or a teacher of the lesson, signed in or with a token: raises as ``admit`` does."""
    lesson = parse_lesson_id(request.match_info["lesson"])
    if (account := _admitted(request)) is not None:
        accounts = request.app[CONTEXT].accounts
        if not await accounts.may_edit(lesson, account.role, account.scope, account.person_id):
            raise Forbidden(REFUSALS[Action.EDIT])
        return lesson
    reader = request.app[CONTEXT].verify_reader(bearer_of(request), network_of(request))
    if isinstance(reader, Claims):
        reader.require(Action.EDIT, lesson)
    elif isinstance(reader, ViewerKey):
        raise Forbidden("这个链接只能观看。 This link is for watching only.")
    return lesson


def admit_deliverer(request: web.Request) -> Deliverer:
    """Let a delivery in: raises BadToken, Forbidden, Refusal (429)."""
    return request.app[CONTEXT].verify_deliverer(bearer_of(request), network_of(request))


def _admitted(request: web.Request) -> AccountPrincipal | None:
    """The account that the gate has let in; None when it came with a token, or with nothing."""
    principal = request.get(PRINCIPAL)
    return principal if isinstance(principal, AccountPrincipal) else None
