"""The offer against the server's own negotiation, and answers that other servers might give."""

from __future__ import annotations

import pytest

from classroom.capture.sdp import BadAnswer, OfferedStream, OfferedTrack, build_offer, parse_answer
from classroom.capture.sender import Extensions
from classroom.model import Label, TrackKind
from classroom.sfu.negotiate import LocalTransport, answer_offer, parse_offer

TRACKS = [
    OfferedTrack(Label.CAMERA, (OfferedStream("", 11, 12),)),
    OfferedTrack(Label.SLIDES, (OfferedStream("", 21, 22),)),
    OfferedTrack(Label.MIC, (OfferedStream("", 31, 32),)),
]
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OFFER = build_offer(TRACKS, ufrag="u" * 8, pwd="p" * 32, fingerprint=FINGERPRINT, cname="c", session_id=1)
SERVER = LocalTransport(
    "srv4", "s" * 24, FINGERPRINT, (("192.0.2.1", 8189), ("2001:db8::1", 8189)), (("192.0.2.1", 443),)
)


def answered() -> str:
    offer = parse_offer(OFFER)
    return answer_offer(offer, SERVER, publishing=True, cname="x", random32=lambda: 7).answer


def test_our_server_makes_a_publication_of_every_track() -> None:
    plans = answer_offer(parse_offer(OFFER), SERVER, publishing=True, cname="x", random32=lambda: 7).ups
    assert [(plan.label, plan.kind, plan.ssrc) for plan in plans] == [
        (Label.CAMERA, TrackKind.VIDEO, 11),
        (Label.SLIDES, TrackKind.VIDEO, 21),
        (Label.MIC, TrackKind.AUDIO, 31),
    ]
    assert [plan.rtx_ssrc for plan in plans] == [12, 22, None]
    assert all(plan.nack for plan in plans)


def test_its_answer_is_understood() -> None:
    answer = parse_answer(answered(), TRACKS)
    assert answer.remote.candidates == (("192.0.2.1", 8189), ("2001:db8::1", 8189))
    assert answer.remote.tcp_candidates == (("192.0.2.1", 443),)
    assert (answer.remote.ufrag, answer.remote.pwd) == ("srv4", "s" * 24)
    assert (answer.remote.fingerprint, answer.remote.setup) == (FINGERPRINT, "passive")
    [camera], [mic] = answer.accepted[Label.CAMERA], answer.accepted[Label.MIC]
    assert (camera.pt, camera.rtx_pt, camera.ssrc, camera.rtx_ssrc, camera.mid) == (96, 97, 11, 12, "0")
    assert (mic.pt, mic.rtx_pt, mic.ssrc, mic.mid, mic.clock_rate_hz) == (111, None, 31, "2", 48_000)
    assert camera.extensions.mid == 1


def test_a_track_that_is_refused_is_left_out() -> None:
    lines = answered().splitlines()
    index = [number for number, line in enumerate(lines) if line.startswith("m=")][1]
    lines[index] = lines[index].replace("m=video 9", "m=video 0")
    assert set(parse_answer("\r\n".join(lines), TRACKS).accepted) == {Label.CAMERA, Label.MIC}


def test_attributes_of_the_session_count_for_every_section() -> None:
    lines = answered().splitlines()
    moved = [line for line in lines if line.startswith(("a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"))]
    rest = [line for line in lines if line not in moved]
    first = next(number for number, line in enumerate(rest) if line.startswith("m="))
    text = "\n".join(rest[:first] + list(dict.fromkeys(moved)) + rest[first:])
    assert parse_answer(text, TRACKS).remote.pwd == "s" * 24


def test_without_rtx_and_extensions_none_are_used() -> None:
    plain = answered().replace("SAVPF 96 97", "SAVPF 96").splitlines()
    text = "\n".join(line for line in plain if not line.startswith("a=extmap"))
    [camera] = parse_answer(text, TRACKS).accepted[Label.CAMERA]
    assert (camera.rtx_pt, camera.rtx_ssrc, camera.extensions) == (None, None, Extensions())


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("", "m-lines"),
        (answered().replace("a=ice-pwd", "a=x"), "ice-pwd"),
        (answered().replace("a=candidate", "a=x"), "candidate"),
        (answered().replace("a=setup:passive", "a=setup:actpass"), "setup"),
        (answered().replace("m=video 9", "m=video 0").replace("m=audio 9", "m=audio 0"), "none of the tracks"),
    ],
)
def test_answers_that_cannot_be_used(broken: str, complaint: str) -> None:
    with pytest.raises(BadAnswer, match=complaint):
        parse_answer(broken, TRACKS)


