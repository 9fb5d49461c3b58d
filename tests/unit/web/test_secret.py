"""The key that signs tokens."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from classroom.config import Settings
from classroom.web.secret import UnusableSecret, load_secret, secret_of


def test_the_key_is_made_once_and_is_for_its_owner_only(tmp_path):
    state = tmp_path / "recordings" / ".state"
    secret = load_secret(state)
    assert len(bytes.fromhex(secret)) == 32
    assert load_secret(state) == secret
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600
    assert [file.name for file in state.iterdir()] == ["secret"]


def test_all_who_come_at_once_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load_secret, [tmp_path / "state"] * 32))) == 1


def test_a_key_that_is_cut_short_is_refused(tmp_path):
    (tmp_path / "secret").write_text("short")
    with pytest.raises(UnusableSecret, match="too short"):
        load_secret(tmp_path)


def test_a_key_that_was_set_is_used_and_nothing_is_written(tmp_path):
    settings = Settings(recordings=tmp_path, secret="k" * 32)
    assert secret_of(settings) == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_that_cannot_be_is_named(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UnusableSecret, match="--recordings"):
        secret_of(Settings(recordings=file))
