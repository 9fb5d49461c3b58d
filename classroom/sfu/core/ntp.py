"""The three times of RTP: seconds, 64-bit NTP and RTP ticks (RFC 3550 §4)."""

from __future__ import annotations

NTP_EPOCH_OFFSET_S = 2_208_988_800  # 1900 to 1970
FRACTION = 1 << 32


def seconds_to_ntp(ntp_s: float) -> int:
    """Seconds since 1900 as a 64-bit NTP time, which wraps in 2036 (RFC 5905 §6)."""
    return round(ntp_s * FRACTION) & 0xFFFF_FFFF_FFFF_FFFF


def unix_to_ntp(unix_s: float) -> int:
    """Seconds since 1970 as a 64-bit NTP time."""
    return seconds_to_ntp(unix_s + NTP_EPOCH_OFFSET_S)


def ntp_to_unix(ntp: int) -> float:
    """A 64-bit NTP time of the first era (until 2036) as seconds since 1970; precise to 0.3 µs."""
    return ntp / FRACTION - NTP_EPOCH_OFFSET_S
