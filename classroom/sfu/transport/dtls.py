"""DTLS (RFC 6347) for SRTP keys (RFC 5764), without I/O: datagrams in, datagrams out."""

from __future__ import annotations

from typing import NamedTuple

from OpenSSL import SSL

from classroom.sfu.transport.certificate import MTU_BYTES, PROFILES, Certificate, fingerprint_matches

_RECORD_HEADER_BYTES = 13
_READ_BYTES = 65536


class SrtpKeys(NamedTuple):
    """Master key and salt of each direction, with libsrtp's number of the profile."""

    profile: int
    send: bytes
    receive: bytes


class Dtls:
    """One connection. ``keys`` is set when the handshake is done; ``failure`` or ``closed`` when it is over."""

    def __init__(self, certificate: Certificate, fingerprint: str, *, client: bool) -> None:
        self._connection = SSL.Connection(certificate.context)
        self._connection.set_ciphertext_mtu(MTU_BYTES)
        self._fingerprint = fingerprint
        self._client = client
        if client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.keys: SrtpKeys | None = None
        self.failure: str | None = None
        self.closed = False

    def start(self) -> list[bytes]:
        """Begin, as the client, and return what to send."""
        return self._advance()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram and return what to send."""
        if self.failure or self.closed:
            return []
        self._connection.bio_write(datagram)
        return self._advance()

    def next_timeout_s(self) -> float | None:
        """Seconds until handle_timeout must be called; None when nothing is outstanding."""
        if self.keys or self.failure or self.closed:
            return None
        timeout = self._connection.DTLSv1_get_timeout()
        return None if timeout is None else float(timeout)

    def handle_timeout(self) -> list[bytes]:
        """Send the last flight again."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            self.failure = "the DTLS handshake timed out"
            return []
        return self._outgoing()

    def close(self) -> list[bytes]:
        """Say goodbye (close_notify), also to a peer that thinks all is well while we refuse it."""
        if self.closed:
            return []
        self.closed = True
        try:
            self._connection.shutdown()
        except SSL.Error:
            pass
        return self._outgoing()

    def _advance(self) -> list[bytes]:
        try:
            if self.keys is None:
                self._connection.do_handshake()
                self._finish_handshake()
            else:
                while True:  # a goodbye may stand behind other records
                    self._connection.recv(_READ_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            if self.keys is None:
                self.failure = f"the DTLS handshake failed: {_reason(error)}"
        return self._outgoing()

    def _finish_handshake(self) -> None:
        if not fingerprint_matches(self._connection, self._fingerprint):
            self.failure = "the DTLS certificate is not the one announced in the SDP"
            return
        name = self._connection.get_selected_srtp_profile()
        profile = next((p for p in PROFILES if p.openssl_profile == name), None)
        if profile is None:
            self.failure = "no common SRTP profile"
            return
        material = self._connection.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        client_key, server_key = profile.get_key_and_salt(material, 0), profile.get_key_and_salt(material, 1)
        send, receive = (client_key, server_key) if self._client else (server_key, client_key)
        self.keys = SrtpKeys(profile.libsrtp_profile, send, receive)

    def _outgoing(self) -> list[bytes]:
        """What OpenSSL wrote, cut into datagrams at record borders: its memory buffer forgets where they were."""
        try:
            data = self._connection.bio_read(_READ_BYTES)
        except SSL.WantReadError:
            return []
        datagrams: list[bytes] = []
        start = at = 0
        while at + _RECORD_HEADER_BYTES <= len(data):
            end = at + _RECORD_HEADER_BYTES + int.from_bytes(data[at + 11 : at + 13], "big")
            if end - start > MTU_BYTES and at > start:
                datagrams.append(data[start:at])
                start = at
            at = end
        datagrams.append(data[start:])
        return datagrams


def _reason(error: SSL.Error) -> str:
    parts = error.args[0] if error.args else ()
    return str(parts[0][2]) if isinstance(parts, list) and parts else str(error)
