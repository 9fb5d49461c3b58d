"""An SDP offer as far as it concerns us (RFC 8866, RFC 8829)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from classroom.model import ClassroomError

MAX_MEDIA_SECTIONS = 64
_RID = re.compile("[0-9A-Za-z_-]{1,16}")  # RFC 8852 §3.1; no header extension of one byte head holds more
_ICE_CREDENTIAL = re.compile("[!-~]{1,256}")  # RFC 8839 §5.4 allows fewer signs; what matters is that STUN holds them
_HASH_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_HEX_BYTES = re.compile("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*")
Setup = Literal["active", "passive", "actpass"]


class BadOffer(ClassroomError):
    """The text is not an SDP offer."""


class UnacceptableOffer(ClassroomError):
    """A valid offer that shares nothing with us."""


@dataclass(slots=True)
class Codec:
    """One payload type of an m-section."""

    pt: int
    name: str = ""  # lower case
    clock_rate_hz: int = 0
    channels: int = 1
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)


class Extension(NamedTuple):
    """A header extension with the direction in which the offerer uses it (RFC 8285 §7)."""

    id: int
    direction: str = "sendrecv"


@dataclass(slots=True)
class MediaOffer:
    """One m-section. ``kind`` is the media name on the m-line; ``direction`` is the offerer's.

    ``rids`` are those to send, with their restrictions (RFC 8851); ``simulcast`` the streams to send in the order of
    the offer, each with its alternatives (RFC 8853).
    """

    kind: str
    proto: str
    port: int
    formats: list[str]
    mid: str | None = None
    direction: str = "sendrecv"
    label: str | None = None
    codecs: dict[int, Codec] = field(default_factory=dict)
    extensions: dict[str, Extension] = field(default_factory=dict)  # by URI
    rids: dict[str, dict[str, str]] = field(default_factory=dict)
    simulcast: list[list[str]] = field(default_factory=list)
    ssrcs: list[int] = field(default_factory=list)
    fid_groups: list[tuple[int, int]] = field(default_factory=list)  # (media ssrc, its RTX ssrc)
    cname: str = ""
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    rtcp_xr: set[str] = field(default_factory=set)
    ufrag: str = ""
    pwd: str = ""
    fingerprint: str = ""
    setup: str = ""


@dataclass(slots=True)
class Offer:
    """A parsed offer. Transport fields are those of the bundled transport; ``fingerprint`` is "sha-256 AB:CD…"."""

    media: list[MediaOffer]
    bundle: list[str]
    ufrag: str
    pwd: str
    fingerprint: str
    setup: Setup
    extmap_allow_mixed: bool


def parse_offer(text: str) -> Offer:
    """Parse an offer; raises BadOffer, or UnacceptableOffer when it lacks ICE or DTLS."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or lines[0].strip() != "v=0":
        raise BadOffer("the offer does not begin with v=0: it is not SDP")
    session = MediaOffer("session", "", 0, [])
    bundle: list[str] = []
    allow_mixed = False
    media: list[MediaOffer] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise BadOffer(f"line {number} of the offer is not of the form x=…")
        value = line[2:]
        if line[0] == "m":
            if len(media) == MAX_MEDIA_SECTIONS:
                raise BadOffer(f"the offer has more than {MAX_MEDIA_SECTIONS} m-lines")
            media.append(_parse_media_line(value, number, session.direction))
        elif line[0] == "a":
            name, _, rest = value.partition(":")
            if not media and name == "group" and rest.startswith("BUNDLE"):
                bundle = rest.split()[1:]
            elif name == "extmap-allow-mixed":
                allow_mixed = True
            else:
                try:
                    _parse_attribute(media[-1] if media else session, name, rest)
                except (ValueError, IndexError):
                    raise BadOffer(f"line {number} of the offer cannot be read: a={name}") from None
    if not media:
        raise BadOffer("the offer has no m-line")
    mids = [m.mid for m in media if m.mid is not None]
    if len(set(mids)) < len(mids):
        raise BadOffer("two m-lines of the offer have the same a=mid")
    first = next((m for m in media if m.port or m.mid in bundle), media[0])
    ufrag, pwd = first.ufrag or session.ufrag, first.pwd or session.pwd
    fingerprint = first.fingerprint or session.fingerprint
    setup = first.setup or session.setup or "actpass"
    if not ufrag or not pwd:
        raise UnacceptableOffer("the offer has no ice-ufrag and ice-pwd: only WebRTC (ICE) is accepted")
    if not fingerprint:
        raise UnacceptableOffer("the offer has no DTLS fingerprint: only WebRTC (DTLS-SRTP) is accepted")
    if not is_ice_credential(ufrag) or not is_ice_credential(pwd):
        raise BadOffer("a=ice-ufrag and a=ice-pwd of the offer must be 1 to 256 signs of ASCII")
    _check_fingerprint(fingerprint)
    if setup not in ("active", "passive", "actpass"):
        raise BadOffer("a=setup of the offer must be active, passive or actpass")
    return Offer(media, bundle, ufrag, pwd, fingerprint, setup, allow_mixed)  # type: ignore[arg-type]


