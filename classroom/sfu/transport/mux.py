"""One UDP port for everybody: STUN finds its peer by ufrag, all else by the address it comes from (RFC 7983)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from classroom.sfu.transport import stun
from classroom.sfu.transport.compiled_egress import CompiledEgress
from classroom.sfu.transport.egress import BUFFER_BYTES, Egress
from classroom.sfu.transport.handshakes import Handshakes
from classroom.sfu.transport.ingress import Ingress
from classroom.sfu.transport.kernel import load
from classroom.sfu.transport.ports import bind_port, local_addresses
from classroom.sfu.transport.srtp import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioice.stun import Message

    from classroom.sfu.transport.sender import Address, Sender

BATCH = 64  # reads per wake-up and socket: enough to drain a burst, little enough that nothing else starves
SOCKET_BUFFER_BYTES = 8 << 20
MAX_DATAGRAM_BYTES = 1500


class Receiver(Protocol):
    """What the mux needs behind an address."""

    def receive_answer(self, answer: Message) -> None:
        """Take the answer to a check of ours."""

    def receive_dtls(self, datagram: bytes) -> None:
        """Take a DTLS datagram."""

    def receive_srtp(self, buffer: Buffer, size: int) -> None:
        """Take an SRTP or SRTCP packet at the beginning of the buffer."""


class MuxPeer(Receiver, Protocol):
    """What the mux needs of a peer."""

    over: str | None

    def check(self, check: stun.Check, address: Address, egress: Sender) -> bool:
        """Answer an ICE check; False when it is not authentic."""

    def lose_path(self, egress: Sender) -> None:
        """Know that nothing can be sent there any more."""


class UdpMux:
    """Owns the sockets of the media port and knows who is behind which address.

    ``on_batch`` is called after each wake-up, when everything that had arrived is with its peer. What belongs to
    nobody is dropped and counted in ``dropped`` by reason. ``compiled`` lets it send with the compiled kernel, if there
    is one.
    """

    def __init__(self, on_batch: Callable[[], None], *, compiled: bool = True) -> None:
        self._on_batch = on_batch
        self._kernel = load() if compiled else None
        self._sockets: list[socket.socket] = []
        self._by_ufrag: dict[str, MuxPeer] = {}
        self._by_address: dict[Address, Receiver] = {}
        self._handshakes = Handshakes(on_batch)
        self._outgoing = Buffer(BUFFER_BYTES)
        self.egresses: list[Egress] = []
        self.arrived_s: float | None = None  # when the batch at hand had come to the machine, during on_batch
        self.received = 0
        self.dropped: Counter[str] = Counter()

    def open(self, host: str, port: int) -> int:
        """Bind the port on ``host`` ("0.0.0.0" or "::" mean every address of both families); return the port.

        Must run in the event loop that will read. Raises MediaPortTaken.
        """
        loop = asyncio.get_running_loop()
        sockets = bind_port(host, port, socket.SOCK_DGRAM, _enlarge_buffers, ("--media-port", "--media-port"))
        for sock in sockets:
            if self._kernel is None:
                egress = Egress(sock, self._outgoing)
            else:
                egress = CompiledEgress(sock, self._outgoing, self._kernel)
            self._sockets.append(sock)
            self.egresses.append(egress)
            loop.add_reader(sock, self._readable, Ingress(sock), egress)
        return int(sockets[0].getsockname()[1])

    def addresses(self) -> tuple[str, ...]:
        """Under which others may reach the open sockets, IPv4 first; loopback only when there is nothing else."""
        bound = [sock.getsockname()[0] for sock in self._sockets]
        families = {":" in host for host in bound}
        found = dict.fromkeys(address for host in bound for address in local_addresses(host))
        return tuple(address for address in found if (":" in address) in families)

    def flush(self) -> None:
        """Send what is noted to be sent; after each round of bursts."""
        for egress in self.egresses:
            egress.flush()

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets:
            try:
                asyncio.get_running_loop().remove_reader(sock)
            except RuntimeError:
                pass
            sock.close()
        self._sockets.clear()

    def register(self, ufrag: str, peer: MuxPeer) -> None:
        """Let checks for this ufrag go to the peer."""
        self._by_ufrag[ufrag] = peer

    def unregister(self, ufrag: str) -> None:
        """Forget a ufrag."""
        self._by_ufrag.pop(ufrag, None)

    def bind_address(self, address: Address, receiver: Receiver) -> None:
        """Let what comes from the address go to the receiver."""
        self._by_address[address] = receiver

    def bind_free_address(self, address: Address, receiver: Receiver) -> None:
        """The same, unless somebody has the address."""
        self._by_address.setdefault(address, receiver)

    def receiver_at(self, address: Address) -> Receiver | None:
        """Who gets what comes from the address."""
        return self._by_address.get(address)

    def unbind_address(self, address: Address, receiver: Receiver) -> None:
        """Forget an address if it is still the receiver's."""
        if self._by_address.get(address) is receiver:
            del self._by_address[address]

    def _readable(self, ingress: Ingress, egress: Egress) -> None:
        by_address = self._by_address
        for buffer, size, address in ingress.datagrams(BATCH):
            self.received += 1
            if size == 0 or size > MAX_DATAGRAM_BYTES:
                self.dropped["size"] += 1
                continue
            first = buffer.view[0]
            if 128 <= first <= 191:
                peer = by_address.get(address)
                if peer is None:
                    self.dropped["unknown address"] += 1
                else:
                    peer.receive_srtp(buffer, size)
            elif first <= 3:
                self.check(bytes(buffer.view[:size]), address, egress)
            elif 20 <= first <= 63:
                peer = by_address.get(address)
                if peer is None:
                    self.dropped["unknown address"] += 1
                else:
                    self.hand_shake(peer, bytes(buffer.view[:size]))
            else:
                self.dropped["unknown protocol"] += 1
        self.arrived_s = ingress.arrived_s
        self._on_batch()
        self.arrived_s = None

    def hand_shake(self, receiver: Receiver, datagram: bytes) -> None:
        """Let the receiver have a DTLS datagram, now or soon."""
        if not self._handshakes.take(receiver, datagram):
            self.dropped["too many handshakes"] += 1

    def check(self, datagram: bytes, address: Address, egress: Sender, only: MuxPeer | None = None) -> MuxPeer | None:
        """Let the peer that a STUN check is for answer it, and return that peer.

        None when it is the answer to a check of ours; None, and counted as dropped, when it is something else, not
        authentic, or for nobody (but ``only``).
        """
        try:
            message = stun.parse(datagram)
            if stun.is_success(message) and (receiver := self._by_address.get(address)) is not None:
                receiver.receive_answer(message)
                return None
            check = stun.parse_check(message)
        except stun.BadStun:
            self.dropped["bad STUN"] += 1
            return None
        peer = self._by_ufrag.get(check.local_ufrag)
        if peer is None or only not in (None, peer):
            self.dropped["unknown ufrag"] += 1
        elif not peer.check(check, address, egress):
            self.dropped["unauthentic STUN"] += 1
        else:
            return peer
        return None


def _enlarge_buffers(sock: socket.socket) -> None:
    for forced, plain in ((33, socket.SO_RCVBUF), (32, socket.SO_SNDBUF)):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER_BYTES)


def total(egresses: Sequence[Egress], counter: str) -> int:
    """Sum a counter over the sockets."""
    return sum(getattr(egress, counter) for egress in egresses)
