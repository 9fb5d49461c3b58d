"""What consumes media. Browser, recorder, director and another node are all the same to the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.rtp import RtpPacket


class Burst(NamedTuple):
    """Packets of one UpTrack that leave together on one DownTrack, under the same offsets.

    A packet leaves as number ``(ext_seq + seq_offset) & 0xFFFF`` with timestamp ``(ts + ts_offset) & 0xFFFFFFFF``.
    """

    down: DownTrack
    packets: Sequence[RtpPacket]
    seq_offset: int
    ts_offset: int


Resend = tuple["DownTrack", bytes]  # a complete RTP packet once more


class Sink(Protocol):
    """The consuming end of a receiver, or the way back to a publisher.

    Called on the event loop, once per receiver and batch; must neither block nor raise for a reason of its own. An RTCP
    sender report that ties timestamps to the server's clock precedes the first packet of every DownTrack.
    """

    def send(self, burst: Burst) -> None:
        """Take packets of one DownTrack, in the order in which they were received (late ones come late)."""

    def resend(self, down: DownTrack, data: bytes) -> None:
        """Take a complete RTP packet again that was asked for by NACK."""

    def send_rtcp(self, data: bytes) -> None:
        """Take a compound RTCP packet: reports with SDES, feedback, BYE."""

    def close(self, reason: str) -> None:
        """Nothing more will come: the lesson or the receiver is gone."""
