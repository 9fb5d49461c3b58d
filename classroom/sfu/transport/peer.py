"""The server's end of one WebRTC transport: ICE-lite, DTLS, SRTP. As a Sink it sends what the core hands out."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from classroom.sfu.core.rtcp import is_rtcp
from classroom.sfu.transport import stun
from classroom.sfu.transport.dtls import Dtls
from classroom.sfu.transport.srtp import Srtp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioice.stun import Message

    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.sink import Burst
    from classroom.sfu.transport.certificate import Certificate
    from classroom.sfu.transport.mux import UdpMux
    from classroom.sfu.transport.sender import Address, Sender
    from classroom.sfu.transport.srtp import Buffer


QUIET_S = 1.0  # who says nothing for so long is asked whether it is there
ASK_INTERVAL_S = 0.5
SILENT_S = 2.5  # who has answered none of the questions by then has a dead path; the longest round trips are below 1 s
_MAX_QUESTIONS = 16


class _Path:
    """An address that a connected peer nominated, until a packet that is authentic and no replay comes from it.

    A check that somebody saw on its way stays authentic when it is sent again from elsewhere: alone it would lead the
    media to whoever replays it (RFC 8445 §19.2). The answer to a check of our own cannot be replayed, nor can SRTP.
    """

    def __init__(self, peer: Peer, address: Address, egress: Sender) -> None:
        self.peer = peer
        self.address = address
        self.egress = egress

    def receive_answer(self, answer: Message) -> None:
        self.peer.receive_answer(answer, self)

    def receive_dtls(self, datagram: bytes) -> None:
        self.peer.receive_dtls(datagram)

    def receive_srtp(self, buffer: Buffer, size: int) -> None:
        self.peer.receive_srtp(buffer, size, self)


class Peer:
    """Owned by the server, which closes it. ``on_packet`` gets plaintext RTP and RTCP; ``on_connected`` is called once.

    It gets the peer, so that nothing that the peer holds need hold the peer: it is freed as soon as it is forgotten.
    ``over`` says why the transport cannot go on, ``silent`` that nothing is heard and no media are sent until something
    is; the server looks at them in its housekeeping.
    """

    def __init__(
        self,
        mux: UdpMux,
        certificate: Certificate,
        *,
        remote_ufrag: str,
        remote_pwd: str,
        fingerprint: str,
        dtls_client: bool,
        on_packet: Callable[[bytes], None],
        on_connected: Callable[[Peer], None],
        now: Callable[[], float],
    ) -> None:
        self._mux = mux
        self._dtls = Dtls(certificate, fingerprint, client=dtls_client)
        self._dtls_client = dtls_client
        self._on_packet = on_packet
        self._on_connected = on_connected
        self._now = now
        self.remote_ufrag = remote_ufrag
        self._remote_pwd = remote_pwd
        self._credentials: dict[str, str] = {}  # our ufrag: pwd; two during an ICE restart
        self._address: Address | None = None
        self._egress: Sender | None = None
        self._next_path: _Path | None = None
        self._questions: dict[bytes, Address] = {}  # not answered: whom we asked, by transaction id
        self._asked_s = 0.0
        self._srtp: Srtp | None = None
        self._dtls_due_s: float | None = None
        self.generation = 0
        self.ufrag, self.pwd = "", ""
        self.last_heard_s = now()
        self.silent = False
        self.over: str | None = None
        self._renew_credentials()

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return self._srtp is not None and self.over is None

    def restart_ice(self, remote_ufrag: str, remote_pwd: str) -> None:
        """New credentials on both sides; the old ones serve until the new ones are used (RFC 8445 §9)."""
        self.remote_ufrag, self._remote_pwd = remote_ufrag, remote_pwd
        self._renew_credentials()

    def _renew_credentials(self) -> None:
        if len(self._credentials) > 1:
            self._forget_credentials(self.ufrag)  # of a restart that came to nothing; the others are in use
        self.ufrag, self.pwd = secrets.token_hex(8), secrets.token_hex(16)  # all peers of the port differ by ufrag
        self._credentials[self.ufrag] = self.pwd
        self._mux.register(self.ufrag, self)
        self.generation += 1

    def _forget_credentials(self, ufrag: str) -> None:
        del self._credentials[ufrag]
        self._mux.unregister(ufrag)

    # --- incoming, called by the mux ---------------------------------------------------------------------------

    def check(self, check: stun.Check, address: Address, egress: Sender) -> bool:
        """Answer an ICE check and follow the peer to the address that it nominates."""
        pwd = self._credentials.get(check.local_ufrag)
        if pwd is None or not stun.is_authentic(check.message, pwd):
            return False
        self._hear()
        egress.send_plain(stun.build_success(check, (address[0], address[1]), pwd), address)
        restarted = check.local_ufrag == self.ufrag and len(self._credentials) > 1
        if restarted:
            for old in [ufrag for ufrag in self._credentials if ufrag != self.ufrag]:
                self._forget_credentials(old)
        if address == self._address and egress is self._egress:
            self._mux.bind_address(address, self)  # somebody may have claimed it
        elif (self._srtp is None or restarted) and (self._address is None or check.nominates):
            self._move(address, egress)
        elif check.nominates:
            self._expect(address, egress)
        return True

    def _hear(self) -> None:
        self.last_heard_s = self._now()
        self.silent = False

    def _expect(self, address: Address, egress: Sender) -> None:
        self._forget_next_path()
        self._next_path = _Path(self, address, egress)
        self._mux.bind_free_address(address, self._next_path)
        self._ask(address, egress)

    def _ask(self, address: Address, egress: Sender) -> None:
        """Check whether the peer is there, as RFC 7675 does, although an ICE-lite agent need not."""
        datagram, transaction = stun.build_question(self.ufrag, self.remote_ufrag, self._remote_pwd)
        if len(self._questions) >= _MAX_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        self._questions[transaction] = address
        egress.send_plain(datagram, address)

    def receive_answer(self, answer: Message, path: _Path | None = None) -> None:
        """Take the answer to a check of ours; it proves that the peer is there, and ``path``, on which it came."""
        address = self._questions.get(answer.transaction_id)
        if address is None or not stun.is_authentic(answer, self._remote_pwd):
            return
        del self._questions[answer.transaction_id]
        if path is None:
            self._hear()
        elif path.address == address:
            self._hear()
            self._move(path.address, path.egress)

    def lose_path(self, egress: Sender) -> None:
        """Send nothing until the peer has come on another path: this connection is gone."""
        if self._egress is egress and self._address is not None:
            self._mux.unbind_address(self._address, self)
            self._address = self._egress = None
        if self._next_path is not None and self._next_path.egress is egress:
            self._forget_next_path()

    def _forget_next_path(self) -> None:
        if self._next_path is not None:
            self._mux.unbind_address(self._next_path.address, self._next_path)
            self._next_path = None

    def _move(self, address: Address, egress: Sender) -> None:
        self._forget_next_path()
        first = self._address is None
        if self._address is not None:
            self._mux.unbind_address(self._address, self)
        self._address, self._egress = address, egress
        self._mux.bind_address(address, self)
        if first and self._dtls_client:
            self._send_dtls(self._dtls.start())

    def receive_dtls(self, datagram: bytes) -> None:
        """Take a DTLS datagram: handshake or goodbye."""
        self._send_dtls(self._dtls.receive(datagram))
        if self._dtls.failure is not None:
            self.over = self._dtls.failure
        elif self._dtls.closed:
            self.over = "closed by the peer"
        elif self._dtls.keys is not None and self._srtp is None:
            self._srtp = Srtp(self._dtls.keys)
            self._on_connected(self)

    def _send_dtls(self, datagrams: list[bytes]) -> None:
        if self._egress is not None and self._address is not None:
            for datagram in datagrams:
                self._egress.send_plain(datagram, self._address)
        timeout_s = self._dtls.next_timeout_s()
        self._dtls_due_s = None if timeout_s is None else self._now() + timeout_s

    def receive_srtp(self, buffer: Buffer, size: int, path: _Path | None = None) -> None:
        """Check and decrypt a packet and pass it on; it may prove ``path``, on which it came."""
        srtp = self._srtp
        if srtp is None:
            return  # media ahead of the handshake's end: NACK brings it again
        rtcp = is_rtcp(buffer.view)
        size = srtp.unprotect_rtcp(buffer, size) if rtcp else srtp.unprotect(buffer, size)
        if not size:
            self._mux.dropped["unauthentic SRTP"] += 1
            return
        self._hear()
        if path is not None:
            self._move(path.address, path.egress)
        self._on_packet(bytes(buffer.view[:size]))

    def handle_timeout(self, now: float) -> None:
        """Repeat a lost handshake flight when it is due, ask who is quiet, and know who is silent."""
        if self.connected:
            self._look_after_path(now)
        if self._dtls_due_s is not None and now >= self._dtls_due_s:
            self._send_dtls(self._dtls.handle_timeout())
            if self._dtls.failure is not None:
                self.over = self._dtls.failure

    def _look_after_path(self, now: float) -> None:
        quiet_s = now - self.last_heard_s
        self.silent = quiet_s > SILENT_S
        if quiet_s < QUIET_S or now - self._asked_s < ASK_INTERVAL_S:
            return
        self._asked_s = now
        if self._egress is not None and self._address is not None:
            self._ask(self._address, self._egress)

    # --- outgoing, as a Sink -----------------------------------------------------------------------------------

    def send(self, burst: Burst) -> None:
        """Send packets of a DownTrack."""
        if self._srtp is not None and not self.silent and self._egress is not None and self._address is not None:
            self._egress.send_burst(burst, self._srtp, self._address, self._now())

    def resend(self, down: DownTrack, data: bytes) -> None:
        """Send a retransmission."""
        if self._srtp is not None and not self.silent and self._egress is not None and self._address is not None:
            self._egress.resend(down, data, self._srtp, self._address, self._now())

    def send_rtcp(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        if self._srtp is not None and self._egress is not None and self._address is not None:
            self._egress.send_rtcp(data, self._srtp, self._address)

    def close(self, reason: str) -> None:
        """Say goodbye and forget everything."""
        self._send_dtls(self._dtls.close())
        self.over = self.over or reason
        for ufrag in list(self._credentials):
            self._forget_credentials(ufrag)
        if self._address is not None:
            self._mux.unbind_address(self._address, self)
        self._forget_next_path()
        self._srtp = None
        self._address = self._egress = None

    def __repr__(self) -> str:
        state = self.over or ("connected" if self.connected else "connecting")
        return f"Peer({self.ufrag}, {self._address}, {state})"
