"""What a paired agent is known by, kept for its user only."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from classroom.capture.data_folder import data_folder
from classroom.model import ClassroomError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "devices.json"


class NoCredential(ClassroomError):
    """This computer was not paired with the server, or what it was given cannot be read or kept."""


class CredentialFile:
    """The credentials of this computer, one for each server, in a file that nobody else may read. Methods block."""

    def __init__(self, folder: Path | None = None) -> None:
        """In the user's data directory, if no other is named. Raises NoCredential for who has no home."""
        try:
            self.path = (folder or data_folder()) / FILE
        except RuntimeError:
            raise NoCredential(
                "这个用户没有主目录，请设置 XDG_DATA_HOME。 This user has no home: set XDG_DATA_HOME."
            ) from None

    def get(self, server: str) -> str:
        """The credential for this server; raises NoCredential."""
        credential = self._read().get(_key(server))
        if credential is None:
            raise NoCredential(
                f"这台电脑还没有和 {server} 配对：先执行 classroom capture --server {server} --pair。 "
                f"This computer is not paired with {server} yet: run `classroom capture --server {server} --pair`."
            )
        return credential

    def put(self, server: str, credential: str) -> None:
        """Keep a credential in place of the former one; raises NoCredential."""
        known = {**self._read(), _key(server): credential}
        part = self.path.with_name(f".{FILE}-{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(known, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise NoCredential(
                f"无法写入 {self.path}：{error.strerror}。 {self.path} cannot be written: {error.strerror}."
            ) from error

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise NoCredential(
                f"{self.path} 读不了（{error}），请删除后重新配对。 "
                f"{self.path} cannot be read ({error}); remove it and pair again."
            ) from error
        return {str(server): str(credential) for server, credential in known.items()} if isinstance(known, dict) else {}


def _key(server: str) -> str:
    return server.rstrip("/").lower()
