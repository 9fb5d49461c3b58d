"""Framed messages over a stream socket between two processes of one server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from classroom.model import ClassroomError
from classroom.sfu.workers.messages import BadFrame, decode, encode

if TYPE_CHECKING:
    import socket

    from classroom.sfu.workers.messages import Ref

MAX_FRAME_BYTES = 4 << 20
# Bounded: who leaves so much unread is hung, and a message that is left out would be worse than none at all.
MAX_WAITING_BYTES = 16 << 20
_LENGTH_BYTES = 4


class FrameTooLarge(ClassroomError):
    """The other end would not take the message, and close."""


class Channel:
    """One end. Messages arrive in the order in which they were sent, or the channel is closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Channel:
        """The channel over a connected Unix stream socket, which it owns."""
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock))

    def send(self, message: object, ref: Ref = None) -> None:
        """Send a message; never waits. On a closed channel it is dropped, as nobody is there any more.

        Raises FrameTooLarge; nothing is sent then.
        """
        if self._writer.is_closing():
            return
        frame = encode(message, ref)
        if len(frame) > MAX_FRAME_BYTES:
            raise FrameTooLarge(f"a {type(message).__name__} of {len(frame)} bytes")
        self._writer.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
        if self._writer.transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self._writer.transport.abort()

    async def receive(self) -> tuple[Any, Ref] | None:
        """The next message and what it belongs to; None at the end. Raises BadFrame."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if size > MAX_FRAME_BYTES:
                raise BadFrame(f"a frame of {size} bytes")
            return decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None

    def close(self) -> None:
        """Close this end; what was sent still leaves."""
        self._writer.close()
