"""Bytes read as decisions, so that a fuzzer that mutates bytes mutates what happens."""

from __future__ import annotations


class Choices:
    """Reads from the front; behind the end there are only zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """At most ``size`` bytes."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def number(self, size: int) -> int:
        """An unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def below(self, bound: int) -> int:
        """A number under ``bound``, at most 256."""
        return self.number(1) % bound

    def near(self, middle: int, bits: int) -> int:
        """Mostly a number around ``middle``, sometimes any, of ``bits`` bits."""
        step = self.number(1)
        mask = (1 << bits) - 1
        return self.number(bits // 8) if step == 255 else (middle + step % 16 - 4) & mask

    def some(self, most: int) -> bytes:
        """A length, then as many bytes."""
        return self.take(self.below(most + 1))

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data))
