"""A certificate authority of this machine, for servers that no public one knows: browsers want https for a camera.

Its key could be stolen, so it can vouch for little: names of this machine and of local networks, private addresses
(name constraints, RFC 5280 §4.2.1.10; Chromium enforces them since 112).
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA_DAYS, SERVER_DAYS = 3650, 825  # Apple takes no server certificate that is good for longer
_A_DAY = timedelta(days=1)  # clocks of terminals may be behind
_LOCAL_NAMES = ("localhost", "local", "lan", "internal", "home.arpa")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_LOCAL_NETWORKS = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip


class BadName(ClassroomError):
    """The certificate cannot have this name."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the files are. ``ca`` and ``certificate`` are PEM and for everybody, ``key`` is not."""

    ca: Path
    certificate: Path
    key: Path
    names: tuple[str, ...]
    fingerprint: str  # SHA-256 of the authority's certificate, to be compared on the terminals


def ca_path(state: Path) -> Path:
    """Where the certificate of the authority is, if there is one."""
    return state / "tls" / "ca.pem"


def make_certificate(state: Path, names: Sequence[str], *, new_ca: bool = False) -> Certificate:
    """Make a certificate for these names and addresses under ``state``, and the authority if there is none. Blocks.

    Raises BadName for a name that the authority is not allowed, OSError.
    """
    folder = state / "tls"
    for each in (state, folder):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_file, ca_key_file = ca_path(state), folder / "ca.key"
    wanted = [*dict.fromkeys([*names, "localhost", "127.0.0.1", "::1"])]
    general = [_general_name(name) for name in wanted]
    if new_ca or not (ca_file.exists() and ca_key_file.exists()):
        ca, ca_key = _make_ca(general)
        _write(ca_key_file, _key_pem(ca_key))
        _write(ca_file, ca.public_bytes(serialization.Encoding.PEM), 0o644)
    else:
        ca = x509.load_pem_x509_certificate(ca_file.read_bytes())
        loaded = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise BadName(f"{ca_key_file} 不是本程序的密钥。 {ca_key_file} is no key of this program.")
        ca_key = loaded
    _require_allowed(ca, general)
    server, key = _make_server(ca, ca_key, general)
    certificate_file, key_file = folder / "server.pem", folder / "server.key"
    _write(key_file, _key_pem(key))
    _write(certificate_file, server.public_bytes(serialization.Encoding.PEM), 0o644)
    return Certificate(ca_file, certificate_file, key_file, tuple(wanted), fingerprint(ca))


def machine_names(addresses: Sequence[str]) -> list[str]:
    """What this machine is called, and its addresses."""
    name = socket.gethostname().lower()
    known = [name] if "." in name else [name, f"{name}.local"]
    return [*known, *(address.partition("%")[0] for address in addresses)]


def fingerprint(certificate: x509.Certificate) -> str:
    """As browsers and systems show it: pairs of hex digits with colons between."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        plain = name.encode("idna").decode()
    except UnicodeError:
        plain = ""
    if _NAME.fullmatch(plain) is None:
        raise BadName(f"“{name}” 不是域名或 IP 地址。 {name!r} is neither a name nor an address.")
    return x509.DNSName(plain.lower())


def _make_ca(names: Sequence[x509.GeneralName]) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    host = socket.gethostname()[:40]
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lianti Classroom"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Lianti Classroom {host} {now:%Y-%m-%d}"),
        ]
    )
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in _LOCAL_NAMES]
    permitted += [x509.IPAddress(ip_network(network)) for network in _LOCAL_NETWORKS]
    for name in names:
        if not _is_within(name, permitted):
            permitted.append(x509.IPAddress(ip_network(name.value)) if isinstance(name, x509.IPAddress) else name)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _A_DAY)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_server(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName]
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lianti Classroom")]))
        .issuer_name(ca.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _A_DAY)
        .not_valid_after(min(now + timedelta(days=SERVER_DAYS) - _A_DAY, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _require_allowed(ca: x509.Certificate, names: Sequence[x509.GeneralName]) -> None:
    permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    for name in names:
        if not _is_within(name, permitted):
            raise BadName(
                f"已有的 CA 不能为 {name.value} 签发证书，加 --new-ca 重新制作（各终端需重新信任）。 "
                f"The authority that is there may not vouch for {name.value}; "
                "--new-ca makes another, which every terminal has to trust anew."
            )


def _is_within(name: x509.GeneralName, permitted: Sequence[x509.GeneralName]) -> bool:
    """Whether a name or address is in what an authority may vouch for (RFC 5280 §4.2.1.10)."""
    if isinstance(name, x509.IPAddress):
        return any(isinstance(it, x509.IPAddress) and name.value in it.value for it in permitted)  # type: ignore[operator]
    return any(
        isinstance(it, x509.DNSName) and (name.value == it.value or str(name.value).endswith(f".{it.value}"))
        for it in permitted
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """All of it or nothing, and never readable to others in between."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
