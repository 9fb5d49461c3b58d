"""x264 and Opus as the agent drives them; their output is decoded again to see what it really is."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from classroom.capture.audio_encoder import FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENCE, AudioEncoder, level
from classroom.capture.h264 import IDR, PPS, SPS, is_baseline_or_main, nal_type
from classroom.capture.video_encoder import Content, VideoEncoder, VideoFormat

if TYPE_CHECKING:
    from classroom.capture.frames import CodedFrame

FORMAT = VideoFormat(640, 360, 25, Content.MOTION)
RNG = np.random.default_rng(5)
TEXTURE = RNG.integers(40, 200, (540, 640)).astype(np.uint8)


def moving(number: int) -> av.VideoFrame:
    """Noise that rolls: hard to encode, so the rate control has something to do."""
    noise = RNG.integers(0, 12, TEXTURE.shape).astype(np.uint8)
    return av.VideoFrame.from_ndarray(np.roll(TEXTURE, 3 * number, axis=1) + noise, "yuv420p")


def encode(encoder: VideoEncoder, first: int, count: int) -> list[CodedFrame]:
    coded: list[CodedFrame] = []
    for number in range(first, first + count):
        frames = encoder.encode(moving(number), 100 + number / 25)
        assert len(frames) == 1, "no delay: a picture in, a picture out"
        coded += frames
    return coded


def bps(frames: list[CodedFrame]) -> float:
    return sum(frame.size_bytes for frame in frames) * 8 * 25 / len(frames)


def test_keyframes_every_two_seconds_with_parameter_sets_and_exact_times() -> None:
    coded = encode(VideoEncoder(FORMAT, 1_000_000), 0, 125)
    assert [number for number, frame in enumerate(coded) if frame.keyframe] == [0, 50, 100]
    for number, frame in enumerate(coded):
        kinds = [nal_type(unit) for unit in frame.units]
        assert frame.keyframe == (IDR in kinds) == (SPS in kinds) == (PPS in kinds)
        assert frame.capture_s == pytest.approx(100 + number / 25, abs=1e-5)
        assert kinds.count(1) + kinds.count(IDR) == 1, "one slice a picture"
    assert is_baseline_or_main(next(unit for unit in coded[0].units if nal_type(unit) == SPS))


def test_a_keyframe_on_demand_comes_with_the_next_picture() -> None:
    encoder = VideoEncoder(FORMAT, 1_000_000)
    encode(encoder, 0, 10)
    encoder.request_keyframe()
    coded = encode(encoder, 10, 45)
    assert coded[0].keyframe and not any(frame.keyframe for frame in coded[1:])
    assert {SPS, PPS, IDR} <= {nal_type(unit) for unit in coded[0].units}
    assert encode(encoder, 55, 6)[5].keyframe, "the regular interval counts from it"


def test_a_layer_that_nobody_records_has_fewer_keyframes_by_itself() -> None:
    coded = encode(VideoEncoder(FORMAT, 1_000_000, 4.0), 0, 125)
    assert [number for number, frame in enumerate(coded) if frame.keyframe] == [0, 100]


def test_times_come_out_as_they_went_in() -> None:
    """To the last bit: the layers of a picture are encoded apart and may not differ by a tick."""
    encoder = VideoEncoder(FORMAT, 1_000_000)
    times_s = [1000.0 + number / 29.97 for number in range(20)]
    assert [encoder.encode(moving(n), at_s)[0].capture_s for n, at_s in enumerate(times_s)] == times_s


def test_a_new_rate_takes_effect_without_a_keyframe() -> None:
    encoder = VideoEncoder(FORMAT, 1_600_000)
    before = encode(encoder, 0, 76)
    encoder.bitrate_bps = 400_000
    after = encode(encoder, 76, 74)
    assert bps(before[26:]) > 1_100_000
    assert bps(after[-25:]) < 650_000  # without the keyframe of number 100
    assert [76 + number for number, frame in enumerate(after) if frame.keyframe] == [100]


def test_what_comes_out_decodes_to_what_went_in() -> None:
    decoder = av.CodecContext.create("h264", "r")
    source = moving(3).to_ndarray()
    encoder = VideoEncoder(FORMAT, 4_000_000)
    [coded] = encoder.encode(av.VideoFrame.from_ndarray(source, "yuv420p"), 1.0)
    packet = av.Packet(b"".join(b"\0\0\0\1" + unit for unit in coded.units))
    picture = (decoder.decode(packet) + decoder.decode(None))[0].to_ndarray()
    assert np.abs(picture.astype(int) - source).mean() < 12


@pytest.mark.parametrize(
    ("given", "fitted"),
    [
        ((1280, 720, 25), (1280, 720, 25)),
        ((3840, 2160, 60), (1920, 1080, 30)),
        ((641, 481, 15), (640, 480, 15)),
        ((1080, 1920, 30), (606, 1080, 30)),
    ],
)
def test_pictures_are_fitted_into_1080p30(given: tuple[int, int, float], fitted: tuple[int, int, float]) -> None:
    result = VideoFormat(*given, Content.MOTION).fitted()
    assert (result.width_px, result.height_px, result.fps) == fitted


def test_rates_are_sensible() -> None:
    assert VideoFormat(1280, 720, 25, Content.MOTION).bitrate_bps() == 1_200_000
    assert VideoFormat(1920, 1080, 5, Content.PAGES).bitrate_bps() == 800_000
    assert VideoFormat(1920, 1080, 30, Content.MOTION).bitrate_bps() <= 4_000_000


def tone(first: int, count: int, rate: int = SAMPLE_RATE_HZ, layout: str = "mono") -> av.AudioFrame:
    wave = (9000 * np.sin(2 * np.pi * 440 * np.arange(first, first + count) / rate)).astype(np.int16)
    channels = 2 if layout == "stereo" else 1
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels).reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate
    return frame


def decode_opus(packets: list[CodedFrame]) -> np.ndarray:
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = SAMPLE_RATE_HZ, "mono"
    parts = []
    for coded in packets:
        packet = av.Packet(coded.units[0])
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        parts += [frame.to_ndarray().reshape(-1) for frame in decoder.decode(packet)]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("rate", "layout", "chunk"), [(48_000, "mono", 960), (44_100, "stereo", 1024), (16_000, "mono", 320)]
)
def test_any_sound_becomes_20_ms_opus_on_an_even_timeline(rate: int, layout: str, chunk: int) -> None:
    encoder = AudioEncoder()
    packets: list[CodedFrame] = []
    for first in range(0, rate * 2, chunk):
        packets += encoder.encode(tone(first, chunk, rate, layout), 50 + first / rate)
    packets += encoder.flush()
    steps = np.diff([packet.capture_s for packet in packets])
    assert steps == pytest.approx(0.020, abs=1e-9)
    assert len(packets) == pytest.approx(101, abs=1)
    sound = decode_opus(packets)[4800:-4800]
    assert np.sqrt((sound.astype(float) ** 2).mean()) == pytest.approx(9000 / 2**0.5, rel=0.1)


def test_decoded_sound_lies_at_the_time_of_its_packets() -> None:
    """A click must come out within 1 ms of where it went in: this is half of lip sync."""
    encoder = AudioEncoder()
    samples = np.zeros(SAMPLE_RATE_HZ, np.int16)
    samples[24_000:24_048] = 30_000
    packets: list[CodedFrame] = []
    for first in range(0, SAMPLE_RATE_HZ, FRAME_SAMPLES):
        frame = av.AudioFrame.from_ndarray(samples[first : first + FRAME_SAMPLES].reshape(1, -1), "s16", "mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        packets += encoder.encode(frame, 10 + first / SAMPLE_RATE_HZ)
    packets += encoder.flush()
    at = int(np.abs(decode_opus(packets).astype(float)).argmax())
    assert packets[0].capture_s + at / SAMPLE_RATE_HZ == pytest.approx(10.5, abs=0.002)


@pytest.mark.parametrize(
    ("samples", "dbov"),
    [
        (np.full(960, 32767), 0),
        (np.full(960, -32768), 0),
        (np.full(960, 3277), 20),
        (np.round(32767 * np.sin(np.arange(960) * 0.1)), 3),
        (np.ones(960), 90),
        (np.zeros(960), SILENCE),
    ],
)
def test_levels_are_those_of_rfc_6464(samples: np.ndarray, dbov: int) -> None:
    assert level(samples.astype(np.int16)) == dbov


def test_every_packet_tells_the_level_of_its_own_sound() -> None:
    encoder = AudioEncoder()
    packets: list[CodedFrame] = []
    for number in range(30):
        loud = 10 <= number < 20
        frame = (
            tone(0, FRAME_SAMPLES) if loud else av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        )
        frame.sample_rate = SAMPLE_RATE_HZ
        packets += encoder.encode(frame, 1.0 + number / 50)
    levels = [packet.level for packet in packets]
    assert levels[10:20] == pytest.approx([14] * 10, abs=1)
    assert set(levels[:10] + levels[20:]) == {SILENCE}


def test_a_gap_is_filled_an_overlap_cut_and_a_jump_restarts() -> None:
    encoder = AudioEncoder()
    times: list[float] = []
    for capture_s in (1.0, 1.02, 1.14, 1.15, 9.0, 9.02):  # a gap of 100 ms, an overlap of 10 ms, a jump
        times += [packet.capture_s for packet in encoder.encode(tone(0, FRAME_SAMPLES), capture_s)]
    times += [packet.capture_s for packet in encoder.flush()]
    before = [t for t in times if t < 5]
    after = [t for t in times if t > 5]
    assert np.diff(before) == pytest.approx(0.020, abs=1e-9), "no hole in the timeline"
    assert before[-1] == pytest.approx(1.17, abs=0.021)
    assert after[0] == pytest.approx(9.0, abs=0.007), "less the look-ahead of the encoder"
