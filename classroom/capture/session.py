"""One WHIP session: a transport, the senders of its streams, and the feedback of the server."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from classroom.capture.sdp import OfferedStream, OfferedTrack, build_offer, parse_answer
from classroom.capture.sender import RtpParameters, RtpSender, Timestamps
from classroom.capture.uplink import TICK_S, Lane, Uplink, UplinkState, order_of_worth
from classroom.capture.video_layer import VideoLayer
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.rtcp import (
    Nack,
    PictureLoss,
    ReceiverReport,
    ReferenceTime,
    Rtcp,
    RtcpError,
    SenderReport,
    build_bye,
    build_dlrr,
    ntp_middle,
    parse_rtcp,
)
from classroom.sfu.core.serial import distance16
from classroom.sfu.core.twcc import TransportFeedback
from classroom.sfu.transport.client import ClientTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.capture.clock import CaptureClock
    from classroom.capture.frames import CodedFrame
    from classroom.capture.stream import Stream
    from classroom.capture.tracks import Track
    from classroom.capture.whip import WhipClient, WhipSession

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 1.0
MIN_KEYFRAME_INTERVAL_S = 0.25
_CONNECT_TIMEOUT_S = 5.0
_DRAIN_POLL_S = 0.1
_REPEAT_S = 0.1  # then twice as long each time: reports come once a second, and the link may be thin
_TOP_LAYER_FIRST_S = 1.0  # then the layers below it go without it


@dataclass(slots=True)
class _Outgoing:
    """A stream on its way out; ``lane`` is that of a picture, ``larger`` the top layer of a picture below that.

    A PAUSE with an older id than ours is late.
    """

    stream: Stream
    sender: RtpSender
    lane: Lane | None
    larger: Lane | None = None
    waiting_since_s: float | None = None
    keyframe_s: float = float("-inf")
    pause_id: int | None = None


class Session:
    """Publishes tracks from open() until close(), or until ``closed`` tells why the path is gone.

    Voice is sent as it comes; pictures share what the uplink carries.
    """

    def __init__(self, whip: WhipClient, clock: CaptureClock, last_time_bps: int | None = None) -> None:
        self._whip = whip
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._transport = ClientTransport(on_rtcp=self._receive_rtcp, on_close=self._lost)
        self._uplink = Uplink(self._loop, clock.now_s, self._transport.send_rtp, self._stopped, last_time_bps)
        self._http_session: WhipSession | None = None
        self._outgoing: dict[int, _Outgoing] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def path_bps(self) -> int | None:
        """What the way to the server carries, or did until it died, as far as is known."""
        return self._uplink.path_bps

    @property
    def uplink_state(self) -> UplinkState | None:
        """What is left of it; None while that is not known."""
        return self._uplink.state

    def statistics(self) -> list[str]:
        """One line a stream: what has been sent."""
        return [
            f"{outgoing.stream.name}: {sender.frames_sent} frames, {sender.packets_sent} packets, "
            f"{sender.packets_resent} sent again, loss {sender.fraction_lost:.1%}, rtt {sender.rtt_s * 1000:.0f} ms"
            for outgoing in self._outgoing.values()
            for sender in (outgoing.sender,)
        ]

    async def open(self, tracks: Sequence[Track]) -> None:
        """Post, connect and start to send. Raises what WhipClient.post, parse_answer and connect raise."""
        offered = [
            OfferedTrack(
                track.label,
                tuple(OfferedStream(stream.rid, _random_ssrc(), _random_ssrc()) for stream in track.streams),
            )
            for track in tracks
        ]
        cname = secrets.token_hex(8)
        try:
            self._http_session = await self._whip.post(
                build_offer(
                    offered,
                    ufrag=self._transport.ufrag,
                    pwd=self._transport.pwd,
                    fingerprint=self._transport.fingerprint,
                    cname=cname,
                    session_id=secrets.randbits(62),
                )
            )
            answer = parse_answer(self._http_session.answer, offered)
            await self._transport.connect(answer.remote, _CONNECT_TIMEOUT_S)
        except BaseException:
            await self.close()
            raise
        for track in tracks:
            self._add(track, answer.accepted.get(track.label, ()), cname)
        self._start(numbered=answer.numbered)

    def _add(self, track: Track, accepted: tuple[RtpParameters, ...], cname: str) -> None:
        """Make a sender of each stream that the server takes; the layers that it does not take are not encoded."""
        if not accepted:
            logger.warning("%s: 服务器不接收 / the server does not take it", track.label)
        elif len(accepted) < len(track.streams):
            logger.info("%s: 服务器不接收小画面 / the server does not take the smaller layers", track.label)
        by_rid = {parameters.rid: parameters for parameters in accepted}
        timestamps: Timestamps | None = None
        top: Lane | None = None
        for rung, stream in enumerate(track.streams):
            parameters = by_rid.get(stream.rid) or (by_rid.get("") if rung == 0 else None)
            if parameters is None:
                if isinstance(stream, VideoLayer):
                    stream.send_at(None, "服务器不接收 / the server does not take it")
                continue
            timestamps = timestamps or Timestamps(
                parameters.clock_rate_hz, self._clock.now_s(), first=secrets.randbits(32)
            )
            sender = RtpSender(parameters, self._clock, timestamps, cname, first_seq=secrets.randbits(15))
            lane = None
            if isinstance(stream, VideoLayer):
                lane = Lane(stream, sender, order_of_worth(track.label, rung, len(track.streams)))
            self._outgoing[parameters.ssrc] = _Outgoing(stream, sender, lane, larger=top)
            top = top or lane

    def _start(self, *, numbered: bool) -> None:
        lanes = [outgoing.lane for outgoing in self._outgoing.values() if outgoing.lane is not None]
        self._uplink.open(lanes, numbered=numbered)
        for outgoing in self._outgoing.values():
            # The server knows our clock before the first packet, and a receiver can play in sync from the start.
            self._transport.send_rtcp(outgoing.sender.sender_report())
            for frame in outgoing.stream.opening():
                self._send(outgoing, frame)
            outgoing.stream.on_frame = partial(self._send, outgoing)
        self._tasks = [
            self._loop.create_task(self._report(), name="sender reports"),
            self._loop.create_task(self._share_out(), name="uplink"),
        ]

    def _send(self, outgoing: _Outgoing, frame: CodedFrame) -> None:
        now_s = self._clock.now_s()
        if outgoing.lane is None:
            self._transport.send_rtp(outgoing.sender.packetize(frame, now_s), voice=True)
        elif self._waits_for_larger(outgoing, now_s):
            outgoing.lane.layer.begin_anew()
        else:
            self._uplink.send(outgoing.lane, frame, now_s)

    def _waits_for_larger(self, outgoing: _Outgoing, now_s: float) -> bool:
        """Small layers are there sooner; but who sees one first would begin with it, a recording for good."""
        larger = outgoing.larger
        if larger is None or not larger.sent or outgoing.sender.packets_sent or self._uplink.has_begun(larger):
            return False
        if outgoing.waiting_since_s is None:
            outgoing.waiting_since_s = now_s
        return now_s - outgoing.waiting_since_s < _TOP_LAYER_FIRST_S

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            for outgoing in self._outgoing.values():
                self._transport.send_rtcp(outgoing.sender.sender_report())

    async def _share_out(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._uplink.tick()

    def _receive_rtcp(self, data: bytes) -> None:
        try:
            packets = parse_rtcp(data)
        except RtcpError as error:
            logger.debug("bad RTCP from the server: %s", error)
            return
        now_s = self._clock.now_s()
        for packet in packets:
            self._receive(packet, now_s)

    def _receive(self, packet: Rtcp, now_s: float) -> None:
        if isinstance(packet, Nack):
            outgoing = self._outgoing.get(packet.media_ssrc)
            if outgoing is None:
                return
            if outgoing.lane is None:
                self._transport.send_rtp(outgoing.sender.resend(packet.seqs, now_s), voice=True)
            else:
                self._uplink.resend(outgoing.lane, packet.seqs, now_s)
        elif isinstance(packet, TransportFeedback):
            self._uplink.feedback(packet)
        elif isinstance(packet, PictureLoss):
            outgoing = self._outgoing.get(packet.media_ssrc)
            if outgoing is not None and now_s - outgoing.keyframe_s >= MIN_KEYFRAME_INTERVAL_S:
                outgoing.keyframe_s = now_s
                outgoing.stream.request_keyframe()
        elif isinstance(packet, PauseResume):
            self._pause(packet)
        elif isinstance(packet, ReceiverReport | SenderReport):
            for block in packet.blocks:
                outgoing = self._outgoing.get(block.ssrc)
                if outgoing is not None:
                    outgoing.sender.report(block, now_s)
        elif isinstance(packet, ReferenceTime) and self._outgoing:
            ours = next(iter(self._outgoing))
            self._transport.send_rtcp(build_dlrr(ours, packet.ssrc, ntp_middle(packet.ntp), 0))

    def _pause(self, message: PauseResume) -> None:
        """Obey PAUSE and RESUME (RFC 7728 §6); PAUSED tells where the stream stopped."""
        outgoing = self._outgoing.get(message.target_ssrc)
        if outgoing is None or outgoing.lane is None or message.type not in (PauseType.PAUSE, PauseType.RESUME):
            return
        current = outgoing.pause_id
        if current is not None and distance16(message.pause_id, current) < 0:
            return  # it was overtaken
        paused = message.type is PauseType.PAUSE
        # What comes after a RESUME has a higher id; a PAUSE that was repeated keeps its own.
        outgoing.pause_id = message.pause_id if paused else (message.pause_id + 1) & 0xFFFF
        self._uplink.want(outgoing.lane, not paused)
        if paused:
            self._tell_paused(outgoing)

    def _stopped(self, lane: Lane) -> None:
        """The uplink is too thin for a layer: told as if it had been paused (RFC 7728 §6.4), so that nobody waits."""
        self._tell_paused(self._outgoing[lane.sender.parameters.ssrc])

    def _tell_paused(self, outgoing: _Outgoing) -> None:
        ssrc, pause_id = outgoing.sender.parameters.ssrc, outgoing.pause_id or 0
        told = PauseResume(ssrc, ssrc, PauseType.PAUSED, pause_id, outgoing.sender.highest_ext_seq)
        self._transport.send_rtcp(build_pause(told))

    def _lost(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything has left and reports have confirmed that it arrived, or the time is over.

        A loss at the very end leaves no gap that shows: the last packet goes out again now and then until a report
        names it, and the server asks for what is missing before it.
        """
        deadline_s = self._loop.time() + timeout_s
        repeat_at_s, interval_s = 0.0, _REPEAT_S
        while (now_s := self._loop.time()) < deadline_s and not self.closed.done():
            if self._uplink.idle:
                if all(outgoing.sender.complete for outgoing in self._outgoing.values()):
                    return
                if now_s >= repeat_at_s:
                    self._repeat_unnamed()
                    repeat_at_s, interval_s = now_s + interval_s, 2 * interval_s
            await asyncio.wait([self.closed], timeout=_DRAIN_POLL_S)

    def _repeat_unnamed(self) -> None:
        for outgoing in self._outgoing.values():
            if outgoing.sender.acknowledged:
                continue
            if outgoing.lane is None:
                self._transport.send_rtp(outgoing.sender.repeat_last(), voice=True)
            else:
                self._uplink.repeat_last(outgoing.lane)

    def _say_goodbye(self) -> None:
        """One BYE for all (RFC 3550 §6.6): after one for each the server would go on from layer to layer."""
        senders = [outgoing.sender for outgoing in self._outgoing.values()]
        ssrcs = [ssrc for sender in senders for ssrc in sender.ssrcs]
        for sender in senders[1:]:
            self._transport.send_rtcp(sender.sender_report())
        for sender in senders[:1]:
            self._transport.send_rtcp(sender.sender_report() + build_bye(ssrcs))

    async def close(self) -> None:
        """BYE, DELETE, and free everything; may be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for outgoing in self._outgoing.values():
            outgoing.stream.on_frame = None
        self._uplink.close()
        if self._transport.connected:
            self._say_goodbye()
        session, self._http_session = self._http_session, None
        if session is not None and not self.closed.done():
            await self._whip.delete(session)
        await self._transport.close()
        self.closed.cancel()


def _random_ssrc() -> int:
    return secrets.randbelow(0xFFFF_FFFE) + 1
