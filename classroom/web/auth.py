"""Bearer tokens and rights. Pure: the key and the time are passed in."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import jwt

from classroom.live.participant import Person
from classroom.model import ClassroomError, InvalidLessonId, Label, LessonId, ParticipantId, Role, parse_lesson_id

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHM = "HS256"
CLOCK_SKEW_S = 30  # a school's clock may be a little ahead of the one that made the token
MAX_TOKEN_CHARS = 4096
_OPERATOR = "operator"
_DELIVERY = "delivery"
DELIVERY_TTL_S = 30 * 24 * 3600
_VIEWER = "viewer"
_NOT_OURS = (jwt.PyJWTError, InvalidLessonId, KeyError, TypeError, ValueError, OverflowError)
_PARTICIPANT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadToken(ClassroomError):
    """The token is missing, was not made here, or has expired."""


class Forbidden(ClassroomError):
    """The token is good, but not for this."""


class Action(StrEnum):
    """What a token may be good for."""

    OPEN = "open"  # begin a lesson that nobody has opened, by publishing into it
    CONDUCT = "conduct"  # start it, also after its end, and end it
    PUBLISH = "publish"
    RECEIVE = "receive"
    FOLLOW = "follow"  # control WebSocket, state of the lesson, its recording
    EDIT = "edit"  # what is said about it, captions, links to its recording
    DELIVER = "deliver"  # frames of its own that never reached the recording


RIGHTS: dict[Role, frozenset[Action]] = {
    Role.TEACHER: frozenset(Action),
    Role.CAPTURE: frozenset({Action.OPEN, Action.PUBLISH, Action.RECEIVE, Action.FOLLOW, Action.DELIVER}),
    Role.CLASSROOM: frozenset({Action.PUBLISH, Action.RECEIVE, Action.FOLLOW, Action.DELIVER}),
    Role.OBSERVER: frozenset({Action.RECEIVE, Action.FOLLOW}),
}
"""The roles that tokens exist for, and what each may do in its own lesson."""

REFUSALS = {
    Action.OPEN: "只有主讲教师或采集端可以打开课程。 Only a teacher or a capture agent may open the lesson.",
    Action.CONDUCT: "只有主讲教师可以开始和结束课程。 Only a teacher may start and end the lesson.",
    Action.PUBLISH: "这个令牌只能观看，不能发送。 This token may watch, not publish.",
    Action.RECEIVE: "这个令牌不能观看。 This token may not watch.",
    Action.FOLLOW: "这个令牌不能进入课堂。 This token may not follow the lesson.",
    Action.EDIT: "只有主讲教师或管理员可以修改和分享。 Only a teacher of the lesson or an operator may edit and share.",
    Action.DELIVER: "这个令牌不能补传录像。 This token may not deliver to the recording.",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times in seconds since 1970."""

    lesson: LessonId
    role: Role
    participant: ParticipantId
    name: str
    issued_at_s: int
    expires_at_s: int

    def may(self, action: Action) -> bool:
        """Whether the role allows it."""
        return action in RIGHTS[self.role]

    def require(self, action: Action, lesson: LessonId) -> None:
        """Raise Forbidden unless the token is good for this action in this lesson."""
        if self.lesson != lesson:
            raise Forbidden(f"这个令牌属于课程 {self.lesson}。 This token is for the lesson {self.lesson}.")
        if not self.may(action):
            raise Forbidden(REFUSALS[action])

    def person(self, name: str = "") -> Person:
        """Who acts; a name given by the client serves when the token has none."""
        return Person(self.participant, self.role, self.name or name)


def new_claims(lesson: LessonId, role: Role, ttl_s: int, name: str, wall_s: float) -> Claims:
    """Claims of somebody new; the only randomness here is that of the participant's id."""
    issued_at_s = int(wall_s)
    participant = ParticipantId(secrets.token_hex(8))
    return Claims(lesson, role, participant, name, issued_at_s, issued_at_s + ttl_s)


