"""The accounts, as those see and change them who may."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select, update

from classroom.catalogue.accounts.account import COLUMNS, Account, account_of, within
from classroom.catalogue.accounts.locks import open_locks
from classroom.catalogue.accounts.logins import BadAccount, login_of, require_login
from classroom.catalogue.accounts.passwords import one_time_password
from classroom.catalogue.accounts.schema import accounts
from classroom.catalogue.accounts.sessions import end_sessions
from classroom.catalogue.accounts.withdrawals import withdraw
from classroom.catalogue.region.schema import classrooms, districts, lesson_plans, people, schools
from classroom.catalogue.scope import EVERYTHING, OutOfScope, Scope
from classroom.model import AccountRole, ClassroomError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from classroom.catalogue.accounts.passwords import Passwords
    from classroom.catalogue.database import Database
    from classroom.model import LessonId

FIRST_LOGIN = "admin"
_OF_A_SCHOOL = frozenset({AccountRole.SCHOOL_ADMIN, AccountRole.TEACHER, AccountRole.ASSISTANT})


class UnknownAccount(ClassroomError):
    """There is no such account within reach."""

    def __init__(self) -> None:
        super().__init__("没有这个账号。 There is no such account.")


class LoginTaken(ClassroomError):
    """Another account is called so."""


class NotYourself(ClassroomError):
    """What nobody may do to the account that is used for it, lest nobody be left who can undo it."""

    def __init__(self) -> None:
        super().__init__(
            "不能停用、删除自己的账号，不能更改自己的角色和范围；没有密码时，也不能解除自己的统一身份认证绑定。 "
            "You cannot disable or delete your own account, nor change its role and scope, nor unbind it from the "
            "identity provider while it has no password."
        )


@dataclass(frozen=True, slots=True)
class Manager:
    """Who looks after accounts: role and reach say which. ``account_id`` None is whoever has the machine itself."""

    role: AccountRole
    scope: Scope
    account_id: int | None = None


ROOT = Manager(AccountRole.OPERATOR, EVERYTHING)


@dataclass(frozen=True, slots=True)
class AccountValues:
    """What may be said about an account."""

    name: str
    role: AccountRole
    person_id: int | None = None
    district_id: int | None = None
    school_id: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of those that were asked for, by login."""

    total: int
    items: Sequence[Account]


