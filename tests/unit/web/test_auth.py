"""Tokens and rights."""

import base64
import json
from dataclasses import replace

import jwt
import pytest

from classroom.model import Label, LessonId, ParticipantId, Role
from classroom.web.auth import (
    CLOCK_SKEW_S,
    DELIVERY_TTL_S,
    RIGHTS,
    Action,
    BadToken,
    Claims,
    Deliverer,
    Forbidden,
    Operator,
    ViewerKey,
    issue_delivery_token,
    issue_operator_token,
    issue_token,
    issue_viewer_key,
    new_claims,
    verify_deliverer,
    verify_operator_token,
    verify_reader,
    verify_token,
    verify_viewer_key,
)

SECRET, OTHER = "s" * 32, "o" * 32
MATHS, MUSIC = LessonId("maths"), LessonId("music")
CLAIMS = Claims(MATHS, Role.TEACHER, ParticipantId("0a1b"), "王老师", 1000, 8200)


def test_a_token_says_what_it_was_issued_for():
    assert verify_token(SECRET, issue_token(SECRET, CLAIMS), 1000) == CLAIMS


def test_a_token_is_good_until_it_expires():
    token = issue_token(SECRET, CLAIMS)
    assert verify_token(SECRET, token, 8200 + CLOCK_SKEW_S - 1) == CLAIMS
    with pytest.raises(BadToken, match="expired"):
        verify_token(SECRET, token, 8200 + CLOCK_SKEW_S)


def test_a_token_of_a_clock_that_is_ahead_is_good():
    assert verify_token(SECRET, issue_token(SECRET, CLAIMS), 500) == CLAIMS


def claims(**changed):
    payload = {"lesson": "maths", "role": "teacher", "sub": "0a1b", "exp": 8200}
    return {key: value for key, value in {**payload, **changed}.items() if value is not None}


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims())
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


BAD = {
    "empty": "",
    "noise": "a.b.c",
    "not ascii": "课堂",
    "too long": "a" * 5000,
    "another key": issue_token(OTHER, CLAIMS),
    "unsigned": unsigned(),
    "another algorithm": jwt.encode(claims(), "s" * 64, algorithm="HS512"),
    "no expiry": jwt.encode(claims(exp=None), SECRET),
    "no participant": jwt.encode(claims(sub=None), SECRET),
    "no lesson": jwt.encode(claims(lesson=None), SECRET),
    "a lesson that is a path": jwt.encode(claims(lesson="../etc"), SECRET),
    "a participant that is a path": jwt.encode(claims(sub="../etc"), SECRET),
    "an unknown role": jwt.encode(claims(role="king"), SECRET),
    "a role without tokens": jwt.encode(claims(role="recorder"), SECRET),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_what_we_did_not_sign_is_refused(token):
    with pytest.raises(BadToken):
        verify_token(SECRET, token, 1000)


def test_an_operators_token_is_good_for_the_server_and_for_no_lesson():
    token = issue_operator_token(SECRET, 1000.9, 60)
    verify_operator_token(SECRET, token, 1059 + CLOCK_SKEW_S)
    with pytest.raises(BadToken, match="expired"):
        verify_operator_token(SECRET, token, 1060 + CLOCK_SKEW_S)
    with pytest.raises(BadToken):
        verify_token(SECRET, token, 1000)


KEY = ViewerKey(MATHS, "2026-09-1", 8200)


def test_a_viewer_key_opens_one_lesson_or_one_holding_of_it():
    assert verify_viewer_key(SECRET, issue_viewer_key(SECRET, KEY), 8199.9) == KEY
    KEY.require(MATHS, "2026-09-1")
    ViewerKey(MATHS, None, 8200).require(MATHS, "2026-09-2")
    for lesson, holding in ((MUSIC, "2026-09-1"), (MATHS, "2026-09-2"), (MATHS, None)):
        with pytest.raises(Forbidden):
            KEY.require(lesson, holding)


def test_a_viewer_key_is_good_to_the_second_and_always_the_same_text():
    assert issue_viewer_key(SECRET, KEY) == issue_viewer_key(SECRET, KEY)
    with pytest.raises(BadToken, match="expired"):
        verify_viewer_key(SECRET, issue_viewer_key(SECRET, KEY), 8200)


def test_a_viewer_key_is_good_for_nothing_else():
    token = issue_viewer_key(SECRET, KEY)
    for verify in (verify_token, verify_operator_token):
        with pytest.raises(BadToken):
            verify(SECRET, token, 1000)


@pytest.mark.parametrize(
    "token",
    [
        *BAD.values(),
        issue_token(SECRET, CLAIMS),
        issue_operator_token(SECRET, 1000, 60),
        issue_viewer_key(OTHER, KEY),
        jwt.encode(claims(role="viewer", holding=7), SECRET),
        jwt.encode(claims(role="viewer", lesson="../etc"), SECRET),
    ],
)
def test_nothing_else_is_a_viewer_key(token):
    with pytest.raises(BadToken):
        verify_viewer_key(SECRET, token, 1000)


def test_a_reader_is_whoever_the_token_says():
    operator = issue_operator_token(SECRET, 1000, 60)
    assert verify_reader(SECRET, issue_token(SECRET, CLAIMS), 1000) == CLAIMS
    assert verify_reader(SECRET, issue_viewer_key(SECRET, KEY), 1000) == KEY
    assert verify_reader(SECRET, operator, 1000) == Operator(1060)
    for token in (*BAD.values(), issue_viewer_key(OTHER, KEY)):
        with pytest.raises(BadToken):
            verify_reader(SECRET, token, 1000)


@pytest.mark.parametrize("token", [*BAD.values(), issue_token(SECRET, CLAIMS)], ids=[*BAD.keys(), "a teacher's"])
def test_nothing_else_makes_an_operator(token):
    with pytest.raises(BadToken):
        verify_operator_token(SECRET, token, 1000)


def test_there_are_no_tokens_for_roles_of_the_server():
    with pytest.raises(ValueError, match="recorder"):
        issue_token(SECRET, Claims(MATHS, Role.RECORDER, ParticipantId("x"), "", 0, 1))


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.TEACHER, "open conduct publish receive follow edit deliver"),
        (Role.CAPTURE, "open publish receive follow deliver"),
        (Role.CLASSROOM, "publish receive follow deliver"),
        (Role.OBSERVER, "receive follow"),
    ],
)
def test_the_rights_are_those_of_the_protocol(role, allowed):
    assert {action.value for action in RIGHTS[role]} == set(allowed.split())


