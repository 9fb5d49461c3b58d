"""The command line, as a process: what it prints where, and with which status it exits."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from classroom.web.auth import verify_operator_token, verify_token
from classroom.web.secret import load_secret
from tests.integration.holdings import hold, index
from tests.unit.catalogue.entries import DATABASES, new_url


def classroom(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "classroom", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": "", "LANG": "C.UTF-8", **environment},
        check=False,
    )


def test_token_prints_the_token_and_nothing_else(tmp_path):
    made = classroom(
        "token", "--lesson", "maths", "--role", "classroom", "--ttl", "90m", "--name", "三小", "--recordings", tmp_path
    )
    assert (made.returncode, made.stderr) == (0, "")
    claims = verify_token(load_secret(tmp_path / ".state"), made.stdout.removesuffix("\n"), time.time())
    assert (claims.lesson, claims.role, claims.name) == ("maths", "classroom", "三小")
    assert claims.expires_at_s - claims.issued_at_s == 5400


def test_token_uses_the_secret_that_is_set(tmp_path):
    made = classroom(
        "token", "--lesson", "m", "--role", "teacher", CLASSROOM_SECRET="k" * 32, CLASSROOM_RECORDINGS=str(tmp_path)
    )
    assert verify_token("k" * 32, made.stdout.strip(), time.time()).role == "teacher"
    assert list(tmp_path.iterdir()) == []


def test_library_prints_an_address_with_an_operators_token(tmp_path):
    made = classroom("library", "--server", "http://school:8080/", "--ttl", "90m", "--recordings", tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    address, _, token = made.stdout.strip().partition("#token=")
    assert address == "http://school:8080/library"
    told = verify_operator_token(load_secret(tmp_path / ".state"), token, time.time())
    assert 5390 < told.expires_at_s - time.time() <= 5400


@pytest.mark.parametrize("kind", DATABASES)
def test_the_catalogue_is_rebuilt_from_disk(tmp_path, kind):
    index(hold(tmp_path))
    hold(tmp_path, "music")
    url = new_url(kind)
    for _ in range(2):
        done = classroom(
            "catalogue", "rebuild", "--recordings", tmp_path, **({} if url is None else {"CLASSROOM_DATABASE_URL": url})
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("目录中有 2 个录像。")


@pytest.mark.parametrize(
    ("arguments", "environment", "names"),
    [
        (["token", "--lesson", "../x", "--role", "teacher"], {}, "lesson id"),
        (["token", "--lesson", "m", "--role", "node"], {}, "node"),
        (["token", "--lesson", "m", "--role", "teacher", "--ttl", "soon"], {}, "2h"),
        (["token", "--lesson", "m", "--role", "teacher"], {"CLASSROOM_PROT": "1"}, "CLASSROOM_PROT"),
        (["serve", "--workers", "3", "--media-port", "65534"], {}, "--media-port"),
        (["serve", "--workers", "3", "--media-tcp-port", "65534"], {}, "--media-tcp-port"),
        (["serve", "--config", "/nowhere.toml"], {}, "/nowhere.toml"),
        (["serve", "--media-address", "example.org"], {}, "media_address"),
        (["serve", "--port", "70000"], {}, "port"),
        (["serve", "--host", "203.0.113.9"], {}, "--host"),
        (["demo", "--lesson", "a.b"], {}, "课程编号由"),
        (["catalogue", "rebuild"], {"CLASSROOM_DATABASE_URL": "mysql://root:hunter2@host/x"}, "postgresql://"),
        (["serve", "--port", "0"], {"CLASSROOM_DATABASE_URL": "mysql://root:hunter2@host/x"}, "postgresql://"),
        (["capture", "--lesson", "m", "--token", "t", "--upload", "later"], {}, "22:00-06:00"),
        (["capture", "--lesson", "m", "--token", "t", "--copy-size", "much"], {}, "20GB"),
        (["capture", "--lesson", "m", "--token", "t", "--copy-size", "1MB"], {}, "--copy off"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_a_sentence_and_not_a_traceback(tmp_path, arguments, environment, names):
    done = classroom(*arguments, CLASSROOM_RECORDINGS=str(tmp_path), **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert names in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_the_demo_wants_a_port_that_is_known(tmp_path):
    done = classroom("demo", "--port", "0", "--recordings", tmp_path)
    assert done.returncode == 1
    assert "PORT=8081" in done.stdout


SLOW = """
import os, sys, time
folder = os.environ["FOLDER"]
open(os.path.join(folder, "loading"), "w").close()
while not os.path.exists(os.path.join(folder, "go")):
    time.sleep(0.01)
sys.exit(7)
"""


@contextlib.contextmanager
def index_that_loads(folder, parent: int) -> Iterator[subprocess.Popen]:
    """An index process of a server, for which OpenCV takes as long to load as we like; then it exits with 7."""
    (folder / "cv2.py").write_text(SLOW)
    command = ["index", "--follow", "--parent", str(parent), "--recordings", str(folder)]
    path = os.pathsep.join([str(folder), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-m", "classroom", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "", "LANG": "C.UTF-8", "FOLDER": str(folder), "PYTHONPATH": path},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_index_process_whose_server_is_gone_ends_before_it_has_loaded_anything(tmp_path):
    with index_that_loads(tmp_path, parent=1) as process:
        assert process.wait(30) == -signal.SIGKILL
    assert not (tmp_path / "loading").exists()


def test_ctrl_c_while_it_loads_is_for_the_server(tmp_path):
    with index_that_loads(tmp_path, parent=os.getpid()) as process:
        until_there(tmp_path / "loading")
        process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (7, "")


def until_there(path) -> None:
    end_s = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_usage_errors_exit_with_2():
    done = classroom("token", "--role", "king")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(180)
def test_accounts_are_looked_after_from_the_machine(tmp_path):
    def account(*arguments) -> subprocess.CompletedProcess:
        return classroom("account", *arguments, "--recordings", tmp_path)

    made = account("add", "Root", "--name", "总管", "--role", "operator")
    assert (made.returncode, made.stderr) == (0, "")
    another = account("passwd", "root").stdout
    assert another != made.stdout
    assert all(re.fullmatch(r"(\w{4}-){3}\w{4}\n", password) for password in (made.stdout, another))
    assert account("list").stdout == "root\toperator\t总管\tfirst password\n"
    assert account("disable", "root").returncode == 0
    assert account("list").stdout.endswith("disabled\n")
    assert account("enable", "root").returncode == 0
    assert account("sso", "root").returncode == 0
    elsewhere = account("add", "li", "--name", "李", "--role", "operator", "--sso")
    assert (elsewhere.returncode, elsewhere.stdout) == (0, "")
    done = account("add", "wang", "--name", "x", "--role", "teacher", "--school", "9999999999")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_tls_says_how_to_go_on(tmp_path):
    done = classroom("tls", "--name", "ketang.lan", "--recordings", tmp_path)
    folder = tmp_path / ".state" / "tls"
    assert (done.returncode, done.stderr) == (0, "")
    assert f"classroom serve --tls {folder}/server.pem,{folder}/server.key" in done.stdout
    assert "ketang.lan" in done.stdout and re.search(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", done.stdout)
    done = classroom("tls", "--name", "bank.example", "--recordings", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
