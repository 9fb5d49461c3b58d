"""Answers to real offers and to rarer ones. aiortc, an independent reader of SDP, reads every answer."""

from dataclasses import replace

import pytest
from aiortc.sdp import SessionDescription

from classroom.model import SlotWish, TrackKind
from classroom.sfu.negotiate import UnacceptableOffer, parse_offer
from classroom.sfu.negotiate.agreed import EXT_MID, EXT_PLAYOUT_DELAY, EXT_TRANSPORT_CC
from tests.unit.sfu.negotiate.offers import LOCAL, REAL, answered, m_section, offer, real, sections, values

VIDEO, AUDIO = TrackKind.VIDEO, TrackKind.AUDIO
SENDING = [name for name in REAL if "recvonly" not in name]
RECEIVING = [name for name in REAL if "recvonly" in name] + ["chromium-sendrecv"]


CASES = [pytest.param(name, True, id=f"WHIP-{name}") for name in SENDING]
CASES += [pytest.param(name, False, id=f"WHEP-{name}") for name in RECEIVING]


@pytest.mark.parametrize(
    ("name", "publishing"), CASES, ids=lambda value: {True: "WHIP", False: "WHEP"}.get(value, value)
)
class TestAnswersToRealOffers:
    def test_one_m_line_for_each_in_the_same_order(self, name, publishing):
        offer, made = parse_offer(real(name)), answered(real(name), publishing)
        assert [s[0].split()[0] for s in sections(made.answer)] == [f"m={m.kind}" for m in offer.media]
        assert [values(s, "mid") for s in sections(made.answer)] == [[m.mid] for m in offer.media]

    def test_sound_and_picture_are_accepted_and_bundled_all_else_refused(self, name, publishing):
        offer, made = parse_offer(real(name)), answered(real(name), publishing)
        accepted = [m.mid for m in offer.media if m.kind != "application"]
        assert f"a=group:BUNDLE {' '.join(accepted)}\r\n" in made.answer
        for media, section in zip(offer.media, sections(made.answer), strict=True):
            port = section[0].split()[1]
            assert port == ("9" if media.mid in accepted else "0")
            assert (f"a={'recvonly' if publishing else 'sendonly'}" in section) is (media.mid in accepted)
        assert [plan.mid for plan in made.ups or made.slots] == accepted
        assert not (made.ups and made.slots)

    def test_codecs_are_some_of_those_offered_with_their_numbers(self, name, publishing):
        offer, made = parse_offer(real(name)), answered(real(name), publishing)
        for plan in made.ups or made.slots:
            (media,) = [m for m in offer.media if m.mid == plan.mid]
            codec = media.codecs[plan.pt]
            assert (codec.name, codec.clock_rate_hz) == (("h264", 90_000) if plan.kind is VIDEO else ("opus", 48_000))
            assert plan.clock_rate_hz == codec.clock_rate_hz
            if plan.rtx_pt is not None:
                assert media.codecs[plan.rtx_pt].parameters["apt"] == str(plan.pt)
            else:
                assert plan.kind is AUDIO or name == "obs-whip"
            assert plan.nack is ("nack" in codec.feedback)

    def test_feedback_and_extensions_are_some_of_those_offered(self, name, publishing):
        offer, made = parse_offer(real(name)), answered(real(name), publishing)
        for media, section in zip(offer.media, sections(made.answer), strict=True):
            for feedback in values(section, "rtcp-fb"):
                pt, _, what = feedback.partition(" ")
                assert what in media.codecs[int(pt)].feedback
                assert what in ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb")
            for extension in values(section, "extmap"):
                number, uri = extension.split()
                ext_id, _, direction = number.partition("/")
                assert media.extensions[uri].id == int(ext_id)
                assert (media.extensions[uri].direction, direction) in {
                    ("sendrecv", ""),
                    ("sendonly", "recvonly") if publishing else ("recvonly", "sendonly"),
                }

    def test_estimates_are_made_in_one_way_only(self, name, publishing):
        made = answered(real(name), publishing)
        for plan, section in zip(made.ups or made.slots, sections(made.answer), strict=False):
            wide = f"{plan.pt} transport-cc" in values(section, "rtcp-fb")
            assert wide is any(EXT_TRANSPORT_CC in line for line in section) is bool(plan.twcc_ext)
            remb = f"{plan.pt} goog-remb" in values(section, "rtcp-fb")
            assert remb is (not publishing and plan.send_time_ext > 0) and not (wide and remb)

    def test_the_transport(self, name, publishing):
        made = answered(real(name), publishing)
        active = parse_offer(real(name)).setup == "passive"
        assert made.dtls_client is active and "a=ice-lite\r\n" in made.answer
        used = [s for s in sections(made.answer) if s[0].split()[1] != "0"]
        for section in used:
            assert values(section, "ice-ufrag") == ["ourufrag"] and values(section, "ice-pwd") == ["ourpassword"]
            assert values(section, "fingerprint") == [LOCAL.fingerprint]
            assert values(section, "setup") == ["active" if active else "passive"]
            assert "a=rtcp-mux" in section
        assert len(values(used[0], "candidate")) == 2 and "a=end-of-candidates" in used[0]
        assert not any(values(section, "candidate") for section in used[1:])

    def test_aiortc_reads_it(self, name, publishing):
        made = answered(real(name), publishing)
        read = SessionDescription.parse(made.answer)
        assert made.answer.endswith("\r\n") and "\n" not in made.answer.replace("\r\n", "")
        assert len(read.media) == len(parse_offer(real(name)).media)
        for media, plan in zip([m for m in read.media if m.port], made.ups or made.slots, strict=True):
            assert media.rtp.muxId == plan.mid and media.dtls.role == ("client" if made.dtls_client else "server")
            assert media.ice.iceLite
            if media is read.media[0]:
                assert {(c.ip, c.port) for c in media.ice_candidates} == set(LOCAL.candidates)
            codec = media.rtp.codecs[0]
            assert codec.payloadType == plan.pt and codec.clockRate == plan.clock_rate_hz
            if plan.kind is VIDEO:
                assert codec.parameters["packetization-mode"] == "1"
        for slot in made.slots:
            (media,) = [m for m in read.media if m.rtp.muxId == slot.mid]
            assert [s.ssrc for s in media.ssrc] == [n for n in (slot.ssrc, slot.rtx_ssrc) if n is not None]
            assert all(s.cname == "sfu" for s in media.ssrc)
            groups = [[slot.ssrc, slot.rtx_ssrc]] if slot.rtx_ssrc is not None else []
            assert [g.items for g in media.ssrc_group] == groups


