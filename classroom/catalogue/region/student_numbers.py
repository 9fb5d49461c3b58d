"""Student numbers (学籍号), made of identity cards' numbers: kept is only what recognises them. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

MASK = "*"
_PURPOSE = b"lianti classroom: student numbers"


@dataclass(frozen=True, slots=True)
class StudentKey:
    """What is stored of a number: its keyed hash, in hex, and what is shown of it."""

    hash: str
    masked: str


class StudentNumbers:
    """HMAC-SHA-256 with a key of its own, derived from the server's secret: with another secret no number is known."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    def key_of(self, number: str) -> StudentKey:
        """What is stored of a number as people write it."""
        plain = number.strip().upper()
        return StudentKey(hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest(), masked(plain))


def masked(number: str) -> str:
    """G50011120160101123X is shown as G5001**********123X: where it is from, and enough to tell two children apart."""
    first, last = (5, 4) if len(number) >= 16 else (1, 2) if len(number) >= 8 else (0, 1)
    return number[:first] + MASK * (len(number) - first - last) + number[len(number) - last :]
