"""A link that takes little, as those of village schools do in the evening."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.integration.test_sfu_hostile import Nat

if TYPE_CHECKING:
    from tests.running import Server


class Narrow(Nat):
    """While ``narrow``, takes some 200 kbit/s to the client, a little at once; what is more is dropped."""

    RATE_BPS, BURST_BYTES = 200_000, 8_000
    narrow = False
    tokens, refilled_s = float(BURST_BYTES), 0.0

    def from_server(self, data: bytes) -> None:
        """A datagram that the server sent."""
        now_s = time.monotonic()
        self.tokens = min(self.BURST_BYTES, self.tokens + (now_s - self.refilled_s) * self.RATE_BPS / 8)
        self.refilled_s = now_s
        if self.narrow and self.tokens < len(data):
            return
        self.tokens -= len(data)
        super().from_server(data)


async def narrow_link(server: Server) -> Narrow:
    """One to the media of a server, still as wide as any."""
    link = Narrow(("127.0.0.1", server.media_port))
    await link.open()
    return link
