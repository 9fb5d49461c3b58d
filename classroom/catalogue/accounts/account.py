"""What an account is to those who ask for it; nothing here is a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, true

from classroom.catalogue.accounts.schema import accounts, sign_in_locks
from classroom.catalogue.region.schema import districts
from classroom.catalogue.scope import EVERYTHING, NOTHING, Scope, of_school, with_below
from classroom.catalogue.scope import within as school_within
from classroom.model import AccountRole

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_OF_DISTRICTS = frozenset({AccountRole.OPERATOR, AccountRole.RESEARCHER})

COLUMNS = (
    *(accounts.c[name] for name in ("id", "login", "name", "role", "person_id", "district_id", "school_id")),
    *(accounts.c[name] for name in ("must_change", "disabled", "may_bind", "created_at", "signed_in_at")),
    select(func.max(sign_in_locks.c.locked_until))  # for somebody: a network, or all that are not known
    .where(sign_in_locks.c.account_id == accounts.c.id)
    .correlate(accounts)
    .scalar_subquery()
    .label("locked_until"),
    accounts.c.password_hash.is_not(None).label("has_password"),
    accounts.c.oidc_subject.is_not(None).label("has_oidc"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in. ``has_password``, ``has_oidc``: in which ways; ``may_bind``: in the latter if asked."""

    id: int
    login: str
    name: str
    role: AccountRole
    person_id: int | None
    district_id: int | None
    school_id: int | None
    must_change: bool
    disabled: bool
    may_bind: bool
    locked_until: datetime | None
    created_at: datetime
    signed_in_at: datetime | None
    has_password: bool
    has_oidc: bool


def account_of(row: Row[Any]) -> Account:
    """The account in a row that has COLUMNS, and perhaps others."""
    return Account(
        id=row.id,
        login=row.login,
        name=row.name,
        role=AccountRole(row.role),
        person_id=row.person_id,
        district_id=row.district_id,
        school_id=row.school_id,
        must_change=row.must_change,
        disabled=row.disabled,
        may_bind=row.may_bind,
        locked_until=row.locked_until,
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
        has_password=row.has_password,
        has_oidc=row.has_oidc,
    )


async def scope_of(connection: AsyncConnection, account: Account) -> Scope:
    """The schools within reach of an account; somebody of no school and no district reaches nothing."""
    if account.role in _OF_DISTRICTS and account.district_id is not None:
        found = await connection.scalars(select(districts.c.id).where(with_below(account.district_id)))
        return Scope(frozenset(found))
    if account.role is AccountRole.OPERATOR:
        return EVERYTHING
    return NOTHING if account.school_id is None else of_school(account.school_id)


def within(scope: Scope) -> ColumnElement[bool]:
    """The condition that an account is within reach; one of no school and no district is so for those of everything."""
    if scope.districts is None:
        return true()
    return or_(accounts.c.district_id.in_(scope.districts), school_within(scope, accounts.c.school_id))
