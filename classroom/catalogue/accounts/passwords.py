"""Passwords: which ones will do, and how they are checked without the server paying for it in memory."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MIN_CHARS, MAX_CHARS = 10, 200
AT_ONCE = 2  # hashes for strangers, and one for those we know; each takes 64 MiB and some 100 ms of a core
MAX_WAITING = 30  # of either; some seconds of work; who comes then is told to come again
_FEW_DIFFERENT = 4
_FIRST_GUESSES = """
    1234567890 0123456789 0987654321 12345678910 123456789a a123456789 123456789q q123456789 abc123456789 123456789abc
    1234567890a a1234567890 qwertyuiop qwerty1234 qwerty12345 qwerty123456 1q2w3e4r5t q1w2e3r4t5 1qaz2wsx3e
    1qaz2wsx3edc 1qazxsw23edc qazwsxedcrfv zxcvbnm123 asdfghjkl1 asdf123456 abcdefghij abcd123456 abcd1234567 aa12345678
    aa123456789 a12345678910 password12 password123 password1234 passw0rd123 iloveyou123 woaini1314 woaini5201314
    woaini1314520 5201314520 1314520520 5845201314 woaini123456 admin12345 admin123456 administrator root123456
    test123456 teacher123 teacher1234 student123456 laoshi123456 xuexiao123 jiaoshi123 changeme123 welcome123
    zhongguo123 china123456 beijing2008 0000000000 1111111111 8888888888 6666666666 1122334455 9876543210 147258369a
"""
_WORST = frozenset(_FIRST_GUESSES.split())
# Without what is mistaken for something else when it is read out or written on paper.
_EASY = "abcdefghjkmnpqrstuvwxyz23456789"


class BadPassword(ClassroomError):
    """The password cannot be chosen; the text says why."""


class TooManyPasswords(ClassroomError):
    """More passwords wait to be checked than will be checked soon."""


def require_good(password: str, login: str) -> None:
    """Raise BadPassword unless a teacher may choose this: length counts, kinds of signs do not (NIST SP 800-63B)."""
    plain = normalize("NFKC", password).casefold()
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise BadPassword(
            f"密码需要 {MIN_CHARS} 到 {MAX_CHARS} 个字符，几个词连起来就好记。 "
            f"A password has {MIN_CHARS} to {MAX_CHARS} characters; a few words in a row are easy to remember."
        )
    if plain in (login, login[::-1], login * 2):
        raise BadPassword("密码不能和账号相同。 The password must not be the login.")
    if plain in _WORST or len(set(plain)) < _FEW_DIFFERENT:
        raise BadPassword("这个密码太常见，很容易被猜中。 This password is among the first that anybody would guess.")


def one_time_password() -> str:
    """Four groups of four letters and digits, to be read out or written down: 79 bits."""
    return "-".join("".join(secrets.choice(_EASY) for _ in range(4)) for _ in range(4))


class Passwords:
    """Hashes and checks passwords (argon2id, RFC 9106 §4, second choice), few at once, in threads of its own.

    Strangers who try without end wait for each other, and not in the way of those who have signed in or are in a
    browser that is known. Another ``hasher`` may cost more, as machines become faster, and what was hashed for less is
    hashed again.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._strangers, self._known = _Lane(AT_ONCE), _Lane(1)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """What is stored of a password that somebody who has signed in has chosen. Raises TooManyPasswords."""
        with self.turn(is_known=True) as turn:
            return await turn.hash(password)

    @contextmanager
    def turn(self, *, is_known: bool) -> Iterator[Turn]:
        """A place among those who wait, taken before anything is noted of them. Raises TooManyPasswords."""
        lane = self._known if is_known else self._strangers
        with lane.place():
            yield Turn(self._hasher, self._verify, lane)

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed as it is not done any more."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads end."""
        self._strangers.close()
        self._known.close()

    def _verify(self, stored: str | None, password: str) -> bool:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash(secrets.token_urlsafe())
        try:
            return self._hasher.verify(stored or self._nobodys, _plain(password))
        except (VerificationError, InvalidHashError):
            return False


class Turn:
    """What somebody who has a place may ask for; nobody is sent away any more."""

    def __init__(self, hasher: PasswordHasher, verify: Callable[[str | None, str], bool], lane: _Lane) -> None:
        self._hasher = hasher
        self._verify = verify
        self._lane = lane

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; takes as long when there is none."""
        return await self._lane.do(lambda: self._verify(stored, password))

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        return await self._lane.do(lambda: self._hasher.hash(_plain(password)))


class _Lane:
    """Threads, and how many have a place in front of them."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, "passwords")
        self._most = at_once + MAX_WAITING
        self._waiting = 0

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place. Raises TooManyPasswords."""
        if self._waiting >= self._most:
            raise TooManyPasswords(
                "登录的人太多，请稍后再试。 Too many people are signing in at once; try again in a moment."
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def do(self, work: Callable[[], T]) -> T:
        """Do it when it is its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _plain(password: str) -> str:
    """The same password from every keyboard."""
    return normalize("NFKC", password[: MAX_CHARS + 1])
