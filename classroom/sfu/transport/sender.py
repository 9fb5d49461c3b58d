"""What can send to a peer: a UDP socket that all share, or a TCP connection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.transport.srtp import Srtp

# As the socket module has it; the other end of a TCP connection has "tcp" third, and so is unlike any UDP address.
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[str, int, str]


class Sender(Protocol):
    """Sends at once or drops; never blocks."""

    def send_burst(self, burst: Burst, srtp: Srtp, address: Address, now: float, /) -> None:
        """Write, number, protect and send packets of a DownTrack."""

    def resend(self, down: DownTrack, data: bytes, srtp: Srtp, address: Address, now: float, /) -> None:
        """Number, protect and send a complete packet of a DownTrack."""

    def send_batch(self, packets: Sequence[bytes], srtp: Srtp, address: Address, /, *, voice: bool = False) -> None:
        """Protect and send complete plaintext RTP packets; voice may overtake what is not."""

    def send_rtcp(self, data: bytes, srtp: Srtp, address: Address, /) -> None:
        """Protect and send a compound RTCP packet."""

    def send_plain(self, datagram: bytes, address: Address, /) -> None:
        """Send a datagram as it is: STUN or DTLS."""
