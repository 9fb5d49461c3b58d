"""What somebody types to say who they are: a staff number 工号, or a name."""

from __future__ import annotations

import re
from unicodedata import normalize

from classroom.model import ClassroomError

MAX_LOGIN_CHARS = 60
_LOGIN = re.compile(r"\w[\w.@-]{1,59}")


class BadAccount(ClassroomError):
    """An account cannot be like this; the text names what is wrong."""


def login_of(typed: str) -> str:
    """The login as it is stored: without blanks around it, in lower case, the same from every keyboard."""
    return normalize("NFKC", typed.strip()).lower()[: MAX_LOGIN_CHARS + 1]


def require_login(login: str) -> None:
    """Raise BadAccount unless an account may be called so."""
    if _LOGIN.fullmatch(login) is None:
        raise BadAccount(
            "账号由 2 到 60 个字母、数字或“. _ @ -”组成，例如工号。 "
            "A login has 2 to 60 letters, digits, or . _ @ -; a staff number, for example."
        )
