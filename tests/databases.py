"""A PostgreSQL of our own for tests and the bench: Debian's, in a temporary directory, gone afterwards."""

from __future__ import annotations

import atexit
import functools
import getpass
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.ports import free_port

START_S = 30.0
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"


class Postgres:
    """A server that listens on loopback. It refuses to be root: then it runs as the user ``postgres``."""

    def __init__(self, options: str = _FAST) -> None:
        self._bin = _binaries()
        self._root = Path(tempfile.mkdtemp(prefix="classroom-postgres-"))
        self._user = "postgres" if os.getuid() == 0 else getpass.getuser()
        self._as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self._as_user:
            entry = pwd.getpwnam("postgres")
            os.chown(self._root, entry.pw_uid, entry.pw_gid)
        self.port = free_port(socket.SOCK_STREAM)
        self._numbers = itertools.count(1)
        data = self._root / "data"
        self._do("initdb", "-D", data, "-U", self._user, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self._options = options.split()
        self.start()

    def start(self) -> None:
        """Let it answer, again if it was stopped."""
        where = ["-D", self._root / "data", "-k", self._root, "-h", "127.0.0.1", "-p", str(self.port)]
        command = [self._bin / "postgres", *where]
        with (self._root / "log").open("w") as log:
            self._process = subprocess.Popen(
                [*command, *self._options], stdout=subprocess.DEVNULL, stderr=log, cwd=self._root, **self._as_user
            )
        deadline_s = time.monotonic() + START_S
        while subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((self._root / "log").read_text())
            time.sleep(0.05)

    def new_database(self, like: str | None = None) -> str:
        """The address of an empty database, or of a copy of another one to which nobody is connected."""
        name = f"catalogue{next(self._numbers)}"
        template = [] if like is None else ["-T", like.rpartition("/")[2]]
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", self._user, *template, name)
        return f"postgresql://{self._user}@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Let it answer no more; whoever is connected is thrown out."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def close(self) -> None:
        """Stop it and remove what it wrote."""
        self._process.send_signal(signal.SIGQUIT)  # at once: nobody wants the data
        self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def _do(self, program: str, *arguments: object) -> None:
        command = [self._bin / program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._root, check=False, **self._as_user)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@functools.cache
def postgres() -> Postgres:
    """The one that all tests of this process share."""
    server = Postgres()
    atexit.register(server.close)
    return server


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise RuntimeError("PostgreSQL is not installed; tests/prepare installs it")
    return found[-1].parent if found else Path(str(on_path)).parent
