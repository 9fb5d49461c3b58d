"""The offer of a publisher and what the answer made of it (RFC 8829, RFC 9725). Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from classroom.capture.sender import Extensions, RtpParameters
from classroom.model import ClassroomError, Label, TrackKind
from classroom.sfu.transport.client import RemoteDescription

if TYPE_CHECKING:
    from collections.abc import Sequence

EXT_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXT_RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
EXT_REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
EXT_TRANSPORT_SEQ = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXT_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
EXT_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
# One id means one thing in all sections, as BUNDLE wants it (RFC 8843 §7.1.3).
_EVERYWHERE = {1: EXT_MID, 2: EXT_CAPTURE_TIME}
# A sound that is sent again is sent byte for byte, so it carries no number of the transport.
_OF_VIDEO = {**_EVERYWHERE, 3: EXT_TRANSPORT_SEQ}
_OF_LAYERS = {**_OF_VIDEO, 4: EXT_RID, 5: EXT_REPAIRED_RID}
_OF_AUDIO = {**_EVERYWHERE, 6: f"{EXT_AUDIO_LEVEL} vad=off"}
_OPUS_PT = 111
# (pt, rtx pt, profile-level-id): constrained baseline is what we encode, main may be passed through.
_H264 = ((96, 97, "42e01f"), (98, 99, "4d001f"))
_CLOCK_RATE_HZ = {TrackKind.VIDEO: 90_000, TrackKind.AUDIO: 48_000}


class BadAnswer(ClassroomError):
    """The server's answer cannot be used."""


@dataclass(frozen=True, slots=True)
class OfferedStream:
    """One stream of a track. ``rid`` is empty where it is the only one."""

    rid: str
    ssrc: int
    rtx_ssrc: int


@dataclass(frozen=True, slots=True)
class OfferedTrack:
    """One m-section of the offer; its streams are the layers of a picture, best first."""

    label: Label
    streams: tuple[OfferedStream, ...]

    @property
    def kind(self) -> TrackKind:
        """Whether it is sound or picture."""
        return TrackKind.AUDIO if self.label is Label.MIC else TrackKind.VIDEO


def build_offer(
    tracks: Sequence[OfferedTrack], *, ufrag: str, pwd: str, fingerprint: str, cname: str, session_id: int
) -> str:
    """An offer that sends ``tracks`` over one transport; the mid of each is its index."""
    mids = " ".join(str(index) for index in range(len(tracks)))
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mids}",
        "a=msid-semantic:WMS *",
    ]
    for index, track in enumerate(tracks):
        lines += _section(index, track, ufrag, pwd, fingerprint, cname)
    return "\r\n".join(lines) + "\r\n"