def test_ssrcs_of_a_publisher():
    video = next(plan for plan in answered(real("ffmpeg-whip"), True).ups if plan.kind is VIDEO)
    assert (video.ssrc, video.rtx_ssrc, video.pt, video.rtx_pt) == (3964083617, 3964083618, 106, 105)
    sound = next(plan for plan in answered(real("ffmpeg-whip"), True).ups if plan.kind is AUDIO)
    assert (sound.ssrc, sound.rtx_ssrc, sound.rtx_pt) == (3964083616, None, None)


def test_without_ssrcs_packets_are_told_apart_by_mid():
    video, sound = answered(real("chromium-simulcast"), True).ups
    assert video.ssrc is None and video.mid_ext == sound.mid_ext == 9


def test_slots_of_the_terminal_page():
    slots = answered(real("chromium-recvonly-slots"), False).slots
    assert [(s.kind, s.wish) for s in slots] == [(VIDEO, "programme"), (VIDEO, "slides"), (AUDIO, "mic")]
    ssrcs = [n for s in slots for n in (s.ssrc, s.rtx_ssrc) if n is not None]
    assert len(set(ssrcs)) == 5  # five streams, each with an SSRC of its own
    assert all(s.playout_delay_ext == (5 if s.kind is VIDEO else 0) for s in slots)


def test_extensions_of_slots():
    answer = answered(real("chromium-recvonly"), False).answer
    assert f"a=extmap:5 {EXT_PLAYOUT_DELAY}" in answer and EXT_MID not in answer


# --- rarer offers --------------------------------------------------------------------------------------------------


def ports(answer: str) -> list[str]:
    return [section[0].split()[1] for section in sections(answer)]


