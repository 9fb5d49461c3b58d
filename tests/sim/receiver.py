"""Receivers that behave like real ones: a browser behind a link, and a recorder in the server's process."""

from __future__ import annotations

from dataclasses import dataclass, field

from classroom.model import Label, SlotWish, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.core.peers import Slot
from classroom.sfu.core.rtp import extension, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.serial import Unwrapper16, Unwrapper32
from classroom.sfu.core.twcc import Arrivals
from tests.sim.netem import Conditions, Link
from tests.sim.publisher import Identity, identity

NACK_GRACE_S = 0.01
NACK_TRIES = 10
PLI_INTERVAL_S = 0.5
GIVE_UP_S = 1.0
TICK_S = 0.02
TWCC_EXT = 5


@dataclass(slots=True)
class Received:
    """One packet as it arrived, under extended numbers."""

    ext_seq: int
    ts: int
    arrived_s: float
    payload: bytes

    @property
    def identity(self) -> Identity:
        return identity(self.payload)


@dataclass(slots=True)
class Reception:
    """What has come for one SSRC. ``conflicts`` are numbers under which two different packets came."""

    video: bool
    packets: dict[int, Received] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    conflicts: list[tuple[Received, Received]] = field(default_factory=list)
    repeated: int = 0
    reports: list[rtcp.SenderReport] = field(default_factory=list)
    reports_before_first: int = 0
    missing: dict[int, list[float]] = field(default_factory=dict)  # ext seq: [noticed, ask at, tries]
    highest: int | None = None
    lost_after: int | None = None  # a picture after this number cannot be decoded until a keyframe
    pli_at_s: float = float("-inf")
    unwrap_seq: Unwrapper16 = field(default_factory=Unwrapper16)
    unwrap_ts: Unwrapper32 = field(default_factory=Unwrapper32)

    def take(self, seq: int, ts: int, payload: bytes, now: float) -> None:
        ext_seq = self.unwrap_seq.unwrap(seq)
        received = Received(ext_seq, self.unwrap_ts.unwrap(ts), now, payload)
        former = self.packets.get(ext_seq)
        if former is not None:
            self.repeated += 1
            if (former.ts, former.payload) != (received.ts, received.payload):
                self.conflicts.append((former, received))
            return
        self.packets[ext_seq] = received
        self.order.append(ext_seq)
        self.missing.pop(ext_seq, None)
        if self.highest is not None:
            for gap in range(self.highest + 1, ext_seq):
                self.missing[gap] = [now, now + NACK_GRACE_S, 0]
        self.highest = ext_seq if self.highest is None else max(self.highest, ext_seq)
        starts = self.video and received.payload and received.identity.keyframe and received.identity.index == 0
        if starts and self.lost_after is not None and ext_seq > self.lost_after:
            self.lost_after = None

    def due(self, now: float, rtt_s: float) -> list[int]:
        """Numbers to ask for now."""
        due = []
        for ext_seq, hole in list(self.missing.items()):
            if now - hole[0] > GIVE_UP_S or hole[2] >= NACK_TRIES:
                del self.missing[ext_seq]
                self.lost_after = ext_seq
            elif now >= hole[1]:
                hole[1], hole[2] = now + max(rtt_s, TICK_S), hole[2] + 1
                due.append(ext_seq & 0xFFFF)
        return due

    # --- what a test asks ----------------------------------------------------------------------------------------

    @property
    def in_order(self) -> list[Received]:
        return [self.packets[n] for n in sorted(self.packets)]

    @property
    def gaps(self) -> int:
        """Numbers that never came between the first and the last."""
        return 0 if not self.packets else max(self.packets) - min(self.packets) + 1 - len(self.packets)

    def complete(self, stream: int) -> set[int]:
        """Frames of a stream of which every packet is there."""
        parts: dict[tuple[int, int], set[int]] = {}
        for packet in self.packets.values():
            what = packet.identity
            if what.stream == stream:
                parts.setdefault((what.frame, what.total), set()).add(what.index)
        return {frame for (frame, total), indices in parts.items() if len(indices) == total}

    def decodable(self) -> list[Received]:
        """The first packet of each picture that a decoder could show, in order."""
        shown: list[Received] = []
        group: list[Received] = []
        intact = False  # since the last keyframe nothing was missing
        previous: int | None = None
        for packet in self.in_order:
            if previous is not None and packet.ext_seq != previous + 1:
                intact, group = False, []
            previous = packet.ext_seq
            what = packet.identity
            group = [packet] if what.index == 0 else [*group, packet]
            if what.index == what.total - 1 and len(group) == what.total:
                intact = intact or what.keyframe
                if intact:
                    shown.append(group[0])
            elif what.index == what.total - 1:
                intact = False
        return shown


