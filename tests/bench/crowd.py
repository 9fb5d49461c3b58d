"""The receivers of the load, in a process of their own, light enough not to be the limit.

They do ICE and DTLS, then count packets without decrypting them. Nobody is woken by a packet: sockets are emptied
every few milliseconds, because on loopback waking a receiver is charged to the sender. UDP_GRO hands over what was
sent in one call in one piece. When a packet came in is the kernel's stamp, so the load's own delays are not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from classroom.sfu.core.rtcp import ReportBlock, build_rr, build_sdes
from classroom.sfu.core.twcc import Arrivals
from classroom.sfu.transport import stun
from classroom.sfu.transport.client import TransportError
from classroom.sfu.transport.srtp import Buffer
from tests.bench.doors import TRANSPORT_CC_ID, Agreed, Door, PeerTransport, gcm_certificate, open_door
from tests.bench.figures import percentile
from tests.bench.process import Answers, run
from tests.bench.publishers import STAMP

if TYPE_CHECKING:
    from classroom.sfu.transport.certificate import Certificate

POLL_S = 0.010
CONSENT_POLLS = 250  # 2.5 s, as Chromium checks its path
REPORT_POLLS = 100  # 1 s
FEEDBACK_POLLS = 6  # 60 ms
OWN_SSRC = 1
JOINING_AT_ONCE = 8
CHURNING_AT_ONCE = 32
FIRST_MEDIA_S = 10.0
FAILURES = (TransportError, RuntimeError, TimeoutError)
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the name of its control message, too
UDP_GRO = 104  # linux/udp.h
_TIMESPEC = struct.Struct("@qq")
_SEGMENT = struct.Struct("@i")
_ANCILLARY_BYTES = 128
_MAX_BYTES = 1 << 16
_TAG_BYTES = 16

# One piece of memory for all: what is in it has been dealt with before the next socket is read.
_memory = Buffer(_MAX_BYTES)
_packet = Buffer(2048)


class LightReceiver(PeerTransport):
    """``eyes`` decrypts and notes how long each packet was under way; ``stamped`` notes when packets came.

    ``transport_cc`` sends transport-wide feedback as often as Chromium does.
    """

    def __init__(self, certificate: Certificate, *, eyes: bool, stamped: bool, gro: bool, transport_cc: bool) -> None:
        super().__init__(certificate)
        self._eyes = eyes
        self._stamped = stamped or eyes or transport_cc
        self._arrivals = Arrivals(OWN_SSRC) if transport_cc else None
        self._gro = gro
        self._sock: socket.socket | None = None
        self._agreed: Agreed | None = None
        self._marks = (0, 0)
        self._ssrc = 0
        self._last_seq = -1
        self._last_ns = 0
        self.session = ""
        self.received = self.expected = self.others = 0
        self.first_ns = 0
        self.longest_gap_ns = 0
        self.delays_ns: list[int] = []

    async def join(self, door: Door, lesson: int) -> None:
        """Connect; from then on ``drain`` and ``report`` are called from outside. Raises TransportError."""
        self._agreed = await door.subscribe(self, lesson, transport_cc=self._arrivals is not None)
        self._marks = (self._agreed.pt, self._agreed.pt | 0x80)
        self.session = self._agreed.session
        await self.connect(self._agreed.remote)
        if not self.connected:
            raise TransportError("the server closed the session at once")
        assert self._task is not None
        self._task.cancel()  # consent is kept by report(): a timer per receiver would be work
        ((sock, _),) = self._sockets.values()
        asyncio.get_running_loop().remove_reader(sock)
        sock.connect(self._address)
        if self._gro:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        self._sock = sock

    def _open_sockets(self) -> None:
        super()._open_sockets()
        if self._stamped:
            for sock, _ in self._sockets.values():
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def _receive_srtp(self, buffer: Buffer, size: int) -> None:
        """Media that comes before the sockets are polled."""
        self._take(buffer.view, size, size, time.time_ns())

    def drain(self) -> None:
        """Take all that has arrived."""
        sock, view = self._sock, _memory.view
        if sock is None or self._closed:
            return
        into, plain = [view], not self._stamped and not self._gro
        while True:
            try:
                if plain:
                    size = sock.recv_into(view)
                    self._take(view, size, size, 0)
                    continue
                size, ancillary, _, _ = sock.recvmsg_into(into, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram
            segment, at_ns = size, 0
            for _, kind, value in ancillary:
                if kind == UDP_GRO:
                    (segment,) = _SEGMENT.unpack_from(value)
                else:
                    seconds, fraction_ns = _TIMESPEC.unpack_from(value)
                    at_ns = seconds * 1_000_000_000 + fraction_ns
            self._take(view, size, segment, at_ns)

    def _take(self, view: memoryview, size: int, segment: int, at_ns: int) -> None:
        if not 128 <= view[0] <= 191:
            return
        kinds = bytes(view[1:size:segment])
        if self._arrivals is not None:
            self._note(self._arrivals, view, size, segment, at_ns)
        media = kinds.count(self._marks[0]) + kinds.count(self._marks[1])
        self.others += len(kinds) - media
        if not media:
            return
        last = (size - 1) // segment * segment
        if media != len(kinds):
            last = max(number for number, kind in enumerate(kinds) if kind in self._marks) * segment
        seq = view[last + 2] << 8 | view[last + 3]
        step = (seq - self._last_seq) & 0xFFFF
        if self._last_seq < 0:
            self._ssrc = int.from_bytes(view[last + 8 : last + 12], "big")
            self.first_ns, step = at_ns, media
        elif at_ns - self._last_ns > self.longest_gap_ns:
            self.longest_gap_ns = at_ns - self._last_ns
        if step < 0x8000:
            self.expected += step
            self._last_seq = seq
        self.received += media
        self._last_ns = at_ns
        if self._eyes and self._sock is not None:
            self._look(view, size, segment, at_ns)

    def _note(self, arrivals: Arrivals, view: memoryview, size: int, segment: int, at_ns: int) -> None:
        """The transport-wide number is the first header extension of each packet."""
        for at in range(0, size, segment):
            if view[at] & 0x10 and view[at + 16] >> 4 == TRANSPORT_CC_ID:
                arrivals.received(view[at + 17] << 8 | view[at + 18], self._ssrc, at_ns / 1e9)

    def _look(self, view: memoryview, size: int, segment: int, at_ns: int) -> None:
        assert self._srtp is not None
        for start in range(0, size, segment):
            packet = view[start : min(start + segment, size)]
            if packet[1] not in self._marks:
                continue
            _packet.view[: len(packet)] = packet
            plain = self._srtp.unprotect(_packet, len(packet))
            if plain:
                (sent_ns,) = STAMP.unpack(_packet.view[plain - STAMP.size : plain])
                self.delays_ns.append(at_ns - sent_ns)

    def start_window(self) -> None:
        """Count anew."""
        self.received = self.expected = self.longest_gap_ns = 0
        self.delays_ns.clear()

    def consent(self) -> None:
        """Check the path, as ICE wants it."""
        assert self._agreed is not None and self._sock is not None
        remote = self._agreed.remote
        datagram, _ = stun.build_check(self.ufrag, remote.ufrag, remote.pwd, self._tie_breaker)
        self._send(datagram)

    def report(self) -> None:
        """Send a receiver report without loss, as a browser on a good line does each second."""
        if self._srtp is None or self._last_seq < 0:
            return
        block = ReportBlock(self._ssrc, 0, 0, self._last_seq, 0, 0, 0)
        self._send_rtcp(build_rr(OWN_SSRC, [block]) + build_sdes(OWN_SSRC, "bench"))

    def feed_back(self) -> None:
        """Send transport-wide feedback on what has come since the last one."""
        if self._srtp is not None and self._arrivals is not None:
            for data in self._arrivals.take(time.time()):
                self._send_rtcp(data)

    def _send_rtcp(self, data: bytes) -> None:
        assert self._srtp is not None
        _packet.view[: len(data)] = data
        size = self._srtp.protect_rtcp(_packet, len(data))
        self._send(bytes(_packet.view[:size]))

    def _send(self, datagram: bytes) -> None:
        assert self._sock is not None
        with contextlib.suppress(OSError):
            self._sock.send(datagram)

    def vanish(self) -> None:
        """Go without a word, as a machine that is switched off."""
        self._shut()


class Crowd:
    """All receivers of this process."""

    def __init__(self) -> None:
        self._certificate = gcm_certificate()
        self._doors: dict[str, Door] = {}
        self._receivers: list[LightReceiver] = []
        self._polling: asyncio.Task[None] | None = None
        self._failures: Counter[str] = Counter()

    def answers(self) -> Answers:
        return {"join": self.join, "start": self.start, "read": self.read, "leave": self.leave, "churn": self.churn}

    async def join(
        self, door: str, lesson: int, count: int, eyes: int = 0, stamped: bool = False, gro: bool = True,
        transport_cc: bool = False, spread_s: float = 0.0,
    ) -> dict[str, Any]:  # fmt: skip
        """Let receivers join: as fast as it goes, or evenly within ``spread_s``; waits for their first media.

        ``first_media_ms`` is from handing over the offer to the first media packet in the kernel, of stamped ones.
        """
        if self._polling is None:
            gc.freeze()
            self._polling = asyncio.create_task(self._poll())
        at_once = asyncio.Semaphore(count if spread_s else JOINING_AT_ONCE)
        each = count // eyes if eyes else count + 1

        async def one(number: int) -> float | None:
            await asyncio.sleep(number * spread_s / count)
            async with at_once:
                eyed = bool(eyes) and number % each == each // 2
                receiver = LightReceiver(
                    self._certificate, eyes=eyed, stamped=stamped, gro=gro, transport_cc=transport_cc
                )
                return await self._join_one(receiver, await self._door(door), lesson)

        began_s, cpu_s = time.monotonic(), time.process_time()
        firsts = [first for first in await asyncio.gather(*map(one, range(count))) if first is not None]
        took_s = time.monotonic() - began_s
        return {
            "joined": len(firsts),
            "failures": dict(self._failures),
            "first_media_ms": sorted(firsts),
            "took_s": took_s,
            "load_percent": (time.process_time() - cpu_s) / took_s * 100,
        }

    async def _join_one(self, receiver: LightReceiver, door: Door, lesson: int) -> float | None:
        asked_ns = time.time_ns()
        try:
            await receiver.join(door, lesson)
            self._receivers.append(receiver)
            async with asyncio.timeout(FIRST_MEDIA_S):
                while not receiver.received:
                    await asyncio.sleep(POLL_S)
        except FAILURES as error:
            self._failures[str(error) or "no media"] += 1
            return None
        return (receiver.first_ns - asked_ns) / 1e6

    async def start(self) -> dict[str, Any]:
        """Begin a window of measurement."""
        for receiver in self._receivers:
            receiver.drain()
            receiver.start_window()
        return {"cpu_s": time.process_time()}

    async def read(self) -> dict[str, Any]:
        """What came since the window began."""
        for receiver in self._receivers:
            receiver.drain()
        delays_ns = sorted(delay for receiver in self._receivers for delay in receiver.delays_ns)
        return {
            "received": sum(receiver.received for receiver in self._receivers),
            "expected": sum(receiver.expected for receiver in self._receivers),
            "delay_p50_ms": percentile(delays_ns, 50) / 1e6,
            "delay_p99_ms": percentile(delays_ns, 99) / 1e6,
            "longest_gap_ms": max((receiver.longest_gap_ns for receiver in self._receivers), default=0) / 1e6,
            "cpu_s": time.process_time(),
        }

    async def leave(self) -> dict[str, Any]:
        """Let all leave with a goodbye."""
        receivers, self._receivers = self._receivers, []
        for receiver in receivers:
            await receiver.close()
        self._failures.clear()
        return {}

    async def churn(self, door: str, lesson: int, count: int) -> dict[str, Any]:
        """Join and leave ``count`` times: by signalling, by DTLS goodbye and without a word, in turn."""
        opened = await self._door(door)
        at_once = asyncio.Semaphore(CHURNING_AT_ONCE)

        async def one(number: int) -> bool:
            async with at_once:
                receiver = LightReceiver(self._certificate, eyes=False, stamped=False, gro=True, transport_cc=False)
                try:
                    await receiver.join(opened, lesson)
                except FAILURES as error:
                    self._failures[str(error) or "no answer"] += 1
                    return False
                await asyncio.sleep(random.random() / 10)
                if number % 3 == 0:
                    await opened.leave(receiver.session)
                    receiver.vanish()
                elif number % 3 == 1:
                    await receiver.close()
                else:
                    receiver.vanish()
                return True

        began_s = time.monotonic()
        joined = sum(await asyncio.gather(*map(one, range(count))))
        return {"joined": joined, "took_s": time.monotonic() - began_s, "failures": dict(self._failures)}

    async def _door(self, address: str) -> Door:
        if address not in self._doors:
            self._doors[address] = await open_door(address)
        return self._doors[address]

    async def _poll(self) -> None:
        """Empty all sockets, let a few receivers speak, wait."""
        loop = asyncio.get_running_loop()
        tick, due_s = 0, loop.time()
        while True:
            for number, receiver in enumerate(self._receivers):
                receiver.drain()
                if (number + tick) % REPORT_POLLS == 0:
                    receiver.report()
                if (number + tick) % FEEDBACK_POLLS == 0:
                    receiver.feed_back()
                if (number + tick) % CONSENT_POLLS == 0:
                    receiver.consent()
            tick += 1
            due_s = max(due_s + POLL_S, loop.time())
            await asyncio.sleep(due_s - loop.time())


if __name__ == "__main__":
    run(lambda: Crowd().answers())
