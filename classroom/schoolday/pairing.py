"""Pairing: a device shows a code, an operator gives it a classroom (the pattern of RFC 8628). In memory; no I/O.

A server that starts anew has forgotten the codes; devices then ask for another one by themselves.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.model import DeviceKind

LIFE = timedelta(minutes=10)
MAX_OPEN = 200
MAX_OPEN_OF_ADDRESS = 50  # a school that sets up all of its rooms at once comes from one
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without those that look or sound alike: 0 O, 1 I L, U
CODE_CHARS = 8


class PairingsFull(ClassroomError):
    """Too many devices wait to be paired."""


class UnknownCode(ClassroomError):
    """Nobody shows this code, or not any more."""


class PairingExpired(ClassroomError):
    """The code was not used in time; begin anew."""


@dataclass(slots=True)
class Pairing:
    """A device that waits; ``poll`` is the secret that it asks with, ``credential`` what it gets once it was paired."""

    code: str
    poll: str
    kind: DeviceKind
    name: str
    address: str
    expires_at: datetime
    taken: bool = False  # an operator has used its code
    credential: str | None = None


class PairingDesk:
    """The devices that wait to be paired, at most MAX_OPEN: more are refused until some have expired."""

    def __init__(self) -> None:
        self._by_code: dict[str, Pairing] = {}
        self._by_poll: dict[str, Pairing] = {}

    def begin(self, kind: DeviceKind, name: str, address: str, now: datetime) -> Pairing:
        """Give a device a code. Raises PairingsFull."""
        self._expire(now)
        of_address = sum(pairing.address == address for pairing in self._by_code.values())
        if len(self._by_code) >= MAX_OPEN or of_address >= MAX_OPEN_OF_ADDRESS:
            raise PairingsFull(
                "等待配对的设备太多，请几分钟后再试。 Too many devices wait to be paired; try again in a few minutes."
            )
        code = _new_code()
        while code in self._by_code:
            code = _new_code()
        pairing = Pairing(code, secrets.token_urlsafe(32), kind, name, address, now + LIFE)
        self._by_code[code] = self._by_poll[pairing.poll] = pairing
        return pairing

    def find(self, code: str, now: datetime) -> Pairing:
        """The device that shows this code and was not paired yet. Raises UnknownCode."""
        self._expire(now)
        pairing = self._by_code.get(code)
        if pairing is None or pairing.taken:
            raise UnknownCode(
                "没有设备显示这个配对码，或已过期。请核对屏幕上的配对码。 "
                "No device shows this code, or not any more; look at its screen again."
            )
        return pairing

    def poll(self, secret: str, now: datetime) -> Pairing:
        """What became of a pairing; may be asked again after an answer was lost. Raises PairingExpired."""
        self._expire(now)
        pairing = self._by_poll.get(secret)
        if pairing is None:
            raise PairingExpired("配对码已过期，请重新获取。 The code was not used in time; ask for another one.")
        return pairing

    def _expire(self, now: datetime) -> None:
        for pairing in list(self._by_code.values()):  # the oldest is first
            if now < pairing.expires_at:
                break
            del self._by_code[pairing.code], self._by_poll[pairing.poll]


def parse_code(text: str) -> str | None:
    """A code as people write it, with or without the dash, in any case; None when it cannot be one."""
    code = "".join(text.split()).replace("-", "").upper()
    return code if len(code) == CODE_CHARS and all(char in ALPHABET for char in code) else None


def format_code(code: str) -> str:
    """A code as people read it to each other: ``7F3K-92MP``."""
    return f"{code[:4]}-{code[4:]}"


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))
