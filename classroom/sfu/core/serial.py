"""Serial number arithmetic (RFC 1982) and unwrapping to numbers that never wrap."""

from __future__ import annotations


def distance16(later: int, earlier: int) -> int:
    """Signed distance from ``earlier`` to ``later`` on the 16-bit circle, in -32768…32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def distance32(later: int, earlier: int) -> int:
    """Signed distance from ``earlier`` to ``later`` on the 32-bit circle."""
    return ((later - earlier + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class _Unwrapper:
    """Extends numbers of ``bits`` bits: each value is placed next to the latest one seen.

    The first value starts in cycle 1, so that reordering around it stays positive.
    """

    __slots__ = ("_half", "_latest", "_mask")

    def __init__(self, bits: int) -> None:
        self._half = 1 << bits - 1
        self._mask = (1 << bits) - 1
        self._latest: int | None = None

    def unwrap(self, value: int) -> int:
        """Return the extended value and remember it if it is the latest."""
        latest = self._latest
        if latest is None:
            latest = self._latest = self._mask + 1 | value
            return latest
        extended = latest + ((value - latest + self._half) & self._mask) - self._half
        if extended > latest:
            self._latest = extended
        return extended


class Unwrapper16(_Unwrapper):
    """Extends RTP sequence numbers."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(16)


class Unwrapper32(_Unwrapper):
    """Extends RTP timestamps."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(32)
