"""What browsers and devices show again and again: 32 random bytes, of which the database has the hash only."""

from __future__ import annotations

import hashlib
import re
import secrets

_CREDENTIAL = re.compile(r"[A-Za-z0-9_-]{43}")


def new_credential() -> str:
    """32 random bytes in base64url: 43 characters, no JWT and no password."""
    return secrets.token_urlsafe(32)


def is_credential(text: str) -> bool:
    """Whether the text may be one."""
    return _CREDENTIAL.fullmatch(text) is not None


def hash_of(credential: str) -> str:
    """What is stored: SHA-256 in hex. It needs no salt and no time: nobody can guess 32 random bytes."""
    return hashlib.sha256(credential.encode()).hexdigest()
