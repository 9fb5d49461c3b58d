"""What a receiver report says of one incoming stream (RFC 3550 §6.4.1, A.3, A.8)."""

from __future__ import annotations

from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.core.rtcp import ReportBlock, ntp_middle


class Reception:
    """Counts loss and jitter of one SSRC and remembers its last sender report."""

    def __init__(self, ssrc: int, clock_rate_hz: int) -> None:
        self.ssrc = ssrc
        self._clock_rate_hz = clock_rate_hz
        self.packets = 0
        self.bytes = 0
        self._base: int | None = None
        self._highest = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._jitter = 0.0
        self._last_transit: float | None = None
        self._lsr = 0
        self._lsr_at = 0.0

    def received(self, ext_seq: int, ts: int, size: int, now: float) -> None:
        """Count a packet that was not seen before."""
        self.packets += 1
        self.bytes += size
        if self._base is None:
            self._base = self._highest = ext_seq
        elif ext_seq < self._highest:
            return  # reordered or retransmitted: says nothing about jitter
        self._highest = ext_seq
        transit = now * self._clock_rate_hz - ts
        if self._last_transit is not None:
            difference = abs(transit - self._last_transit)
            if difference < self._clock_rate_hz:  # a jump of the timestamp or a wrap is no jitter
                self._jitter += (difference - self._jitter) / 16
        self._last_transit = transit

    def sender_report(self, ntp: int, now: float) -> None:
        """Remember a sender report for LSR and DLSR."""
        self._lsr = ntp_middle(ntp)
        self._lsr_at = now

    @property
    def lost(self) -> int:
        """Packets that never came, so far."""
        return 0 if self._base is None else max(0, self._highest - self._base + 1 - self.packets)

    def block(self, now: float) -> ReportBlock:
        """The report block since the last one."""
        base = self._highest + 1 if self._base is None else self._base
        expected = self._highest - base + 1
        interval = expected - self._expected_prior
        lost = interval - (self.packets - self._received_prior)
        self._expected_prior, self._received_prior = expected, self.packets
        fraction = 0 if interval <= 0 or lost <= 0 else min(255, lost * 256 // interval)
        cumulative = max(-0x80_0000, min(0x7F_FFFF, expected - self.packets))
        dlsr = min(0xFFFF_FFFF, round((now - self._lsr_at) * 65536)) if self._lsr else 0
        cycles_before = base & ~0xFFFF  # the count of cycles begins with the first packet (A.1)
        highest = max(0, self._highest - cycles_before)
        return ReportBlock(self.ssrc, fraction, cumulative, highest, round(self._jitter), self._lsr, dlsr)


def round_trip_s(now_ntp: int, last_report: int, delay: int) -> float | None:
    """Round-trip time from an echoed report (RFC 3550 §6.4.1), or None when nothing was echoed or it is absurd."""
    if not last_report:
        return None
    rtt = (ntp_middle(now_ntp) - last_report - delay) & 0xFFFF_FFFF
    if rtt & 0x8000_0000:
        return 0.0  # clocks run in ticks of 15 µs: on loopback the sum may come out just below zero
    seconds = rtt / 65536
    return seconds if seconds < 30 else None


def ntp_seconds(ntp: int) -> float:
    """A 64-bit NTP time as seconds since 1900."""
    return ntp / FRACTION
