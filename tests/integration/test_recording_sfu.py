"""The recorder behind the real core of the SFU: a publisher with a clock of its own, a lossy uplink, a restart."""

import itertools
import random

import pytest

from classroom.model import Label, LessonId, ParticipantId, RecordingState, SessionId, TrackKind
from classroom.recording.lesson_file import read_lesson
from classroom.recording.library import manifest
from classroom.recording.recorder import Recorder
from classroom.sfu.core.lesson import LessonMedia
from classroom.sfu.core.peers import IncomingMedia
from classroom.sfu.core.rtcp import Nack, parse_rtcp
from tests.unit.recording.lesson_source import AUDIO_HZ, EPOCH_S, VIDEO_HZ, Wire, encode_audio, encode_video, in_order
from tests.unit.recording.playback import beeps, flashes, pictures, sound

LESSON = LessonId("maths")
PUBLISHER_CLOCK_S = 1234.5  # the publisher's clock is wrong by so much
MEDIA = {
    "camera": (TrackKind.VIDEO, Label.CAMERA, VIDEO_HZ),
    "mic": (TrackKind.AUDIO, Label.MIC, AUDIO_HZ),
}


class Room:
    """The core driven in virtual time as the server drives it, with a recorder attached and one publisher."""

    def __init__(self, seed, loss):
        self.now_s = 1000.0
        self.random = random.Random(seed)
        self.loss = loss
        self.media = LessonMedia(lambda: self.random.getrandbits(32), EPOCH_S - 1000.0, "room")
        self.sent = {}
        self.on_the_way = []
        self.count = itertools.count()
        self.lost = 0

    def attach(self, recorder):
        self.media.add_receiver(SessionId("recorder"), ParticipantId(""), recorder, [], self.now_s, follow_all=True)

    def publish(self, session, wires):
        incoming = [
            IncomingMedia(str(n), *MEDIA[wire.name][:2], pt=96, clock_rate_hz=wire.rate_hz, ssrc=wire.ssrc, nack=True)
            for n, wire in enumerate(wires)
        ]
        self.session = SessionId(session)
        self.media.add_publisher(self.session, ParticipantId("teacher"), self, incoming, str, self.now_s)
        for at_s, _, thing in in_order(wires):
            data = thing if isinstance(thing, bytes) else thing.data
            if not isinstance(thing, bytes):
                self.sent[thing.ssrc, thing.seq] = thing
                if self.random.random() < self.loss:
                    self.lost += 1
                    continue
            self.on_the_way.append((at_s - EPOCH_S + 1000.0, next(self.count), data))

    def send_rtcp(self, data):
        """The publisher's end: answer NACKs after a round trip."""
        for packet in parse_rtcp(data):
            if isinstance(packet, Nack):
                for seq in packet.seqs:
                    found = self.sent.get((packet.media_ssrc, seq))
                    if found is not None and self.random.random() >= self.loss:
                        self.on_the_way.append((self.now_s + 0.1, next(self.count), found.data))

    def close(self, reason):
        """The publisher does not mind."""

    def run(self, until_s):
        while True:
            arrival_s = min(self.on_the_way)[0] if self.on_the_way else until_s
            self.now_s = max(self.now_s, min(arrival_s, self.media.next_timeout() or until_s, until_s))
            due = sorted(entry for entry in self.on_the_way if entry[0] <= self.now_s)
            self.on_the_way = [entry for entry in self.on_the_way if entry[0] > self.now_s]
            for _, _, data in due:
                self.media.receive(self.session, data, self.now_s)
            self.media.handle_timeout(self.now_s)
            self.flush()
            if self.now_s >= until_s:
                return

    def flush(self):
        for sink, data in self.media.take_rtcp():
            sink.send_rtcp(data)
        for burst in self.media.take_bursts():
            burst.down.sink.send(burst)
        for down, data in self.media.take_resends():
            down.sink.resend(down, data)
        self.media.take_events()


def wires_at(at_s, seconds, ssrc):
    error_s = PUBLISHER_CLOCK_S
    return [
        Wire("camera", encode_video(seconds), at_s, ssrc=ssrc, latency_s=0.06, report_error_s=error_s),
        Wire("mic", encode_audio(seconds), at_s, ssrc=ssrc + 1, latency_s=0.03, report_error_s=error_s),
    ]


async def test_what_a_lossy_publisher_sent_is_recorded_whole_and_in_sync(tmp_path):
    room = Room(seed=4, loss=0.05)
    states = []
    recorder = await Recorder.open(
        tmp_path, LESSON, "", EPOCH_S - 1000.0, lambda *state: states.append(state), False, lambda: room.now_s
    )
    room.attach(recorder)
    room.publish("first", wires_at(EPOCH_S + 0.5, 12.0, ssrc=10))
    room.run(1000.0 + 13.5)
    room.media.remove(room.session, "gone", room.now_s)
    room.flush()
    assert room.lost > 30
    # The same teacher comes back after a while, with new streams.
    room.publish("second", wires_at(EPOCH_S + 16.0, 6.0, ssrc=20))
    room.run(1000.0 + 23.0)
    await recorder.finish(RecordingState.COMPLETE)

    folder = recorder.folder
    seen = pictures(folder / "camera" / "index.m3u8")
    start_s, samples = sound(folder / "mic" / "index.m3u8")
    tracks = {track.name: track for track in read_lesson(folder).tracks}
    assert set(tracks) == {"camera", "mic"}
    assert [gap.reason for gap in tracks["camera"].gaps] == ["outage"]
    assert [gap.reason for gap in tracks["mic"].gaps] == ["outage"]
    assert len(seen) == 18 * 30, "every picture"
    assert start_s + len(samples) / 48_000 == pytest.approx(22.0, abs=0.15)
    assert manifest(folder)["duration_s"] == pytest.approx(21.5, abs=0.15)
    seen_s, heard_s = flashes(seen), beeps(start_s, samples)
    pairs = [(f, min(heard_s, key=lambda b: abs(b - f))) for f in seen_s]
    assert len(pairs) == 17
    apart_s = [beep_s - flash_s for flash_s, beep_s in pairs]
    print(f"sound after picture: {min(apart_s) * 1000:.1f} to {max(apart_s) * 1000:.1f} ms")
    assert max(abs(each) for each in apart_s) < 0.04
    assert states == [(RecordingState.RECORDING, None), (RecordingState.COMPLETE, None)]