class Accounts:
    """The accounts. Methods may raise CatalogueUnavailable; with ``by`` also UnknownAccount and OutOfScope."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def first(self, now: datetime) -> str | None:
        """Make the operator ``admin`` if there is no account at all, and return its one-time password."""
        async with self._database.reading() as connection:
            if await connection.scalar(select(accounts.c.id).limit(1)):
                return None
        password = one_time_password()
        hashed = await self._passwords.hash(password)
        async with self._database.writing() as connection:
            if await connection.scalar(select(accounts.c.id).limit(1)):
                return None  # another server was faster
            values = AccountValues("管理员", AccountRole.OPERATOR)
            await _insert(connection, FIRST_LOGIN, values, hashed, now)
        return password

    async def page(
        self,
        by: Manager,
        text: str = "",
        role: AccountRole | None = None,
        school_id: int | None = None,
        page: int = 1,
        page_size: int = 50,
    ) -> AccountPage:
        """The accounts within reach whose login or name has ``text`` in it."""
        conditions = [within(by.scope)]
        if text:
            conditions.append(
                or_(
                    accounts.c.login.contains(text.lower(), autoescape=True),
                    accounts.c.name.contains(text, autoescape=True),
                )
            )
        if role is not None:
            conditions.append(accounts.c.role == role)
        if school_id is not None:
            conditions.append(accounts.c.school_id == school_id)
        found = select(*COLUMNS).where(*conditions).order_by(accounts.c.login)
        async with self._database.reading() as connection:
            total = await connection.scalar(select(func.count()).select_from(accounts).where(*conditions))
            rows = await connection.execute(found.limit(page_size).offset((page - 1) * page_size))
            return AccountPage(total or 0, [account_of(row) for row in rows])

    async def one(self, by: Manager, account_id: int) -> Account:
        """One account."""
        async with self._database.reading() as connection:
            return await _find(connection, by, accounts.c.id == account_id)

    async def named(self, login: str) -> Account:
        """The account with this login, within anybody's reach. Raises UnknownAccount."""
        async with self._database.reading() as connection:
            return await _find(connection, ROOT, accounts.c.login == login_of(login))

    async def add(
        self, by: Manager, login: str, values: AccountValues, now: datetime, *, with_password: bool = True
    ) -> tuple[Account, str | None]:
        """A new account and its one-time password; without one it can only be signed in to elsewhere.

        Raises BadAccount, LoginTaken, TooManyPasswords.
        """
        login = login_of(login)
        require_login(login)
        password = one_time_password() if with_password else None
        hashed = None if password is None else await self._passwords.hash(password)
        async with self._database.writing() as connection:
            await _require_fitting(connection, by, values)
            if await connection.scalar(select(accounts.c.id).where(accounts.c.login == login)):
                raise LoginTaken(f"账号 {login} 已经存在。 There is an account {login} already.")
            account_id = await _insert(connection, login, values, hashed, now)
            return await _find(connection, by, accounts.c.id == account_id), password

    async def change(self, by: Manager, account_id: int, values: AccountValues, now: datetime) -> Account:
        """Say something else about an account; one that is disabled is signed out at once.

        What it has been given for lessons is void if it would be given something else now. Raises BadAccount,
        NotYourself.
        """
        is_it = accounts.c.id == account_id
        async with self._database.writing() as connection:
            account = await self._manageable(connection, by, account_id)
            await _require_fitting(connection, by, values)
            if account_id == by.account_id and _standing(account) != _standing(values):
                raise NotYourself
            await connection.execute(update(accounts).where(is_it).values(asdict(values)))
            if values.disabled:
                await end_sessions(connection, account_id)
            if (*_standing(account), account.person_id) != (*_standing(values), values.person_id):
                await withdraw(connection, account_id, now)
            return await _find(connection, by, is_it)

    async def remove(self, by: Manager, account_id: int, now: datetime) -> Account:
        """Forget an account and return what it was; the audit log does not forget it. Raises NotYourself."""
        async with self._database.writing() as connection:
            account = await self._manageable(connection, by, account_id)
            if account_id == by.account_id:
                raise NotYourself
            await connection.execute(delete(accounts).where(accounts.c.id == account_id))
            await withdraw(connection, account_id, now)
        return account

    async def reset_password(self, by: Manager, account_id: int, now: datetime) -> tuple[Account, str]:
        """A new one-time password; locks open, all sessions end. Raises TooManyPasswords."""
        password = one_time_password()
        hashed = await self._passwords.hash(password)
        values = {"password_hash": hashed, "must_change": True, "may_bind": False}
        async with self._database.writing() as connection:
            account = await self._manageable(connection, by, account_id)
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(values))
            await open_locks(connection, account_id)
            await end_sessions(connection, account_id)
            await withdraw(connection, account_id, now)
        return account, password

    async def allow_binding(self, by: Manager, account_id: int, now: datetime) -> Account:
        """Let the next whom the OpenID provider calls like its login have the account, in place of whoever has now."""
        async with self._database.writing() as connection:
            account = await self._manageable(connection, by, account_id)
            values = {"oidc_issuer": None, "oidc_subject": None, "may_bind": True}
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(values))
            if account.has_oidc:
                await end_sessions(connection, account_id)
                await withdraw(connection, account_id, now)
        return account

    async def unbind(self, by: Manager, account_id: int, now: datetime) -> Account:
        """Forget whom the account is at an OpenID provider; nobody there gets it any more. Raises NotYourself."""
        async with self._database.writing() as connection:
            account = await self._manageable(connection, by, account_id)
            if account_id == by.account_id and not account.has_password:
                raise NotYourself
            forgotten = {"oidc_issuer": None, "oidc_subject": None, "may_bind": False}
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(forgotten))
            await end_sessions(connection, account_id)
            await withdraw(connection, account_id, now)
        return account

    async def place(self, school_code: str | None, district_code: str | None) -> tuple[int | None, int | None]:
        """The ids of a school and a district by their codes. Raises BadAccount."""
        async with self._database.reading() as connection:
            school = await connection.scalar(select(schools.c.id).where(schools.c.code == school_code))
            district = await connection.scalar(select(districts.c.id).where(districts.c.code == district_code))
        if school is None and school_code is not None:
            raise BadAccount(f"没有代码为 {school_code} 的学校。 There is no school with the code {school_code}.")
        if district is None and district_code is not None:
            raise BadAccount(f"没有代码为 {district_code} 的区县。 There is no district with the code {district_code}.")
        return school, district

    async def may_edit(self, lesson: LessonId, role: AccountRole, scope: Scope, person_id: int | None) -> bool:
        """Whether somebody may say what a lesson is about: its teacher, and those who look after where it is held."""
        if role is AccountRole.OPERATOR and scope.everything:
            return True
        place = lesson_plans.join(classrooms, lesson_plans.c.classroom_id == classrooms.c.id).join(schools)
        query = select(lesson_plans.c.teacher_id, schools.c.id, schools.c.district_id).select_from(place)
        async with self._database.reading() as connection:
            row = (await connection.execute(query.where(lesson_plans.c.lesson_id == lesson))).one_or_none()
        if row is None:
            return False
        if role in (AccountRole.OPERATOR, AccountRole.SCHOOL_ADMIN):
            return scope.covers_school(row.id, row.district_id)
        return person_id is not None and row.teacher_id == person_id

    async def _manageable(self, connection: AsyncConnection, by: Manager, account_id: int) -> Account:
        account = await _find(connection, by, accounts.c.id == account_id)
        _require_role(by, account.role)
        return account


