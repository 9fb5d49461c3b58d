"""The WebSocket of a paired agent: keeps its agenda, tells the server how its sources are (docs/protocol.md §7)."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from importlib.metadata import version

from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from classroom.capture.reconnecting import FIRST_BACKOFF_S, delays, worth_trying
from classroom.schoolday.messages import (
    Agenda,
    Checks,
    DeviceError,
    DevicePing,
    DeviceReport,
    DeviceServerMessage,
    LinkCheck,
    Revoked,
)

logger = logging.getLogger(__name__)

PING_S = 15.0
REPORT_EVERY_S = 60.0  # also when nothing has changed: how far the server is
REPORT_APART_S = 1.0
UNAUTHORIZED, REPLACED = 4401, 4409
REPLACED_S = 60.0  # another has our place: an agent that fought for it would only throw the other out

_FROM_SERVER: TypeAdapter[DeviceServerMessage] = TypeAdapter(DeviceServerMessage)
_TO_SERVER: TypeAdapter[DeviceReport | DevicePing] = TypeAdapter(DeviceReport | DevicePing)


class NotPaired(Exception):
    """The server does not know this device, or not any more."""


class DeviceLink:
    """Stays connected until cancelled; ``agenda`` is the latest, and ``changed`` is set with each."""

    def __init__(self, server: str, credential: str) -> None:
        scheme, _, rest = server.rstrip("/").partition("://")
        self._address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/device"
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._checks = Checks()
        self._version = version("lianti-classroom")
        self._report_due = asyncio.Event()
        self.agenda: Agenda | None = None
        self.changed = asyncio.Event()

    def check(self, checks: Checks) -> None:
        """Tell the server how the sources are, now and after every reconnect."""
        if checks != self._checks:
            self._checks = checks
            self._report_due.set()

    async def run(self) -> None:
        """Be connected; raises NotPaired."""
        connections = connect(
            self._address,
            additional_headers=self._headers,
            compression=None,
            proxy=None,
            open_timeout=10,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=1,
            process_exception=worth_trying,
            reconnect_delays=delays,
        )
        async for socket in connections:
            try:
                await self._serve(socket)
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == UNAUTHORIZED:
                    raise NotPaired from None
                if closed.rcvd is not None and closed.rcvd.code == REPLACED:
                    await asyncio.sleep(random.uniform(0.8, 1.2) * REPLACED_S)
            logger.warning("与服务器的连接中断，正在重连 / the connection to the server was lost, reconnecting")
            await asyncio.sleep(random.uniform(0.5, 1.0) * FIRST_BACKOFF_S)

    async def _serve(self, socket: ClientConnection) -> None:
        self._report_due.set()
        reporting = asyncio.create_task(self._report(socket), name="device reports")
        try:
            async for text in socket:
                self._receive(text)
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)

    def _receive(self, text: str | bytes) -> None:
        try:
            message = _FROM_SERVER.validate_json(text)
        except ValidationError as error:
            logger.warning("看不懂服务器的消息 / a message of the server cannot be read: %s", error.errors()[0]["msg"])
            return
        match message:
            case Agenda():
                self.agenda = message
                self.changed.set()
            case Revoked():
                raise NotPaired
            case DeviceError(code, detail):
                logger.warning("%s: %s", code, detail)

    async def _report(self, socket: ClientConnection) -> None:
        """Say how we are when that has changed, and now and then; ask whether the server hears us."""
        next_report_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(PING_S):
                    await self._report_due.wait()
            except TimeoutError:
                if loop.time() < next_report_s:
                    await socket.send(_TO_SERVER.dump_json(DevicePing()).decode())
                    continue
            self._report_due.clear()
            rtt_ms = round(socket.latency * 1000) or None  # 0 before the first answer
            report = DeviceReport(self._version, replace(self._checks, link=LinkCheck(True, "", rtt_ms)))
            await socket.send(_TO_SERVER.dump_json(report).decode())
            next_report_s = loop.time() + REPORT_EVERY_S
            await asyncio.sleep(REPORT_APART_S)
