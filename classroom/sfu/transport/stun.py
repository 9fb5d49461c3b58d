"""STUN as ICE uses it (RFC 8489, RFC 8445): checks answered by an ICE-lite agent, checks made by a controlling one."""

from __future__ import annotations

import hmac
import socket
import struct
import zlib
from typing import NamedTuple

from aioice import stun

_SUCCESS = 0x0101  # of BINDING
_MESSAGE_INTEGRITY, _XOR_MAPPED_ADDRESS, _FINGERPRINT_TYPE = 0x0008, 0x0020, 0x8028
_COOKIE, _COOKIE_PORT, _FINGERPRINT_MASK = b"\x21\x12\xa4\x42", 0x2112, 0x5354_554E
_HEADER, _ATTRIBUTE = struct.Struct("!HH4s12s"), struct.Struct("!HH")
_MAPPED, _FINGERPRINT = struct.Struct("!HHxBH"), struct.Struct("!HHI")
_INTEGRITY_BYTES, _FINGERPRINT_BYTES = 24, 8
_SOFTWARE_ERRORS = (ValueError, KeyError, IndexError, UnicodeDecodeError, OverflowError)


class BadStun(ValueError):
    """The datagram is no STUN message that ICE would send."""


class Check(NamedTuple):
    """A binding request: whom it is for (our ufrag), from whom, whether it nominates."""

    message: stun.Message
    local_ufrag: str
    remote_ufrag: str
    nominates: bool


def parse(datagram: bytes) -> stun.Message:
    """Parse a message; raises BadStun."""
    try:
        return stun.parse_message(datagram)
    except Exception as error:  # the codec's errors on hostile input are many; each means the same to us
        raise BadStun(str(error)) from error


def parse_check(message: stun.Message) -> Check:
    """Read a binding request; raises BadStun when it is something else or has no USERNAME of the form a:b."""
    if message.message_method != stun.Method.BINDING or message.message_class != stun.Class.REQUEST:
        raise BadStun("not a binding request")
    username = message.attributes.get("USERNAME")
    if not isinstance(username, str) or ":" not in username:
        raise BadStun("no USERNAME")
    local, _, remote = username.partition(":")
    return Check(message, local, remote, "USE-CANDIDATE" in message.attributes)


def is_authentic(message: stun.Message, pwd: str) -> bool:
    """Whether MESSAGE-INTEGRITY was made with this password."""
    try:
        return bool(message.check_message_integrity(pwd.encode()))
    except _SOFTWARE_ERRORS:
        return False


def build_success(check: Check, address: tuple[str, int], pwd: str) -> bytes:
    """Answer a check with the address that it came from.

    Written by hand: every peer asks every few seconds, and the codec takes ten times as long.
    """
    host, port = address
    transaction_id = check.message.transaction_id
    family, packed = (2, socket.inet_pton(socket.AF_INET6, host)) if ":" in host else (1, socket.inet_aton(host))
    mask = int.from_bytes((_COOKIE + transaction_id)[: len(packed)], "big")
    masked = (int.from_bytes(packed, "big") ^ mask).to_bytes(len(packed), "big")
    mapped = _MAPPED.pack(_XOR_MAPPED_ADDRESS, 4 + len(packed), family, port ^ _COOKIE_PORT) + masked
    body_bytes = len(mapped) + _INTEGRITY_BYTES
    signed = _HEADER.pack(_SUCCESS, body_bytes, _COOKIE, transaction_id) + mapped
    integrity = _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, 20) + hmac.digest(pwd.encode(), signed, "sha1")
    body_bytes += _FINGERPRINT_BYTES
    data = _HEADER.pack(_SUCCESS, body_bytes, _COOKIE, transaction_id) + mapped + integrity
    return data + _FINGERPRINT.pack(_FINGERPRINT_TYPE, 4, zlib.crc32(data) ^ _FINGERPRINT_MASK)


def build_check(
    local_ufrag: str, remote_ufrag: str, remote_pwd: str, tie_breaker: int, *, nominate: bool = True
) -> tuple[bytes, bytes]:
    """A check of a controlling agent; one that nominates leads an ICE-lite peer to the address it comes from.

    Returns the datagram and its transaction id.
    """
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{remote_ufrag}:{local_ufrag}"
    request.attributes["PRIORITY"] = 0x6E7F_1EFF  # peer-reflexive, RFC 8445 §5.1.2
    request.attributes["ICE-CONTROLLING"] = tie_breaker
    if nominate:
        request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(remote_pwd.encode())
    return bytes(request), request.transaction_id


def build_question(local_ufrag: str, remote_ufrag: str, remote_pwd: str) -> tuple[bytes, bytes]:
    """A check that asks the controlling agent whether it is there (as RFC 7675 does); the datagram and its id."""
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{remote_ufrag}:{local_ufrag}"
    request.attributes["PRIORITY"] = 0x6E7F_1EFF
    request.attributes["ICE-CONTROLLED"] = 0
    request.add_message_integrity(remote_pwd.encode())
    return bytes(request), request.transaction_id


def is_success(message: stun.Message) -> bool:
    """Whether the message is a success response."""
    return message.message_class == stun.Class.RESPONSE