def _standing(account: Account | AccountValues) -> tuple[object, ...]:
    return account.role, account.district_id, account.school_id, account.disabled


async def _find(connection: AsyncConnection, by: Manager, condition: ColumnElement[bool]) -> Account:
    row = (await connection.execute(select(*COLUMNS).where(condition, within(by.scope)))).one_or_none()
    if row is None:
        raise UnknownAccount
    return account_of(row)


async def _insert(
    connection: AsyncConnection, login: str, values: AccountValues, password_hash: str | None, now: datetime
) -> int:
    row = {**asdict(values), "login": login, "password_hash": password_hash, "created_at": now}
    row |= {"must_change": password_hash is not None, "may_bind": password_hash is None}
    made = await connection.execute(insert(accounts).values(row).returning(accounts.c.id))
    return int(made.scalar_one())


def _require_role(by: Manager, role: AccountRole) -> None:
    """An operator looks after everybody, a school's administrator after those of the school."""
    if by.role is not AccountRole.OPERATOR and role not in _OF_A_SCHOOL:
        raise OutOfScope


async def _require_fitting(connection: AsyncConnection, by: Manager, values: AccountValues) -> None:
    """Raise BadAccount unless role, school, district and person go together; OutOfScope beyond the reach of ``by``."""
    _require_role(by, values.role)
    if not values.name.strip():
        raise BadAccount("请填写姓名。 An account needs the name of somebody.")
    if values.role in _OF_A_SCHOOL and (values.school_id is None or values.district_id is not None):
        raise BadAccount("这个角色需要学校，不填区县。 This role needs a school and no district.")
    if values.role is AccountRole.OPERATOR and values.school_id is not None:
        raise BadAccount("管理员按区县授权，不填学校。 An operator has a district or all of them, and no school.")
    if values.role is AccountRole.RESEARCHER and (values.school_id is None) == (values.district_id is None):
        raise BadAccount("教研员需要学校或区县之一。 A researcher needs either a school or a district.")
    if values.school_id is not None:
        query = select(schools.c.district_id).where(schools.c.id == values.school_id)
        district_id = await connection.scalar(query)
        if district_id is None:
            raise BadAccount("没有这所学校。 There is no such school.")
        by.scope.require_school(values.school_id, district_id)
    elif values.district_id is not None:
        if await connection.scalar(select(districts.c.id).where(districts.c.id == values.district_id)) is None:
            raise BadAccount("没有这个区县。 There is no such district.")
        by.scope.require_district(values.district_id)
    else:
        by.scope.require_everything()
    if values.person_id is not None:
        place = select(schools.c.id, schools.c.district_id).join(people, people.c.school_id == schools.c.id)
        row = (await connection.execute(place.where(people.c.id == values.person_id))).one_or_none()
        if row is None or values.school_id not in (None, row.id):
            raise BadAccount("学校里没有这个人。 There is no such person in the school.")
        by.scope.require_school(row.id, row.district_id)  # whoever is that person may teach in that person's place
