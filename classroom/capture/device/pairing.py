"""Pairs this computer: shows a code in the terminal and waits until an operator has given it a classroom."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from classroom.capture.problem import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from classroom.capture.device.credential import CredentialFile

logger = logging.getLogger(__name__)

POLL_S = 2.0
RETRY_S = 5.0
_TIMEOUT = ClientTimeout(total=10, sock_connect=5)


async def pair(server: str, name: str, credentials: CredentialFile, say: Callable[[str], object]) -> None:
    """Show one code after the other until one is used, and keep the credential. Raises NoCredential."""
    server = server.rstrip("/")
    async with ClientSession(timeout=_TIMEOUT) as http:
        while True:
            begun = await _ask(http, f"{server}/api/pairing", {"kind": "capture", "name": name or socket.gethostname()})
            if begun is None:
                await asyncio.sleep(RETRY_S)
                continue
            say(_invitation(server, str(begun["code"])))
            credential = await _wait(http, server, str(begun["poll"]))
            if credential is not None:
                await asyncio.to_thread(credentials.put, server, credential)
                say("已配对，可以启动采集端了。 Paired; the agent can be started now.")
                return
            say("配对码已过期，换一个新的。 The code has expired; here is another one.")


async def _wait(http: ClientSession, server: str, poll: str) -> str | None:
    """The credential; None when the code has expired."""
    while True:
        await asyncio.sleep(POLL_S)
        told = await _ask(http, f"{server}/api/pairing/poll", {"poll": poll})
        if told is None:
            continue
        if told.get("code") == "expired":
            return None
        if "credential" in told:
            return str(told["credential"])


async def _ask(http: ClientSession, address: str, body: dict[str, str]) -> dict[str, Any] | None:
    """The answer; None, with a word in the log, when there is none to go by."""
    try:
        async with http.post(address, json=body) as response:
            told: dict[str, Any] = problem_of(await response.read())
            if response.status < 300 or told.get("code") == "expired":
                return told
            logger.warning("服务器没有接受 / the server refuses: HTTP %d %s", response.status, told.get("detail", ""))
    except (ClientError, TimeoutError) as error:
        logger.warning("连不上服务器 / cannot reach the server: %s", str(error) or type(error).__name__)
    return None


def _invitation(server: str, code: str) -> str:
    return (
        f"\n  配对码 code   {code}\n\n"
        f"请管理员打开 {server}/admin/terminals 输入配对码，并选择这台电脑所在的教室。\n"
        f"Let an operator open {server}/admin/terminals, enter the code, and choose the classroom of this computer.\n"
        "等待中… Waiting…"
    )
