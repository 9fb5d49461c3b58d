"""What of an m-section is used: codec, repair, feedback, header extensions, simulcast."""

import pytest

from classroom.model import TrackKind
from classroom.sfu.negotiate.agreed import (
    EXT_AUDIO_LEVEL,
    EXT_CAPTURE_TIME,
    EXT_MID,
    EXT_PLAYOUT_DELAY,
    EXT_REPAIRED_RID,
    EXT_RID,
    EXT_SEND_TIME,
    EXT_TRANSPORT_CC,
    MAX_RIDS,
)
from tests.unit.sfu.negotiate.offers import answered, m_section, offer, real, sections, values


@pytest.mark.parametrize(
    ("name", "publishing", "profile"),
    [
        ("chromium-sendonly", True, "42e01f"),
        ("chromium-simulcast", True, "42e01f"),
        ("ffmpeg-whip", True, "42000d"),
        ("firefox-simulcast", True, "42e01f"),
        ("obs-whip", True, "42e01f"),
        ("chromium-recvonly", False, "4d001f"),
        ("firefox-recvonly-slots", False, "42e01f"),
        ("safari-recvonly", False, "42e01f"),
        ("aiortc-recvonly", False, "42e01f"),
    ],
)
def test_the_profile(name, publishing, profile):
    """Senders are asked for constrained baseline, receivers told main, which includes it."""
    made = answered(real(name), publishing)
    assert f"packetization-mode=1;profile-level-id={profile}" in made.answer


def test_what_chromium_is_told_of_its_simulcast():
    made = answered(real("chromium-simulcast"), True)
    video, sound = made.ups
    assert video.rids == ("h", "m", "l") and sound.rids == ()
    assert (video.rid_ext, video.rrid_ext, video.twcc_ext, video.audio_level_ext) == (10, 11, 4, 0)
    assert (sound.rid_ext, sound.rrid_ext, sound.twcc_ext, sound.audio_level_ext) == (0, 0, 4, 12)
    section = sections(made.answer)[0]
    assert values(section, "rid") == ["h recv", "m recv", "l recv"]
    assert values(section, "simulcast") == ["recv h;m;l"]
    assert [line.split() for line in values(section, "extmap")] == [
        ["9", EXT_MID], ["10", EXT_RID], ["11", EXT_REPAIRED_RID], ["4", EXT_TRANSPORT_CC],
    ]  # fmt: skip


def test_what_firefox_is_told_of_its_simulcast():
    """RIDs tell its streams apart, though it names SSRCs; what it only sends it is told that we receive."""
    made = answered(real("firefox-simulcast"), True)
    video, sound = made.ups
    assert video.rids == ("h", "m", "l") and (video.ssrc, video.rtx_ssrc) == (None, None)
    assert (video.rid_ext, video.rrid_ext, video.twcc_ext) == (9, 10, 7)
    assert (sound.twcc_ext, sound.audio_level_ext) == (7, 1) and sound.ssrc is not None
    section = sections(made.answer)[0]
    assert f"9/recvonly {EXT_RID}" in values(section, "extmap") and f"7 {EXT_TRANSPORT_CC}" in values(section, "extmap")
    assert values(section, "simulcast") == ["recv h;m;l"]


@pytest.mark.parametrize("name", ["firefox-recvonly-slots", "safari-recvonly"])
def test_other_browsers_get_the_same_as_chromium(name):
    made = answered(real(name), False)
    picture, sound = made.slots[0], made.slots[-1]
    assert picture.nack and picture.rtx_pt is not None and picture.twcc_ext and not picture.send_time_ext
    assert picture.playout_delay_ext, "lowest delay"
    assert (sound.red_pt is not None) is (name == "safari-recvonly"), "Firefox has no redundant sound"


def test_obs_has_neither_rtx_nor_extensions():
    sound, video = answered(real("obs-whip"), True).ups
    assert (video.ssrc, video.rtx_pt, video.mid_ext, video.twcc_ext, video.nack) == (3957928346, None, 0, 0, True)
    assert sound.ssrc == 3957928345 and not sound.nack


