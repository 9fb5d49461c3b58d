"""Who acts: an account that is signed in, or a device that was paired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.catalogue.scope import Scope
    from classroom.model import AccountRole, DeviceKind, ParticipantId


@dataclass(frozen=True, slots=True)
class AccountPrincipal:
    """Somebody who has signed in; ``scope``: the schools within reach, ``expires_at``: when the session ends."""

    account_id: int
    login: str
    name: str
    role: AccountRole
    person_id: int | None
    district_id: int | None
    school_id: int | None
    scope: Scope
    must_change: bool
    expires_at: datetime

    @property
    def expires_at_s(self) -> int:
        """The end of the session in seconds since 1970."""
        return int(self.expires_at.timestamp())


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device in its classroom."""

    device_id: ParticipantId
    kind: DeviceKind
    classroom_id: int
    name: str


Principal = AccountPrincipal | DevicePrincipal

PRINCIPAL: web.RequestKey[Principal | None] = web.RequestKey("principal", object)  # type: ignore[arg-type]


def principal_of(request: web.Request) -> Principal:
    """Who acts, as the gate has found out; raises Refusal (401) where it admits strangers and this is one."""
    principal: Principal | None = request.get(PRINCIPAL)
    if principal is None:
        raise not_signed_in()
    return principal


def account_of(request: web.Request) -> AccountPrincipal:
    """Who has signed in; raises Refusal (401) for a device or a stranger."""
    principal = principal_of(request)
    if not isinstance(principal, AccountPrincipal):
        raise not_signed_in()
    return principal


def not_signed_in() -> Refusal:
    """Nobody has signed in, or the session is over."""
    return Refusal(401, "not_signed_in", "请先登录。 Please sign in.")
