"""Pairing: a device shows a code, an operator gives it a classroom (the pattern of RFC 8628). In memory; no I/O.

A server that starts anew has forgotten the codes; devices then ask for another one by themselves.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime

    from classroom.model import DeviceKind

LIFE = timedelta(minutes=10)
MAX_OPEN = 1000
MAX_OPEN_OF_ADDRESS = 100  # a school that sets up all of its rooms at once comes from one
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without those that look or sound alike: 0 O, 1 I L, U
CODE_CHARS = 8


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
    asked_at: datetime  # when its device was heard last
    taken: bool = False  # an operator has used its code
    credential: str | None = None


class PairingDesk:
    """The devices that wait to be paired, at most MAX_OPEN, and MAX_OPEN_OF_ADDRESS of one network.

    Nobody can keep a newcomer from a code: where there is no room, the network that has most gives one up, that of the
    device that was heard longest ago. One that is still there is told with its next question, and begins anew.
    """

    def __init__(self) -> None:
        self._by_code: dict[str, Pairing] = {}
        self._by_poll: dict[str, Pairing] = {}

    def begin(self, kind: DeviceKind, name: str, address: str, now: datetime) -> Pairing:
        """Give a device a code."""
        self._expire(now)
        self._make_room(address)
        code = _new_code()
        while code in self._by_code:
            code = _new_code()
        pairing = Pairing(code, secrets.token_urlsafe(32), kind, name, address, now + LIFE, now)
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
        pairing.asked_at = now
        return pairing

    def _make_room(self, address: str) -> None:
        waiting = [pairing for pairing in self._by_code.values() if not pairing.taken]
        by_address = Counter(pairing.address for pairing in waiting)
        if by_address[address] >= MAX_OPEN_OF_ADDRESS:
            loser = address
        elif len(waiting) >= MAX_OPEN:
            [(loser, _)] = by_address.most_common(1)
        else:
            return
        theirs = (pairing for pairing in waiting if pairing.address == loser)
        self._forget(min(theirs, key=lambda pairing: pairing.asked_at))

    def _expire(self, now: datetime) -> None:
        for pairing in list(self._by_code.values()):  # the oldest is first
            if now < pairing.expires_at:
                break
            self._forget(pairing)

    def _forget(self, pairing: Pairing) -> None:
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