def _parse_media_line(value: str, number: int, direction: str) -> MediaOffer:
    fields = value.split()
    if len(fields) < 4 or not is_number(fields[1].split("/")[0]):
        raise BadOffer(f"line {number} of the offer is not a complete m-line")
    return MediaOffer(fields[0], fields[2], int(fields[1].split("/")[0]), fields[3:], direction=direction)


def is_number(text: str) -> bool:
    """Whether the text is a number as SDP writes them: ASCII digits, not more than the largest needs."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def is_ice_credential(text: str) -> bool:
    """Whether the text can be a ufrag or password."""
    return _ICE_CREDENTIAL.fullmatch(text) is not None


def _check_fingerprint(text: str) -> None:
    """Refuse now what could only fail in the handshake (RFC 8122 §5)."""
    algorithm, _, value = text.partition(" ")
    size = _HASH_BYTES.get(algorithm.lower())
    if size is None:
        raise UnacceptableOffer(f"a=fingerprint of the offer must be one of {', '.join(_HASH_BYTES)}")
    if _HEX_BYTES.fullmatch(value.strip()) is None or len(value.strip()) != 3 * size - 1:
        raise BadOffer(f"a=fingerprint of the offer must be {size} hexadecimal bytes with colons between")


def _parse_attribute(media: MediaOffer, name: str, rest: str) -> None:
    match name:
        case "mid":
            media.mid = rest
        case "sendrecv" | "sendonly" | "recvonly" | "inactive":
            media.direction = name
        case "label":
            media.label = rest
        case "rtpmap":
            pt, encoding = rest.split(None, 1)
            parts = encoding.split("/")
            codec = _codec(media, int(pt))
            codec.name, codec.clock_rate_hz = parts[0].lower(), int(parts[1])
            codec.channels = int(parts[2]) if len(parts) > 2 else 1
        case "fmtp":
            pt, parameters = rest.split(None, 1)
            _codec(media, int(pt)).parameters.update(_parameters(parameters))
        case "rtcp-fb":
            pt, feedback = rest.split(None, 1)
            targets = [int(f) for f in media.formats if is_number(f)] if pt == "*" else [int(pt)]
            for target in targets:
                _codec(media, target).feedback.add(feedback.strip().lower())
        case "extmap":
            ext_id, uri = rest.split()[:2]
            number, _, direction = ext_id.partition("/")
            media.extensions[uri] = Extension(int(number), direction or "sendrecv")
        case "rid":
            rid, direction, *restrictions = rest.split(None, 2)
            if not _RID.fullmatch(rid):
                raise ValueError(rid)
            if direction == "send":
                media.rids[rid] = _parameters(restrictions[0]) if restrictions else {}
        case "simulcast":
            fields = rest.split()
            for direction, streams in zip(fields[::2], fields[1::2], strict=True):
                if direction == "send":
                    # A stream that starts paused ("~") is wanted none the less.
                    media.simulcast = [[r.removeprefix("~") for r in s.split(",")] for s in streams.split(";")]
        case "ssrc":
            ssrc_text, _, attribute = rest.partition(" ")
            ssrc = int(ssrc_text)
            if ssrc not in media.ssrcs:
                media.ssrcs.append(ssrc)
            if attribute.startswith("cname:"):
                media.cname = attribute[6:]
        case "ssrc-group":
            fields = rest.split()
            if fields[0] == "FID":
                media.fid_groups.append((int(fields[1]), int(fields[2])))
        case "rtcp-mux":
            media.rtcp_mux = True
        case "rtcp-rsize":
            media.rtcp_rsize = True
        case "rtcp-xr":
            media.rtcp_xr.update(rest.split())
        case "ice-ufrag":
            media.ufrag = rest
        case "ice-pwd":
            media.pwd = rest
        case "fingerprint":
            # Several may be given; sha-256 is the one everybody has (RFC 8122 §5).
            if not media.fingerprint or rest.lower().startswith("sha-256"):
                media.fingerprint = rest
        case "setup":
            media.setup = rest
        case _:
            pass


def _parameters(text: str) -> dict[str, str]:
    pairs = (parameter.strip().partition("=") for parameter in text.split(";"))
    return {key.lower(): value for key, _, value in pairs if key}


def _codec(media: MediaOffer, pt: int) -> Codec:
    if not 0 <= pt <= 127:
        raise ValueError(pt)
    return media.codecs.setdefault(pt, Codec(pt))
