"""The built-in lesson: is it something to look at and to hear?"""

from __future__ import annotations

import numpy as np

from classroom.capture.sample import presenter, slides
from classroom.capture.sample.speech import SAMPLE_RATE_HZ, speech


def test_slides_differ_have_writing_and_change_every_eight_seconds() -> None:
    assert [slides.slide_number(s) for s in (0, 7.9, 8, 16.1)] == [0, 0, 1, 2]
    assert slides.slide_number(slides.SLIDE_S * slides.SLIDES) == 0
    pages = [slides.slide_i420(number)[: slides.HEIGHT_PX] for number in range(slides.SLIDES)]
    for number, page in enumerate(pages):
        assert page.shape == (slides.HEIGHT_PX, slides.WIDTH_PX)
        assert 0.01 < (page[160:1000] < 120).mean() < 0.5, f"slide {number} has no ink on it"
        assert np.abs(page.astype(int) - pages[number - 1]).mean() > 1


def test_chinese_is_drawn_and_not_replaced_by_question_marks() -> None:
    from classroom.capture.sample.canvas import Pen, blank

    pen = Pen()
    drawn = []
    for text in ("分", "数", "？", "?"):
        image = blank(100, 100, (255, 255, 255))
        pen.write(image, text, 10, 80, 70, (0, 0, 0))
        drawn.append(image)
    assert all((image < 100).sum() > 100 for image in drawn)
    assert all((drawn[0] != other).any() for other in drawn[1:])
    assert (drawn[1] != drawn[3]).any()


def test_the_teacher_moves_and_opens_the_mouth_with_the_voice() -> None:
    teacher = presenter.Presenter()
    height = presenter.HEIGHT_PX
    still, later = teacher.draw(1.0, 0.0), teacher.draw(1.2, 0.0)
    assert still.shape == (height * 3 // 2, presenter.WIDTH_PX)
    assert (still != later).mean() > 0.002
    open_mouth = teacher.draw(1.0, 1.0)
    changed = (still[:height] != open_mouth[:height]).any(axis=1)
    assert 0 < changed.sum() < 300, "only the head takes part"
    assert (teacher.draw(1.0, 0.0) == still).all(), "the picture of an instant is always the same"


def test_the_time_can_be_read_back_from_a_stamped_picture() -> None:
    picture = presenter.Presenter().draw(0.0, 0.0)
    presenter.stamp(picture, 0xABC123)
    bits = 0
    for bit in range(24):
        row, column = divmod(bit, 12)
        bits = bits << 1 | int(picture[row * 40 + 20, column * 50 + 25] > 128)
    assert bits == 0xABC123


def test_the_voice_is_audible_pauses_and_repeats_seamlessly() -> None:
    voice = speech()
    sound = voice.samples(0, 24 * SAMPLE_RATE_HZ).astype(float) / 32768
    level_db = 20 * np.log10(np.sqrt((sound**2).mean()))
    assert -26 < level_db < -16
    assert np.abs(sound).max() < 0.6, "no clipping"
    blocks = np.sqrt((sound.reshape(-1, SAMPLE_RATE_HZ // 50) ** 2).mean(axis=1))
    assert 0.1 < (blocks < 0.005).mean() < 0.6, "it pauses between sentences"
    assert (voice.samples(24 * SAMPLE_RATE_HZ - 10, 30)[10:] == voice.samples(0, 20)).all()


def test_the_voice_has_syllables_and_the_formants_of_speech() -> None:
    voice = speech()
    envelope = np.array([voice.loudness(n / 100) for n in range(2400)])
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    rhythm_hz = np.fft.rfftfreq(2400, 0.01)[spectrum[48:].argmax() + 48]
    assert 2 < rhythm_hz < 7, "about four syllables a second"
    power = np.abs(np.fft.rfft(voice.samples(0, 24 * SAMPLE_RATE_HZ).astype(float))) ** 2
    hz = np.fft.rfftfreq(24 * SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
    assert power[(hz > 150) & (hz < 4000)].sum() > 0.9 * power.sum()
    quiet = [voice.loudness(n / 100) for n in range(2400) if not voice.samples(n * 480, 480).any()]
    assert np.mean(quiet) < 0.1, "the mouth is shut in the pauses"
