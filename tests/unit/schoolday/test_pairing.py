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


def fill(desk, networks: int, codes: int = MAX_OPEN_OF_ADDRESS):
    return [
        [desk.begin(DeviceKind.TERMINAL, "", f"network {number}", NOW) for _ in range(codes)]
        for number in range(networks)
    ]


def is_known(desk, pairing) -> bool:
    try:
        desk.find(pairing.code, NOW)
    except UnknownCode:
        return False
    return True


def test_a_network_that_asks_for_too_many_loses_its_own_and_that_which_was_heard_longest_ago():
    desk = PairingDesk()
    [mine] = fill(desk, 1)
    quiet, others = mine[7], mine[:7] + mine[8:]
    neighbour = desk.begin(DeviceKind.TERMINAL, "", "another", NOW)
    for pairing in others:
        desk.poll(pairing.poll, NOW + timedelta(seconds=2))
    newcomer = desk.begin(DeviceKind.TERMINAL, "", "network 0", NOW + timedelta(seconds=3))
    assert not is_known(desk, quiet)
    assert all(is_known(desk, pairing) for pairing in (*others, neighbour, newcomer))
    with pytest.raises(PairingExpired):
        desk.poll(quiet.poll, NOW)


def test_many_networks_keep_no_newcomer_from_a_code_and_take_none_from_who_has_few():
    desk = PairingDesk()
    school = desk.begin(DeviceKind.TERMINAL, "", "a school", NOW)
    fill(desk, MAX_OPEN // MAX_OPEN_OF_ADDRESS)
    newcomers = [desk.begin(DeviceKind.TERMINAL, "", f"newcomer {n}", NOW) for n in range(50)]
    assert all(is_known(desk, pairing) for pairing in (school, *newcomers))


def test_a_device_that_was_paired_this_moment_still_gets_what_it_is_to_have():
    desk = PairingDesk()
    paired = desk.begin(DeviceKind.TERMINAL, "", "network 0", NOW)
    paired.taken, paired.credential = True, "secret"
    fill(desk, 1, MAX_OPEN_OF_ADDRESS + 20)
    assert desk.poll(paired.poll, NOW).credential == "secret"
