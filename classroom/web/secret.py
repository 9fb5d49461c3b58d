"""The key that signs tokens, when none was set: made once, kept in the data directory, for its owner only."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

    from classroom.config import Settings

STATE = ".state"  # in the data directory: what the server keeps for itself
SECRET_BYTES = 32


class UnusableSecret(ClassroomError):
    """The key cannot be read or made, or is too short to be one."""


def secret_of(settings: Settings) -> str:
    """The key that signs tokens: as set, or that of the data directory. Blocks; raises UnusableSecret."""
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    try:
        return load_secret(settings.recordings / STATE)
    except OSError as error:
        raise UnusableSecret(
            f"无法使用数据目录 {settings.recordings}：{error.strerror}。 "
            f"The data directory {settings.recordings} cannot be used: {error.strerror}. Choose another --recordings."
        ) from error


def load_secret(state: Path) -> str:
    """Read ``state/secret``, or make it. Two processes that come at once get the same. Blocks.

    Raises UnusableSecret, OSError.
    """
    path = state / "secret"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        part = state / f".secret-{os.getpid()}-{secrets.token_hex(4)}"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, path)  # whole or not at all, and never over another's
            except FileExistsError:
                pass
        finally:
            part.unlink()
    secret = path.read_text(encoding="utf-8").strip()
    if len(secret.encode()) < SECRET_BYTES:
        raise UnusableSecret(
            f"密钥文件 {path} 不完整，请删除后重启（旧令牌将失效）。 "
            f"The key in {path} is too short; remove the file and start again (tokens made before become void)."
        )
    return secret
