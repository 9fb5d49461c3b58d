"""Codes: how people write them, how long they are good, how many there may be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.model import DeviceKind
from classroom.schoolday.pairing import (
    ALPHABET,
    LIFE,
    MAX_OPEN,
    MAX_OPEN_OF_ADDRESS,
    PairingDesk,
    PairingExpired,
    PairingsFull,
    UnknownCode,
    format_code,
    parse_code,
)

NOW = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)


@given(st.text(ALPHABET, min_size=8, max_size=8))
def test_a_code_is_read_as_it_is_shown_and_as_people_type_it(code):
    shown = format_code(code)
    for text in (shown, shown.lower(), f" {code} ", code.replace("", " ")):
        assert parse_code(text) == code


@pytest.mark.parametrize("text", ["", "7F3K", "7F3K-92MPX", "7F3K-92M0", "7F3K-92MI", "七F3K-92MP", "7F3K/92MP"])
def test_what_cannot_be_a_code_is_none(text):
    assert parse_code(text) is None


def test_no_character_of_a_code_is_like_another():
    assert not set("01ILOU") & set(ALPHABET)
    assert len(set(ALPHABET)) == 30


def test_a_code_lives_for_ten_minutes():
    desk = PairingDesk()
    pairing = desk.begin(DeviceKind.TERMINAL, "", "a", NOW)
    last = NOW + LIFE - timedelta(seconds=1)
    assert desk.find(pairing.code, last) is desk.poll(pairing.poll, last) is pairing
    with pytest.raises(UnknownCode):
        desk.find(pairing.code, NOW + LIFE)
    with pytest.raises(PairingExpired):
        desk.poll(pairing.poll, NOW + LIFE)


def test_a_code_that_was_used_is_used_up_but_its_device_may_ask_again():
    desk = PairingDesk()
    pairing = desk.begin(DeviceKind.CAPTURE, "", "a", NOW)
    pairing.taken, pairing.credential = True, "secret"
    with pytest.raises(UnknownCode):
        desk.find(pairing.code, NOW)
    assert desk.poll(pairing.poll, NOW).credential == desk.poll(pairing.poll, NOW).credential == "secret"


def test_there_is_room_for_every_school_until_there_is_none():
    desk = PairingDesk()
    for number in range(MAX_OPEN):
        desk.begin(DeviceKind.TERMINAL, "", f"school {number // MAX_OPEN_OF_ADDRESS}", NOW)
        if number == MAX_OPEN_OF_ADDRESS - 1:
            with pytest.raises(PairingsFull):
                desk.begin(DeviceKind.TERMINAL, "", "school 0", NOW)
    with pytest.raises(PairingsFull):
        desk.begin(DeviceKind.TERMINAL, "", "another", NOW)
    desk.begin(DeviceKind.TERMINAL, "", "another", NOW + LIFE)
