"""Reading offers: real ones from tests/data/offers, and what is wrong with others."""

import pytest

from classroom.sfu.negotiate import BadOffer, UnacceptableOffer, parse_offer
from classroom.sfu.negotiate.offer import MAX_MEDIA_SECTIONS, Extension
from tests.unit.sfu.negotiate.offers import FINGERPRINT, REAL, TRANSPORT, real

VIDEO = [
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=mid:0",
    "a=rtcp-mux",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1",
]


def offer(*media_lines: str, session: tuple[str, ...] | list[str] = ("a=group:BUNDLE 0",)) -> str:
    return "\r\n".join(["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", *session, *media_lines, ""])


def test_the_real_offers_are_here():
    assert len(REAL) == 14


@pytest.mark.parametrize("name", REAL)
def test_real_offers_are_read(name):
    text = real(name)
    parsed = parse_offer(text)
    m_lines = [line for line in text.splitlines() if line.startswith("m=")]
    assert [m.kind for m in parsed.media] == [line[2:].split()[0] for line in m_lines]
    assert [m.formats for m in parsed.media] == [line.split()[3:] for line in m_lines]
    assert parsed.bundle == [m.mid for m in parsed.media]
    assert parsed.ufrag and parsed.pwd and parsed.fingerprint.startswith("sha-256 ") and len(parsed.fingerprint) == 103
    assert parsed.setup == ("passive" if name == "ffmpeg-whip" else "actpass")
    for media in parsed.media:
        if media.kind != "application":
            directions = [d for d in ("sendrecv", "recvonly") if d in name] or ["sendonly"]
            assert media.rtcp_mux and media.direction == directions[0]
            assert all(codec.name for pt, codec in media.codecs.items() if str(pt) in media.formats)


def test_what_chromium_says_of_its_video():
    audio, video = parse_offer(real("chromium-sendonly")).media
    h264 = video.codecs[108]
    assert (h264.name, h264.clock_rate_hz, h264.channels) == ("h264", 90_000, 1)
    assert h264.parameters["profile-level-id"] == "42e01f" and h264.parameters["packetization-mode"] == "1"
    assert h264.feedback == {"goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"}
    assert video.codecs[109].parameters == {"apt": "108"}
    assert video.extensions["urn:ietf:params:rtp-hdrext:sdes:mid"] == (4, "sendrecv")
    (group,) = video.fid_groups
    assert video.ssrcs == list(group) and len(audio.ssrcs) == 1
    assert audio.codecs[111].channels == 2 and audio.rtcp_xr == {"rcvr-rtt=all"}
    assert audio.cname == video.cname != ""
    assert parse_offer(real("chromium-sendonly")).extmap_allow_mixed


def test_a_simulcast_offer_of_chromium_names_rids_and_no_ssrcs():
    video, _ = parse_offer(real("chromium-simulcast")).media
    assert video.ssrcs == [] and video.fid_groups == []
    assert video.rids == {"h": {}, "m": {}, "l": {}} and video.simulcast == [["h"], ["m"], ["l"]]


def test_what_firefox_says_of_its_simulcast():
    video, sound = parse_offer(real("firefox-simulcast")).media
    assert video.rids == {"h": {}, "m": {}, "l": {}} and video.simulcast == [["h"], ["m"], ["l"]]
    assert len(video.ssrcs) == 6 and len(video.fid_groups) == 3, "it names SSRCs all the same"
    assert video.extensions["urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"].direction == "sendonly"
    assert sound.extensions["urn:ietf:params:rtp-hdrext:csrc-audio-level"].direction == "recvonly"


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_line_ends(newline):
    assert parse_offer(offer(*VIDEO, *TRANSPORT).replace("\r\n", newline)).ufrag == "abcd"


def test_transport_may_stand_at_the_session_as_firefox_and_libdatachannel_write_it():
    session = ["a=group:BUNDLE 0", "a=group:LS 0", "a=sendonly", *TRANSPORT]
    parsed = parse_offer(offer(*VIDEO, session=session))
    assert (parsed.ufrag, parsed.fingerprint, parsed.setup) == ("abcd", FINGERPRINT, "actpass")
    assert parsed.bundle == ["0"] and parsed.media[0].direction == "sendonly"


