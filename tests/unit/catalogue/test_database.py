"""What becomes of connections whose user goes away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

from classroom.catalogue.database import Database, database_url


async def test_closing_waits_for_a_connection_that_is_being_made_for_somebody_who_has_gone(tmp_path, monkeypatch):
    connecting, go, connect = threading.Event(), threading.Event(), sqlite3.connect

    def connect_slowly(*arguments, **options):
        connecting.set()
        go.wait(30)
        return connect(*arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", connect_slowly)
    database = Database(database_url(None, tmp_path))
    opening = asyncio.create_task(database.open())
    assert await asyncio.to_thread(connecting.wait, 30)
    opening.cancel()
    await asyncio.wait([opening])
    closing = asyncio.create_task(database.close())
    done, _ = await asyncio.wait([closing], timeout=0.1)
    assert not done, "its thread would call a loop that may be gone by then"
    go.set()
    await closing
