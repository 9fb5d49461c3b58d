"""What one connection of a device is still to be told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from classroom.schoolday.messages import Agenda, Configure, DeviceError, DevicePong, DeviceServerMessage, Revoked

if TYPE_CHECKING:
    from collections.abc import Callable


class DeviceFeedClosed(Exception):
    """Nothing more will come: the device was revoked, or the server stops."""


class DeviceFeed:
    """What is due to a device. There is no queue: of each kind of message only the present one is worth telling.

    A device that is slow is told less often, and then how things are: an agenda is made when it is taken. One that says
    the same as the last is not sent.
    """

    def __init__(self, agenda: Callable[[], Agenda], volume: int | None) -> None:
        self._agenda = agenda
        self._agenda_due = True
        self._told: Agenda | None = None
        self._configure = None if volume is None else Configure(volume)
        self._error: DeviceError | None = None
        self._pong_due = False
        self._revoked = False
        self._closed = False
        self.gave_way = False  # to another connection of the device
        self._wake = asyncio.Event()

    def agenda_changed(self) -> None:
        """Look at the agenda again."""
        self._agenda_due = True
        self._wake.set()

    def configure(self, volume: int | None) -> None:
        """Tell how loud to be."""
        self._configure = Configure(volume)
        self._wake.set()

    def pong(self) -> None:
        """Answer a ping; several at once have one answer."""
        self._pong_due = True
        self._wake.set()

    def fault(self, detail: str) -> None:
        """Tell what was wrong with a message."""
        self._error = DeviceError("bad_message", detail)
        self._wake.set()

    def close(self, *, revoked: bool = False) -> None:
        """Tell nothing more; who is revoked is told that."""
        self._revoked, self._closed = revoked, True
        self._wake.set()

    def give_way(self) -> None:
        """Tell nothing more: the device has more connections than it may."""
        self.gave_way = True
        self.close()

    async def take(self) -> DeviceServerMessage:
        """The next message; raises DeviceFeedClosed."""
        while True:
            message = self._next()
            if message is not None:
                return message
            self._wake.clear()
            await self._wake.wait()

    def _next(self) -> DeviceServerMessage | None:
        message: DeviceServerMessage | None = None
        if self._closed:
            if not self._revoked:
                raise DeviceFeedClosed
            self._revoked = False
            return Revoked()
        if self._error is not None:
            message, self._error = self._error, None
        elif self._configure is not None:
            message, self._configure = self._configure, None
        elif self._pong_due:
            message, self._pong_due = DevicePong(), False
        elif self._agenda_due:
            self._agenda_due = False
            agenda = self._agenda()
            if self._told is None or replace(agenda, server_time=self._told.server_time) != self._told:
                message = self._told = agenda
        return message
