"""The offer of a publisher and what the answer made of it (RFC 8829, RFC 9725). Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from classroom.capture.sender import RtpParameters
from classroom.model import ClassroomError, Label, TrackKind
from classroom.sfu.transport.client import RemoteDescription

if TYPE_CHECKING:
    from collections.abc import Sequence

EXT_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXT_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
_EXTENSIONS = {1: EXT_MID, 2: EXT_CAPTURE_TIME}
_OPUS_PT = 111
# (pt, rtx pt, profile-level-id): constrained baseline is what we encode, main may be passed through.
_H264 = ((96, 97, "42e01f"), (98, 99, "4d001f"))
_CLOCK_RATE_HZ = {TrackKind.VIDEO: 90_000, TrackKind.AUDIO: 48_000}


class BadAnswer(ClassroomError):
    """The server's answer cannot be used."""


@dataclass(frozen=True, slots=True)
class OfferedTrack:
    """One m-section of the offer."""

    label: Label
    ssrc: int
    rtx_ssrc: int

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
    lines = [
        f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(pts)}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        f"a=fingerprint:{fingerprint}",
        "a=setup:actpass",
        f"a=mid:{index}",
        *(f"a=extmap:{ext_id} {uri}" for ext_id, uri in _EXTENSIONS.items()),
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
                f"a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}",
                f"a=rtpmap:{rtx_pt} rtx/90000",
                f"a=fmtp:{rtx_pt} apt={pt}",
            ]
        lines += [f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}", f"a=ssrc:{track.rtx_ssrc} cname:{cname}"]
    else:
        lines += [
            f"a=rtpmap:{_OPUS_PT} opus/48000/2",
            f"a=rtcp-fb:{_OPUS_PT} nack",
            f"a=fmtp:{_OPUS_PT} minptime=10;useinbandfec=1",
        ]
    return [*lines, f"a=ssrc:{track.ssrc} cname:{cname}"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's transport, and how each accepted track is to be sent."""

    remote: RemoteDescription
    accepted: dict[Label, RtpParameters]


def parse_answer(text: str, offered: Sequence[OfferedTrack]) -> Answer:
    """Read the answer to build_offer(offered); raises BadAnswer when nothing could be sent with it."""
    session, sections = _split(text)
    if len(sections) != len(offered):
        raise BadAnswer(f"the answer has {len(sections)} m-lines, the offer had {len(offered)}")
    accepted: dict[Label, RtpParameters] = {}
    transport: _Attributes | None = None
    for index, (section, track) in enumerate(zip(sections, offered, strict=True)):
        parameters = _parameters(section, track, index)
        if parameters is None:
            continue
        accepted[track.label] = parameters
        transport = transport or section
    if transport is None:
        raise BadAnswer("the server accepted none of the tracks")
    return Answer(_remote(session, transport, sections), accepted)


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


def _parameters(section: _Attributes, track: OfferedTrack, index: int) -> RtpParameters | None:
    fields = section.media_line.split()
    if len(fields) < 4 or fields[1] == "0" or "inactive" in section.values:
        return None
    pts = fields[3:]
    ours = ((_OPUS_PT, 0),) if track.kind is TrackKind.AUDIO else tuple(pair[:2] for pair in _H264)
    chosen = next((pair for pair in ours if str(pair[0]) in pts), None)
    if chosen is None:
        return None
    pt, rtx_pt = chosen
    extensions = {}
    for value in section.values["extmap"]:
        number, _, uri = value.partition(" ")
        if number.split("/")[0].isdigit():
            extensions[uri.split(" ")[0]] = int(number.split("/")[0])
    with_rtx = str(rtx_pt) in pts
    return RtpParameters(
        mid=str(index),
        kind=track.kind,
        pt=pt,
        clock_rate_hz=_CLOCK_RATE_HZ[track.kind],
        ssrc=track.ssrc,
        rtx_pt=rtx_pt if with_rtx else None,
        rtx_ssrc=track.rtx_ssrc if with_rtx else None,
        mid_ext=extensions.get(EXT_MID, 0),
        capture_time_ext=extensions.get(EXT_CAPTURE_TIME, 0),
    )


def _remote(session: _Attributes, section: _Attributes, sections: Sequence[_Attributes]) -> RemoteDescription:
    found = {
        name: section.first(name) or session.first(name) for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup")
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise BadAnswer(f"the answer has no {', '.join(missing)}")
    if found["setup"] not in ("active", "passive"):
        raise BadAnswer(f"the answer says setup:{found['setup']}")
    candidates: list[tuple[str, int]] = []
    for attributes in (session, *sections):
        for value in attributes.values["candidate"]:
            fields = value.split()
            if len(fields) >= 6 and fields[1] == "1" and fields[2].lower() == "udp" and fields[5].isdigit():
                candidates.append((fields[4], int(fields[5])))
    if not candidates:
        raise BadAnswer("the answer has no UDP candidate")
    return RemoteDescription(
        ufrag=cast("str", found["ice-ufrag"]),
        pwd=cast("str", found["ice-pwd"]),
        fingerprint=cast("str", found["fingerprint"]),
        setup=cast('Literal["active", "passive"]', found["setup"]),
        candidates=tuple(dict.fromkeys(candidates)),
    )
