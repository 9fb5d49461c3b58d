"""What the answer says about where the media port is."""

import socket

import pytest

from classroom.model import ParticipantId
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_sfu_transport import LESSON, media_server, offer, remote


async def candidates(host: str, port: int = 0) -> list[str]:
    async with media_server(host, port) as server:
        transport = ClientTransport()
        session = await server.media.publish(LESSON, ParticipantId("t"), offer(transport, "sendonly"), str)
        await transport.connect(remote(session.answer))
        await transport.close()
        return [ip for ip, _ in remote(session.answer).candidates]


async def test_a_host_name_is_announced_as_the_address_it_stands_for():
    assert await candidates("localhost") == ["127.0.0.1"]


async def test_only_families_that_are_open_are_announced():
    if not any(":" in ip for ip in await candidates("0.0.0.0")):
        pytest.skip("this machine has no IPv6 address")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("::", 0))
        found = await candidates("0.0.0.0", taken.getsockname()[1])
    assert found and not any(":" in ip for ip in found)
