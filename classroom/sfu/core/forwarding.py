"""From UpTracks to DownTracks: what came goes to everybody who takes it; who waits starts where a keyframe does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.down_track import STALE_S, DownTrack
from classroom.sfu.core.pacer import Priority
from classroom.sfu.core.red import redundant
from classroom.sfu.core.sink import Burst
from classroom.sfu.core.up_track import URGENT_SPACING_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.downlink import Downlink
    from classroom.sfu.core.red import Distances
    from classroom.sfu.core.rtp import RtpPacket
    from classroom.sfu.core.sink import Resend
    from classroom.sfu.core.up_track import UpTrack

# A joiner, or a receiver that lost its picture, is served from the cache up to this many packets (2 s at 1.2 Mbit/s);
# beyond it a new keyframe costs less than the burst.
CATCH_UP_PACKETS = 400


class Forwarding:
    """Plans bursts. A DownTrack takes one UpTrack at a time; towards another one it waits without a pause.

    ``started`` are the DownTracks that begin something new with the bursts planned so far: their sender reports go out
    before these.
    """

    def __init__(self) -> None:
        self._touched: list[UpTrack] = []
        self._bursts: list[Burst] = []
        self._resends: list[Resend] = []
        self._held: dict[Downlink[Burst | Resend], None] = {}  # downlinks with something in their queues
        self._started: list[DownTrack] = []

    def touch(self, up: UpTrack) -> None:
        """Note that a packet came; for the first one since the last plan."""
        if len(up.fresh) + len(up.late) == 1:
            self._touched.append(up)

    def plan(self) -> None:
        """Make bursts of what has come."""
        touched, self._touched = self._touched, []
        arrived = []
        for up in touched:
            fresh, late = up.fresh, up.late
            up.fresh, up.late = [], []
            now = up.last_received_at_s
            if fresh and late:
                for down in up.downs:
                    if down.redundancy is not None:  # late ones among the fresh have the copies that these have
                        down.copies_from(fresh[0].ext_seq + down.numbers.seq_offset)
            for packet in late:
                for down in up.downs:
                    offsets = down.numbers.offsets(packet.ext_seq)
                    if offsets is not None:
                        self._emit(Burst(down, (packet,), *offsets), len(packet.data), now)
            if fresh:
                self._emit_to_all(up, fresh, now)
            if up.waiting:
                arrived.append((up, fresh, late))
        for up, fresh, late in arrived:  # those who leave another UpTrack have had everything of it
            self._start_waiting(up, fresh, late)

    def _emit_to_all(self, up: UpTrack, fresh: list[RtpPacket], now: float) -> None:
        """The packet path: what is done here is done for every receiver."""
        bursts = self._bursts
        size_bytes = sum(len(packet.data) for packet in fresh)
        keyframe = fresh[0].ts == up.keyframe_ts or fresh[-1].ts == up.keyframe_ts
        next_seq = fresh[-1].ext_seq + 1
        stalled = []
        with_copies: dict[tuple[int, Distances], list[RtpPacket]] = {}
        for down in up.downs:
            numbers = down.numbers
            seq_offset = numbers.seq_offset
            packets = fresh
            if down.redundancy is not None:
                key = down.copies_from(fresh[0].ext_seq + seq_offset)
                packets = with_copies.get(key) or [redundant(packet, up.cache, *key) for packet in fresh]
                with_copies[key] = packets
            burst = Burst(down, packets, seq_offset, numbers.ts_offset)
            downlink = down.downlink
            if downlink is None or downlink.push(burst, size_bytes, down.priority, down, now, keyframe=keyframe):
                down.unsent_seq = next_seq + seq_offset
                bursts.append(burst)
            else:
                stalled.append(downlink)
        for downlink in stalled:
            self._hold(downlink, now)

    def _emit(self, burst: Burst, size_bytes: int, now: float, *, keyframe: bool = False) -> None:
        down = burst.down
        downlink = down.downlink
        if down.redundancy is not None and down.up is not None:
            cache, offset = down.up.cache, burst.seq_offset
            burst = burst._replace(packets=[down.with_copies(p, cache, p.ext_seq + offset) for p in burst.packets])
        if downlink is None or downlink.push(burst, size_bytes, down.priority, down, now, keyframe=keyframe):
            self._passed(burst)
        else:
            self._hold(downlink, now)

    def _passed(self, burst: Burst) -> None:
        down = burst.down
        down.unsent_seq = max(down.unsent_seq, burst.packets[-1].ext_seq + burst.seq_offset + 1)
        self._bursts.append(burst)

    def _hold(self, downlink: Downlink[Burst | Resend], now: float) -> None:
        self._held[downlink] = None
        for stream in downlink.take_stalled():
            assert isinstance(stream, DownTrack)
            self._stall(stream, now)

    def _stall(self, down: DownTrack, now: float) -> None:
        """What was planned for it was dropped before it left: it begins again with a keyframe that is still to come."""
        up = down.up
        if up is None:
            return
        down.stop(now, rewind=True)
        up.downs = [other for other in up.downs if other is not down]
        if down.next_up is None:
            down.next_up = up
            up.waiting.append(down)
        down.catch_up_bytes = 0

    # --- what was held back ------------------------------------------------------------------------------------

    def resend(self, down: DownTrack, data: bytes, now: float) -> None:
        """Let a packet leave once more, when its path allows."""
        downlink = down.downlink
        priority = Priority.VOICE if down.priority is Priority.VOICE else Priority.RESEND
        if downlink is None or downlink.push((down, data), len(data), priority, down, now):
            self._resends.append((down, data))
        else:
            self._hold(downlink, now)

    def release(self, downlink: Downlink[Burst | Resend], probes: DownTrack | None, now: float) -> None:
        """Let leave what is due, and send of ``probes`` what is to measure the path; without, that is for next time."""
        for item in downlink.due(now):
            if isinstance(item, Burst):
                self._passed(item)
            else:
                self._resends.append(item)
        if probes is not None and (probe_bytes := downlink.take_probe_bytes()):
            for data in probes.repeats(probe_bytes, now):
                if downlink.push((probes, data), len(data), Priority.PROBE, probes, now):
                    self._resends.append((probes, data))
        self._hold(downlink, now)
        if downlink.idle:
            del self._held[downlink]

    def held(self) -> list[Downlink[Burst | Resend]]:
        """Where something waits to leave."""
        return list(self._held)

    def forget(self, downlink: Downlink[Burst | Resend]) -> None:
        """A receiver is gone."""
        self._held.pop(downlink, None)

    def next_timeout(self) -> float:
        """When something held back may leave."""
        return min((downlink.next_timeout() for downlink in self._held), default=float("inf"))

    def take_resends(self) -> list[Resend]:
        """Drain the retransmissions."""
        taken, self._resends = self._resends, []
        return taken

    def take_bursts(self) -> list[Burst]:
        """Drain what is to be sent."""
        taken, self._bursts = self._bursts, []
        return taken

    def take_started(self) -> list[DownTrack]:
        """Drain those that begin something new."""
        taken, self._started = self._started, []
        return taken

    # --- who takes what ----------------------------------------------------------------------------------------

    def plug(
        self,
        down: DownTrack,
        up: UpTrack,
        now: float,
        catch_up_bytes: float = float("inf"),
        spacing_s: float = URGENT_SPACING_S,
    ) -> None:
        """Let a DownTrack take an UpTrack from its next keyframe on, or at once from the cache.

        From the cache it gets no more than ``catch_up_bytes``; else a keyframe is asked for, ``spacing_s`` after the
        one before at the earliest. Until then it goes on with what it takes.
        """
        self.plan()
        self.forget_wish(down)
        if down.up is up:
            return
        down.next_up = up
        down.catch_up_bytes = catch_up_bytes
        up.waiting.append(down)
        self._start_from_cache(up, now)
        if down.next_up is not None:
            up.want_keyframe(spacing_s)

    def bridge(self, down: DownTrack, layers: Sequence[UpTrack], now: float, catch_up_bytes: float) -> bool:
        """Let a DownTrack that waits for a keyframe show the best of these layers that can begin at once, if any can.

        It is one that comes now, and of which its path takes all since the last keyframe in little time: a classroom
        that is called on is seen as soon as those who look on can be reached, however far away it is itself.
        """
        self.plan()  # what has just come is in the cache: it is not to be sent once more
        awaited = down.next_up
        for up in reversed(layers if awaited is not None else []):
            cached = up.cache.since_keyframe(CATCH_UP_PACKETS) if now - up.last_received_at_s < STALE_S else []
            fits = sum(len(packet.data) for packet in cached) <= catch_up_bytes
            if cached and fits and down.realtime and down.can_begin_with(up, cached):
                if up is awaited:
                    self.forget_wish(down)
                self._start(down, up, cached, now, catch_up=True, next_up=down.next_up)
                return True
        return False

    def unplug(self, down: DownTrack, now: float) -> None:
        """Let a DownTrack take nothing from now on."""
        self.plan()
        self.forget_wish(down)
        self._leave(down, now)

    def restart(self, down: DownTrack, now: float, catch_up_bytes: float = float("inf")) -> bool:
        """Let a receiver that cannot decode begin again from the cache; False when that is too much for its path.

        What it began with is on its way to it as long as that has not all left.
        """
        up = down.up
        if up is None:
            return False
        if down.beginning:
            return True
        cached = up.cache.since_keyframe(CATCH_UP_PACKETS) if down.may_catch_up(now) else []
        if not cached or sum(len(packet.data) for packet in cached) > catch_up_bytes:
            return False
        self.unplug(down, now)
        self.plug(down, up, now)
        return True

    def forget_wish(self, down: DownTrack) -> None:
        """Let a DownTrack go on with what it takes, and wait for nothing else."""
        up = down.next_up
        if up is not None:
            up.waiting = [other for other in up.waiting if other is not down]
            down.next_up = None

    def _leave(self, down: DownTrack, now: float, follows: UpTrack | None = None) -> None:
        up = down.up
        if up is not None:
            # What is shown no more does not leave before what is to be shown; another layer only follows.
            another = follows is None or follows.publication is not up.publication
            down.stop(now, rewind=another and down.downlink is not None and down.downlink.drop(down))
            up.downs = [other for other in up.downs if other is not down]

    # --- who waits ---------------------------------------------------------------------------------------------

    def _start_waiting(self, up: UpTrack, fresh: list[RtpPacket], late: list[RtpPacket]) -> None:
        """Those who wait start where a keyframe does; with sound, at once."""
        first = next((packet for packet in fresh if packet.keyframe_start or not up.video), None)
        if first is None:
            if late:  # it may have completed a keyframe
                self._start_from_cache(up, up.last_received_at_s)
            return
        waiting, up.waiting = up.waiting, []
        since = fresh[fresh.index(first) :]
        after = [packet for packet in late if packet.ext_seq >= first.ext_seq]
        now = first.received_at_s
        for down in waiting:
            self._start(down, up, since, now)
            numbers = down.numbers
            for packet in after:
                if down.up is not up:
                    break  # it stalled: its numbers are given again
                self._emit(Burst(down, (packet,), numbers.seq_offset, numbers.ts_offset), len(packet.data), now)

    def _start_from_cache(self, up: UpTrack, now: float) -> None:
        cached = up.cache.since_keyframe(CATCH_UP_PACKETS) if up.video and up.waiting else []
        if not cached:
            return
        size_bytes = sum(len(packet.data) for packet in cached)
        waiting, up.waiting = up.waiting, []
        for down in waiting:
            if down.catch_up_bytes < size_bytes or not down.can_begin_with(up, cached):
                up.waiting.append(down)
            else:
                self._start(down, up, cached, now, catch_up=True)

    def _start(
        self,
        down: DownTrack,
        up: UpTrack,
        packets: list[RtpPacket],
        now: float,
        *,
        catch_up: bool = False,
        next_up: UpTrack | None = None,
    ) -> None:
        self._leave(down, now, up)
        down.next_up = next_up
        bursts = down.start(up, packets, now, catch_up=catch_up)
        up.downs.append(down)
        self._started.append(down)
        for burst in bursts:
            for part in _slices(burst):
                if down.up is not up:
                    return  # it stalled
                size_bytes = sum(len(packet.data) for packet in part.packets)
                self._emit(part, size_bytes, now, keyframe=catch_up or burst is bursts[0])


def _slices(burst: Burst) -> list[Burst]:
    """A burst in parts that a slow path takes one by one."""
    downlink = burst.down.downlink
    if downlink is None:
        return [burst]
    each = max(1, downlink.slice_bytes // max(len(packet.data) for packet in burst.packets))
    return [burst._replace(packets=burst.packets[at : at + each]) for at in range(0, len(burst.packets), each)]
