"""What clients may send: accepted, or refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from classroom.messages import ClientMessage, EndLesson, Hello, Ping, StartLesson

CLIENT = TypeAdapter(ClientMessage)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "hello", "token": "t"}', Hello("t")),
        ('{"type": "hello", "token": "t", "name": "三小"}', Hello("t", "三小")),
        ('{"type": "start_lesson", "id": "1"}', StartLesson("1")),
        ('{"type": "end_lesson", "id": "1"}', EndLesson("1")),
        ('{"type": "ping"}', Ping()),
        ('{"type": "ping", "unknown": 1}', Ping()),  # of a newer client
    ],
)
def test_a_message_is_understood(text, message):
    assert CLIENT.validate_json(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type": "snapshot"}',
        '{"type": "hello"}',
        '{"type": "hello", "token": 7}',
        '{"type": "start_lesson", "id": ""}',
        json.dumps({"type": "end_lesson", "id": "x" * 65}),
        json.dumps({"type": "hello", "token": "t", "name": "x" * 201}),
        json.dumps({"type": "hello", "token": "x" * 4097}),
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(ValidationError):
        CLIENT.validate_json(text)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise_is_refused_without_surprise(noise):
    try:
        CLIENT.validate_json(noise)
    except ValidationError:
        pass
