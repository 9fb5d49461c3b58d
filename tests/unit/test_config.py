"""Settings: where they come from, what is refused, and that all of them are documented."""

import re
from pathlib import Path

import pytest

from classroom.config import BadSettings, Settings, load_settings, parse_duration_s

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CLASSROOM_{name.upper()}", raising=False)


def test_the_defaults_run_a_single_node():
    settings = load_settings()
    assert (settings.host, settings.port, settings.media_port, settings.workers) == ("0.0.0.0", 8080, 8189, None)
    assert settings.media_address == ()
    assert settings.record and settings.media_tcp and settings.media_tcp_port is None


def test_the_command_line_is_over_the_environment_is_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "my.toml"
    file.write_text('host = "file"\nport = 1\nmedia_port = 1\nmedia_address = ["192.0.2.1", "2001:db8::1"]\n')
    monkeypatch.setenv("CLASSROOM_PORT", "2")
    monkeypatch.setenv("CLASSROOM_MEDIA_PORT", "2")
    settings = load_settings(file, media_port=3, host=None)
    assert (settings.host, settings.port, settings.media_port) == ("file", 2, 3)
    assert settings.media_address == ("192.0.2.1", "2001:db8::1")


def test_the_file_in_the_present_directory_is_read(tmp_path):
    (tmp_path / "classroom.toml").write_text("port = 9\n")
    assert load_settings().port == 9


def test_addresses_in_the_environment_have_commas_between(monkeypatch):
    monkeypatch.setenv("CLASSROOM_MEDIA_ADDRESS", "192.0.2.1, 2001:db8::1")
    assert load_settings().media_address == ("192.0.2.1", "2001:db8::1")


def test_an_unknown_key_is_named(tmp_path, monkeypatch):
    file = tmp_path / "my.toml"
    file.write_text("media_prot = 1\n")
    with pytest.raises(BadSettings, match=r"media_prot.*my\.toml.*Did you mean media_port"):
        load_settings(file)
    monkeypatch.setenv("CLASSROOM_RECORDING", "x")
    with pytest.raises(BadSettings, match=r"CLASSROOM_RECORDING.*Did you mean recordings"):
        load_settings()


def test_the_token_of_the_capture_agent_is_no_setting(monkeypatch):
    monkeypatch.setenv("CLASSROOM_TOKEN", "x")
    load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("port", "65536"),
        ("media_address", "example.org"),
        ("workers", "0"),
        ("secret", "too short"),
        ("record", "perhaps"),
    ],
)
def test_an_impossible_value_is_named_and_not_repeated(name, value, monkeypatch):
    monkeypatch.setenv(f"CLASSROOM_{name.upper()}", value)
    with pytest.raises(BadSettings, match=name) as refused:
        load_settings()
    assert name != "secret" or value not in str(refused.value).replace("too short a", "")


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path):
    with pytest.raises(BadSettings, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("port 1")
    with pytest.raises(BadSettings, match=r"bad\.toml"):
        load_settings(tmp_path / "bad.toml")


def test_the_secret_is_not_shown():
    assert "k" * 32 not in repr(load_settings(secret="k" * 32))


def test_every_setting_is_documented_with_its_default():
    section = OPERATIONS.read_text("utf-8").partition("## Settings")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", section, re.MULTILINE))
    assert set(rows) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert field.description
        said = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)
        default = "" if said == "None" else said
        assert rows[name] == default, name


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1d12h", 129600), ("45", 45), ("1m30s", 90), (" 2h ", 7200)]
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "h", "2 h", "-1h", "1.5h", "2h3d", "two hours"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadSettings, match="2h"):
        parse_duration_s(text)
