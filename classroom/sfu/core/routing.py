"""Which m-section a packet of a publisher belongs to (RFC 8843 §9.2), and what an RTX packet repeats (RFC 4588)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.rtp import RtpPacket, header_extensions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.peers import IncomingMedia


def route(sections: Sequence[IncomingMedia], packet: RtpPacket) -> IncomingMedia | None:
    """Find the section by SSRC, else by MID, else by a payload type that only one section has.

    A new SSRC that MID or payload type place in a section is remembered there. None when it belongs nowhere.
    """
    for section in sections:
        if packet.ssrc == section.ssrc:
            return section if packet.pt == section.pt else None
        if packet.ssrc == section.rtx_ssrc:
            return section if packet.pt == section.rtx_pt else None
    found = _by_mid(sections, packet)
    if found is None:
        candidates = [s for s in sections if packet.pt in (s.pt, s.rtx_pt)]
        found = candidates[0] if len(candidates) == 1 else None
    if found is None:
        return None
    if packet.pt == found.rtx_pt:
        found.rtx_ssrc = packet.ssrc
        return found
    if packet.pt != found.pt or found.track is not None:
        return None  # the section has its stream; a second SSRC is not ours (simulcast is negotiated by RID)
    found.ssrc = packet.ssrc
    return found


def _by_mid(sections: Sequence[IncomingMedia], packet: RtpPacket) -> IncomingMedia | None:
    if not packet.extension_start:
        return None
    extensions = dict(header_extensions(packet))
    for section in sections:
        if section.mid_ext and extensions.get(section.mid_ext) == section.mid.encode():
            return section
    return None


def unwrap_rtx(packet: RtpPacket, section: IncomingMedia) -> RtpPacket | None:
    """The original of an RTX packet; None when it carries none or the stream has not begun."""
    start = packet.payload_start
    if packet.payload_end - start <= 2 or section.ssrc is None:
        return None
    seq = packet.data[start] << 8 | packet.data[start + 1]
    return RtpPacket(
        packet.data, section.pt, packet.marker, seq, packet.ts, section.ssrc, 0, start + 2, packet.payload_end
    )