@pytest.mark.parametrize(
    ("parts", "bundle", "expected"),
    [
        pytest.param([m_section("video", "0", direction="recvonly"), m_section("audio", "1")], "", ["0", "9"],
                     id="a direction that is not sending"),
        pytest.param([m_section("video", "0", mux=False), m_section("audio", "1")], "", ["0", "9"], id="no rtcp-mux"),
        pytest.param([m_section("video", "0"), m_section("audio", "1")], "0", ["9", "0"], id="not in the bundle"),
        pytest.param([m_section("video", "0"), m_section("audio", "1")], "1", ["0", "9"], id="first not in the bundle"),
        pytest.param([m_section("video", "0"), m_section("audio", "1")], None, ["9", "0"], id="no bundle: the first"),
        pytest.param([m_section("video", None), m_section("audio", None)], None, ["9", "0"], id="no mids"),
        pytest.param([m_section("audio", "1", port=0), m_section("video", "0")], "0", ["0", "9"], id="switched off"),
        pytest.param([m_section("video", "0"), m_section("audio", "1", port=0)], "", ["9", "9"], id="bundle-only"),
        pytest.param([["m=video 9 RTP/AVP 96", "a=mid:0", "a=rtpmap:96 H264/90000"], m_section("audio", "1")], "",
                     ["0", "9"], id="plain RTP"),
        pytest.param([["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:0"], m_section("audio", "1")], "",
                     ["0", "9"], id="data channel"),
        pytest.param([["m=message 9 UDP/TLS/RTP/SAVPF x", "a=mid:0"], m_section("audio", "1")], "", ["0", "9"],
                     id="unknown kind"),
    ],
)  # fmt: skip
def test_what_is_refused_gets_port_0(parts, bundle, expected):
    made = answered(offer(*parts, bundle=bundle), True)
    assert ports(made.answer) == expected
    offered = parse_offer(offer(*parts, bundle=bundle))
    for section, port, part in zip(sections(made.answer), expected, offered.media, strict=True):
        if port == "0":
            assert "a=inactive" in section and not values(section, "candidate")
            assert section[0].split()[3:] == part.formats
            assert values(section, "mid") == ([part.mid] if part.mid is not None else [])
    groups = [line for line in made.answer.splitlines() if line.startswith("a=group:")]
    accepted = [m.mid for m, port in zip(offered.media, expected, strict=True) if port == "9"]
    assert groups == ([] if bundle is None else [f"a=group:BUNDLE {' '.join(accepted)}"])
    first = next(s for s, port in zip(sections(made.answer), expected, strict=True) if port == "9")
    assert values(first, "candidate")
    SessionDescription.parse(made.answer)


