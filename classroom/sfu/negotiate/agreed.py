"""What of an m-section's offer is used: one codec, its repair, feedback, header extensions, simulcast streams."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.sfu.negotiate.offer import Codec, MediaOffer, is_number

EXT_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXT_RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
EXT_REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
EXT_TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXT_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
EXT_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
EXT_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
EXT_PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
MAX_RIDS = 4  # each has a cache of its own at the server

_TRANSPORT_CC, _REMB = "transport-cc", "goog-remb"
# By media and whether the offerer publishes. Receivers get no MID: the answer names every SSRC; and numbers and
# times of sending only where RTX repairs: what is sent again as it was, as Opus is, cannot have a new one.
_EXTENSIONS = {
    ("video", True): (EXT_MID, EXT_RID, EXT_REPAIRED_RID, EXT_TRANSPORT_CC, EXT_CAPTURE_TIME),
    ("audio", True): (EXT_MID, EXT_TRANSPORT_CC, EXT_AUDIO_LEVEL, EXT_CAPTURE_TIME),
    ("video", False): (EXT_TRANSPORT_CC, EXT_SEND_TIME, EXT_CAPTURE_TIME, EXT_PLAYOUT_DELAY),
    ("audio", False): (EXT_CAPTURE_TIME,),
}
# A publisher's estimate comes from transport-wide feedback or not at all: making REMB is no work for a server.
_FEEDBACK = {
    ("video", True): ("nack", "nack pli", "ccm fir", _TRANSPORT_CC),
    ("audio", True): ("nack", _TRANSPORT_CC),
    ("video", False): ("nack", "nack pli", "ccm fir", _TRANSPORT_CC, _REMB),
    ("audio", False): ("nack",),
}
# RFC 7728 §8.1: without config, or with 1, the offerer can be paused; nowait as nobody else receives from it.
_PAUSE = ("ccm pause nowait", "ccm pause", "ccm pause nowait config=1", "ccm pause config=1")
# What senders are told to make, best first, and what receivers are told that they get. Baseline with constraints
# is what everybody has; High comes last because it is more than we promise, though every browser decodes it.
_UP_PROFILES = ("42e0", "4200", "4d00", "42", "4d", "64")
_DOWN_PROFILES = ("4d00", "42e0", "4200", "4d", "42", "64")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is used of an m-section. ``extensions`` are ids by URI; ``rids`` in the order of the offer, best first."""

    codec: Codec
    rtx_pt: int | None
    red_pt: int | None
    feedback: tuple[str, ...]
    extensions: dict[str, int]
    rids: tuple[str, ...]

    @property
    def pts(self) -> list[int]:
        """The payload types, the codec's first."""
        return [pt for pt in (self.codec.pt, self.rtx_pt, self.red_pt) if pt is not None]

    def extension(self, uri: str) -> int:
        """The id of a header extension, 0 when it is not used."""
        return self.extensions.get(uri, 0)


def agree(media: MediaOffer, publishing: bool) -> Agreed | None:
    """Choose from an m-section of audio or video; None when it has no codec for us."""
    codec = _choose_codec(media, publishing)
    if codec is None:
        return None
    way = media.kind, publishing
    rtx_pt = _rtx_pt(media, codec)
    extensions = {uri: ext_id for uri in _EXTENSIONS[way] if (ext_id := _extension_id(media, uri, publishing))}
    feedback = [f for f in _FEEDBACK[way] if f in codec.feedback]
    usable = publishing or rtx_pt is not None
    if not (usable and _TRANSPORT_CC in feedback and EXT_TRANSPORT_CC in extensions):
        extensions.pop(EXT_TRANSPORT_CC, None)
        feedback = [f for f in feedback if f != _TRANSPORT_CC]
    if _TRANSPORT_CC in feedback or _REMB not in feedback or rtx_pt is None:
        extensions.pop(EXT_SEND_TIME, None)
    if EXT_SEND_TIME not in extensions:  # who offers REMB without it (libdatachannel) never sends one
        feedback = [f for f in feedback if f != _REMB]
    rids = _rids(media, codec) if EXT_RID in extensions else ()
    if not rids:
        extensions.pop(EXT_RID, None)
    if not rids or rtx_pt is None:
        extensions.pop(EXT_REPAIRED_RID, None)
    if media.kind == "video" and publishing:
        feedback += [f for f in _PAUSE if f in codec.feedback][:1]
    red_pt = None if publishing else _red_pt(media, codec)
    return Agreed(codec, rtx_pt, red_pt, tuple(feedback), extensions, rids)


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


def _rtx_pt(media: MediaOffer, codec: Codec) -> int | None:
    for candidate in media.codecs.values():
        if candidate.name == "rtx" and candidate.parameters.get("apt") == str(codec.pt):
            return candidate.pt if _is_usable_pt(media, candidate.pt) else None
    return None


def _red_pt(media: MediaOffer, codec: Codec) -> int | None:
    """The payload type of redundant audio (RFC 2198) that holds only this codec: ``a=fmtp:63 111/111``."""
    for candidate in media.codecs.values():
        if (candidate.name, candidate.clock_rate_hz) == ("red", codec.clock_rate_hz):
            held = {pt for parameter in candidate.parameters for pt in parameter.split("/")}
            if held == {str(codec.pt)} and _is_usable_pt(media, candidate.pt):
                return candidate.pt
    return None


def _rids(media: MediaOffer, codec: Codec) -> tuple[str, ...]:
    """Of each simulcast stream the first alternative that may carry the codec."""
    rids: list[str] = []
    for alternatives in media.simulcast:
        for rid in alternatives:
            restrictions = media.rids.get(rid)
            if restrictions is not None and rid not in rids:
                pts = restrictions.get("pt")
                if pts is None or str(codec.pt) in pts.split(","):
                    rids.append(rid)
                    break
    return tuple(rids[:MAX_RIDS])


def _extension_id(media: MediaOffer, uri: str, publishing: bool) -> int:
    extension = media.extensions.get(uri)
    if extension is None or extension.direction not in ("sendrecv", "sendonly" if publishing else "recvonly"):
        return 0
    return extension.id if 1 <= extension.id <= 14 else 0  # ids above need the two-byte form, which we do not send
