"""Which layer of a camera is recorded while layers are paused, resumed, or not carried by the uplink."""

from itertools import pairwise

import av
import pytest

from classroom.media.packetize import packetize_h264
from classroom.model import Label, ParticipantId, SessionId, TrackKind
from classroom.recording.lesson_file import read_lesson
from classroom.sfu.core.ntp import unix_to_ntp
from classroom.sfu.core.pause import PauseResume, PauseType, build_pause
from classroom.sfu.core.peers import Encoding, IncomingMedia
from classroom.sfu.core.rtcp import PictureLoss, SenderReport, build_sdes, build_sr, parse_rtcp
from classroom.sfu.core.rtp import build_rtp
from tests.integration.long_lesson import World
from tests.unit.recording.lesson_source import encode_video

FULL_SSRC, HALF_SSRC = 10, 12
SIZES = {FULL_SSRC: (640, 480), HALF_SSRC: (320, 240)}
RATE = 10
CAMERA = SessionId("camera")


class Camera:
    """A publisher in two layers that pauses them as it is told, and goes on with a keyframe.

    ``carries_full`` says at which seconds its uplink carries the larger one; with ``tells`` it says so when not.
    """

    def __init__(
        self, world, seconds, carries_full=lambda media_s: True, tells=True, loses_keyframes=None, late_s=0.0, gop_s=0.5
    ):
        self.late_s = late_s  # so long it takes until the first packet of a full keyframe comes, once, after a break
        self.loses_keyframes = loses_keyframes or (lambda media_s: False)
        self.world, self.began_s, self.carries_full, self.tells = world, world.now_s, carries_full, tells
        self.asked = []
        self.paused = set()
        self.waits = set(SIZES)  # for a keyframe
        self.seqs = dict.fromkeys(SIZES, 100)
        media = IncomingMedia(
            "0", TrackKind.VIDEO, Label.CAMERA, pt=96, clock_rate_hz=90_000, nack=True, pause=True, rids=("f", "h")
        )
        media.encodings = [Encoding("f", FULL_SSRC), Encoding("h", HALF_SSRC)]
        world.core.add_publisher(CAMERA, ParticipantId("teacher"), self, [media], str, world.now_s)
        for ssrc, (width, height) in SIZES.items():
            frames = encode_video(seconds, width=width, height=height, bit_rate=200_000, rate=RATE, gop_s=gop_s)
            for frame in frames:
                world.at(self.began_s + frame.at_s, self.capture, ssrc, frame)

    def capture(self, ssrc, frame):
        if ssrc in self.paused or (ssrc == FULL_SSRC and not self.carries_full(frame.at_s)):
            if self.tells and ssrc not in self.waits | self.paused:
                data = build_pause(PauseResume(ssrc, ssrc, PauseType.PAUSED, 0, self.seqs[ssrc] - 1))
                self.world.arrive(self.world.now_s + 0.03, CAMERA, data)
            self.waits.add(ssrc)
            return
        if frame.keyframe:
            self.waits.discard(ssrc)
        if ssrc in self.waits:
            return
        ts = round(frame.at_s * 90_000)
        if frame.keyframe:
            report = SenderReport(ssrc, unix_to_ntp(self.world.unix(self.world.now_s)), ts, 0, 0)
            self.world.arrive(self.world.now_s + 0.03, CAMERA, build_sr(report) + build_sdes(ssrc, "teacher"))
        payloads = packetize_h264(frame.nals)
        for payload in payloads:
            marker = payload is payloads[-1]
            data = build_rtp(pt=96, seq=self.seqs[ssrc], ts=ts, ssrc=ssrc, payload=payload, marker=marker)
            self.seqs[ssrc] += 1
            if ssrc == FULL_SSRC and frame.keyframe and self.loses_keyframes(frame.at_s):
                continue
            late_s = 0.0
            if ssrc == FULL_SSRC and frame.keyframe and frame.at_s >= 6.0:
                late_s, self.late_s = self.late_s, 0.0
            self.world.arrive(self.world.now_s + 0.03 + late_s, CAMERA, data)

    def send_rtcp(self, data):
        for packet in parse_rtcp(data):
            self.asked.append((self.world.now_s - self.began_s, packet))
            if isinstance(packet, PauseResume) and packet.type is PauseType.PAUSE:
                self.paused.add(packet.target_ssrc)
            elif isinstance(packet, PauseResume) and packet.type is PauseType.RESUME:
                self.paused.discard(packet.target_ssrc)

    def close(self, reason):
        """It does not mind."""