def test_a_token_is_good_for_its_own_lesson_and_its_role_only():
    CLAIMS.require(Action.CONDUCT, MATHS)
    with pytest.raises(Forbidden, match="maths"):
        CLAIMS.require(Action.CONDUCT, MUSIC)
    with pytest.raises(Forbidden, match="teacher"):
        new_claims(MATHS, Role.OBSERVER, 60, "", 0).require(Action.CONDUCT, MATHS)


def test_everybody_new_is_somebody_else():
    first, second = (new_claims(MATHS, Role.CLASSROOM, 7200, "三小", 1000.9) for _ in range(2))
    assert first.participant != second.participant
    assert (first.issued_at_s, first.expires_at_s, first.name) == (1000, 8200, "三小")


def test_the_name_in_the_token_is_stronger_than_the_one_the_client_gives():
    assert CLAIMS.person("somebody").name == "王老师"
    assert new_claims(MATHS, Role.CLASSROOM, 60, "", 0).person("三小").name == "三小"


def test_a_delivery_token_is_good_for_deliveries_of_its_participant_and_nothing_else():
    token = issue_delivery_token(SECRET, CLAIMS, 1000)
    deliverer = verify_deliverer(SECRET, token, 1000 + DELIVERY_TTL_S)
    assert deliverer == Deliverer(MATHS, Role.TEACHER, CLAIMS.participant, 1000)
    with pytest.raises(BadToken):
        verify_token(SECRET, token, 1000)
    with pytest.raises(BadToken):
        verify_operator_token(SECRET, token, 1000)
    with pytest.raises(BadToken, match="expired"):
        verify_deliverer(SECRET, token, 1000 + DELIVERY_TTL_S + CLOCK_SKEW_S)
    with pytest.raises(Forbidden, match="maths"):
        deliverer.require(MUSIC)


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_nothing_else_delivers(token):
    with pytest.raises(BadToken):
        verify_deliverer(SECRET, token, 1000)


def test_who_may_deliver_what():
    def deliverer(role):
        return verify_deliverer(SECRET, issue_token(SECRET, replace(CLAIMS, role=role)), 1000)

    for role in (Role.TEACHER, Role.CAPTURE):
        deliverer(role).require_track("camera", Label.CAMERA)
    with pytest.raises(Forbidden, match="deliver"):
        deliverer(Role.OBSERVER)
    deliverer(Role.CLASSROOM).require_track("camera-0a1b", Label.CAMERA)
    for other in ("camera", "camera-0a1c", "mic-0a1b"):
        with pytest.raises(Forbidden, match="own"):
            deliverer(Role.CLASSROOM).require_track(other, Label.CAMERA)
