"""From UpTracks to DownTracks: what came goes to everybody who takes it; who waits starts where a keyframe does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.sink import Burst

if TYPE_CHECKING:
    from classroom.sfu.core.down_track import DownTrack
    from classroom.sfu.core.rtp import RtpPacket
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
        self._started: list[DownTrack] = []

    def touch(self, up: UpTrack) -> None:
        """Note that a packet came; for the first one since the last plan."""
        if len(up.fresh) + len(up.late) == 1:
            self._touched.append(up)

    def plan(self) -> None:
        """Make bursts of what has come."""
        touched, self._touched = self._touched, []
        bursts = self._bursts
        arrived = []
        for up in touched:
            fresh, late = up.fresh, up.late
            up.fresh, up.late = [], []
            for packet in late:
                for down in up.downs:
                    offsets = down.numbers.offsets(packet.ext_seq)
                    if offsets is not None:
                        bursts.append(Burst(down, (packet,), *offsets))
            if fresh:
                for down in up.downs:
                    numbers = down.numbers
                    bursts.append(Burst(down, fresh, numbers.seq_offset, numbers.ts_offset))
            if up.waiting:
                arrived.append((up, fresh, late))
        for up, fresh, late in arrived:  # those who leave another UpTrack have had everything of it
            self._start_waiting(up, fresh, late)

    def take_bursts(self) -> list[Burst]:
        """Drain what is to be sent."""
        taken, self._bursts = self._bursts, []
        return taken

    def take_started(self) -> list[DownTrack]:
        """Drain those that begin something new."""
        taken, self._started = self._started, []
        return taken

    # --- who takes what ----------------------------------------------------------------------------------------

    def plug(self, down: DownTrack, up: UpTrack, now: float, catch_up_bytes: float = float("inf")) -> None:
        """Let a DownTrack take an UpTrack from its next keyframe on, or at once from the cache.

        From the cache it gets no more than ``catch_up_bytes``. Until then it goes on with what it takes.
        """
        self.plan()
        self._forget_wish(down)
        if down.up is up:
            return
        down.next_up = up
        down.catch_up_bytes = catch_up_bytes
        up.waiting.append(down)
        self._start_from_cache(up, now)
        if down.next_up is not None:
            up.want_keyframe(urgent=True)

    def unplug(self, down: DownTrack, now: float) -> None:
        """Let a DownTrack take nothing from now on."""
        self.plan()
        self._forget_wish(down)
        self._leave(down, now)

    def restart(self, down: DownTrack, now: float) -> bool:
        """Let a receiver that cannot decode begin again from the cache; False when the cache does not serve."""
        up = down.up
        if up is None or not down.may_catch_up(now) or not up.cache.since_keyframe(CATCH_UP_PACKETS):
            return False
        self.unplug(down, now)
        self.plug(down, up, now)
        return True

    def _forget_wish(self, down: DownTrack) -> None:
        up = down.next_up
        if up is not None:
            up.waiting = [other for other in up.waiting if other is not down]
            down.next_up = None

    def _leave(self, down: DownTrack, now: float) -> None:
        up = down.up
        if up is not None:
            down.stop(now)
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
        for down in waiting:
            self._start(down, up, since, first.received_at_s)
            numbers = down.numbers
            self._bursts += [Burst(down, (packet,), numbers.seq_offset, numbers.ts_offset) for packet in after]

    def _start_from_cache(self, up: UpTrack, now: float) -> None:
        cached = up.cache.since_keyframe(CATCH_UP_PACKETS) if up.video and up.waiting else []
        if not cached:
            return
        size_bytes = sum(len(packet.data) for packet in cached)
        waiting, up.waiting = up.waiting, []
        for down in waiting:
            if down.catch_up_bytes < size_bytes:
                up.waiting.append(down)
            else:
                self._start(down, up, cached, now, catch_up=True)

    def _start(
        self, down: DownTrack, up: UpTrack, packets: list[RtpPacket], now: float, *, catch_up: bool = False
    ) -> None:
        self._leave(down, now)
        down.next_up = None
        self._bursts += down.start(up, packets, now, catch_up=catch_up)
        up.downs.append(down)
        self._started.append(down)
