"""TLS of the HTTP port: the certificate that is set, read again on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_SOON = timedelta(days=30)


class BadCertificate(ClassroomError):
    """Certificate and key cannot be used."""


class Tls:
    """A context for sockets whose certificate can be exchanged while they are open. Methods block."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises BadCertificate."""
        self._files = certificate, key
        self.context = self._current = self._load()
        self.context.sni_callback = self._answer

    def reload(self) -> None:
        """Read the files again; open connections keep what they have. Raises BadCertificate, changing nothing."""
        self._current = self._load()
        logger.info("the TLS certificate was read again")

    def _answer(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Who connects gets what was read last: one context would change its certificate before its key."""
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = _new_context()
        try:
            context.load_cert_chain(certificate, key)
            told = x509.load_pem_x509_certificate(certificate.read_bytes())
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise BadCertificate(
                f"证书 {certificate} 和密钥 {key} 无法使用（{reason}）。 "
                f"The certificate {certificate} and the key {key} cannot be used: {reason}."
            ) from error
        left = told.not_valid_after_utc - datetime.now(UTC)
        if left < _SOON:
            logger.warning("the TLS certificate %s expires in %d days", certificate, max(0, left.days))
        return context


@asynccontextmanager
async def reloading(tls: Tls | None) -> AsyncIterator[None]:
    """Meanwhile SIGHUP reads the certificate again; without TLS it means what it always does."""
    if tls is None:
        yield
        return
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    task = asyncio.create_task(_reload_when(asked, tls), name="TLS certificate")
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        await asyncio.wait([task])


async def _reload_when(asked: asyncio.Event, tls: Tls) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            await asyncio.to_thread(tls.reload)
        except BadCertificate as error:
            logger.error("%s", error)


def _new_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
