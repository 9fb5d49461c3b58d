"""The answer to an offer, and the plans for what will flow (RFC 8829 §5.3).

A publisher's m-lines become publications, a receiver's become slots. One transport carries everything (BUNDLE);
what we do not carry is refused with port 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.model import Label, TrackKind
from classroom.sfu.negotiate.offer import Codec, MediaOffer, Offer, UnacceptableOffer, is_number

if TYPE_CHECKING:
    from collections.abc import Callable

EXT_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXT_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
EXT_PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_UP_EXTENSIONS = (EXT_MID,)
_DOWN_EXTENSIONS = (EXT_CAPTURE_TIME, EXT_PLAYOUT_DELAY)  # no MID: the answer names every SSRC
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir")
_AUDIO_FEEDBACK = ("nack",)
# What senders are told to make, best first, and what receivers are told that they get. Baseline with constraints
# is what everybody has; High comes last because it is more than we promise, though every browser decodes it.
_UP_PROFILES = ("42e0", "4200", "4d00", "42", "4d", "64")
_DOWN_PROFILES = ("4d00", "42e0", "4200", "4d", "42", "64")
_VIDEO_LABELS = (Label.CAMERA, Label.SLIDES, Label.SCREEN)


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end: ICE credentials, "sha-256 AB:CD…", host candidates as (ip, port)."""

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: tuple[tuple[str, int], ...]

    def candidate_lines(self) -> list[str]:
        """The candidates in SDP, the first with the highest priority (RFC 8445 §5.1.2.1)."""
        return [
            f"candidate:{n} 1 udp {126 << 24 | (65535 - n) << 8 | 255} {ip} {port} typ host"
            for n, (ip, port) in enumerate(self.candidates, 1)
        ]


