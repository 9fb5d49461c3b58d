"""One WHIP session: a transport, the senders of its tracks, and the feedback of the server."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from classroom.capture.pacer import Pacer
from classroom.capture.sdp import OfferedTrack, build_offer, parse_answer
from classroom.capture.sender import RtpParameters, RtpSender
from classroom.model import TrackKind
from classroom.sfu.core.rtcp import (
    Nack,
    PictureLoss,
    ReceiverReport,
    ReferenceTime,
    RtcpError,
    SenderReport,
    build_dlrr,
    ntp_middle,
    parse_rtcp,
)
from classroom.sfu.transport.client import ClientTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.capture.clock import CaptureClock
    from classroom.capture.frames import CodedFrame
    from classroom.capture.tracks import Track
    from classroom.capture.whip import WhipClient, WhipSession

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 1.0
MIN_KEYFRAME_INTERVAL_S = 0.25
_CONNECT_TIMEOUT_S = 5.0


@dataclass(slots=True)
class _Outgoing:
    """A track on its way out."""

    track: Track
    sender: RtpSender
    pacer: Pacer
    keyframe_s: float = float("-inf")


class Session:
    """Publishes tracks from open() until close(), or until ``closed`` tells why the path is gone.

    Voice is sent as it comes; every picture has a pacer of its own, so no stream waits behind another.
    """

    def __init__(self, whip: WhipClient, clock: CaptureClock) -> None:
        self._whip = whip
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._transport = ClientTransport(on_rtcp=self._receive_rtcp, on_close=self._lost)
        self._http_session: WhipSession | None = None
        self._outgoing: dict[int, _Outgoing] = {}
        self._reports: asyncio.Task[None] | None = None

    def statistics(self) -> list[str]:
        """One line a track: what has been sent."""
        return [
            f"{outgoing.track.label}: {sender.frames_sent} frames, {sender.packets_sent} packets, "
            f"{sender.packets_resent} sent again, loss {sender.fraction_lost:.1%}, rtt {sender.rtt_s * 1000:.0f} ms"
            for outgoing in self._outgoing.values()
            for sender in (outgoing.sender,)
        ]

    async def open(self, tracks: Sequence[Track]) -> None:
        """Post, connect and start to send. Raises what WhipClient.post, parse_answer and connect raise."""
        offered = [OfferedTrack(track.label, ssrc=_random_ssrc(), rtx_ssrc=_random_ssrc()) for track in tracks]
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
            parameters = answer.accepted.get(track.label)
            if parameters is None:
                logger.warning("%s: 服务器不接收 / the server does not take it", track.label)
                continue
            self._add(track, parameters, cname)
        self._reports = self._loop.create_task(self._report(), name="sender reports")

    def _add(self, track: Track, parameters: RtpParameters, cname: str) -> None:
        sender = RtpSender(
            parameters, self._clock, cname, first_seq=secrets.randbits(15), first_ts=secrets.randbits(32)
        )
        pacer = Pacer(self._loop, self._transport.send_rtp, track.request_keyframe)
        outgoing = _Outgoing(track, sender, pacer)
        self._outgoing[parameters.ssrc] = outgoing
        # The server knows our clock before the first packet, and a receiver can play in sync from the start.
        self._transport.send_rtcp(sender.sender_report())
        for frame in track.opening():
            self._send(outgoing, frame)
        track.on_frame = partial(self._send, outgoing)

    def _send(self, outgoing: _Outgoing, frame: CodedFrame) -> None:
        packets = outgoing.sender.packetize(frame, self._clock.now_s())
        if outgoing.sender.parameters.kind is TrackKind.AUDIO:
            self._transport.send_rtp(packets)
        else:
            outgoing.pacer.push(packets)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            for outgoing in self._outgoing.values():
                self._transport.send_rtcp(outgoing.sender.sender_report())

    def _receive_rtcp(self, data: bytes) -> None:
        try:
            packets = parse_rtcp(data)
        except RtcpError as error:
            logger.debug("bad RTCP from the server: %s", error)
            return
        now_s = self._clock.now_s()
        for packet in packets:
            if isinstance(packet, Nack):
                outgoing = self._outgoing.get(packet.media_ssrc)
                if outgoing is not None:
                    self._transport.send_rtp(outgoing.sender.resend(packet.seqs, now_s))
            elif isinstance(packet, PictureLoss):
                outgoing = self._outgoing.get(packet.media_ssrc)
                if outgoing is not None and now_s - outgoing.keyframe_s >= MIN_KEYFRAME_INTERVAL_S:
                    outgoing.keyframe_s = now_s
                    outgoing.track.request_keyframe()
            elif isinstance(packet, ReceiverReport | SenderReport):
                for block in packet.blocks:
                    outgoing = self._outgoing.get(block.ssrc)
                    if outgoing is not None:
                        outgoing.sender.report(block, now_s)
            elif isinstance(packet, ReferenceTime) and self._outgoing:
                ours = next(iter(self._outgoing))
                self._transport.send_rtcp(build_dlrr(ours, packet.ssrc, ntp_middle(packet.ntp), 0))

    def _lost(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything has left and a report has confirmed it, or the time is over."""
        deadline_s = self._loop.time() + timeout_s
        while self._loop.time() < deadline_s and not self.closed.done():
            if all(outgoing.pacer.idle and outgoing.sender.acknowledged for outgoing in self._outgoing.values()):
                return
            await asyncio.wait([self.closed], timeout=0.05)

    async def close(self) -> None:
        """BYE, DELETE, and free everything; may be called twice."""
        if self._reports is not None:
            self._reports.cancel()
            await asyncio.gather(self._reports, return_exceptions=True)
            self._reports = None
        for outgoing in self._outgoing.values():
            outgoing.track.on_frame = None
            outgoing.pacer.close()
            if self._transport.connected:
                self._transport.send_rtcp(outgoing.sender.bye())
        session, self._http_session = self._http_session, None
        if session is not None and not self.closed.done():
            await self._whip.delete(session)
        await self._transport.close()
        self.closed.cancel()


def _random_ssrc() -> int:
    return secrets.randbelow(0xFFFF_FFFE) + 1