def _section(index: int, track: OfferedTrack, ufrag: str, pwd: str, fingerprint: str, cname: str) -> list[str]:
    video = track.kind is TrackKind.VIDEO
    pts = [str(pt) for pair in _H264 for pt in pair[:2]] if video else [str(_OPUS_PT)]
    # Voice and face share a stream, so that receivers keep lips in sync; slides are a stream of their own.
    stream = "slides" if track.label is Label.SLIDES else "lesson"
    layers = [offered.rid for offered in track.streams if offered.rid]
    extensions = _OF_AUDIO if not video else _OF_LAYERS if layers else _OF_VIDEO
    lines = [
        f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(pts)}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:{fingerprint}",
        "a=setup:actpass",
        f"a=mid:{index}",
        *(f"a=extmap:{ext_id} {uri}" for ext_id, uri in extensions.items()),
        f"a=msid:{stream} {track.label}",
        f"a=label:{track.label}",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtcp-xr:rcvr-rtt=all",
    ]
    if video:
        for pt, rtx_pt, profile in _H264:
            lines += [
                f"a=rtpmap:{pt} H264/90000",
                f"a=rtcp-fb:{pt} nack",
                f"a=rtcp-fb:{pt} nack pli",
                f"a=rtcp-fb:{pt} ccm fir",
                f"a=rtcp-fb:{pt} ccm pause nowait",
                f"a=rtcp-fb:{pt} transport-cc",
                f"a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}",
                f"a=rtpmap:{rtx_pt} rtx/90000",
                f"a=fmtp:{rtx_pt} apt={pt}",
            ]
    else:
        lines += [
            f"a=rtpmap:{_OPUS_PT} opus/48000/2",
            f"a=rtcp-fb:{_OPUS_PT} nack",
            f"a=fmtp:{_OPUS_PT} minptime=10;useinbandfec=1",
        ]
    if layers:  # told by their RIDs, not by SSRCs that say nothing of which is which (RFC 8853)
        return [*lines, *(f"a=rid:{rid} send" for rid in layers), f"a=simulcast:send {';'.join(layers)}"]
    [only] = track.streams
    if video:
        lines += [f"a=ssrc-group:FID {only.ssrc} {only.rtx_ssrc}", f"a=ssrc:{only.rtx_ssrc} cname:{cname}"]
    return [*lines, f"a=ssrc:{only.ssrc} cname:{cname}"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's transport, and how each stream that it accepted is to be sent, best first.

    ``numbered``: pictures carry transport-wide numbers, all of them, and the server gives feedback on these.
    """

    remote: RemoteDescription
    accepted: dict[Label, tuple[RtpParameters, ...]]
    numbered: bool


def parse_answer(text: str, offered: Sequence[OfferedTrack]) -> Answer:
    """Read the answer to build_offer(offered); raises BadAnswer when nothing could be sent with it."""
    session, sections = _split(text)
    if len(sections) != len(offered):
        raise BadAnswer(f"the answer has {len(sections)} m-lines, the offer had {len(offered)}")
    accepted: dict[Label, tuple[RtpParameters, ...]] = {}
    transport: _Attributes | None = None
    for index, (section, track) in enumerate(zip(sections, offered, strict=True)):
        parameters = _parameters(section, track, index)
        if parameters:
            accepted[track.label] = parameters
            transport = transport or section
    if transport is None:
        raise BadAnswer("the server accepted none of the tracks")
    remote = _remote(session, transport, sections)
    pictures = [p for parameters in accepted.values() for p in parameters if p.kind is TrackKind.VIDEO]
    numbered = bool(pictures) and all(p.extensions.transport_seq for p in pictures)
    if not numbered:  # an estimate from a part of what is sent would be of no use
        accepted = {label: tuple(map(_unnumbered, parameters)) for label, parameters in accepted.items()}
    return Answer(remote, accepted, numbered)


def _unnumbered(parameters: RtpParameters) -> RtpParameters:
    return replace(parameters, extensions=replace(parameters.extensions, transport_seq=0))


class _Attributes:
    """The lines of one section, by name."""

    def __init__(self, media_line: str = "") -> None:
        self.media_line = media_line
        self.values: dict[str, list[str]] = defaultdict(list)

    def first(self, name: str) -> str | None:
        found = self.values.get(name)
        return found[0] if found else None


def _split(text: str) -> tuple[_Attributes, list[_Attributes]]:
    current = session = _Attributes()
    sections: list[_Attributes] = []
    for line in text.splitlines():
        if line.startswith("m="):
            current = _Attributes(line[2:])
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.values[name].append(value.strip())
    return session, sections


def _parameters(section: _Attributes, track: OfferedTrack, index: int) -> tuple[RtpParameters, ...]:
    """How to send each stream that is accepted; none when the section is refused."""
    fields = section.media_line.split()
    if len(fields) < 4 or fields[1] == "0" or "inactive" in section.values:
        return ()
    pts = fields[3:]
    ours = ((_OPUS_PT, 0),) if track.kind is TrackKind.AUDIO else tuple(pair[:2] for pair in _H264)
    chosen = next((pair for pair in ours if str(pair[0]) in pts), None)
    if chosen is None:
        return ()
    pt, rtx_pt = chosen
    with_rtx = str(rtx_pt) in pts
    extensions = _extensions(section, pt, with_rtx=with_rtx)
    streams = _accepted_layers(section, track) if extensions.rid else ()
    return tuple(
        RtpParameters(
            mid=str(index),
            rid=stream.rid if streams else "",
            kind=track.kind,
            pt=pt,
            clock_rate_hz=_CLOCK_RATE_HZ[track.kind],
            ssrc=stream.ssrc,
            rtx_pt=rtx_pt if with_rtx else None,
            rtx_ssrc=stream.rtx_ssrc if with_rtx else None,
            extensions=extensions,
        )
        for stream in streams or track.streams[:1]  # a server without simulcast gets the best layer
    )


def _extensions(section: _Attributes, pt: int, *, with_rtx: bool) -> Extensions:
    ids: dict[str, int] = {}
    for value in section.values["extmap"]:
        number, _, uri = value.partition(" ")
        number = number.split("/")[0]
        if number.isascii() and number.isdigit() and 1 <= int(number) <= 14:
            ids[uri.split(" ")[0]] = int(number)
    # Without RTX a lost packet is sent again as it was, so it can carry no new number.
    numbered = with_rtx and f"{pt} transport-cc" in section.values["rtcp-fb"]
    return Extensions(
        mid=ids.get(EXT_MID, 0),
        rid=ids.get(EXT_RID, 0),
        repaired_rid=ids.get(EXT_REPAIRED_RID, 0),
        transport_seq=ids.get(EXT_TRANSPORT_SEQ, 0) if numbered else 0,
        capture_time=ids.get(EXT_CAPTURE_TIME, 0),
        audio_level=ids.get(EXT_AUDIO_LEVEL, 0),
    )


def _accepted_layers(section: _Attributes, track: OfferedTrack) -> tuple[OfferedStream, ...]:
    """The layers in ``a=simulcast:recv h;m;l`` (RFC 8853 §5.1), in our order."""
    words = (section.first("simulcast") or "").split()
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    named = {rid.lstrip("~") for stream in pairs.get("recv", "").split(";") for rid in stream.split(",")}
    return tuple(stream for stream in track.streams if stream.rid and stream.rid in named)


def _remote(session: _Attributes, section: _Attributes, sections: Sequence[_Attributes]) -> RemoteDescription:
    found = {
        name: section.first(name) or session.first(name) for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup")
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise BadAnswer(f"the answer has no {', '.join(missing)}")
    if found["setup"] not in ("active", "passive"):
        raise BadAnswer(f"the answer says setup:{found['setup']}")
    udp: dict[tuple[str, int], None] = {}
    tcp: dict[tuple[str, int], None] = {}
    for attributes in (session, *sections):
        for value in attributes.values["candidate"]:
            fields = value.split()
            if len(fields) < 6 or fields[1] != "1" or not fields[5].isdigit():
                continue
            address = fields[4], int(fields[5])
            if fields[2].lower() == "udp":
                udp[address] = None
            elif fields[2].lower() == "tcp" and "tcptype passive" in value:
                tcp[address] = None
    if not udp and not tcp:
        raise BadAnswer("the answer has no candidate for UDP, nor a passive one for TCP")
    return RemoteDescription(
        ufrag=cast("str", found["ice-ufrag"]),
        pwd=cast("str", found["ice-pwd"]),
        fingerprint=cast("str", found["fingerprint"]),
        setup=cast('Literal["active", "passive"]', found["setup"]),
        candidates=tuple(udp),
        tcp_candidates=tuple(tcp),
    )
