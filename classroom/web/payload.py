"""What a request carries, as bytes or as text: within its limit, and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from classroom.web.limits import BODY_S, MAX_BODY_BYTES
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from aiohttp import web


async def read_bytes(request: web.Request, content_type: str, limit_bytes: int, within_s: float = BODY_S) -> bytes:
    """The body, whatever the limit of the application is; raises Refusal (408, 413, 415)."""
    if request.content_type != content_type:
        raise Refusal(
            415, "unsupported_media_type", f"内容类型应为 {content_type}。 The Content-Type must be {content_type}."
        )
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for part in request.content.iter_any():
                body += part
                if len(body) > limit_bytes:
                    raise Refusal(
                        413,
                        "too_large",
                        f"内容太大，上限 {limit_bytes >> 10} KiB。 The body is too large; "
                        f"the limit is {limit_bytes >> 10} KiB.",
                    )
    except TimeoutError:
        raise Refusal(408, "too_slow", "内容没有及时传完。 The body did not arrive in time.") from None
    return bytes(body)


async def read_text(request: web.Request, content_type: str, code: str) -> str:
    """The body as text; raises Refusal (408, 413, 415, or 400 with ``code``)."""
    body = await read_bytes(request, content_type, MAX_BODY_BYTES)
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal(400, code, "内容不是 UTF-8 文本。 The body is not UTF-8 text.") from None
