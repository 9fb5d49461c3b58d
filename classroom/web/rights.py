"""Which door needs which right, and which account has it: the only place. A door that is not here is shut."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from classroom.model import AccountRole

if TYPE_CHECKING:
    from classroom.catalogue.scope import Scope


class Right(StrEnum):
    """What a request needs."""

    PUBLIC = "public"  # nothing
    PAIRING = "pairing"  # nothing but patience: its handler limits the rate
    BEARER = "bearer"  # a token of a lesson, which the handler checks: the rights of those are in auth.py
    OWN_SESSION = "own_session"  # to be signed in, also with a password that has to be changed first
    SIGNED_IN = "signed_in"
    LESSON_TOKEN = "lesson.token"  # to be a device, too
    LIBRARY_READ = "library.read"  # or a bearer token, which the handler checks
    LIBRARY_EDIT = "library.edit"  # as well
    LESSONS_WATCH = "lessons.watch"  # as well
    REGION_READ = "region.read"
    REGION_WRITE = "region.write"
    DISTRICTS_WRITE = "districts.write"  # districts, and which schools they have
    TERMS_WRITE = "terms.write"  # which are everybody's
    TIMETABLE_WRITE = "timetable.write"
    TERMINALS_MANAGE = "terminals.manage"
    ACCOUNTS_WRITE = "accounts.write"
    AUDIT_READ = "audit.read"


_EVERYBODY = frozenset(
    {Right.OWN_SESSION, Right.SIGNED_IN, Right.LESSON_TOKEN, Right.LIBRARY_READ, Right.REGION_READ},
)
_ADMIN = _EVERYBODY | {
    Right.REGION_WRITE,
    Right.TIMETABLE_WRITE,
    Right.TERMINALS_MANAGE,
    Right.ACCOUNTS_WRITE,
    Right.AUDIT_READ,
    Right.LIBRARY_EDIT,
}

GRANTS: dict[AccountRole, frozenset[Right]] = {
    AccountRole.OPERATOR: _ADMIN | {Right.LESSONS_WATCH, Right.DISTRICTS_WRITE, Right.TERMS_WRITE},
    AccountRole.SCHOOL_ADMIN: _ADMIN,
    AccountRole.TEACHER: _EVERYBODY | {Right.LIBRARY_EDIT},  # of the lessons that are theirs
    AccountRole.ASSISTANT: _EVERYBODY,
    AccountRole.RESEARCHER: _EVERYBODY,
}
"""What each role may do within its scope: of which schools is for the handler to ask (Scope)."""

_OF_EVERYTHING = frozenset({Right.TERMS_WRITE})
"""Rights that nobody has whose scope is less than everything."""

BY_TOKEN = frozenset({Right.LIBRARY_READ, Right.LIBRARY_EDIT, Right.LESSONS_WATCH})
"""Rights that a bearer token gives, too."""

ROUTES: dict[tuple[str, str], Right] = {
    # pages
    ("GET", "/"): Right.PUBLIC,
    ("GET", "/class/{lesson}"): Right.PUBLIC,
    ("GET", "/teacher"): Right.PUBLIC,
    ("GET", "/terminal"): Right.PUBLIC,
    ("GET", "/library"): Right.PUBLIC,
    ("GET", "/replay/{lesson}"): Right.PUBLIC,
    ("GET", "/replay/{lesson}/{holding}"): Right.PUBLIC,
    ("GET", "/signin"): Right.PUBLIC,
    ("GET", "/admin"): Right.PUBLIC,  # an empty page: what it shows it asks for
    ("GET", "/admin/{section}"): Right.PUBLIC,
    ("GET", "/assets/{name}"): Right.PUBLIC,
    ("GET", "/{name}"): Right.PUBLIC,
    ("GET", "/trust"): Right.PUBLIC,
    ("GET", "/trust/ca.crt"): Right.PUBLIC,
    ("GET", "/trust/policy.json"): Right.PUBLIC,
    # the server itself
    ("GET", "/healthz"): Right.PUBLIC,
    ("GET", "/metrics"): Right.PUBLIC,
    ("GET", "/api/stats"): Right.LESSONS_WATCH,
    # media and control
    ("POST", "/whip/{lesson}"): Right.BEARER,
    ("OPTIONS", "/whip/{lesson}"): Right.PUBLIC,
    ("PATCH", "/whip/{lesson}/{session}"): Right.BEARER,
    ("DELETE", "/whip/{lesson}/{session}"): Right.BEARER,
    ("OPTIONS", "/whip/{lesson}/{session}"): Right.PUBLIC,
    ("POST", "/whep/{lesson}"): Right.BEARER,
    ("OPTIONS", "/whep/{lesson}"): Right.PUBLIC,
    ("PATCH", "/whep/{lesson}/{session}"): Right.BEARER,
    ("DELETE", "/whep/{lesson}/{session}"): Right.BEARER,
    ("OPTIONS", "/whep/{lesson}/{session}"): Right.PUBLIC,
    ("GET", "/ws/{lesson}"): Right.BEARER,  # in the first message
    ("GET", "/api/lessons/{lesson}"): Right.BEARER,
    ("GET", "/api/lessons/{lesson}/stats"): Right.BEARER,
    ("POST", "/api/lessons/{lesson}/start"): Right.BEARER,
    ("POST", "/api/lessons/{lesson}/end"): Right.BEARER,
    ("POST", "/api/lessons/{lesson}/deliveries"): Right.BEARER,
    ("PUT", "/api/lessons/{lesson}/deliveries/{track}/inventory"): Right.BEARER,
    ("POST", "/api/lessons/{lesson}/deliveries/{track}/frames"): Right.BEARER,
    ("POST", "/api/lessons/{lesson}/deliveries/complete"): Right.BEARER,
    # recordings
    ("GET", "/api/library"): Right.LIBRARY_READ,
    ("GET", "/api/lessons/{lesson}/metadata"): Right.LIBRARY_READ,
    ("PUT", "/api/lessons/{lesson}/metadata"): Right.LIBRARY_EDIT,
    ("GET", "/api/lessons/{lesson}/recording"): Right.LIBRARY_READ,
    ("GET", "/api/lessons/{lesson}/recordings/{holding}"): Right.LIBRARY_READ,
    ("PUT", "/api/lessons/{lesson}/recordings/{holding}/captions/{language}"): Right.LIBRARY_EDIT,
    ("POST", "/api/lessons/{lesson}/links"): Right.LIBRARY_EDIT,
    ("GET", "/media/{lesson}/{path}"): Right.LIBRARY_READ,
    # sessions and accounts
    ("GET", "/api/session"): Right.PUBLIC,  # tells strangers that they are strangers
    ("POST", "/api/session"): Right.PUBLIC,
    ("DELETE", "/api/session"): Right.OWN_SESSION,
    ("PUT", "/api/session/password"): Right.OWN_SESSION,
    ("GET", "/api/oidc/start"): Right.PUBLIC,
    ("GET", "/api/oidc/callback"): Right.PUBLIC,
    ("GET", "/api/accounts"): Right.ACCOUNTS_WRITE,
    ("POST", "/api/accounts"): Right.ACCOUNTS_WRITE,
    ("GET", "/api/accounts/{account}"): Right.ACCOUNTS_WRITE,
    ("PUT", "/api/accounts/{account}"): Right.ACCOUNTS_WRITE,
    ("DELETE", "/api/accounts/{account}"): Right.ACCOUNTS_WRITE,
    ("POST", "/api/accounts/{account}/password"): Right.ACCOUNTS_WRITE,
    ("PUT", "/api/accounts/{account}/oidc"): Right.ACCOUNTS_WRITE,
    ("DELETE", "/api/accounts/{account}/oidc"): Right.ACCOUNTS_WRITE,
    ("GET", "/api/audit"): Right.AUDIT_READ,
    # the region: its things are added below
    ("GET", "/api/plans"): Right.REGION_READ,
    ("POST", "/api/plans"): Right.TIMETABLE_WRITE,
    ("GET", "/api/plans/{lesson}"): Right.REGION_READ,
    ("PUT", "/api/plans/{lesson}"): Right.TIMETABLE_WRITE,
    ("DELETE", "/api/plans/{lesson}"): Right.TIMETABLE_WRITE,
    ("POST", "/api/plans/{lesson}/cancel"): Right.TIMETABLE_WRITE,
    ("POST", "/api/plans/{lesson}/restore"): Right.TIMETABLE_WRITE,
    ("GET", "/api/region/conflicts"): Right.REGION_READ,
    ("GET", "/api/calendar"): Right.REGION_READ,
    ("PUT", "/api/calendar"): Right.TIMETABLE_WRITE,
    ("POST", "/api/region/import"): Right.REGION_WRITE,
    ("GET", "/api/region/export.xlsx"): Right.REGION_WRITE,  # the names of all children at once
    ("GET", "/api/region/template.xlsx"): Right.REGION_READ,
    ("GET", "/api/openapi.json"): Right.PUBLIC,
    # devices and the school day
    ("POST", "/api/pairing"): Right.PAIRING,
    ("POST", "/api/pairing/poll"): Right.PAIRING,
    ("GET", "/api/pairing/{code}/qr.svg"): Right.PAIRING,
    ("GET", "/ws/device"): Right.BEARER,  # or the cookie of a device
    ("GET", "/api/terminals"): Right.TERMINALS_MANAGE,
    ("POST", "/api/terminals"): Right.TERMINALS_MANAGE,
    ("DELETE", "/api/terminals/{device}"): Right.TERMINALS_MANAGE,
    ("PUT", "/api/terminals/{device}/volume"): Right.TERMINALS_MANAGE,
    ("GET", "/api/today"): Right.SIGNED_IN,
    ("GET", "/api/today/extra"): Right.SIGNED_IN,
    ("POST", "/api/today/extra"): Right.SIGNED_IN,
    ("POST", "/api/lessons/{lesson}/token"): Right.LESSON_TOKEN,
}

_THINGS = (
    "districts", "schools", "classrooms", "classes", "people", "terms", "calendar", "bells", "subscriptions",
    "timetable",
)  # fmt: skip
_WRITE = {
    "districts": Right.DISTRICTS_WRITE,
    "schools": Right.DISTRICTS_WRITE,
    "terms": Right.TERMS_WRITE,
    "calendar": Right.TIMETABLE_WRITE,  # which lessons there are
    "timetable": Right.TIMETABLE_WRITE,
}
for _thing in _THINGS:
    _write = _WRITE.get(_thing, Right.REGION_WRITE)
    ROUTES |= {
        ("GET", f"/api/region/{_thing}"): Right.REGION_READ,
        ("POST", f"/api/region/{_thing}"): _write,
        ("GET", f"/api/region/{_thing}/{{id}}"): Right.REGION_READ,
        ("PUT", f"/api/region/{_thing}/{{id}}"): _write,
        ("DELETE", f"/api/region/{_thing}/{{id}}"): _write,
    }
# What a school is called its own administrator says, too.
ROUTES["PUT", "/api/region/schools/{id}"] = Right.REGION_WRITE


def rights_of(role: AccountRole, scope: Scope) -> frozenset[Right]:
    """What an account of this role and reach may do."""
    return GRANTS[role] if scope.everything else GRANTS[role] - _OF_EVERYTHING