def test_a_section_overrides_the_direction_of_the_session():
    parsed = parse_offer(offer(*VIDEO, "a=recvonly", session=["a=sendonly", *TRANSPORT]))
    assert parsed.media[0].direction == "recvonly"


def test_without_a_direction_it_is_sendrecv():
    assert parse_offer(offer(*VIDEO, *TRANSPORT)).media[0].direction == "sendrecv"


def test_the_transport_is_that_of_the_first_section_in_use():
    rejected = ["m=audio 0 UDP/TLS/RTP/SAVPF 0", "a=inactive"]  # as Firefox leaves a stopped transceiver
    assert parse_offer(offer(*rejected, *VIDEO, *TRANSPORT)).ufrag == "abcd"


def test_of_several_fingerprints_sha_256_is_taken():
    wanted = "SHA-256 " + ":".join(["1f"] * 32)
    lines = ["a=fingerprint:sha-512 00", f"a=fingerprint:{wanted}", "a=fingerprint:sha-384 22"]
    assert parse_offer(offer(*VIDEO, *TRANSPORT[:2], *lines)).fingerprint == wanted


@pytest.mark.parametrize(("algorithm", "size"), [("sha-256", 32), ("SHA-384", 48), ("sha-512", 64)])
def test_fingerprints_of_the_hashes_that_we_know_are_taken(algorithm, size):
    line = f"a=fingerprint:{algorithm} {':'.join(['0A'] * size)}"
    assert parse_offer(offer(*VIDEO, *TRANSPORT[:2], line)).fingerprint.startswith(algorithm)


