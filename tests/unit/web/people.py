"""Accounts that are signed in, and devices that are paired, for tests of the doors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from classroom.catalogue.accounts.credentials import hash_of, new_credential
from classroom.catalogue.accounts.schema import accounts, devices
from classroom.catalogue.accounts.sessions import Sessions

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from tests.unit.web.running_node import Doors


@dataclass
class Visitor:
    """Somebody with a cookie; ``ask`` sends it, and the CSRF token with whatever is not only read."""

    doors: Doors
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    id: Any = None

    async def ask(self, method: str, path: str, **options: Any) -> ClientResponse:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers |= {"X-CSRF": self.csrf} if self.csrf and method not in ("GET", "HEAD") else {}
        return await self.doors.ask(method, path, headers=headers | options.pop("headers", {}), **options)


async def signed_in(doors: Doors, role: str, **columns: Any) -> Visitor:
    """A new account of this role in a session; ``columns`` are those of the table."""
    database, now = doors.node.database, datetime.now(UTC)
    values = {"login": new_credential().lower(), "name": role, "role": role, "must_change": False, "disabled": False}
    await opened(doors)
    async with database.writing() as connection:
        statement = insert(accounts).values(**{**values, **columns}, created_at=now).returning(accounts.c.id)
        account_id = await connection.scalar(statement)
    cookie = await Sessions(database).begin(account_id, "127.0.0.1", now)
    return await _greeted(Visitor(doors, {"session": cookie}, id=account_id))


async def paired(doors: Doors, classroom_id: int, kind: str = "terminal", **columns: Any) -> Visitor:
    """A new device in a classroom; ``visitor.cookies["device"]`` is its credential."""
    credential = new_credential()
    values = {"id": new_credential()[:16], "kind": kind, "name": kind, "classroom_id": classroom_id}
    await opened(doors)
    async with doors.node.database.writing() as connection:
        hashed = {"credential_hash": hash_of(credential), "paired_at": datetime.now(UTC)}
        device_id = await connection.scalar(
            insert(devices).values(**{**values, **columns}, **hashed).returning(devices.c.id)
        )
    return await _greeted(Visitor(doors, {"device": credential}, id=device_id))


async def opened(doors: Doors) -> None:
    """Until the database is open."""
    await doors.node.database.open()


async def _greeted(visitor: Visitor) -> Visitor:
    visitor.csrf = (await (await visitor.ask("GET", "/api/session")).json())["csrf"]
    return visitor