class Receiver:
    """A browser: one slot per wanted label, NACK once per round trip, PLI when a picture is lost for good."""

    def __init__(
        self, wishes: list[SlotWish | Label | None], up: Conditions, down: Conditions, seed: int,
        *, rtx: bool = True, nack: bool = True, capture_time_ext: int = 0, feedback: bool = True,
        twcc: bool = False, last_time_bps: float | None = None,
    ) -> None:  # fmt: skip
        self.uplink, self.downlink_path = Link(up, seed), Link(down, seed + 1)
        self.down_bytes = 0
        self.rtt_s = 2 * up.delay_s + 0.01
        self.nack, self.feedback = nack, feedback
        self.receptions: list[Reception] = []
        self.slots: list[Slot] = []
        self.by_ssrc: dict[int, Reception] = {}
        self.rtx: dict[int, int] = {}
        self.plis = 0
        self.closed = ""
        self.byes: list[int] = []
        self.now = 0.0
        self.sends: list[tuple[DownTrack, int]] = []
        self._next_tick_s = float("inf")
        self.log = SendLog()
        self.downlink: Downlink | None = Downlink(self.log, last_time_bps) if twcc else None
        self.arrivals = Arrivals(1)
        for number, wish in enumerate(wishes):
            audio = wish in (SlotWish.MIC, SlotWish.SPEAKER)
            ssrc, rtx_ssrc = 10_000 + number, 20_000 + number
            use_rtx = rtx and not audio
            down_track = DownTrack(
                self, ssrc=ssrc, pt=111 if audio else 102, clock_rate_hz=48_000 if audio else 90_000,
                rtx_ssrc=rtx_ssrc if use_rtx else None, rtx_pt=103 if use_rtx else None,
                first_seq=32_000 + seed % 700, first_ts=(2**32 - 40_000 + seed) & 0xFFFF_FFFF,
                twcc_ext=TWCC_EXT if twcc and use_rtx else 0, send_log=self.log if twcc and use_rtx else None,
                capture_time_ext=capture_time_ext, playout_delay_ext=0 if audio else 6,
            )  # fmt: skip
            self.slots.append(
                Slot(TrackKind.AUDIO if audio else TrackKind.VIDEO, SlotWish(wish or "programme"), down_track)
            )
            reception = Reception(not audio)
            self.receptions.append(reception)
            self.by_ssrc[ssrc] = reception
            self.rtx[rtx_ssrc] = ssrc
        self._buffer = memoryview(bytearray(4096))

    # --- as a Sink, at the server --------------------------------------------------------------------------------

    def send(self, burst) -> None:
        down, packets, seq_offset, ts_offset = burst
        self.sends.append((down, len(packets)))
        for packet in packets:
            size = down.write(packet, seq_offset, ts_offset, self._buffer, 0)
            self._leave(down, bytearray(self._buffer[:size]))

    def resend(self, down, data: bytes) -> None:
        self._leave(down, bytearray(data))

    def _leave(self, down, data: bytearray) -> None:
        """As egress does."""
        if down.send_log is not None:
            data[17:19] = down.send_log.add(self.now, len(data)).to_bytes(2, "big")
        self.down_bytes += len(data)
        self.downlink_path.send(bytes(data), self.now)

    def send_rtcp(self, data: bytes) -> None:
        self.downlink_path.send(data, self.now)

    def close(self, reason: str) -> None:
        self.closed = reason

    # --- at the other end of the link ----------------------------------------------------------------------------

    def next_timeout(self) -> float:
        arrival_s = self.downlink_path.next_timeout()
        return self._next_tick_s if arrival_s is None else min(arrival_s, self._next_tick_s)

    def advance(self, now: float) -> None:
        """Take what has arrived and send feedback."""
        self.now = now
        for data in self.downlink_path.receive(now):
            if self._next_tick_s == float("inf"):
                self._next_tick_s = now
            if rtcp.is_rtcp(data):
                self._reports(data)
            else:
                self._media(data, now)
        if now < self._next_tick_s:
            return
        self._next_tick_s = now + TICK_S
        for report in self.arrivals.take(now):
            self.uplink.send(report, now)
        if self.feedback:
            for ssrc, reception in self.by_ssrc.items():
                self._ask(ssrc, reception, now)

    def _reports(self, data: bytes) -> None:
        for packet in rtcp.parse_rtcp(data):
            if isinstance(packet, rtcp.SenderReport):
                reception = self.by_ssrc[packet.ssrc]
                reception.reports.append(packet)
                reception.reports_before_first += not reception.packets
            elif isinstance(packet, rtcp.Bye):
                self.byes += packet.ssrcs

    def _media(self, data: bytes, now: float) -> None:
        packet = parse_rtp(data)
        number = extension(packet, TWCC_EXT) if self.downlink is not None else None
        if number is not None:
            self.arrivals.received(int.from_bytes(number, "big"), packet.ssrc, now)
        ssrc, seq, payload = packet.ssrc, packet.seq, packet.payload
        if ssrc in self.rtx:
            assert packet.pt == 103
            if not payload:
                return  # padding
            ssrc, seq, payload = self.rtx[ssrc], int.from_bytes(payload[:2], "big"), payload[2:]
        self.by_ssrc[ssrc].take(seq, packet.ts, payload, now)

    def _ask(self, ssrc: int, reception: Reception, now: float) -> None:
        due = reception.due(now, self.rtt_s)
        if due and self.nack:
            self.uplink.send(rtcp.build_rr(1, []) + rtcp.build_nack(1, ssrc, due), now)
        if reception.video and reception.lost_after is not None and now >= reception.pli_at_s + PLI_INTERVAL_S:
            self.pli(ssrc, now)

    def pli(self, ssrc: int, now: float) -> None:
        """Ask for a keyframe."""
        self.by_ssrc[ssrc].pli_at_s = now
        self.plis += 1
        self.uplink.send(rtcp.build_rr(1, []) + rtcp.build_pli(1, ssrc), now)