def issue_token(secret: str, claims: Claims) -> str:
    """Sign a token (RFC 7519, HS256). Raises ValueError for a role that has no tokens."""
    if claims.role not in RIGHTS:
        raise ValueError(f"there are no tokens for the role {claims.role}")
    payload = {
        "lesson": claims.lesson,
        "role": claims.role.value,
        "sub": claims.participant,
        "name": claims.name,
        "iat": claims.issued_at_s,
        "exp": claims.expires_at_s,
    }
    return jwt.encode(payload, secret, algorithm=ALGORITHM)


def verify_token(secret: str, token: str, wall_s: float) -> Claims:
    """Check the token of a participant and read it; raises BadToken."""
    try:
        payload = _decode(secret, token)
        claims = Claims(
            lesson=parse_lesson_id(str(payload["lesson"])),
            role=Role(payload["role"]),
            participant=ParticipantId(payload["sub"]),
            name=str(payload.get("name", ""))[:200],
            issued_at_s=int(payload.get("iat", 0)),
            expires_at_s=int(payload["exp"]),
        )
        if claims.role not in RIGHTS or _PARTICIPANT.fullmatch(claims.participant) is None:
            raise ValueError("not one of ours")
    except _NOT_OURS:
        raise BadToken("令牌无效，请重新领取。 The token is not valid; get a new one.") from None
    _refuse_expired(claims.expires_at_s, wall_s)
    return claims


@dataclass(frozen=True, slots=True)
class ViewerKey:
    """What a viewer key says: it opens the recording of one lesson, or of one holding of it, and nothing else."""

    lesson: LessonId
    holding: str | None
    expires_at_s: int

    def require(self, lesson: LessonId, holding: str | None) -> None:
        """Raise Forbidden unless it opens this holding; None is whichever is the latest."""
        if self.lesson != lesson:
            raise Forbidden(f"这个链接属于课程 {self.lesson}。 This link is for the lesson {self.lesson}.")
        if self.holding not in (None, holding):
            raise Forbidden("这个链接只能看这节课的另一次录像。 This link is for another recording of the lesson.")


@dataclass(frozen=True, slots=True)
class Operator:
    """The token of an operator: good for the whole server."""

    expires_at_s: int


def issue_viewer_key(secret: str, key: ViewerKey) -> str:
    """Sign a viewer key. The same key is always the same text, so that an address with it can be cached."""
    payload = {"role": _VIEWER, "sub": _VIEWER, "lesson": key.lesson, "exp": key.expires_at_s}
    if key.holding is not None:
        payload["holding"] = key.holding
    return jwt.encode(payload, secret, algorithm=ALGORITHM)


def verify_viewer_key(secret: str, token: str, wall_s: float) -> ViewerKey:
    """Check a viewer key and read it; raises BadToken."""
    try:
        payload = _decode(secret, token)
        if payload.get("role") != _VIEWER:
            raise ValueError("another's")
        holding = payload.get("holding")
        if not isinstance(holding, str | None):
            raise ValueError("not one of ours")
        key = ViewerKey(parse_lesson_id(str(payload["lesson"])), holding, int(payload["exp"]))
    except _NOT_OURS:
        raise BadToken("链接无效，请重新索取。 The link is not valid; ask for a new one.") from None
    if wall_s >= key.expires_at_s:  # made on this server's clock: nothing is to be made up for
        raise BadToken("链接已过期，请重新索取。 The link has expired; ask for a new one.")
    return key


def verify_reader(secret: str, token: str, wall_s: float) -> Claims | ViewerKey | Operator:
    """Check what may open a recording: a viewer key, or the token of a participant or an operator; raises BadToken."""
    try:
        role = _decode(secret, token).get("role")
    except _NOT_OURS:
        role = None
    if role == _VIEWER:
        return verify_viewer_key(secret, token, wall_s)
    if role == _OPERATOR:
        return verify_operator_token(secret, token, wall_s)
    return verify_token(secret, token, wall_s)