def replaced(kind: str, old: str, new: str) -> str:
    text = offer(m_section(kind, "0"))
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(replaced("video", "H264", "VP8"), "H.264", id="no H.264"),
        pytest.param(replaced("video", "packetization-mode=1", "packetization-mode=0"), "packetization-mode=1",
                     id="packetization-mode 0"),
        pytest.param(replaced("video", "packetization-mode=1;", ""), "packetization-mode=1", id="no mode"),
        pytest.param(replaced("video", "42e01f", "f4001f"), "H.264", id="High 4:4:4"),
        pytest.param(replaced("video", "H264/90000", "H264/0"), "H.264", id="clock of 0 Hz"),
        pytest.param(replaced("video", "96", "72"), "H.264", id="a payload type that looks like RTCP"),
        pytest.param(replaced("video", "SAVPF 96 97", "SAVPF \u00b2 97"), "H.264", id="a format that is no number"),
        pytest.param(replaced("audio", "opus", "PCMU"), "Opus", id="no Opus"),
        pytest.param(replaced("audio", "opus/48000", "opus/16000"), "Opus", id="Opus of a wrong clock"),
        pytest.param(replaced("audio", "a=rtcp-mux\r\n", ""), "rtcp-mux", id="no rtcp-mux"),
        pytest.param(replaced("audio", "sendrecv", "inactive"), "inactive", id="inactive"),
        pytest.param(replaced("audio", "m=audio", "m=application"), "only audio and video", id="only data"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("publishing", [True, False], ids=["WHIP", "WHEP"])
def test_an_offer_of_which_nothing_can_be_used(text, reason, publishing):
    with pytest.raises(UnacceptableOffer, match=r"nothing in the offer can be used: m-line 1 \(\w+\)") as caught:
        answered(text, publishing)
    assert reason in str(caught.value)


LABELS = {
    None: [],
    **{label: [f"a=label:{label}"] for label in (*SlotWish, "blackboard", "", "tile.camera-1", "tile.", "mic.x")},
}


@pytest.mark.parametrize(
    ("parts", "publications", "slots"),
    [
        pytest.param([("video", None)], ["camera"], ["programme"], id="one video"),
        pytest.param([("video", None)] * 4, ["camera", "slides", "screen", "screen"],
                     ["programme", "slides", "screen", "screen"], id="four videos"),
        pytest.param([("audio", None)], ["mic"], ["mic"], id="one audio"),
        pytest.param([("audio", None)] * 2, ["mic", "mic"], ["mic", "speaker"], id="two audios"),
        pytest.param([("audio", None), ("video", None)], ["mic", "camera"], ["mic", "programme"], id="one of each"),
        pytest.param([("video", "slides"), ("video", "camera")], ["slides", "camera"], ["slides", "camera"],
                     id="labels"),
        pytest.param([("video", "slides"), ("video", None)], ["slides", "slides"], ["slides", "slides"],
                     id="the second video is slides whatever the first is"),
        pytest.param([("video", "camera")] * 2, ["camera", "camera"], ["camera", "camera"], id="a label twice"),
        pytest.param([("video", "mic"), ("audio", "camera")], ["camera", "mic"], ["programme", "mic"], id="wrong kind"),
        pytest.param([("video", "blackboard"), ("audio", "")], ["camera", "mic"], ["programme", "mic"],
                     id="unknown labels"),
        pytest.param([("video", "tile.camera-1"), ("video", "tile"), ("video", "tile."), ("audio", "tile.camera-1")],
                     ["camera", "slides", "screen", "mic"], ["tile", "slides", "screen", "mic"], id="tiles"),
        pytest.param([("audio", "mic.x")], ["mic"], ["mic"], id="only a tile has a name"),
        pytest.param([("video", "programme"), ("video", "floor"), ("audio", "speaker")], ["camera", "slides", "mic"],
                     ["programme", "floor", "speaker"], id="places of a receiver"),
    ],
)  # fmt: skip
def test_labels(parts, publications, slots):
    text = offer(*(m_section(kind, str(n), *LABELS[label]) for n, (kind, label) in enumerate(parts)))
    assert [plan.label for plan in answered(text, True).ups] == publications
    assert [plan.wish for plan in answered(text, False).slots] == slots


def test_a_tile_is_named_for_what_it_shows():
    text = offer(m_section("video", "0", "a=label:tile.camera-9f3a"), m_section("video", "1"))
    assert [plan.named for plan in answered(text, False).slots] == ["camera-9f3a", ""]


def test_a_refused_m_line_does_not_count_for_labels():
    text = offer(m_section("video", "0", mux=False), m_section("video", "1"))
    assert [plan.label for plan in answered(text, True).ups] == ["camera"]


def test_camera_and_voice_share_a_stream_and_slides_have_their_own():
    text = offer(m_section("video", "0"), m_section("video", "1"), m_section("audio", "2"))
    assert [values(s, "msid") for s in sections(answered(text, False).answer)] == [
        ["lesson programme-0"], ["slides slides-1"], ["lesson mic-2"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setup", "answer", "client"),
    [("actpass", "passive", False), ("active", "passive", False), ("passive", "active", True)],
)
def test_setup(setup, answer, client):
    made = answered(offer(m_section("audio", "0")).replace("setup:actpass", f"setup:{setup}"), True)
    assert made.dtls_client is client and f"a=setup:{answer}\r\n" in made.answer


def test_round_trips_of_receivers_and_reduced_size_are_answered_when_offered():
    plain, full = m_section("audio", "0"), m_section("audio", "0", "a=rtcp-rsize", "a=rtcp-xr:rcvr-rtt=all")
    assert "rcvr-rtt" not in answered(offer(plain), False).answer
    answer = answered(offer(full), False).answer
    assert "a=rtcp-xr:rcvr-rtt=all\r\n" in answer and "a=rtcp-rsize\r\n" in answer


def test_candidates_descend_in_priority():
    lines = LOCAL.candidate_lines()
    assert lines[0].startswith("candidate:1 1 udp ") and lines[0].endswith(" 192.0.2.1 8189 typ host")
    priorities = [int(line.split()[3]) for line in lines]
    assert priorities == sorted(priorities, reverse=True) and len(set(priorities)) == 2


def test_tcp_candidates_are_passive_and_come_after_all_others():
    local = replace(LOCAL, tcp_candidates=(("192.0.2.1", 443), ("2001:db8::1", 443)))
    udp, tcp = local.candidate_lines()[:2], local.candidate_lines()[2:]
    assert udp == LOCAL.candidate_lines()
    assert [line.split()[2:3] + line.split()[4:] for line in tcp] == [
        ["tcp", ip, "443", "typ", "host", "tcptype", "passive"] for ip in ("192.0.2.1", "2001:db8::1")
    ]
    priorities = [int(line.split()[3]) for line in udp + tcp]
    assert priorities == sorted(priorities, reverse=True) and len({line.split()[0] for line in udp + tcp}) == 4