def test_chromium_gets_transport_wide_numbers_on_its_pictures_and_redundant_sound():
    picture, slides, sound = answered(real("chromium-recvonly-slots"), False).slots
    assert picture.twcc_ext == slides.twcc_ext == 4 and not picture.send_time_ext
    assert sound.twcc_ext == 0, "a lost Opus packet is sent again as it was"
    assert (picture.red_pt, sound.pt, sound.red_pt) == (None, 111, 63)
    section = sections(answered(real("chromium-recvonly-slots"), False).answer)[2]
    assert section[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111 63"
    assert "63 red/48000/2" in values(section, "rtpmap") and "63 111/111" in values(section, "fmtp")


def test_aiortc_estimates_by_itself():
    picture = next(slot for slot in answered(real("aiortc-recvonly"), False).slots if slot.kind is TrackKind.VIDEO)
    assert picture.send_time_ext and picture.twcc_ext == 0


@pytest.mark.parametrize(
    ("publishing", "offered", "chosen"),
    [
        (True, ["640c1f", "42001f", "42e01f", "4d001f"], "42e01f"),
        (True, ["640c1f", "4d001f", "42001f"], "42001f"),
        (True, ["640c1f", "4d001f"], "4d001f"),
        (True, ["640c1f", "42c01f"], "42c01f"),
        (True, ["640c1f"], "640c1f"),
        (True, ["640C1F", "42E01F"], "42E01F"),
        (False, ["640c1f", "42001f", "42e01f", "4d001f"], "4d001f"),
        (False, ["640c1f", "42001f", "42e01f"], "42e01f"),
        (False, ["640c1f", "4d401f"], "4d401f"),
        (False, ["640c1f"], "640c1f"),
        (False, [None], "42e01f"),
    ],
)
def test_the_profile_is_chosen_by_what_it_is_for(publishing, offered, chosen):
    pts = range(96, 96 + len(offered))
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, pts))}", "a=mid:0", "a=rtcp-mux", "a=sendrecv"]
    for pt, profile in zip(pts, offered, strict=True):
        level = "" if profile is None else f";profile-level-id={profile}"
        lines += [f"a=rtpmap:{pt} H264/90000", f"a=fmtp:{pt} packetization-mode=1{level}"]
    made = answered(offer(lines), publishing)
    (plan,) = made.ups or made.slots
    assert offered[plan.pt - 96] in (chosen, None) and f"profile-level-id={chosen}" in made.answer


@pytest.mark.parametrize(
    ("ext_id", "expected"), [("1", 1), ("14", 14), ("15", 0), ("0", 0), ("-1", 0), ("255", 0)], ids=str
)
@pytest.mark.parametrize("publishing", [True, False], ids=["WHIP", "WHEP"])
def test_extension_ids_beyond_the_one_byte_form_are_not_negotiated(ext_id, expected, publishing):
    lines = [f"a=extmap:{ext_id} {uri}" for uri in (EXT_MID, EXT_CAPTURE_TIME, EXT_PLAYOUT_DELAY)]
    made = answered(offer(m_section("video", "0", *lines)), publishing)
    if publishing:
        assert made.ups[0].mid_ext == made.ups[0].capture_time_ext == expected
    else:
        assert made.slots[0].capture_time_ext == made.slots[0].playout_delay_ext == expected
    assert ("a=extmap" in made.answer) is bool(expected)


@pytest.mark.parametrize(
    ("direction", "publishing", "expected"),
    [
        ("", True, ""),
        ("", False, ""),
        ("/sendrecv", False, ""),
        ("/sendonly", True, "/recvonly"),
        ("/sendonly", False, None),
        ("/recvonly", True, None),
        ("/recvonly", False, "/sendonly"),
        ("/inactive", True, None),
    ],
)
def test_an_extension_is_used_in_the_direction_in_which_it_is_offered(direction, publishing, expected):
    made = answered(offer(m_section("video", "0", f"a=extmap:3{direction} {EXT_CAPTURE_TIME}")), publishing)
    (plan,) = made.ups or made.slots
    assert plan.capture_time_ext == (0 if expected is None else 3)
    answered_lines = [] if expected is None else [f"3{expected} {EXT_CAPTURE_TIME}"]
    assert values(sections(made.answer)[0], "extmap") == answered_lines


REMB = [f"a=extmap:6 {EXT_SEND_TIME}", "a=rtcp-fb:96 goog-remb"]
TRANSPORT_CC = [f"a=extmap:5 {EXT_TRANSPORT_CC}", "a=rtcp-fb:* transport-cc"]


@pytest.mark.parametrize(
    ("kind", "publishing", "lines", "feedback", "twcc_ext"),
    [
        pytest.param("video", True, TRANSPORT_CC, ["96 transport-cc"], 5, id="up"),
        pytest.param("audio", True, TRANSPORT_CC, ["111 transport-cc"], 5, id="sound up"),
        pytest.param("video", False, TRANSPORT_CC, ["96 transport-cc"], 5, id="down"),
        pytest.param("audio", False, TRANSPORT_CC, [], 0, id="sound down"),
        pytest.param("video", False, TRANSPORT_CC[:1], [], 0, id="no feedback"),
        pytest.param("video", False, TRANSPORT_CC[1:], [], 0, id="no extension"),
        pytest.param("video", False, [*TRANSPORT_CC, *REMB], ["96 transport-cc"], 5, id="both down"),
        pytest.param("video", False, [*TRANSPORT_CC[1:], *REMB], ["96 goog-remb"], 0,
                     id="REMB where transport-cc has no extension"),
        pytest.param("video", False, REMB, ["96 goog-remb"], 0, id="REMB down"),
        pytest.param("video", False, REMB[1:], [], 0, id="REMB without the time of sending"),
        pytest.param("video", False, REMB[:1], [], 0, id="the time of sending without REMB"),
        pytest.param("video", True, REMB, [], 0, id="no REMB up"),
        pytest.param("audio", False, ["a=rtcp-fb:111 goog-remb"], [], 0, id="no REMB of sound"),
    ],
)  # fmt: skip
def test_transport_wide_feedback_or_else_remb(kind, publishing, lines, feedback, twcc_ext):
    made = answered(offer(m_section(kind, "0", *lines)), publishing)
    (plan,) = made.ups or made.slots
    assert plan.twcc_ext == twcc_ext and values(sections(made.answer)[0], "rtcp-fb") == feedback
    if not publishing:
        assert plan.send_time_ext == (6 if "96 goog-remb" in feedback else 0)