def issue_operator_token(secret: str, wall_s: float, ttl_s: int) -> str:
    """Sign a token that is good for looking at the whole server, and for no lesson."""
    payload = {"role": _OPERATOR, "sub": _OPERATOR, "iat": int(wall_s), "exp": int(wall_s) + ttl_s}
    return jwt.encode(payload, secret, algorithm=ALGORITHM)


def verify_operator_token(secret: str, token: str, wall_s: float) -> Operator:
    """Check the token of an operator and read it; raises BadToken."""
    try:
        payload = _decode(secret, token)
        expires_at_s = int(payload["exp"])
        if payload.get("role") != _OPERATOR:
            raise ValueError("a participant's")
    except _NOT_OURS:
        raise BadToken("需要管理员令牌。 The token of an operator is needed.") from None
    _refuse_expired(expires_at_s, wall_s)
    return Operator(expires_at_s)


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Who may deliver what a recording misses, and of which lesson."""

    lesson: LessonId
    role: Role
    participant: ParticipantId
    issued_at_s: int

    def require(self, lesson: LessonId) -> None:
        """Raise Forbidden unless the token is for this lesson."""
        if self.lesson != lesson:
            raise Forbidden(f"这个令牌属于课程 {self.lesson}。 This token is for the lesson {self.lesson}.")

    def require_track(self, track: str, label: Label) -> None:
        """Raise Forbidden unless the track may be of this participant.

        A classroom's own tracks end with its id (LiveLesson.publication_name); all are in the hands of those who hold
        the lesson.
        """
        if self.role is Role.CLASSROOM and track != f"{label}-{self.participant[:8]}":
            raise Forbidden("听讲教室只能补传自己的画面和声音。 A classroom may deliver tracks of its own only.")


def issue_delivery_token(secret: str, claims: Claims, wall_s: float) -> str:
    """Sign a token that is good for nothing but deliveries of this participant to this lesson, for 30 days."""
    payload = {
        "lesson": claims.lesson,
        "role": _DELIVERY,
        "of": claims.role.value,
        "sub": claims.participant,
        "iat": int(wall_s),
        "exp": int(wall_s) + DELIVERY_TTL_S,
    }
    return jwt.encode(payload, secret, algorithm=ALGORITHM)


def verify_deliverer(secret: str, token: str, wall_s: float) -> Deliverer:
    """Check a token for deliveries, or of a participant who may deliver; raises BadToken, Forbidden."""
    try:
        payload = _decode(secret, token)
        if payload.get("role") == _DELIVERY:
            lesson, issued_at_s = parse_lesson_id(str(payload["lesson"])), int(payload["iat"])
            deliverer = Deliverer(lesson, Role(payload["of"]), payload["sub"], issued_at_s)
            _refuse_expired(int(payload["exp"]), wall_s)
            return deliverer
    except _NOT_OURS:
        raise BadToken("令牌无效，请重新领取。 The token is not valid; get a new one.") from None
    claims = verify_token(secret, token, wall_s)
    claims.require(Action.DELIVER, claims.lesson)
    return Deliverer(claims.lesson, claims.role, claims.participant, claims.issued_at_s)


def _decode(secret: str, token: str) -> dict[str, Any]:
    if not token:
        raise BadToken("需要令牌（Authorization: Bearer …）。 A token is needed (Authorization: Bearer …).")
    if len(token) > MAX_TOKEN_CHARS:
        raise ValueError("too long")
    # The time is compared by ourselves: the library would read the clock of the machine.
    options: Options = {
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
        "verify_aud": False,
        "require": ["exp", "sub"],
    }
    return jwt.decode(token, secret, algorithms=[ALGORITHM], options=options)


def _refuse_expired(expires_at_s: int, wall_s: float) -> None:
    if wall_s >= expires_at_s + CLOCK_SKEW_S:
        raise BadToken("令牌已过期，请重新领取。 The token has expired; get a new one.")
