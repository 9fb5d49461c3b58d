"""When a publisher is asked to pause an encoding, and to go on."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, SessionId, TrackKind
from classroom.sfu.core import rtcp
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.pause import PauseType
from classroom.sfu.core.pausing import PAUSE_AFTER_S, REPEAT_S, pause_or_resume
from classroom.sfu.core.peers import IncomingMedia, Publisher
from classroom.sfu.core.up_track import UpTrack


class Encoder:
    """A publisher of one layer, and somebody who takes it or not."""

    def __init__(self, **options) -> None:
        media = IncomingMedia(
            "0", TrackKind.VIDEO, Label.CAMERA, 96, 90_000, rids=("h",), **({"pause": True} | options)
        )
        publication = Publication(PublicationId("p"), ParticipantId("t"), Label.CAMERA, TrackKind.VIDEO, "camera")
        (self.encoding,) = media.encodings
        self.track = UpTrack(publication, 77, 90_000, CaptureClock(PublisherClock(), 90_000), nack=True)
        self.publisher = Publisher(SessionId("s"), ParticipantId("t"), None, [media], str, 5)
        self.down = DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000)

    def begin(self) -> None:
        self.encoding.track = self.track

    def sends(self, now: float) -> None:
        self.track.last_received_at_s = now

    def asked(self, now: float) -> list[tuple[PauseType, int]]:
        packets = [packet for data in pause_or_resume(self.publisher, now) for packet in rtcp.parse_rtcp(data)]
        assert all((packet.sender_ssrc, packet.target_ssrc) == (5, 77) for packet in packets)
        return [(packet.type, packet.pause_id) for packet in packets]


PAUSE_1, RESUME_1 = (PauseType.PAUSE, 1), (PauseType.RESUME, 1)


def test_what_nobody_takes_is_paused_after_a_while_and_resumes_at_once():
    encoder = Encoder()
    encoder.begin()
    encoder.track.downs.append(encoder.down)
    assert encoder.asked(10.0) == []
    encoder.track.downs.clear()
    encoder.sends(10.0 + PAUSE_AFTER_S)
    assert encoder.asked(9.9 + PAUSE_AFTER_S) == []
    assert encoder.asked(10.0 + PAUSE_AFTER_S) == [PAUSE_1] and encoder.encoding.paused
    assert encoder.asked(60.0) == []
    encoder.track.waiting.append(encoder.down)
    assert encoder.asked(61.0) == [RESUME_1] and not encoder.encoding.paused
    assert not encoder.track.take_keyframe_request(61.1), "it begins with one"
    encoder.sends(61.2)
    assert encoder.asked(70.0) == []


@pytest.mark.parametrize("options", [{"pause": False}, {}], ids=["who cannot pause", "what has not begun"])
def test_nothing_is_asked(options):
    encoder = Encoder(**options)
    if options:
        encoder.begin()
    assert encoder.asked(100.0) == []


def test_who_goes_on_all_the_same_is_told_again():
    encoder = Encoder()
    encoder.begin()
    assert encoder.asked(100.0) == [PAUSE_1]
    encoder.sends(100.0 + REPEAT_S)
    assert encoder.asked(100.0 + REPEAT_S) == [], "what was under way"
    encoder.sends(100.2 + REPEAT_S)
    assert encoder.asked(100.2 + REPEAT_S) == [PAUSE_1]
    assert encoder.asked(105.0) == []


def test_who_does_not_come_back_is_told_again():
    encoder = Encoder()
    encoder.begin()
    encoder.sends(99.0)
    assert encoder.asked(100.0) == [PAUSE_1]
    encoder.track.downs.append(encoder.down)
    assert encoder.asked(110.0) == [RESUME_1]
    assert encoder.asked(110.0 + REPEAT_S) == []
    assert encoder.asked(110.1 + REPEAT_S) == [RESUME_1]
    encoder.sends(112.0)
    assert encoder.asked(120.0) == []


def test_who_was_still_sending_when_a_request_to_go_on_was_lost_is_told_again():
    """What was under way when it paused is no sign that it goes on."""
    encoder = Encoder()
    encoder.begin()
    assert encoder.asked(100.0) == [PAUSE_1]
    encoder.track.downs.append(encoder.down)
    assert encoder.asked(100.1) == [RESUME_1]
    encoder.sends(100.15)  # before the PAUSE has reached it
    assert encoder.asked(100.1 + REPEAT_S) == []
    assert encoder.asked(100.2 + REPEAT_S) == [RESUME_1]


def test_each_pause_has_a_number_of_its_own():
    encoder = Encoder()
    encoder.begin()
    assert encoder.asked(100.0) == [PAUSE_1]
    encoder.track.downs.append(encoder.down)
    assert encoder.asked(101.0) == [RESUME_1]
    encoder.sends(101.1)
    encoder.track.downs.clear()
    assert encoder.asked(101.0 + PAUSE_AFTER_S) == [(PauseType.PAUSE, 2)]
