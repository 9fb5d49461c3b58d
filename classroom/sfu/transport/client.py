"""The offerer's end of a WebRTC transport towards an ICE-lite server: for the capture agent, other nodes, tests.

The server tells where it is, so this side gathers nothing: it checks the candidates of the answer from one UDP socket
per address family, a little later over TCP, too, takes the first that answers, and keeps checking once a second. When
answers fail to come it checks all candidates again, so that another path may carry on (the address has changed, UDP
is blocked all at once); without any answer for three seconds the transport is dead, and after half a second when the
network says that nobody is there any more.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from classroom.model import ClassroomError
from classroom.sfu.core.rtcp import is_rtcp
from classroom.sfu.transport import stun
from classroom.sfu.transport.certificate import Certificate
from classroom.sfu.transport.dialler import TcpDialler
from classroom.sfu.transport.dtls import Dtls
from classroom.sfu.transport.egress import BUFFER_BYTES, Egress
from classroom.sfu.transport.mux import BATCH, MAX_DATAGRAM_BYTES
from classroom.sfu.transport.refusals import ask_for_refusals, take_refusals
from classroom.sfu.transport.srtp import Buffer, Srtp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioice.stun import Message

    from classroom.sfu.transport.sender import Address, Sender
    from classroom.sfu.transport.tcp import TcpConnection

CHECK_INTERVAL_S = 0.05
CONSENT_INTERVAL_S = 1.0
DOUBT_S = 1.5  # without an answer: look for another path
TCP_DELAY_S = 0.3  # that UDP has for itself: more than most round trips
SILENCE_S = 3.0
# A refusal may be forged or from before. Whoever is there answers within this: more than most round trips.
REFUSED_S = 0.5
MAX_CANDIDATES = 16


class TransportError(ClassroomError):
    """No connection could be made, or it broke."""


@dataclass(frozen=True, slots=True)
class RemoteDescription:
    """The server's end as its answer tells it. ``fingerprint`` is "sha-256 AB:CD…", candidates are (ip, port).

    ``tcp_candidates`` are those of them that say ``tcptype passive``, the others are for UDP.
    """

    ufrag: str
    pwd: str
    fingerprint: str
    setup: Literal["active", "passive", "actpass"]
    candidates: tuple[tuple[str, int], ...]
    tcp_candidates: tuple[tuple[str, int], ...] = ()


class ClientTransport:
    """ICE (controlling), DTLS and SRTP of one session. Callbacks run on the event loop.

    ``on_close`` is called once with a reason when the path dies or the server says goodbye, not after close().
    """

    def __init__(
        self,
        *,
        on_rtp: Callable[[bytes], None] | None = None,
        on_rtcp: Callable[[bytes], None] | None = None,
        on_close: Callable[[str], None] | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self._certificate = certificate or Certificate()
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._on_close = on_close
        self.ufrag = secrets.token_hex(4)
        self.pwd = secrets.token_hex(16)
        self._tie_breaker = secrets.randbits(64)
        self._remote: RemoteDescription | None = None
        self._sockets: dict[socket.AddressFamily, tuple[socket.socket, Egress]] = {}
        self._incoming = Buffer(2048)
        self._address: Address | None = None
        self._egress: Sender | None = None
        self._dialler: TcpDialler | None = None
        self._dtls: Dtls | None = None
        self._srtp: Srtp | None = None
        self._checks: set[bytes] = set()
        self._done: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: list[asyncio.Task[None]] = []
        self._heard_s = 0.0
        self._searching_since_s = 0.0
        self._hurry = asyncio.Event()  # the next check is not to wait
        self._verdict: asyncio.TimerHandle | None = None  # on a path that was refused
        self._closed = False

    @property
    def fingerprint(self) -> str:
        """For the offer: "sha-256 AB:CD…"."""
        return self._certificate.fingerprint

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return self._srtp is not None and not self._closed

    @property
    def over_tcp(self) -> bool:
        """Whether the present path is a TCP connection."""
        return self._address is not None and self._address[2:] == ("tcp",)

    async def connect(self, remote: RemoteDescription, timeout_s: float = 5.0) -> None:
        """Connect to what the answer describes; raises TransportError. What fails is closed for good."""
        if self._closed:
            raise TransportError("the transport is closed")
        loop = asyncio.get_running_loop()
        self._remote = replace(
            remote, candidates=_usable(remote.candidates), tcp_candidates=_usable(remote.tcp_candidates)
        )
        self._dtls = Dtls(self._certificate, remote.fingerprint, client=remote.setup != "active")
        self._done = loop.create_future()
        self._heard_s = self._searching_since_s = loop.time()
        self._open_sockets()
        self._dialler = TcpDialler(self._remote.tcp_candidates, self._receive_frames, self._lost_connection)
        if not self._sockets and not self._remote.tcp_candidates:
            raise TransportError("none of the server's media addresses can be reached from here")
        self._task = loop.create_task(self._keep_checking(), name="transport checks")
        try:
            await asyncio.wait_for(asyncio.shield(self._done), timeout_s)
        except TimeoutError:
            await self.close()
            text = f"no media connection within {timeout_s:g} s: is the media port open (UDP or TCP)?"
            raise TransportError(text) from None
        except BaseException:
            await self.close()
            raise

    def _open_sockets(self) -> None:
        assert self._remote is not None
        for ip, _ in self._remote.candidates:
            family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            if family in self._sockets:
                continue
            try:
                sock = socket.socket(family, socket.SOCK_DGRAM)
            except OSError:
                continue
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
                sock.setblocking(False)
                ask_for_refusals(sock)
                sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
            except OSError:
                sock.close()
                continue
            egress = Egress(sock, Buffer(BUFFER_BYTES))
            self._sockets[family] = (sock, egress)
            asyncio.get_running_loop().add_reader(sock, self._readable, sock, egress)

    async def _keep_checking(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            now = loop.time()
            silent_s = now - self._heard_s
            if self.connected and silent_s > SILENCE_S:
                self._fail("the media path is silent")
                return
            searching = self._address is None or silent_s > DOUBT_S
            if searching:
                self._search(now)
            else:
                self._searching_since_s = now
                if self._egress is not None and self._address is not None:
                    self._check(self._egress, self._address)
            if self._dtls is not None and (timeout_s := self._dtls.next_timeout_s()) is not None and timeout_s <= 0:
                self._send_dtls(self._dtls.handle_timeout())
            interval_s = CONSENT_INTERVAL_S if self.connected and not searching else CHECK_INTERVAL_S
            try:
                async with asyncio.timeout(interval_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()

    def _search(self, now: float) -> None:
        """Check every candidate. The first answer decides, and the present path may be the one that gives it."""
        assert self._remote is not None and self._dialler is not None
        for candidate in self._remote.candidates:
            entry = self._sockets.get(socket.AF_INET6 if ":" in candidate[0] else socket.AF_INET)
            if entry is not None:
                self._check(entry[1], candidate)
        if now - self._searching_since_s >= TCP_DELAY_S or not self._sockets:
            self._dialler.dial()
        for connection in list(self._dialler.connections.values()):
            self._check(connection, connection.address)

    def _check(self, sender: Sender, address: Address) -> None:
        """Check a path. Before the first answer nothing is nominated: the server would follow from path to path."""
        assert self._remote is not None
        nominate = self._address is not None or self._srtp is not None
        datagram, transaction = stun.build_check(
            self.ufrag, self._remote.ufrag, self._remote.pwd, self._tie_breaker, nominate=nominate
        )
        if len(self._checks) > 256:
            self._checks.clear()  # answers that late are worth nothing
        self._checks.add(transaction)
        sender.send_plain(datagram, address)

    def _receive_frames(self, connection: TcpConnection, frames: list[bytes]) -> None:
        for frame in frames:
            if self._closed:
                return
            if frame[0] <= 3:
                self._receive_stun(frame, connection.address, connection)
            elif connection is not self._egress:
                continue
            elif 128 <= frame[0] <= 191:
                self._incoming.view[: len(frame)] = frame
                self._receive_srtp(self._incoming, len(frame))
            elif 20 <= frame[0] <= 63:
                self._receive_dtls(frame)

    def _lost_connection(self, connection: TcpConnection, _: str) -> None:
        if connection is self._egress:
            self._address = self._egress = None
            self._hurry.set()

    def _readable(self, sock: socket.socket, egress: Egress) -> None:
        buffer = self._incoming
        for attempt in range(BATCH):
            try:
                size, address = sock.recvfrom_into(buffer.view)
            except InterruptedError:
                return
            except BlockingIOError:
                if attempt == 0:
                    self._hear_refusals(sock, egress)  # it was woken up for nothing else
                return
            except OSError:
                self._hear_refusals(sock, egress)
                return
            if self._closed:
                return
            if size == 0 or size > MAX_DATAGRAM_BYTES:
                continue
            first = buffer.view[0]
            if 128 <= first <= 191:
                if address == self._address:
                    self._receive_srtp(buffer, size)
            elif first <= 3:
                self._receive_stun(bytes(buffer.view[:size]), address, egress)
            elif 20 <= first <= 63 and address == self._address:
                self._receive_dtls(bytes(buffer.view[:size]))

    def _hear_refusals(self, sock: socket.socket, egress: Egress) -> None:
        if self._closed:
            return  # by what was just received
        refused = take_refusals(sock)
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.add_reader(sock, self._readable, sock, egress)  # uvloop stops reading at an error
        if self.connected and self._address in refused and self._verdict is None:
            self._verdict = loop.call_later(REFUSED_S, self._judge, self._heard_s)
            self._hurry.set()

    def _judge(self, heard_s: float) -> None:
        self._verdict = None
        if self._heard_s == heard_s:
            self._fail("nobody listens at the server's media port any more")

    def _receive_stun(self, datagram: bytes, address: Address, sender: Sender) -> None:
        assert self._remote is not None
        try:
            message = stun.parse(datagram)
        except stun.BadStun:
            return
        if not stun.is_success(message):
            self._answer(message, address, sender)
            return
        if message.transaction_id not in self._checks:
            return
        if not stun.is_authentic(message, self._remote.pwd):
            return
        self._checks.discard(message.transaction_id)
        now = asyncio.get_running_loop().time()
        silent_s, self._heard_s = now - self._heard_s, now
        if self._address is None or (silent_s > DOUBT_S and sender is not self._egress):
            self._take_path(address, sender)

    def _answer(self, message: Message, address: Address, sender: Sender) -> None:
        """The server asks whether we are there."""
        try:
            check = stun.parse_check(message)
        except stun.BadStun:
            return
        if check.local_ufrag == self.ufrag and stun.is_authentic(message, self.pwd):
            sender.send_plain(stun.build_success(check, (address[0], address[1]), self.pwd), address)

    def _take_path(self, address: Address, sender: Sender) -> None:
        assert self._remote is not None and self._dtls is not None and self._dialler is not None
        self._address, self._egress = address, sender
        self._dialler.close(but=sender)
        if self._srtp is None and self._remote.setup != "active":
            self._check(sender, address)  # ahead of the handshake, so that the server is where it arrives
            self._send_dtls(self._dtls.start())

    def _receive_dtls(self, datagram: bytes) -> None:
        assert self._dtls is not None and self._done is not None
        self._send_dtls(self._dtls.receive(datagram))
        if self._dtls.failure is not None:
            self._fail(self._dtls.failure)
        elif self._dtls.closed:
            self._fail("the server closed the session")
        elif self._dtls.keys is not None and self._srtp is None:
            self._srtp = Srtp(self._dtls.keys)
            if not self._done.done():
                self._done.set_result(None)

    def _receive_srtp(self, buffer: Buffer, size: int) -> None:
        if self._srtp is None:
            return
        rtcp = is_rtcp(buffer.view)
        size = self._srtp.unprotect_rtcp(buffer, size) if rtcp else self._srtp.unprotect(buffer, size)
        if not size:
            return
        self._heard_s = asyncio.get_running_loop().time()
        receiver = self._on_rtcp if rtcp else self._on_rtp
        if receiver is not None:
            receiver(bytes(buffer.view[:size]))

    def _send_dtls(self, datagrams: list[bytes]) -> None:
        if self._egress is not None and self._address is not None:
            for datagram in datagrams:
                self._egress.send_plain(datagram, self._address)

    def send_rtp(self, packets: Sequence[bytes], *, voice: bool = False) -> None:
        """Protect plaintext RTP packets and send them now, equal-sized neighbours in one system call.

        Over TCP, where packets may have to wait, ``voice`` overtakes what is not.
        """
        if self._srtp is not None and self._egress is not None and self._address is not None:
            self._egress.send_batch(packets, self._srtp, self._address, voice=voice)

    def send_rtcp(self, data: bytes) -> None:
        """Protect and send a compound RTCP packet."""
        if self._srtp is not None and self._egress is not None and self._address is not None:
            self._egress.send_rtcp(data, self._srtp, self._address)

    def _fail(self, reason: str) -> None:
        if self._closed:
            return
        self._shut()
        if self._done is not None and not self._done.done():
            self._done.set_exception(TransportError(reason))
        elif self._on_close is not None:
            self._on_close(reason)

    def _shut(self) -> None:
        self._closed = True
        if self._verdict is not None:
            self._verdict.cancel()
        loop = asyncio.get_running_loop()
        for sock, _ in self._sockets.values():
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        if self._dialler is not None:
            self._ending += self._dialler.close()
        self._srtp = None

    async def close(self) -> None:
        """Say goodbye and free everything."""
        if not self._closed:
            if self._dtls is not None:
                self._send_dtls(self._dtls.close())
            self._shut()
        if self._done is not None:
            if not self._done.done():
                self._done.set_exception(TransportError("the transport was closed"))
            self._done.exception()  # seen: perhaps nobody waits for it any more
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._ending, return_exceptions=True)
            self._task = None
            self._ending.clear()


def _usable(candidates: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """The first few that are IP addresses: to look up a name (mDNS's ".local") would stop the event loop."""
    found: dict[tuple[str, int], None] = {}
    for ip, port in candidates:
        try:
            ipaddress.ip_address(ip)
        except ValueError:
            continue
        if 0 < port < 65536:
            found[ip, port] = None
    return tuple(found)[:MAX_CANDIDATES]
