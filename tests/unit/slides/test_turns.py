"""Which page is shown: on the deck that makes it hard, with noise and fades, when pages come again, and how soon."""

import cv2
import numpy as np
import pytest

from classroom.slides.changes import HEIGHT_PX, WIDTH_PX, small_grey
from classroom.slides.pages import MAX_PAGES, Pages
from classroom.slides.turns import PageTurns, Turn
from tests import deck
from tests.bench.turns import deck_shown, deck_true, fading, fading_true, noisy, score, told

SOON_S = 0.21  # one more picture, 5 a second


def grey(picture):
    return small_grey(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def shown(*pages, each_s=5.0, rate=5):
    """Pages one after the other."""
    count = round(each_s * rate)
    pictures = [grey(page) for page in pages]
    return [(index / rate, pictures[index // count]) for index in range(count * len(pages))]


def pages_told(pictures):
    return [(turn.page, turn.at_s) for turn in told(pictures)]


@pytest.mark.timeout(120)
def test_every_page_of_the_deck_is_told_with_its_number_and_nothing_else():
    found = score(told(deck_shown(5.0, noisy(12.0))), deck_true())  # without noise: python -m tests.bench.turns
    assert (found.f1, found.numbers) == (1.0, 1.0), found
    assert found.late_s[len(found.late_s) // 2] < SOON_S


def test_a_clock_that_has_run_for_months_tells_as_soon_and_as_exactly():
    pictures = shown(deck.page("cover"), deck.page("text"), deck.page("cover"), each_s=2.0, rate=10)
    up_s = 90 * 86_400.0  # the agent's clock is that of the computer
    turns = told((up_s + at_s, picture) for at_s, picture in pictures)
    assert [(turn.page, turn.at_s - up_s) for turn in turns] == [
        (page, pytest.approx(at_s, abs=0.001)) for page, at_s in [(1, 0.0), (2, 2.0), (1, 4.0)]
    ]
    assert all(turn.told_s - turn.at_s < 0.11 for turn in turns)


@pytest.mark.parametrize("fade_s", [0.3, 1.5])
def test_a_fade_is_one_turn_told_when_it_is_over(fade_s):
    found = score(told(fading(5.0, fade_s)), fading_true(fade_s))
    assert (found.f1, found.numbers) == (1.0, 1.0), found
    assert found.late_s[-1] < 2 * SOON_S


def test_a_page_that_was_seen_before_has_its_number_again_at_whatever_stage():
    bare, full, cover = deck.bullets(0), deck.bullets(4), deck.page("cover")
    assert pages_told(shown(bare, full, cover, bare, cover, full)) == [
        (1, 0.0), (2, 10.0), (1, 15.0), (2, 20.0), (1, 25.0)
    ]  # fmt: skip


def test_a_page_that_is_gone_back_through_bullet_by_bullet_is_one_page():
    stages = [deck.bullets(number) for number in range(5)]
    pictures = shown(*stages, deck.page("cover"), *reversed(stages), deck.page("text"), each_s=3)
    assert pages_told(pictures) == [(1, 0.0), (2, 15.0), (1, 18.0), (3, 33.0)]


def test_a_page_whose_ink_goes_little_by_little_is_another_once():
    whole = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)
    for line in range(20):
        text = str(7919 ** (line + 3))[:20]
        cv2.putText(whole, text, (20 + 9 * (line * 7 % 20), 12 + 13 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0))
    fewer, fewest = whole.copy(), whole.copy()
    fewer[13 * 8 :], fewest[13 * 4 :] = 255, 255  # the last lines went long before the page is seen to be another
    assert [page for page, _ in pages_told(shown(whole, fewer, fewest, fewest, each_s=8))] == [1, 2]


def test_two_pages_that_differ_in_one_number_are_two_and_known_again():
    one, other, cover = deck.sum_page("36 ÷ 4 = ?"), deck.sum_page("36 ÷ 6 = ?"), deck.page("cover")
    assert pages_told(shown(one, other, cover, other, cover, one)) == [
        (1, 0.0), (2, pytest.approx(5.0, abs=0.1)), (3, 10.0), (2, 15.0), (3, 20.0), (1, 25.0)
    ]  # fmt: skip


def test_a_screen_that_is_black_for_a_while_is_no_page():
    black, cover, text = np.zeros_like(deck.page("cover")), deck.page("cover"), deck.page("text")
    assert pages_told(shown(black, cover, black, cover, black, text)) == [(1, 5.0), (2, 25.0)]


def test_pages_that_are_leafed_through_are_all_told():
    pages = [deck.page(name) for name in ("cover", "text", "reading", "folding", "compare")]
    assert [page for page, _ in pages_told(shown(*pages, pages[4], each_s=0.6))] == [1, 2, 3, 4, 5]


def test_what_never_comes_to_rest_was_no_page():
    """A film that cuts from one shot to the next: its first cut looks like a turn, and is put right."""
    cover = grey(deck.page("cover"))
    shots = [grey(deck.photograph(seed)) for seed in range(5)]
    still = [(index / 5, cover) for index in range(25)]
    cuts = [(5.0 + index / 5, shots[index // 2]) for index in range(10)]
    back = [(7.0 + index / 5, cover) for index in range(30)]
    turns = PageTurns()
    said = [turn for at_s, picture in still + cuts + back for turn in turns.add(at_s, picture)]
    assert said[0] == Turn(1, 0.0)
    assert said[-1].page == 1


def test_numbers_go_on_after_those_that_the_lesson_has():
    turns = PageTurns(7)
    pictures = shown(deck.page("cover"), deck.page("text"), deck.page("cover"))
    said = [turn for at_s, picture in pictures for turn in turns.add(at_s, picture)]
    assert said == [Turn(8, 5.0), Turn(7, 10.0)]


def test_the_page_seen_longest_ago_is_forgotten():
    random = np.random.default_rng(1)
    pages = Pages()
    pictures = [
        cv2.resize(random.integers(0, 2, (9, 16), np.uint8) * 255, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        for _ in range(MAX_PAGES + 1)
    ]
    for picture in pictures:
        pages.came(picture)
    assert len(pages) == MAX_PAGES
    assert (pages.find(pictures[0]), pages.find(pictures[1]), pages.find(pictures[-1])) == (None, 2, MAX_PAGES + 1)