def sizes(folder):
    """(time, size) of every picture that is stored, decoded; times without a step back or a jump ahead."""
    options = {"allowed_extensions": "ALL", "err_detect": "explode"}
    with av.open(str(folder / "camera" / "index.m3u8"), options=options) as container:
        return [(float(f.pts * f.time_base), (f.width, f.height)) for f in container.decode(video=0)]


@pytest.mark.parametrize(("tells", "hole_s"), [(True, 0.8), (False, 3.9)])
def test_the_best_layer_that_comes_is_recorded_and_taken_again_at_once(tmp_path, tells, hole_s):
    """A publisher that does not tell that it stopped is missed when nothing has come for three seconds."""
    world = World(tmp_path, seed=1)
    camera = Camera(world, 40.0, lambda media_s: not 12.0 <= media_s < 26.0, tells)
    world.run(1041.0)
    seen = sizes(world.finish())
    full, half = SIZES.values()
    assert HALF_SSRC in camera.paused, "nobody takes it"
    assert all(size == full for at_s, size in seen if at_s < 11.9 or at_s > 26.15)
    smaller = [at_s for at_s, size in seen if size == half]
    assert 12.0 < smaller[0] < 12.0 + hole_s
    assert len([at_s for at_s in smaller if 16.0 <= at_s < 26.0]) == 100, "every picture of it"
    holes = [(a, b) for (a, _), (b, _) in pairwise(seen) if b - a > 1.5 / RATE]
    assert len(holes) == 1 and holes[0] == pytest.approx((11.9, smaller[0]), abs=0.05)
    assert seen[-1][0] == pytest.approx(39.9, abs=0.05), "nothing is moved in time"


def test_a_recorder_that_comes_late_has_the_best_layer_resumed(tmp_path):
    world = World(tmp_path, seed=1)
    world.core.remove(SessionId("recorder"), "not yet", world.now_s)
    camera = Camera(world, 20.0)
    world.run(1010.0)
    assert camera.paused == {FULL_SSRC, HALF_SSRC}, "nobody takes anything"
    world.core.add_receiver(SessionId("recorder"), ParticipantId(""), world, [], world.now_s, follow_all=True)
    world.run(1021.0)
    seen = sizes(world.finish())
    assert {size for _, size in seen} == {SIZES[FULL_SSRC]}
    assert seen[-1][0] == pytest.approx(19.9, abs=0.05)
    live = [at_s for at_s, _ in seen if at_s > 10.0]
    assert live[0] < 10.8 and len(live) >= 92


@pytest.mark.parametrize("late_s", [0.25, 1.15])
def test_a_better_layer_whose_keyframe_was_lost_at_first_is_not_late_ever_after(tmp_path, late_s):
    world = World(tmp_path, seed=1)
    Camera(world, 10.0, lambda media_s: not 1.5 <= media_s < 6.0, late_s=late_s, gop_s=2.0)
    world.run(1011.5)
    seen = sizes(world.finish())
    full = [at_s for at_s, size in seen if size == SIZES[FULL_SSRC] and at_s > 3.0]
    # It was taken while the smaller layer went on, and has to catch up; each is 30 ms on its way.
    caught_up = next(n for n, (a, b) in enumerate(pairwise(full)) if b - a > 0.05) + 1
    assert full[:caught_up] == pytest.approx([full[0] + n / 1000 for n in range(caught_up)], abs=0.002)
    assert full[caught_up:] == pytest.approx(
        [n / RATE + 0.03 for n in range(100 - len(full) + caught_up, 100)], abs=0.005
    )
    assert 1 < caught_up <= RATE * (late_s + 0.1)


def test_a_keyframe_is_asked_for_when_a_better_layer_comes_without_one(tmp_path):
    world = World(tmp_path, seed=1)
    camera = Camera(world, 10.0, lambda media_s: media_s >= 4.0, loses_keyframes=lambda media_s: media_s < 4.9)
    world.run(1011.0)
    seen = sizes(world.finish())
    full, half = SIZES.values()
    assert {size for at_s, size in seen if at_s < 4.9} == {half}
    assert {size for at_s, size in seen if at_s > 5.1} == {full}
    assert any(isinstance(p, PictureLoss) and p.media_ssrc == FULL_SSRC for _, p in camera.asked)
    assert read_lesson(world.archive.folder).track("camera").gaps == []