@dataclass(frozen=True, slots=True)
class UpPlan:
    """What a publisher will send in one m-section. Extension ids are 0 when not negotiated."""

    mid: str
    kind: TrackKind
    label: Label
    pt: int
    rtx_pt: int | None
    clock_rate_hz: int
    ssrc: int | None
    rtx_ssrc: int | None
    nack: bool
    mid_ext: int


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What we will send in one m-section: a slot with its fixed SSRCs. No label means the programme."""

    mid: str
    kind: TrackKind
    label: Label | None
    pt: int
    rtx_pt: int | None
    clock_rate_hz: int
    ssrc: int
    rtx_ssrc: int | None
    nack: bool
    capture_time_ext: int
    playout_delay_ext: int


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
        codec = None if reason else _choose_codec(media, publishing)
        if codec is None:
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
        section = _common_section(media, mid, codec, local, first=not accepted, dtls_client=result.dtls_client)
        if publishing:
            plan = _up_plan(media, mid, kind, label or _default_label(kind, nth), codec)
            result.ups.append(plan)
            section += [*_codec_lines(media, codec, plan.rtx_pt), "a=recvonly"]
        else:
            if label is None and (nth or kind is TrackKind.AUDIO):
                label = _default_label(kind, nth)
            slot = _slot_plan(media, mid, kind, label, codec, random32)
            result.slots.append(slot)
            section += [*_codec_lines(media, codec, slot.rtx_pt), "a=sendonly", *_source_lines(slot, cname)]
        section += _extension_lines(media, _UP_EXTENSIONS if publishing else _DOWN_EXTENSIONS)
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


def _choose_codec(media: MediaOffer, publishing: bool) -> Codec | None:
    offered = [media.codecs[int(f)] for f in media.formats if is_number(f) and _is_usable_pt(media, int(f))]
    if media.kind == "audio":
        return next((c for c in offered if c.name == "opus" and c.clock_rate_hz == 48000), None)
    h264 = [c for c in offered if c.name == "h264" and c.clock_rate_hz == 90000]
    usable = [c for c in h264 if c.parameters.get("packetization-mode") == "1"]
    for profile in _UP_PROFILES if publishing else _DOWN_PROFILES:
        for codec in usable:
            if codec.parameters.get("profile-level-id", "42e01f").lower().startswith(profile):
                return codec
    return None


def _is_usable_pt(media: MediaOffer, pt: int) -> bool:
    # 64…95 with the marker bit look like RTCP, which shares the port (RFC 5761 §4).
    return pt in media.codecs and not 64 <= pt <= 95


def _label(media: MediaOffer, kind: TrackKind) -> Label | None:
    try:
        label = Label(media.label or "")
    except ValueError:
        return None
    return label if (label is Label.MIC) == (kind is TrackKind.AUDIO) else None


def _default_label(kind: TrackKind, nth: int) -> Label:
    return Label.MIC if kind is TrackKind.AUDIO else _VIDEO_LABELS[min(nth, len(_VIDEO_LABELS) - 1)]


def _rtx_pt(media: MediaOffer, codec: Codec) -> int | None:
    for candidate in media.codecs.values():
        if candidate.name == "rtx" and candidate.parameters.get("apt") == str(codec.pt):
            return candidate.pt if _is_usable_pt(media, candidate.pt) else None
    return None


def _up_plan(media: MediaOffer, mid: str, kind: TrackKind, label: Label, codec: Codec) -> UpPlan:
    rtx_ssrcs = {rtx for _, rtx in media.fid_groups}
    ssrc = next((s for s in media.ssrcs if s not in rtx_ssrcs), None)
    return UpPlan(
        mid=mid,
        kind=kind,
        label=label,
        pt=codec.pt,
        rtx_pt=_rtx_pt(media, codec),
        clock_rate_hz=codec.clock_rate_hz,
        ssrc=ssrc,
        rtx_ssrc=next((rtx for main, rtx in media.fid_groups if main == ssrc), None),
        nack="nack" in codec.feedback,
        mid_ext=_extension_id(media, EXT_MID),
    )


def _slot_plan(
    media: MediaOffer, mid: str, kind: TrackKind, label: Label | None, codec: Codec, random32: Callable[[], int]
) -> SlotPlan:
    rtx_pt = _rtx_pt(media, codec)
    return SlotPlan(
        mid=mid,
        kind=kind,
        label=label,
        pt=codec.pt,
        rtx_pt=rtx_pt,
        clock_rate_hz=codec.clock_rate_hz,
        ssrc=random32(),
        rtx_ssrc=None if rtx_pt is None else random32(),
        nack="nack" in codec.feedback,
        capture_time_ext=_extension_id(media, EXT_CAPTURE_TIME),
        playout_delay_ext=_extension_id(media, EXT_PLAYOUT_DELAY) if kind is TrackKind.VIDEO else 0,
    )


def _common_section(
    media: MediaOffer, mid: str, codec: Codec, local: LocalTransport, *, first: bool, dtls_client: bool
) -> list[str]:
    rtx_pt = _rtx_pt(media, codec)
    formats = f"{codec.pt}" if rtx_pt is None else f"{codec.pt} {rtx_pt}"
    lines = [
        f"m={media.kind} 9 {media.proto} {formats}",
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


def _codec_lines(media: MediaOffer, codec: Codec, rtx_pt: int | None) -> list[str]:
    name = "H264" if codec.name == "h264" else codec.name
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    lines = [f"a=rtpmap:{codec.pt} {name}/{codec.clock_rate_hz}{channels}"]
    supported = _VIDEO_FEEDBACK if media.kind == "video" else _AUDIO_FEEDBACK
    lines += [f"a=rtcp-fb:{codec.pt} {feedback}" for feedback in supported if feedback in codec.feedback]
    if media.kind == "video":
        profile = codec.parameters.get("profile-level-id", "42e01f")
        lines.append(f"a=fmtp:{codec.pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}")
    else:
        lines.append(f"a=fmtp:{codec.pt} minptime=10;useinbandfec=1")
    if rtx_pt is not None:
        lines += [f"a=rtpmap:{rtx_pt} rtx/{codec.clock_rate_hz}", f"a=fmtp:{rtx_pt} apt={codec.pt}"]
    return lines


def _source_lines(slot: SlotPlan, cname: str) -> list[str]:
    # Camera and voice share a stream, so that a browser keeps lips in sync; slides are a stream of their own.
    stream = "slides" if slot.label in (Label.SLIDES, Label.SCREEN) else "lesson"
    lines = [f"a=msid:{stream} {slot.label or 'programme'}-{slot.mid}", f"a=ssrc:{slot.ssrc} cname:{cname}"]
    if slot.rtx_ssrc is not None:
        lines += [f"a=ssrc:{slot.rtx_ssrc} cname:{cname}", f"a=ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}"]
    return lines


def _extension_lines(media: MediaOffer, supported: tuple[str, ...]) -> list[str]:
    return [f"a=extmap:{ext_id} {uri}" for uri in supported if (ext_id := _extension_id(media, uri))]


def _extension_id(media: MediaOffer, uri: str) -> int:
    ext_id = media.extensions.get(uri, 0)
    return ext_id if 1 <= ext_id <= 14 else 0  # ids above need the two-byte form, which we do not send
