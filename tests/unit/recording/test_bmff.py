"""The boxes, as FFmpeg reads them and as we read them back after a crash."""

import io
import zlib

import av
import numpy as np
import pytest

from classroom.media.h264 import ParameterSets, build_avcc, to_length_prefixed
from classroom.recording.bmff import Sample, audio_init, chunk, segment_type, video_init
from classroom.recording.bmff_read import read_samples, read_segment, sample_entry
from classroom.recording.opus import silence
from tests.unit.recording.lesson_source import encode_audio, encode_video


def video_header():
    frames = encode_video(1.0)
    avcc = build_avcc(ParameterSets().updated(frames[0].nals))
    return frames, avcc, video_init(avcc, 320, 240)


def test_ffmpeg_reads_times_durations_and_keyframes_as_written():
    frames, _, init = video_header()
    durations = [3000 + 7 * n for n in range(len(frames))]
    samples = [Sample(to_length_prefixed(f.nals), d, f.keyframe) for f, d in zip(frames, durations, strict=True)]
    start = 90_000 * 5000 + 17  # needs more than 32 bits of ticks after 13 h, and is exact here
    data = init + segment_type() + chunk(1, start, samples[:9])
    data += chunk(2, start + sum(durations[:9]), samples[9:])
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.time_base.denominator) == (320, 240, 90_000)
        packets = [p for p in container.demux(stream) if p.size]
        assert [p.pts for p in packets] == [start + sum(durations[:n]) for n in range(len(durations))]
        assert [p.duration for p in packets] == durations
        assert [p.is_keyframe for p in packets] == [f.keyframe for f in frames]


def test_opus_decodes_without_anything_skipped():
    frames = encode_audio(1.0)
    samples = [Sample(f.nals[0], 960, True) for f in frames]
    with av.open(io.BytesIO(audio_init(2) + chunk(1, 48_000, samples))) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.layout.nb_channels) == ("opus", 2)
        decoded = list(container.decode(stream))
    assert decoded[0].pts == 48_000
    assert sum(frame.samples for frame in decoded) == 48_000


@pytest.mark.parametrize("decoder", ["opus", "libopus"])
@pytest.mark.parametrize("stereo", [False, True])
def test_silence_is_silent_and_as_long_as_it_says(decoder, stereo):
    packets = list(silence(3 * 960 + 480 + 240 + 120 + 100, stereo))
    assert [duration for _, duration in packets] == [960, 960, 960, 480, 240, 120]
    context = av.CodecContext.create(decoder, "r")
    context.sample_rate, context.layout = 48_000, "stereo"
    total, peak = 0, 0.0
    for data, _ in packets:
        for frame in context.decode(av.Packet(data)):
            total += frame.samples
            array = frame.to_ndarray()
            peak = max(peak, float(np.abs(array.astype(np.float64)).max()))
    assert total == 3 * 960 + 480 + 240 + 120
    assert peak < 1e-4 or (array.dtype == np.int16 and peak <= 1)


def test_players_skip_what_the_samples_are_to_their_publisher_and_we_read_it_back(tmp_path):
    frames, _, init = video_header()
    samples = [Sample(to_length_prefixed(f.nals), 3000, f.keyframe, 7 << 60 | n) for n, f in enumerate(frames)]
    samples[4] = samples[4]._replace(captured_ntp=0)
    plain = [sample._replace(captured_ntp=0) for sample in samples]
    data = segment_type() + chunk(1, 9000, samples[:9]) + chunk(2, 36_000, samples[9:20]) + chunk(3, 69_000, plain[20:])
    with av.open(io.BytesIO(init + data)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        assert [bytes(p) for p in packets] == [sample.data for sample in samples]
        assert [p.pts for p in packets] == [9000 + 3000 * n for n in range(len(samples))]
    path = tmp_path / "000001.m4s"
    path.write_bytes(data)
    stored = read_samples(path)
    assert [each.captured_ntp for each in stored] == [s.captured_ntp for s in samples[:20] + plain[20:]]
    assert [each.crc32 for each in stored] == [zlib.crc32(sample.data) for sample in samples]
    assert [data[s.offset : s.offset + s.size_bytes] for s in stored] == [sample.data for sample in samples]
    assert [(s.start, s.duration, s.sync) for s in stored] == [
        (9000 + 3000 * n, 3000, sample.sync) for n, sample in enumerate(samples)
    ]
    contents = read_segment(path)
    assert (contents.samples, contents.whole_bytes) == (len(samples), len(data))


@pytest.mark.parametrize("captured_ntp", [0, 5])
def test_a_segment_cut_anywhere_is_read_up_to_the_last_whole_chunk(tmp_path, captured_ntp):
    samples = [Sample(bytes([n]) * 20, 3000, n == 0, captured_ntp) for n in range(3)]
    head = segment_type()
    first, second = chunk(1, 9000, samples), chunk(2, 18_000, samples[1:])
    data = head + first + second
    path = tmp_path / "000001.m4s"
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        contents = read_segment(path)
        if size < len(head + first):
            assert contents is None
        elif size < len(data):
            assert (contents.whole_bytes, contents.samples, contents.duration) == (len(head + first), 3, 9000)
        else:
            assert (contents.whole_bytes, contents.samples, contents.duration) == (size, 5, 15_000)
            assert contents.start == 9000
            at = contents.last_duration_at
            assert data[at : at + 4] == (3000).to_bytes(4, "big") == contents.last_duration.to_bytes(4, "big")
    for junk in (bytes(400), b"\xff" * 400, b"moof" * 100, chunk(1, 0, samples)[:80] + bytes(400)):
        path.write_bytes(head + first + junk)
        assert read_segment(path).whole_bytes == len(head + first)


def test_the_codec_configuration_is_found_again():
    _, avcc, init = video_header()
    assert sample_entry(init) == (b"avc1", avcc)
    kind, dops = sample_entry(audio_init(2))
    assert (kind, dops[1]) == (b"Opus", 2)
    assert sample_entry(init[:-100]) is None or sample_entry(init[:300]) is None
    assert sample_entry(b"") is None


def test_a_chunk_needs_a_sample():
    with pytest.raises(ValueError, match="sample"):
        chunk(1, 0, [])
