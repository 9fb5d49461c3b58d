"""The answer to an offer, and the plans for what will flow (RFC 8829 §5.3).

A publisher's m-lines become publications, a receiver's become slots. One transport carries everything (BUNDLE);
what we do not carry is refused with port 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.model import Label, SlotWish, TrackKind
from classroom.sfu.negotiate.agreed import (
    EXT_AUDIO_LEVEL,
    EXT_CAPTURE_TIME,
    EXT_MID,
    EXT_PLAYOUT_DELAY,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_SEND_TIME,
    EXT_TRANSPORT_CC,
    Agreed,
    agree,
)
from classroom.sfu.negotiate.offer import MediaOffer, Offer, UnacceptableOffer

if TYPE_CHECKING:
    from collections.abc import Callable

_VIDEO_LABELS = (Label.CAMERA, Label.SLIDES, Label.SCREEN)
# A browser keeps one picture and one sound of a stream in sync: lips of the teacher, and of whoever has the floor.
_STREAMS = {
    SlotWish.SLIDES: "slides",
    SlotWish.SCREEN: "slides",
    SlotWish.FLOOR: "floor",
    SlotWish.TILE: "wall",
    SlotWish.SPEAKER: "floor",
}


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end: ICE credentials, "sha-256 AB:CD…", host candidates as (ip, port), and those that listen for TCP."""

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: tuple[tuple[str, int], ...]
    tcp_candidates: tuple[tuple[str, int], ...] = ()

    def candidate_lines(self) -> list[str]:
        """The candidates in SDP, the first with the highest priority (RFC 8445 §5.1.2.1), TCP last (RFC 6544 §4.2)."""
        udp = [
            f"candidate:{n} 1 udp {126 << 24 | (65535 - n) << 8 | 255} {ip} {port} typ host"
            for n, (ip, port) in enumerate(self.candidates, 1)
        ]
        tcp = [
            f"candidate:{n} 1 tcp {90 << 24 | (4 << 13 | 8191 - n) << 8 | 255} {ip} {port} typ host tcptype passive"
            for n, (ip, port) in enumerate(self.tcp_candidates, len(udp) + 1)
        ]
        return udp + tcp


