"""Serial number arithmetic (RFC 1982) and unwrapping to numbers that never wrap."""

from __future__ import annotations


def distance16(later: int, earlier: int) -> int:
    """Signed distance from ``earlier`` to ``later`` on the 16-bit circle, in -32768…32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def distance32(later: int, earlier: int) -> int:
    """Signed distance from ``earlier`` to ``later`` on the 32-bit circle."""
    return ((later - earlier + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class Unwrapper16:
    """Extends 16-bit sequence numbers: each value is placed next to the latest one seen.

    The first value starts in cycle 1, so that reordering around it stays positive.
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: int | None = None

    def unwrap(self, value: int) -> int:
        """Return the extended value and remember it if it is the latest."""
        latest = self._latest
        if latest is None:
            latest = 0x10000 | value
            self._latest = latest
            return latest
        extended = latest + (((value - latest + 0x8000) & 0xFFFF) - 0x8000)
        if extended > latest:
            self._latest = extended
        return extended


class Unwrapper32:
    """Extends 32-bit RTP timestamps the same way."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: int | None = None

    def unwrap(self, value: int) -> int:
        """Return the extended value and remember it if it is the latest."""
        latest = self._latest
        if latest is None:
            latest = 0x1_0000_0000 | value
            self._latest = latest
            return latest
        extended = latest + distance32(value, latest & 0xFFFF_FFFF)
        if extended > latest:
            self._latest = extended
        return extended
