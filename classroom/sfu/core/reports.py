"""RTCP reports in both directions: built from the state of tracks, read into the state of peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core import rtcp
from classroom.sfu.core.ntp import seconds_to_ntp
from classroom.sfu.core.peers import Publisher, Receiver
from classroom.sfu.core.reception import ntp_seconds, round_trip_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from classroom.sfu.core.down_track import DownTrack

MAX_EARLY_REPORTS = 64
REPORTS_IN_A_PACKET = 31  # of 28 bytes each: stays inside one datagram on any path


def sender_reports(downs: Iterable[DownTrack], cname: str, ntp_s: float) -> Iterator[bytes]:
    """Compound packets with a sender report for each track that has begun, none larger than a datagram."""
    ready = [down for down in downs if down.up is not None]
    for at in range(0, len(ready), REPORTS_IN_A_PACKET):
        some = ready[at : at + REPORTS_IN_A_PACKET]
        reports = [report for down in some if (report := _sender_report(down, ntp_s)) is not None]
        if reports:
            yield b"".join(rtcp.build_sr(report) for report in reports) + rtcp.build_sdes(reports[0].ssrc, cname)


def _sender_report(down: DownTrack, ntp_s: float) -> rtcp.SenderReport | None:
    up_ts = None if down.up is None else down.up.clock.timestamp(ntp_s)
    if up_ts is None:
        return None
    return rtcp.SenderReport(down.ssrc, seconds_to_ntp(ntp_s), down.outgoing_ts(up_ts), down.packets, down.octets)


def receiver_report(publisher: Publisher, cname: str, now: float, ntp_s: float) -> bytes:
    """What we received of a publisher, with our time so that it tells us the round trip (XR RRTR)."""
    blocks = [track.reception.block(now) for track in publisher.tracks]
    return b"".join(
        (
            rtcp.build_rr(publisher.ssrc, blocks[:31]),
            rtcp.build_sdes(publisher.ssrc, cname),
            rtcp.build_rrtr(publisher.ssrc, seconds_to_ntp(ntp_s)),
        )
    )


def read_reports(peer: Publisher | Receiver, packets: Sequence[rtcp.Rtcp], now: float, ntp_s: float) -> set[int]:
    """Note round trip, loss and sender reports of a peer; return the SSRCs that said BYE."""
    gone: set[int] = set()
    now_ntp = seconds_to_ntp(ntp_s)
    for packet in packets:
        if isinstance(packet, rtcp.SenderReport):
            if isinstance(peer, Publisher):
                _read_sender_report(peer, packet, now, ntp_s)
            _read_blocks(peer, packet.blocks, now, now_ntp)
        elif isinstance(packet, rtcp.ReceiverReport):
            _read_blocks(peer, packet.blocks, now, now_ntp)
        elif isinstance(packet, rtcp.DelaySinceLastRr):
            _note_rtt(peer, round_trip_s(now_ntp, packet.lrr, packet.dlrr))
        elif isinstance(packet, rtcp.Bye):
            gone.update(packet.ssrcs)
    return gone


def answer_reference_times(ssrc: int, packets: Sequence[rtcp.Rtcp]) -> list[bytes]:
    """DLRR for each reference time (RFC 3611 §4.5): without it a browser that only receives knows no round trip."""
    return [
        rtcp.build_rr(ssrc, []) + rtcp.build_dlrr(ssrc, packet.ssrc, rtcp.ntp_middle(packet.ntp), 0)
        for packet in packets
        if isinstance(packet, rtcp.ReferenceTime)
    ]


def _read_sender_report(publisher: Publisher, report: rtcp.SenderReport, now: float, ntp_s: float) -> None:
    sent_s = ntp_seconds(report.ntp)
    publisher.clock.report(sent_s, ntp_s)
    for track in publisher.tracks:
        if track.ssrc == report.ssrc:
            track.clock.report(report.rtp_ts, sent_s)
            track.reception.sender_report(report.ntp, now)
            return
    # A careful publisher reports before its first packet, so that the clock is right from the start.
    if len(publisher.early_reports) < MAX_EARLY_REPORTS:
        publisher.early_reports[report.ssrc] = (report.rtp_ts, sent_s, ntp_s)


def _read_blocks(peer: Publisher | Receiver, blocks: Sequence[rtcp.ReportBlock], now: float, now_ntp: int) -> None:
    for block in blocks:
        _note_rtt(peer, round_trip_s(now_ntp, block.lsr, block.dlsr))
    if blocks and isinstance(peer, Receiver):
        peer.fraction_lost = max(block.fraction_lost for block in blocks) / 256
        for slot in peer.slots:
            redundancy = slot.down.redundancy
            if redundancy is not None:
                for block in blocks:
                    if block.ssrc == slot.down.ssrc:
                        redundancy.lost(block.fraction_lost / 256, peer.rtt_s, now)


def _note_rtt(peer: Publisher | Receiver, rtt_s: float | None) -> None:
    if rtt_s is not None:
        peer.rtt_s = rtt_s
