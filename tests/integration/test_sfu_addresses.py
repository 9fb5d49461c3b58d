"""What the answer says about where the media port is."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from classroom.model import ParticipantId
from classroom.sfu.transport.client import ClientTransport
from tests.integration.test_sfu_transport import LESSON, media_server, offer, remote
from tests.ports import free_ports


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
        port = free_ports(1)  # for UDP over IPv4, and for TCP
        taken.bind(("::", port))
        found = await candidates("0.0.0.0", port)
    assert found and not any(":" in ip for ip in found)


def test_a_machine_that_has_ipv6_only_serves_over_udp_and_over_tcp():
    unshare = shutil.which("unshare")
    alone = [unshare, "--map-root-user", "--net"] if unshare else []
    if not unshare or not shutil.which("ip") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("needs a network namespace")
    script = (
        "ip link set lo up && ip -4 addr flush dev lo && ip -6 addr add 2001:db8::1/128 dev lo nodad"
        f" && exec {sys.executable} {__file__}"
    )
    done = subprocess.run(
        [*alone, "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2001:db8::1", "over_tcp=False", "2001:db8::1", "over_tcp=True"]


async def connect_both_ways() -> None:
    async with media_server("0.0.0.0") as server:
        for udp in (True, False):
            transport = ClientTransport()
            session = await server.media.publish(LESSON, ParticipantId("t"), offer(transport, "sendonly"), str)
            found = remote(session.answer)
            assert {ip for ip, _ in found.candidates} == {ip for ip, _ in found.tcp_candidates}
            await transport.connect(found if udp else replace(found, candidates=()))
            print(*(ip for ip, _ in found.candidates), f"over_tcp={transport.over_tcp}")
            await transport.close()


if __name__ == "__main__":
    asyncio.run(connect_both_ways())
