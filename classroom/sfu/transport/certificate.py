"""The DTLS certificate: one for the whole process, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCCertificate,
    SRTPProtectionProfile,
)

if TYPE_CHECKING:
    from OpenSSL import SSL

# AES-128-GCM first: protect + authenticate in one pass, and a third less work than AES-CM with HMAC-SHA1.
PROFILES: tuple[SRTPProtectionProfile, ...] = tuple(
    profile
    for profile in (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80)
    if profile in SRTP_PROFILES
)
MTU_BYTES = 1200


class Certificate:
    """A self-signed P-256 certificate with the OpenSSL context that all connections share."""

    def __init__(self) -> None:
        self._certificate = RTCCertificate.generateCertificate()
        # aiortc's one private name that we use: the cipher list and verification of its DTLS are right for us.
        self.context: SSL.Context = self._certificate._create_ssl_context(list(PROFILES))

    @property
    def fingerprint(self) -> str:
        """As SDP writes it: "sha-256 AB:CD…"."""
        found = next(f for f in self._certificate.getFingerprints() if f.algorithm == "sha-256")
        return f"sha-256 {found.value}"


def fingerprint_matches(connection: SSL.Connection, fingerprint: str) -> bool:
    """Whether the peer's certificate is the one that its SDP announced (RFC 8122 §5); sha-256, -384 or -512."""
    # OpenSSL hashes it: cryptography refuses to read some certificates that OpenSSL has accepted.
    certificate = connection.get_peer_certificate()
    algorithm, _, value = fingerprint.partition(" ")
    if certificate is None or algorithm.lower() not in ("sha-256", "sha-384", "sha-512"):
        return False
    return certificate.digest(algorithm).decode() == value.strip().upper()