def stream(rid: str, number: int) -> OfferedStream:
    return OfferedStream(rid, number, number + 1)


LAYERED = [
    OfferedTrack(Label.CAMERA, (stream("h", 11), stream("m", 13), stream("l", 15))),
    OfferedTrack(Label.SLIDES, (stream("h", 21), stream("l", 23))),
    OfferedTrack(Label.MIC, (stream("", 31),)),
]
LAYERED_OFFER = build_offer(LAYERED, ufrag="u" * 8, pwd="p" * 32, fingerprint=FINGERPRINT, cname="c", session_id=1)


def layered_answer() -> str:
    offer = parse_offer(LAYERED_OFFER)
    return answer_offer(offer, SERVER, publishing=True, cname="x", random32=lambda: 7).answer


def test_our_server_takes_all_layers_and_gives_feedback() -> None:
    plans = answer_offer(parse_offer(LAYERED_OFFER), SERVER, publishing=True, cname="x", random32=lambda: 7).ups
    assert [plan.rids for plan in plans] == [("h", "m", "l"), ("h", "l"), ()]
    assert [plan.pause for plan in plans] == [True, True, False]
    assert plans[0].capture_time_ext and plans[0].twcc_ext and plans[2].audio_level_ext
    answer = parse_answer(layered_answer(), LAYERED)
    camera, slides, mic = (answer.accepted[track.label] for track in LAYERED)
    assert [(layer.rid, layer.ssrc, layer.rtx_ssrc) for layer in camera] == [
        ("h", 11, 12),
        ("m", 13, 14),
        ("l", 15, 16),
    ]
    assert [layer.rid for layer in slides] == ["h", "l"] and [voice.rid for voice in mic] == [""]
    assert {layer.mid for layer in camera} == {"0"}
    assert camera[0].extensions == Extensions(mid=1, capture_time=2, transport_seq=3, rid=4, repaired_rid=5)
    assert mic[0].extensions == Extensions(mid=1, capture_time=2, audio_level=6)
    assert answer.numbered


def test_layers_are_offered_as_browsers_offer_them() -> None:
    """RFC 8853: best first, told by RIDs alone."""
    section = LAYERED_OFFER.split("m=video")[1].splitlines()
    assert [line for line in section if line.startswith(("a=rid", "a=simulcast", "a=ssrc"))] == [
        "a=rid:h send",
        "a=rid:m send",
        "a=rid:l send",
        "a=simulcast:send h;m;l",
    ]


@pytest.mark.parametrize(
    ("change", "rids"),
    [
        (lambda line: "" if line.startswith("a=simulcast") else line, [""]),
        (lambda line: "" if "rtp-stream-id" in line else line, [""]),
        (lambda line: line.replace("recv h;m;l", "recv h;l"), ["h", "l"]),
        (lambda line: line.replace("recv h;m;l", "recv l,x;~h"), ["h", "l"]),
        (lambda line: line.replace("recv h;m;l", "send x recv m"), ["m"]),
        (lambda line: line.replace("recv h;m;l", "recv"), [""]),
    ],
)
def test_what_the_server_takes_of_the_layers_is_sent(change, rids: list[str]) -> None:  # type: ignore[no-untyped-def]
    text = "\r\n".join(change(line) for line in layered_answer().splitlines())
    camera = parse_answer(text, LAYERED).accepted[Label.CAMERA]
    assert [layer.rid for layer in camera] == rids
    if rids == [""]:
        assert camera[0].ssrc == 11, "a server without simulcast gets the best layer"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("a=rtcp-fb:96 transport-cc", "a=x", 1),  # of one section only
        lambda text: text.replace("SAVPF 96 97", "SAVPF 96"),  # without RTX packets are repeated as they were
        lambda text: "\n".join(line for line in text.splitlines() if "transport-wide" not in line),
    ],
)
def test_without_feedback_on_all_pictures_none_is_numbered(change) -> None:  # type: ignore[no-untyped-def]
    answer = parse_answer(change(layered_answer()), LAYERED)
    assert not answer.numbered
    assert {p.extensions.transport_seq for streams in answer.accepted.values() for p in streams} == {0}
