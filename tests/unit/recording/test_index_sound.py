"""Loudness against signals whose loudness is known (EBU Tech 3341), and speech against what is none."""

import numpy as np
import pytest

from classroom.capture.sample.speech import Speech
from classroom.recording.index.loudness import Loudness
from classroom.recording.index.media import LoudnessMeter
from classroom.recording.index.voice import RATE_HZ, VoiceDetector, total_s, union


def sine(level_dbfs, seconds, hz=1000.0):
    """A stereo sine; its level is that of its peak."""
    wave = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.tile(wave.astype(np.float32), (2, 1))


def measured(*parts):
    """What the meter says of sounds in a row, fed as segments of two seconds."""
    meter, loudness, sound = LoudnessMeter(), Loudness(), np.concatenate(parts, axis=1)
    for at in range(0, sound.shape[1], 2 * RATE_HZ):
        loudness.add(*meter.measure(sound[:, at : at + 2 * RATE_HZ]))
    return loudness


@pytest.mark.parametrize(
    ("levels", "lufs"),
    [
        ([(-23, 20)], -23),  # Tech 3341, test signals 1 to 5
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_integrated_loudness(levels, lufs):
    assert measured(*[sine(*each) for each in levels]).integrated_lufs == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(
    ("level_dbfs", "gain_db"),
    [
        (-30, 7.0),  # up to −23 LUFS
        (-40, 12.0),  # no more than 12 dB
        (-16, -7.0),
        (-6, -12.0),
    ],
)
def test_gain_brings_sound_to_the_target(level_dbfs, gain_db):
    assert measured(sine(level_dbfs, 5)).gain_db == pytest.approx(gain_db, abs=0.1)


def test_no_gain_beyond_the_true_peak():
    # A click between quiet sound: its peak leaves 3 dB of room below −1 dBTP.
    click = sine(-4, 0.003)
    loudness = measured(sine(-40, 5), click, sine(-40, 5))
    assert loudness.gain_db == pytest.approx(3.0, abs=0.5)


def test_peaks_between_samples_count():
    # fs/4 at 45°: no sample is above −3 dB of the wave's peak (Tech 3341, test signal 15).
    n = np.arange(5 * RATE_HZ)
    wave = (0.5 * np.minimum(1, n / 4800) * np.sin(np.pi / 2 * n + np.pi / 4)).astype(np.float32)
    assert 20 * np.log10(measured(np.tile(wave, (2, 1))).true_peak) == pytest.approx(-6.0, abs=0.4)


def test_silence_has_no_loudness():
    loudness = measured(np.zeros((2, 5 * RATE_HZ), np.float32))
    assert (loudness.integrated_lufs, loudness.gain_db) == (None, 0.0)


# --- voice ---------------------------------------------------------------------------------------------------------


def spans(sound, piece_s=2.0):
    detector, step = VoiceDetector(), round(piece_s * RATE_HZ)
    for at in range(0, len(sound), step):
        detector.add(at / RATE_HZ, sound[at : at + step].astype(np.float32))
    return detector.finish()


def times(seconds):
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def spoken(seconds):
    return Speech().samples(0, round(seconds * RATE_HZ)) / 32768


NOISE = {
    "nothing": lambda t: np.zeros_like(t),
    "mains hum": lambda t: 0.2 * np.sin(2 * np.pi * 50 * t) + 0.05 * np.sin(2 * np.pi * 350 * t),
    "a fan": lambda t: 0.03 * np.random.default_rng(1).standard_normal(len(t)),
    "a held chord": lambda t: 0.1 * sum(np.sin(2 * np.pi * hz * t) for hz in (262, 330, 392)),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_no_voice(name):
    assert spans(NOISE[name](times(30))) == []


@pytest.mark.parametrize("gain_db", [0, -20])
@pytest.mark.parametrize("name", ["nothing", "mains hum", "a fan"])
def test_speech_is_found_in_noise(name, gain_db):
    sound = np.concatenate([np.zeros(5 * RATE_HZ), spoken(20), np.zeros(5 * RATE_HZ)])
    found = spans(10 ** (gain_db / 20) * (sound + 0.3 * NOISE[name](times(30))))
    assert total_s(found) == pytest.approx(20, abs=2.5)
    assert found[0][0] == pytest.approx(5.2, abs=0.5)
    assert found[-1][1] == pytest.approx(25, abs=0.8)


def test_a_knock_is_no_voice():
    sound = np.zeros(10 * RATE_HZ)
    sound[5 * RATE_HZ : 5 * RATE_HZ + 2000] = 0.8
    assert spans(sound) == []


@pytest.mark.parametrize("piece_s", [0.5, 1.7, 5.0])
def test_segments_of_any_length_give_the_same(piece_s):
    sound = np.concatenate([spoken(12), np.zeros(4 * RATE_HZ), spoken(10)])
    found = spans(sound, piece_s)
    assert total_s(found) == pytest.approx(total_s(spans(sound)), abs=1.0)


def test_a_hole_in_the_track_is_silence():
    detector, sound = VoiceDetector(), spoken(4).astype(np.float32)
    detector.add(10.0, sound)
    detector.add(3600.0, sound)
    found = detector.finish()
    assert all((start_s >= 10 and end_s < 15) or (start_s >= 3600 and end_s < 3605) for start_s, end_s in found)
    assert total_s(found) == pytest.approx(7.4, abs=1.0)


def test_a_saved_detector_goes_on_as_if_nothing_had_happened():
    sound = spoken(24).astype(np.float32)
    detector = VoiceDetector()
    for at in range(0, len(sound), 80_000):
        detector.add(at / RATE_HZ, sound[at : at + 80_000])
        detector = VoiceDetector.load(detector.save())
    assert detector.finish() == spans(sound, 80_000 / RATE_HZ)


def test_where_nothing_was_heard_nobody_speaks():
    assert VoiceDetector().finish() == []


def test_spans_of_several_classrooms_are_counted_once():
    assert union([(5, 6), (1, 3), (2, 4), (4, 4.5)]) == [(1, 4.5), (5, 6)]