@dataclass(frozen=True, slots=True)
class UpPlan:
    """What a publisher will send in one m-section. Extension ids are 0 when not negotiated.

    With ``rids`` (best first, as offered) each packet names its stream by RID, and no SSRC is known beforehand.
    ``pause``: the publisher can be told to pause a stream (RFC 7728).
    """

    mid: str
    kind: TrackKind
    label: Label
    pt: int
    rtx_pt: int | None
    clock_rate_hz: int
    ssrc: int | None
    rtx_ssrc: int | None
    rids: tuple[str, ...]
    nack: bool
    pause: bool
    mid_ext: int
    rid_ext: int
    rrid_ext: int
    twcc_ext: int
    audio_level_ext: int
    capture_time_ext: int


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What we will send in one m-section: a slot with its fixed SSRCs.

    ``named`` is the publication that a tile shows. ``red_pt`` when sound may also go as RFC 2198. With ``twcc_ext`` we
    estimate the path, with ``send_time_ext`` the receiver does (REMB).
    """

    mid: str
    kind: TrackKind
    wish: SlotWish
    pt: int
    rtx_pt: int | None
    red_pt: int | None
    clock_rate_hz: int
    ssrc: int
    rtx_ssrc: int | None
    nack: bool
    twcc_ext: int
    send_time_ext: int
    capture_time_ext: int
    playout_delay_ext: int
    named: str = ""


@dataclass(slots=True)
class Negotiated:
    """The answer with what it promises; ``dtls_client`` when we have to speak first."""

    answer: str
    dtls_client: bool
    ups: list[UpPlan] = field(default_factory=list)
    slots: list[SlotPlan] = field(default_factory=list)


def answer_offer(
    offer: Offer, local: LocalTransport, *, publishing: bool, cname: str, random32: Callable[[], int]
) -> Negotiated:
    """Answer a publisher's or a receiver's offer; raises UnacceptableOffer when nothing could flow."""
    bundled = set(offer.bundle)
    accepted: list[str] = []
    sections: list[list[str]] = []
    result = Negotiated("", dtls_client=offer.setup == "passive")
    taken: dict[TrackKind, int] = {TrackKind.AUDIO: 0, TrackKind.VIDEO: 0}
    reasons: list[str] = []
    for index, media in enumerate(offer.media):
        mid = media.mid if media.mid is not None else str(index)
        reason = _why_refused(media, publishing, bundled, bool(accepted))
        agreed = None if reason else agree(media, publishing)
        if agreed is None:
            wanted = "H.264 with packetization-mode=1" if media.kind == "video" else "Opus"
            reasons.append(f"m-line {index + 1} ({media.kind}): {reason or f'it does not offer {wanted}'}")
            sections.append([f"m={media.kind} 0 {media.proto} {' '.join(media.formats)}", "c=IN IP4 0.0.0.0"])
            if media.mid is not None:
                sections[-1].append(f"a=mid:{mid}")
            sections[-1].append("a=inactive")
            continue
        kind = TrackKind(media.kind)
        label = _label(media, kind)
        nth = taken[kind]
        taken[kind] += 1
        section = _transport_lines(media, mid, agreed, local, first=not accepted, dtls_client=result.dtls_client)
        section += _codec_lines(media, agreed)
        if publishing:
            result.ups.append(_up_plan(media, mid, kind, label or _default_label(kind, nth), agreed))
            section += ["a=recvonly", *_simulcast_lines(media, agreed)]
        else:
            slot = _slot_plan(mid, kind, *_wish(media, kind, nth), agreed, random32)
            result.slots.append(slot)
            section += ["a=sendonly", *_source_lines(slot, cname)]
        section += _extension_lines(media, agreed)
        accepted.append(mid)
        sections.append(section)
    if not accepted:
        raise UnacceptableOffer("nothing in the offer can be used: " + "; ".join(reasons))
    head = ["v=0", f"o=- {random32()} 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=ice-lite"]
    if offer.bundle:
        head.append("a=group:BUNDLE " + " ".join(accepted))
    if offer.extmap_allow_mixed:
        head.append("a=extmap-allow-mixed")
    head.append("a=msid-semantic: WMS *")
    result.answer = "\r\n".join([*head, *(line for section in sections for line in section)]) + "\r\n"
    return result


def _why_refused(media: MediaOffer, publishing: bool, bundled: set[str], has_transport: bool) -> str | None:
    if media.kind not in ("audio", "video"):
        return "only audio and video are carried"
    if "RTP/SAVP" not in media.proto:
        return "it is not RTP over DTLS-SRTP"
    if media.port == 0 and media.mid not in bundled:
        return "it is switched off (port 0)"
    if media.mid not in bundled and (bundled or has_transport):
        return "it is not in the BUNDLE group"
    if not media.rtcp_mux:
        return "it does not offer rtcp-mux"
    wanted = ("sendonly", "sendrecv") if publishing else ("recvonly", "sendrecv")
    if media.direction not in wanted:
        return f"its direction is {media.direction}"
    return None


def _label(media: MediaOffer, kind: TrackKind) -> Label | None:
    try:
        label = Label(media.label or "")
    except ValueError:
        return None
    return label if (label is Label.MIC) == (kind is TrackKind.AUDIO) else None


def _wish(media: MediaOffer, kind: TrackKind, nth: int) -> tuple[SlotWish, str]:
    """What the slot is for; of a tile also the name of what it shows."""
    label, dot, named = (media.label or "").partition(".")
    try:
        wish = SlotWish(label) if (label == SlotWish.TILE) == bool(dot and named) else None
    except ValueError:
        wish = None
    if wish is not None and (wish in (SlotWish.MIC, SlotWish.SPEAKER)) == (kind is TrackKind.AUDIO):
        return wish, named
    if kind is TrackKind.AUDIO:
        return (SlotWish.SPEAKER if nth else SlotWish.MIC), ""
    return (SlotWish(_default_label(kind, nth)) if nth else SlotWish.PROGRAMME), ""


def _default_label(kind: TrackKind, nth: int) -> Label:
    return Label.MIC if kind is TrackKind.AUDIO else _VIDEO_LABELS[min(nth, len(_VIDEO_LABELS) - 1)]


def _up_plan(media: MediaOffer, mid: str, kind: TrackKind, label: Label, agreed: Agreed) -> UpPlan:
    ssrc = rtx_ssrc = None
    if not agreed.rids:
        rtx_ssrcs = {rtx for _, rtx in media.fid_groups}
        ssrc = next((s for s in media.ssrcs if s not in rtx_ssrcs), None)
        rtx_ssrc = next((rtx for main, rtx in media.fid_groups if main == ssrc), None)
    return UpPlan(
        mid=mid,
        kind=kind,
        label=label,
        pt=agreed.codec.pt,
        rtx_pt=agreed.rtx_pt,
        clock_rate_hz=agreed.codec.clock_rate_hz,
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        rids=agreed.rids,
        nack="nack" in agreed.feedback,
        pause=any(feedback.startswith("ccm pause") for feedback in agreed.feedback),
        mid_ext=agreed.extension(EXT_MID),
        rid_ext=agreed.extension(EXT_RID),
        rrid_ext=agreed.extension(EXT_REPAIRED_RID),
        twcc_ext=agreed.extension(EXT_TRANSPORT_CC),
        audio_level_ext=agreed.extension(EXT_AUDIO_LEVEL),
        capture_time_ext=agreed.extension(EXT_CAPTURE_TIME),
    )


def _slot_plan(
    mid: str, kind: TrackKind, wish: SlotWish, named: str, agreed: Agreed, random32: Callable[[], int]
) -> SlotPlan:
    return SlotPlan(
        mid=mid,
        kind=kind,
        wish=wish,
        pt=agreed.codec.pt,
        rtx_pt=agreed.rtx_pt,
        red_pt=agreed.red_pt,
        clock_rate_hz=agreed.codec.clock_rate_hz,
        ssrc=random32(),
        rtx_ssrc=None if agreed.rtx_pt is None else random32(),
        nack="nack" in agreed.feedback,
        twcc_ext=agreed.extension(EXT_TRANSPORT_CC),
        send_time_ext=agreed.extension(EXT_SEND_TIME),
        capture_time_ext=agreed.extension(EXT_CAPTURE_TIME),
        playout_delay_ext=agreed.extension(EXT_PLAYOUT_DELAY),
        named=named,
    )


def _transport_lines(
    media: MediaOffer, mid: str, agreed: Agreed, local: LocalTransport, *, first: bool, dtls_client: bool
) -> list[str]:
    lines = [
        f"m={media.kind} 9 {media.proto} {' '.join(map(str, agreed.pts))}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{'active' if dtls_client else 'passive'}",
    ]
    if media.mid is not None:
        lines.append(f"a=mid:{mid}")
    lines.append("a=rtcp-mux")
    if media.rtcp_rsize:
        lines.append("a=rtcp-rsize")
    if "rcvr-rtt=all" in media.rtcp_xr:
        lines.append("a=rtcp-xr:rcvr-rtt=all")
    if first:
        lines += [f"a={candidate}" for candidate in local.candidate_lines()] + ["a=end-of-candidates"]
    return lines


def _codec_lines(media: MediaOffer, agreed: Agreed) -> list[str]:
    codec = agreed.codec
    name = "H264" if codec.name == "h264" else codec.name
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    lines = [f"a=rtpmap:{codec.pt} {name}/{codec.clock_rate_hz}{channels}"]
    lines += [f"a=rtcp-fb:{codec.pt} {feedback}" for feedback in agreed.feedback]
    if media.kind == "video":
        profile = codec.parameters.get("profile-level-id", "42e01f")
        lines.append(f"a=fmtp:{codec.pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}")
    else:
        lines.append(f"a=fmtp:{codec.pt} minptime=10;useinbandfec=1")
    if agreed.rtx_pt is not None:
        lines += [f"a=rtpmap:{agreed.rtx_pt} rtx/{codec.clock_rate_hz}", f"a=fmtp:{agreed.rtx_pt} apt={codec.pt}"]
    if agreed.red_pt is not None:
        lines += [
            f"a=rtpmap:{agreed.red_pt} red/{codec.clock_rate_hz}{channels}",
            f"a=fmtp:{agreed.red_pt} {codec.pt}/{codec.pt}",
        ]
    return lines


def _simulcast_lines(media: MediaOffer, agreed: Agreed) -> list[str]:
    if not agreed.rids:
        return []
    lines = []
    for rid in agreed.rids:
        restrictions = media.rids[rid] | ({"pt": str(agreed.codec.pt)} if "pt" in media.rids[rid] else {})
        text = ";".join(f"{key}={value}" for key, value in restrictions.items())
        lines.append(f"a=rid:{rid} recv {text}".rstrip())
    return [*lines, f"a=simulcast:recv {';'.join(agreed.rids)}"]


def _source_lines(slot: SlotPlan, cname: str) -> list[str]:
    stream = _STREAMS.get(slot.wish, "lesson")
    lines = [f"a=msid:{stream} {slot.wish}-{slot.mid}", f"a=ssrc:{slot.ssrc} cname:{cname}"]
    if slot.rtx_ssrc is not None:
        lines += [f"a=ssrc:{slot.rtx_ssrc} cname:{cname}", f"a=ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}"]
    return lines


def _extension_lines(media: MediaOffer, agreed: Agreed) -> list[str]:
    # Whoever offers to use an extension in one direction only is answered with the other end of it (RFC 8285 §6).
    ends = {"sendrecv": "", "sendonly": "/recvonly", "recvonly": "/sendonly"}
    return [f"a=extmap:{i}{ends[media.extensions[uri].direction]} {uri}" for uri, i in agreed.extensions.items()]