@pytest.mark.parametrize(
    ("lines", "nack", "answered_lines"),
    [
        ([], False, []),
        (["a=rtcp-fb:96 nack"], True, ["96 nack"]),
        (
            ["a=rtcp-fb:* nack", "a=rtcp-fb:* nack pli", "a=rtcp-fb:* ccm fir"],
            True,
            ["96 nack", "96 nack pli", "96 ccm fir"],
        ),
        (["a=rtcp-fb:96 nack pli"], False, ["96 nack pli"]),
        (["a=rtcp-fb:96 ccm tmmbr", "a=rtcp-fb:96 nack rpsi"], False, []),
    ],
)
def test_feedback(lines, nack, answered_lines):
    made = answered(offer(m_section("video", "0", *lines)), True)
    assert made.ups[0].nack is nack
    assert values(sections(made.answer)[0], "rtcp-fb") == answered_lines


@pytest.mark.parametrize(
    ("offered", "pause"),
    [
        ("ccm pause", True),
        ("ccm pause nowait", True),
        ("ccm pause config=1", True),
        ("ccm pause nowait config=1", True),
        ("ccm pause nowait config=2", False),
        ("ccm fir", False),
    ],
)
def test_a_publisher_that_can_be_paused(offered, pause):
    text = offer(m_section("video", "0", f"a=rtcp-fb:96 {offered}"))
    assert answered(text, True).ups[0].pause is pause
    assert (f"a=rtcp-fb:96 {offered}\r\n" in answered(text, True).answer) is (pause or offered == "ccm fir")
    assert "ccm pause" not in answered(text, False).answer, "nobody pauses us"


def test_the_level_of_a_voice_is_taken_from_its_publisher():
    lines = [f"a=extmap:7 {EXT_AUDIO_LEVEL}"]
    text = offer(m_section("audio", "0", *lines), m_section("video", "1", *lines))
    sound, picture = answered(text, True).ups
    assert (sound.audio_level_ext, picture.audio_level_ext) == (7, 0)
    assert answered(text, True).answer.count(EXT_AUDIO_LEVEL) == 1
    assert EXT_AUDIO_LEVEL not in answered(text, False).answer


SIMULCAST_EXTENSIONS = [f"a=extmap:1 {EXT_MID}", f"a=extmap:2 {EXT_RID}", f"a=extmap:3 {EXT_REPAIRED_RID}"]
HML = ["a=rid:h send", "a=rid:m send", "a=rid:l send"]


@pytest.mark.parametrize(
    ("lines", "rids", "answered_rids"),
    [
        pytest.param([*HML, "a=simulcast:send h;m;l"], "hml", ["h recv", "m recv", "l recv"], id="three"),
        pytest.param(["a=simulcast:send h;l", *HML], "hl", ["h recv", "l recv"], id="two, named before they are told"),
        pytest.param([*HML, "a=simulcast:recv h send m;l"], "ml", ["m recv", "l recv"], id="in both directions"),
        pytest.param([*HML, "a=simulcast:recv h;m;l"], "", [], id="only to receive"),
        pytest.param([*HML, "a=simulcast:send h;~l"], "hl", ["h recv", "l recv"], id="one that starts paused"),
        pytest.param([*HML, "a=simulcast:send x,h;m,l"], "hm", ["h recv", "m recv"], id="first alternative there is"),
        pytest.param([*HML, "a=simulcast:send h;h;l"], "hl", ["h recv", "l recv"], id="one twice"),
        pytest.param([*HML, "a=simulcast:send x"], "", [], id="of nothing"),
        pytest.param(["a=rid:h recv", "a=simulcast:send h"], "", [], id="of what is not sent"),
        pytest.param(HML, "", [], id="RIDs without simulcast"),
        pytest.param(["a=rid:h send pt=96,98;max-width=1280;max-fps=30", "a=rid:l send pt=98", "a=simulcast:send h;l"],
                     "h", ["h recv pt=96;max-width=1280;max-fps=30"], id="restrictions"),
        pytest.param([f"a=rid:{n} send" for n in range(9)] + ["a=simulcast:send " + ";".join("012345678")],
                     "0123", ["0 recv", "1 recv", "2 recv", "3 recv"], id="more than are taken"),
    ],
)  # fmt: skip
def test_simulcast(lines, rids, answered_rids):
    text = offer(m_section("video", "0", *SIMULCAST_EXTENSIONS, *lines, "a=ssrc:5 cname:x", "a=ssrc-group:FID 5 6"))
    made = answered(text, True)
    (plan,) = made.ups
    (section,) = sections(made.answer)
    assert plan.rids == tuple(rids) and len(plan.rids) <= MAX_RIDS
    assert values(section, "rid") == answered_rids
    assert values(section, "simulcast") == ([f"recv {';'.join(rids)}"] if rids else [])
    assert (plan.ssrc, plan.rtx_ssrc) == ((None, None) if rids else (5, 6)), "RIDs tell streams apart, not SSRCs"
    assert (plan.rid_ext, plan.rrid_ext) == ((2, 3) if rids else (0, 0))
    assert not values(sections(answered(text, False).answer)[0], "simulcast"), "a slot is one stream"


