"""STUN as ICE uses it (RFC 8489, RFC 8445): checks answered by an ICE-lite agent, checks made by a controlling one."""

from __future__ import annotations

from typing import NamedTuple

from aioice import stun

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
    """Answer a check with the address that it came from."""
    response = stun.Message(
        message_method=stun.Method.BINDING,
        message_class=stun.Class.RESPONSE,
        transaction_id=check.message.transaction_id,
    )
    response.attributes["XOR-MAPPED-ADDRESS"] = address
    response.add_message_integrity(pwd.encode())
    return bytes(response)


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
