"""TLS: a certificate of this machine's own authority, the server under it, and how terminals come to trust it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
from base64 import b64decode
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography import x509
from sqlalchemy import select

from classroom.catalogue.accounts.schema import account_sessions
from classroom.web.local_ca import BadName, ca_path, machine_names, make_certificate
from classroom.web.origin import PROXIES
from tests.ports import free_port, free_ports
from tests.unit.web.running_node import running

CLASSROOM = [sys.executable, "-m", "classroom"]


class Server:
    """`classroom serve --tls`, and what it says."""

    def __init__(self, folder, made, trusted: ssl.SSLContext) -> None:
        self.folder, self.made, self.trusted = folder, made, trusted
        self.port = free_port(socket.SOCK_STREAM)
        self.base = f"https://localhost:{self.port}"

    def certificate(self, context: ssl.SSLContext | None = None, host: str = "localhost") -> x509.Certificate:
        """What it shows to a new connection."""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            (context or self.trusted).wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True))


@asynccontextmanager
async def serving(folder):
    made = make_certificate(folder / ".state", ["ketang.lan"])
    server = Server(folder, made, ssl.create_default_context(cafile=made.ca))
    process = await asyncio.create_subprocess_exec(
        *CLASSROOM, "serve", "--port", str(server.port), "--tls", f"{made.certificate},{made.key}",
        "--media-port", str(free_ports(1)), "--workers", "1", "--recordings", str(folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while "First start" not in (line := (await process.stdout.readline()).decode()):
                assert line, "the server stopped"
                assert "http://" not in line
        server.password = line.rpartition("password ")[2].partition(";")[0]
        server.process = process
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_server_under_its_own_authority(tmp_path):
    async with serving(tmp_path) as server, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def ask(method: str, path: str, **options):
            async with http.request(method, server.base + path, ssl=server.trusted, **options) as response:
                await response.read()
                return response

        response = await ask("GET", "/healthz")
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert f"wss://localhost:{server.port};" in response.headers["Content-Security-Policy"]
        response = await ask("POST", "/api/session", json={"login": "admin", "password": server.password})
        assert response.status == 204
        assert response.cookies["session"]["secure"] is True
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            async with http.get(f"{server.base}/healthz"):
                pass
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(server.made.ca)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert server.certificate(old, "ketang.lan").serial_number
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            server.certificate(old)
        with pytest.raises(ssl.SSLCertVerificationError):
            server.certificate(host="another.lan")
        # A new certificate is read without a restart; one that does not fit its key changes nothing.
        before = server.certificate().serial_number
        make_certificate(tmp_path / ".state", ["ketang.lan"])
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while server.certificate().serial_number == before:
                await asyncio.sleep(0.05)
        before = server.certificate().serial_number
        server.made.key.write_text(ca_path(tmp_path / ".state").with_suffix(".key").read_text())
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while "cannot be used" not in (line := (await server.process.stdout.readline()).decode()):
                assert line
        assert server.certificate().serial_number == before


def test_the_authority_can_vouch_for_this_place_only(tmp_path):
    state = tmp_path / ".state"
    made = make_certificate(state, ["ketang.example.gov.cn", *machine_names(["192.0.2.7", "fd00::1"])])
    assert made.names[:2] == ("ketang.example.gov.cn", machine_names([])[0])
    assert {"192.0.2.7", "fd00::1", "localhost", "127.0.0.1", "::1"} <= set(made.names)
    for path in (made.key, made.ca.with_name("ca.key")):
        assert path.stat().st_mode & 0o777 == 0o600
    assert made.ca.parent.stat().st_mode & 0o777 == 0o700
    ca, server = (x509.load_pem_x509_certificate(path.read_bytes()) for path in (made.ca, made.certificate))
    server.verify_directly_issued_by(ca)
    now = datetime.now(UTC)
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=825)
    assert ca.not_valid_after_utc - now > timedelta(days=3640)
    assert ca.extensions.get_extension_for_class(x509.NameConstraints).critical
    # The same authority goes on, for what it may: the terminals need nothing new.
    again = make_certificate(state, ["192.168.3.4", "tv.lan", "a.ketang.example.gov.cn"])
    assert again.fingerprint == made.fingerprint
    for name in ("bank.example", "198.51.100.1", "notlan", "ketang.example.gov.cn.evil"):
        with pytest.raises(BadName):
            make_certificate(state, [name])
    assert make_certificate(state, ["bank.example"], new_ca=True).fingerprint != made.fingerprint
    for name in ("", "a b", "x" * 300):
        with pytest.raises(BadName):
            make_certificate(state, [name])


async def test_terminals_are_told_how_to_trust(tmp_path):
    async with running(tmp_path) as doors:
        response = await doors.ask("GET", "/trust")
        assert (response.status, "classroom tls" in await response.text()) == (404, True)
        for path in ("/trust/ca.crt", "/trust/policy.json"):
            assert (await doors.ask("GET", path)).status == 404
        made = make_certificate(tmp_path / ".state", [])
        page = await (await doors.ask("GET", "/trust")).text()
        assert made.fingerprint in page
        for word in ("Windows", "安卓", "Android", "Chromium", "certutil -addstore -f Root lianti-classroom-ca.crt"):
            assert word in page
        assert "{" not in page.partition("</style>")[2]
        response = await doors.ask("GET", "/trust/ca.crt")
        assert response.content_type == "application/x-x509-ca-cert"
        ca = x509.load_pem_x509_certificate(made.ca.read_bytes())
        assert x509.load_der_x509_certificate(await response.read()) == ca
        told = json.loads(await (await doors.ask("GET", "/trust/policy.json")).read())
        assert x509.load_der_x509_certificate(b64decode(told["CACertificates"][0])) == ca
        for granted in ("VideoCaptureAllowedUrls", "WindowManagementAllowedForUrls"):
            assert told[granted] == [f"{doors.client.make_url('/')}"]


def test_a_certificate_that_cannot_be_used_stops_the_start_with_a_sentence(tmp_path):
    made = make_certificate(tmp_path / ".state", [])
    for files in (f"{made.certificate},{made.ca.with_name('ca.key')}", f"{tmp_path}/none,{made.key}"):
        done = subprocess.run(
            [*CLASSROOM, "serve", "--port", "0", "--tls", files, "--recordings", str(tmp_path)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "cannot be used" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("proxies", "secure", "address"),
    [("", False, "127.0.0.1"), ("127.0.0.0/8", True, "198.51.100.9"), ("127.0.0.1, 198.51.100.9", True, "203.0.113.5")],
)
async def test_a_proxy_in_front_is_believed_when_it_is_ours(tmp_path, proxies, secure, address):
    async with running(tmp_path, proxies=proxies) as doors:
        assert len(doors.client.app[PROXIES]) == len([part for part in proxies.split(",") if part])
        password = await first_account(doors)
        headers = {"X-Forwarded-For": "203.0.113.5, 198.51.100.9", "X-Forwarded-Proto": "https"}
        body = {"login": "admin", "password": password}
        response = await doors.ask("POST", "/api/session", json=body, headers=headers)
        assert response.status == 204
        assert bool(response.cookies["session"]["secure"]) == secure
        assert ("Strict-Transport-Security" in response.headers) == secure
        async with doors.node.database.reading() as connection:
            assert await connection.scalar(select(account_sessions.c.address)) == address


async def first_account(doors) -> str:
    await doors.node.database.open()
    return await doors.node.accounts.first(datetime.now(UTC))