def test_simulcast_needs_the_extension_that_names_streams():
    made = answered(offer(m_section("video", "0", *HML, "a=simulcast:send h;m;l")), True)
    assert made.ups[0].rids == () and "a=simulcast" not in made.answer and "a=rid" not in made.answer


def test_stamps_need_rtx_to_repair_with():
    text = offer(m_section("video", "0", *TRANSPORT_CC, *REMB)).replace("apt=96", "apt=95")
    (slot,) = answered(text, False).slots
    assert slot.twcc_ext == slot.send_time_ext == 0 and EXT_TRANSPORT_CC not in answered(text, False).answer
    assert answered(text, True).ups[0].twcc_ext == 5, "a publisher repairs as it can"


def test_repair_of_simulcast_needs_rtx():
    text = offer(m_section("video", "0", *SIMULCAST_EXTENSIONS, *HML, "a=simulcast:send h;m;l")).replace(
        "apt=96", "apt=95"
    )
    (plan,) = answered(text, True).ups
    assert plan.rids == ("h", "m", "l") and plan.rrid_ext == 0 and EXT_REPAIRED_RID not in answered(text, True).answer


@pytest.mark.parametrize(
    ("lines", "red_pt"),
    [
        (["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"], 63),
        (["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111/111"], 63),
        (["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/0"], None),
        (["a=rtpmap:63 red/48000/2", "a=fmtp:63 0/0"], None),
        (["a=rtpmap:63 red/48000/2"], None),
        (["a=rtpmap:63 red/8000", "a=fmtp:63 111/111"], None),
        (["a=rtpmap:73 red/48000/2", "a=fmtp:73 111/111"], None),
        ([], None),
    ],
    ids=["two", "three", "with another codec", "of another codec", "of nothing", "another clock", "like RTCP", "none"],
)
def test_redundant_sound_goes_down_only(lines, red_pt):
    text = offer(m_section("audio", "0", *lines))
    (slot,) = answered(text, False).slots
    assert (slot.pt, slot.red_pt) == (111, red_pt)
    assert ("red/48000/2" in answered(text, False).answer) is (red_pt is not None)
    assert "red/" not in answered(text, True).answer


def test_nack_for_opus_when_offered():
    made = answered(offer(m_section("audio", "0", "a=rtcp-fb:111 nack")), False)
    assert made.slots[0].nack and "a=rtcp-fb:111 nack\r\n" in made.answer


@pytest.mark.parametrize(
    ("lines", "rtx_pt"),
    [
        (["a=fmtp:97 apt=95"], None),
        (["a=fmtp:97 apt=x"], None),
        (["a=rtpmap:97 VP8/90000"], None),
        ([], 97),
    ],
    ids=["of another codec", "of nothing", "no RTX", "RTX"],
)
def test_rtx_belongs_to_its_codec(lines, rtx_pt):
    made = answered(offer(m_section("video", "0", *lines)), False)
    (slot,) = made.slots
    assert slot.rtx_pt == rtx_pt and (slot.rtx_ssrc is None) is (rtx_pt is None)
    assert ("FID" in made.answer) is (rtx_pt is not None)
    assert made.answer.count("m=video 9 UDP/TLS/RTP/SAVPF 96 97") == (1 if rtx_pt else 0)


def test_rtx_with_a_payload_type_that_looks_like_rtcp_is_left_out():
    made = answered(offer(m_section("video", "0")).replace("97", "73"), False)
    assert made.slots[0].rtx_pt is None
