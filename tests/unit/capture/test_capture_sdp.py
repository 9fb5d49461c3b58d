"""The offer against the server's own negotiation, and answers that other servers might give."""

from __future__ import annotations

import pytest

from classroom.capture.sdp import BadAnswer, OfferedTrack, build_offer, parse_answer
from classroom.model import Label, TrackKind
from classroom.sfu.negotiate import LocalTransport, answer_offer, parse_offer

TRACKS = [
    OfferedTrack(Label.CAMERA, 11, 12),
    OfferedTrack(Label.SLIDES, 21, 22),
    OfferedTrack(Label.MIC, 31, 32),
]
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OFFER = build_offer(TRACKS, ufrag="u" * 8, pwd="p" * 32, fingerprint=FINGERPRINT, cname="c", session_id=1)
SERVER = LocalTransport("srv4", "s" * 24, FINGERPRINT, (("192.0.2.1", 8189), ("2001:db8::1", 8189)))


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
    assert (answer.remote.ufrag, answer.remote.pwd) == ("srv4", "s" * 24)
    assert (answer.remote.fingerprint, answer.remote.setup) == (FINGERPRINT, "passive")
    camera, mic = answer.accepted[Label.CAMERA], answer.accepted[Label.MIC]
    assert (camera.pt, camera.rtx_pt, camera.ssrc, camera.rtx_ssrc, camera.mid) == (96, 97, 11, 12, "0")
    assert (mic.pt, mic.rtx_pt, mic.ssrc, mic.mid, mic.clock_rate_hz) == (111, None, 31, "2", 48_000)
    assert camera.mid_ext == 1


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
    camera = parse_answer(text, TRACKS).accepted[Label.CAMERA]
    assert (camera.rtx_pt, camera.rtx_ssrc, camera.mid_ext, camera.capture_time_ext) == (None, None, 0, 0)


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