def test_without_setup_the_offerer_leaves_the_choice():
    assert parse_offer(offer(*VIDEO, *TRANSPORT[:3])).setup == "actpass"


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("a=rtcp-fb:* nack", lambda m: m.codecs[96].feedback == {"nack"}),
        ("a=extmap:3/recvonly urn:x extra", lambda m: m.extensions == {"urn:x": Extension(3, "recvonly")}),
        ("a=rid:a-b_1 send", lambda m: m.rids == {"a-b_1": {}}),
        (
            "a=rid:h send pt=96,97; max-width=1280;x",
            lambda m: m.rids == {"h": {"pt": "96,97", "max-width": "1280", "x": ""}},
        ),
        ("a=rid:h recv pt=96", lambda m: m.rids == {}),
        ("a=simulcast:recv x send h,~m;~l", lambda m: m.simulcast == [["h", "m"], ["l"]]),
        ("a=simulcast:recv h;m", lambda m: m.simulcast == []),
        ("a=fmtp:97 apt=96; ;flag", lambda m: m.codecs[97].parameters == {"apt": "96", "flag": ""}),
        ("a=ssrc:5", lambda m: m.ssrcs == [5]),
        ("a=ssrc-group:SIM 1 2 3", lambda m: m.fid_groups == []),
        ("a=label:slides", lambda m: m.label == "slides"),
        ("a=unknown:thing", lambda m: True),
        ("b=AS:500", lambda m: True),
        ("", lambda m: True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lines(line, check):
    assert check(parse_offer(offer(*VIDEO, *TRANSPORT, line)).media[0])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param("", BadOffer, "v=0", id="empty"),
        pytest.param("hello", BadOffer, "v=0", id="text"),
        pytest.param('{"sdp": "v=0"}', BadOffer, "v=0", id="JSON"),
        pytest.param("\ufeffv=0\r\n", BadOffer, "v=0", id="byte order mark"),
        pytest.param("v=0\r\nhello\r\n", BadOffer, "line 2", id="a line that is none"),
        pytest.param("v=0\r\nx\r\n", BadOffer, "line 2", id="a line of one letter"),
        pytest.param(offer(), BadOffer, "no m-line", id="no media"),
        pytest.param(offer("m=video", *TRANSPORT), BadOffer, "m-line", id="m-line cut"),
        pytest.param(offer("m=video 9 UDP/TLS/RTP/SAVPF", *TRANSPORT), BadOffer, "m-line", id="m-line without formats"),
        pytest.param(offer("m=video x UDP/TLS/RTP/SAVPF 96"), BadOffer, "m-line", id="port that is no number"),
        pytest.param(offer("m=video \u00b2 UDP/TLS/RTP/SAVPF 96"), BadOffer, "m-line", id="port that is a superscript"),
        pytest.param(offer(f"m=video {'9' * 5000} UDP 96"), BadOffer, "m-line", id="port of 5000 digits"),
        pytest.param(offer(*VIDEO, "a=rtpmap:96"), BadOffer, "rtpmap", id="rtpmap without a codec"),
        pytest.param(offer(*VIDEO, "a=rtpmap:96 H264"), BadOffer, "rtpmap", id="rtpmap without a clock rate"),
        pytest.param(offer(*VIDEO, "a=rtpmap:200 H264/90000"), BadOffer, "rtpmap", id="payload type 200"),
        pytest.param(offer(*VIDEO, "a=fmtp:-1 x=y"), BadOffer, "fmtp", id="payload type -1"),
        pytest.param(offer(*VIDEO, "a=rtcp-fb:96"), BadOffer, "rtcp-fb", id="feedback of what"),
        pytest.param(offer(*VIDEO, "a=extmap:x"), BadOffer, "extmap", id="extmap cut"),
        pytest.param(offer(*VIDEO, "a=extmap:x urn:x"), BadOffer, "extmap", id="extmap without a number"),
        pytest.param(offer(*VIDEO, "a=ssrc:x cname:y"), BadOffer, "ssrc", id="ssrc without a number"),
        pytest.param(offer(*VIDEO, "a=ssrc-group:FID 1"), BadOffer, "ssrc-group", id="group of one"),
        pytest.param(offer(*VIDEO, "a=ssrc-group:"), BadOffer, "ssrc-group", id="group of nothing"),
        pytest.param(offer(*VIDEO, "a=extmap:/recvonly urn:x"), BadOffer, "extmap", id="extmap of no number"),
        pytest.param(offer(*VIDEO, "a=rid:h"), BadOffer, "rid", id="rid without a direction"),
        pytest.param(offer(*VIDEO, "a=rid:h\u00e9 send"), BadOffer, "rid", id="rid of a letter that it may not have"),
        pytest.param(offer(*VIDEO, f"a=rid:{'h' * 17} send"), BadOffer, "rid", id="rid that no header extension holds"),
        pytest.param(offer(*VIDEO, "a=simulcast:send"), BadOffer, "simulcast", id="simulcast of nothing"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:3], "a=setup:holdconn"), BadOffer, "setup", id="setup"),
        pytest.param(offer(*VIDEO, *VIDEO, *TRANSPORT), BadOffer, "same a=mid", id="a mid twice"),
        pytest.param(offer(*["m=audio 9 UDP/TLS/RTP/SAVPF 0"] * (MAX_MEDIA_SECTIONS + 1)), BadOffer, "more than",
                     id="too many m-lines"),
        pytest.param(offer(*VIDEO, *TRANSPORT[2:]), UnacceptableOffer, "ICE", id="no ICE"),
        pytest.param(offer(*VIDEO, TRANSPORT[0], *TRANSPORT[2:]), UnacceptableOffer, "ICE", id="no ICE password"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:2]), UnacceptableOffer, "DTLS", id="no fingerprint"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:2], "a=fingerprint:sha-1 " + ":".join(["AB"] * 20)), UnacceptableOffer,
                     "sha-256", id="a hash that is broken"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:2], "a=fingerprint:sha-256"), BadOffer, "32 hex",
                     id="fingerprint of nothing"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:2], "a=fingerprint:sha-256 AB:CD"), BadOffer, "32 hex",
                     id="fingerprint that is short"),
        pytest.param(offer(*VIDEO, *TRANSPORT[:2], "a=fingerprint:sha-256 " + ":".join(["XY"] * 32)), BadOffer,
                     "32 hex", id="fingerprint that is no number"),
        pytest.param(offer(*VIDEO, "a=ice-ufrag:" + "u" * 257, *TRANSPORT[1:]), BadOffer, "256", id="ufrag too long"),
        pytest.param(offer(*VIDEO, TRANSPORT[0], "a=ice-pwd:é" + "p" * 22, *TRANSPORT[2:]), BadOffer, "ASCII",
                     id="password of a letter that it may not have"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_offer(text, error, message):
    with pytest.raises(error, match=message):
        parse_offer(text)
