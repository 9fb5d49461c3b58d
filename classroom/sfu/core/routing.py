"""Which encoding of which m-section a packet belongs to (RFC 8843 §9.2, RFC 8852), what an RTX packet repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from classroom.sfu.core.rtp import RtpPacket, header_extensions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.peers import Encoding, IncomingMedia


SSRC_SILENT_S = 1.0  # until then a second one is a stray, or layers that were not negotiated


class Route(NamedTuple):
    """Where a packet belongs. ``repair`` when it is one of the RTX stream."""

    media: IncomingMedia
    encoding: Encoding
    repair: bool


class Routes:
    """Finds the encoding of a packet by SSRC, else by MID and RID, else by a payload type that only one section has.

    A new SSRC that they place in an encoding is remembered there; each encoding has one, and one for RTX. It may change
    its SSRC (RFC 3550 §8.2: a collision) when nothing has come under the former one for SSRC_SILENT_S.
    """

    def __init__(self, sections: Sequence[IncomingMedia]) -> None:
        self._sections = sections
        self._by_ssrc: dict[int, Route] = {}
        for media in sections:
            for encoding in media.encodings:
                if encoding.ssrc is not None:
                    self._by_ssrc[encoding.ssrc] = Route(media, encoding, repair=False)
                if encoding.rtx_ssrc is not None:
                    self._by_ssrc[encoding.rtx_ssrc] = Route(media, encoding, repair=True)

    def find(self, packet: RtpPacket, now: float) -> Route | None:
        """None when the packet belongs nowhere."""
        route = self._by_ssrc.get(packet.ssrc)
        if route is None:
            return self._learn(packet, now)
        return route if packet.pt == (route.media.rtx_pt if route.repair else route.media.pt) else None

    def _learn(self, packet: RtpPacket, now: float) -> Route | None:
        extensions = dict(header_extensions(packet)) if packet.extension_start else {}
        media = self._section(packet, extensions)
        if media is None:
            return None
        repair = packet.pt == media.rtx_pt
        rid = extensions.get(media.rrid_ext if repair else media.rid_ext)
        encoding = media.encodings[0]
        if encoding.rid:
            name = None if rid is None else rid.decode("ascii", "replace")
            named = next((e for e in media.encodings if e.rid == name), None)
            if named is None:
                return None
            encoding = named
        former = encoding.rtx_ssrc if repair else encoding.ssrc
        if not repair and packet.pt != media.pt:
            return None
        if not repair and encoding.track is not None and now - encoding.track.last_received_at_s < SSRC_SILENT_S:
            return None  # the encoding has its stream
        if former is not None:
            self._by_ssrc.pop(former, None)
        if repair:
            encoding.rtx_ssrc = packet.ssrc
        else:
            encoding.ssrc = packet.ssrc
        route = self._by_ssrc[packet.ssrc] = Route(media, encoding, repair)
        return route

    def _section(self, packet: RtpPacket, extensions: dict[int, bytes]) -> IncomingMedia | None:
        for media in self._sections:
            if media.mid_ext and extensions.get(media.mid_ext) == media.mid.encode():
                return media
        candidates = [media for media in self._sections if packet.pt in (media.pt, media.rtx_pt)]
        return candidates[0] if len(candidates) == 1 else None


def unwrap_rtx(packet: RtpPacket, route: Route) -> RtpPacket | None:
    """The original of an RTX packet (RFC 4588); None when it carries none or the stream has not begun."""
    start = packet.payload_start
    ssrc = route.encoding.ssrc
    if packet.payload_end - start <= 2 or ssrc is None:
        return None
    seq = packet.data[start] << 8 | packet.data[start + 1]
    return RtpPacket(
        packet.data,
        route.media.pt,
        packet.marker,
        seq,
        packet.ts,
        ssrc,
        packet.extension_start,
        start + 2,
        packet.payload_end,
    )