@dataclass(slots=True)
class Recorded:
    """What a recorder got of one DownTrack."""

    name: str
    clock_rate_hz: int
    packets: list[tuple[int, int, bytes]] = field(default_factory=list)  # (out seq, out ts, payload)
    reports: list[rtcp.SenderReport] = field(default_factory=list)
    reports_before_first: int = 0
    over: bool = False

    def ntp_s(self, ts: int) -> float:
        """Time of a timestamp by the latest report."""
        report = self.reports[-1]
        ticks = ((ts - report.rtp_ts + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        return report.ntp / FRACTION + ticks / self.clock_rate_hz


class Recorder:
    """A sink in the server's process that follows everything."""

    def __init__(self) -> None:
        self.tracks: dict[int, Recorded] = {}
        self.early: dict[int, list[rtcp.SenderReport]] = {}
        self.closed = ""
        self.now = 0.0

    def send(self, burst) -> None:
        down, packets, seq_offset, ts_offset = burst
        track = self.tracks.get(down.ssrc)
        if track is None:
            track = self.tracks[down.ssrc] = Recorded(down.publication.name, down.clock_rate_hz)
            track.reports = self.early.pop(down.ssrc, [])
            track.reports_before_first = len(track.reports)
        assert not track.over, "a packet after BYE"
        for packet in packets:
            seq, ts = (packet.ext_seq + seq_offset) & 0xFFFF, (packet.ts + ts_offset) & 0xFFFF_FFFF
            track.packets.append((seq, ts, packet.payload))

    def resend(self, down, data: bytes) -> None:
        raise AssertionError("a recorder asks for nothing again")

    def send_rtcp(self, data: bytes) -> None:
        for packet in rtcp.parse_rtcp(data):
            if isinstance(packet, rtcp.SenderReport):
                track = self.tracks.get(packet.ssrc)
                (self.early.setdefault(packet.ssrc, []) if track is None else track.reports).append(packet)
            elif isinstance(packet, rtcp.Bye):
                for ssrc in packet.ssrcs:
                    self.tracks[ssrc].over = True

    def close(self, reason: str) -> None:
        self.closed = reason

    def named(self, name: str) -> Recorded:
        (track,) = [t for t in self.tracks.values() if t.name == name]
        return track
