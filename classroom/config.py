"""Settings of the server: defaults, then a TOML file, then ``CLASSROOM_*`` variables, then the command line."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from classroom.model import ClassroomError

ENV_PREFIX = "CLASSROOM_"
NOT_SETTINGS = frozenset({"CLASSROOM_TOKEN"})  # read by `classroom capture`, which has no settings
DEFAULT_FILE = Path("classroom.toml")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Port = Annotated[int, Field(ge=0, le=65535)]


class BadSettings(ClassroomError):
    """A setting is unknown or has an impossible value; the text names it."""


class Settings(BaseSettings):
    """Everything that can be set. Ports 0 take any free one."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    host: str = Field("0.0.0.0", description="Address on which pages, API, WHIP and WHEP listen (TCP).")
    port: Port = Field(8080, description="Port of pages, API, WHIP and WHEP (TCP); 0 takes a free one.")
    tls: Annotated[tuple[Path, Path] | None, NoDecode] = Field(
        None, description="Certificate (with its chain) and key for https, two PEM files with a comma between."
    )
    proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="Addresses of TLS proxies in front, with commas between: their X-Forwarded-For and -Proto count.",
    )
    metrics_from: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Addresses that may read /metrics, with commas between; else this machine.",
    )
    media_host: str = Field("0.0.0.0", description="Address on which media listen; 0.0.0.0 is every IPv4 and IPv6 one.")
    media_port: Port = Field(8189, description="First port of media (UDP), one for each worker; 0 takes free ones.")
    media_tcp: bool = Field(True, description="Let media come over TCP, too, for networks that block UDP.")
    media_tcp_port: Port | None = Field(
        None, description="First port of media over TCP, one for each worker; empty: the numbers of media_port."
    )
    media_address: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="IP addresses announced to peers, with commas between; empty: those of this machine."
    )
    recordings: Path = Field(Path("recordings"), description="Data directory: recordings, and the server's own state.")
    record: bool = Field(True, description="Record every lesson while it is live.")
    index: bool = Field(
        True, description="Index recordings while they grow: chapters, thumbnails, loudness, who speaks when."
    )
    speech_model: Path | None = Field(
        None,
        description="Directory of a sherpa-onnx model: what the teacher says becomes captions; empty: it does not.",
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="SFU processes, each with its media port: media_port, media_port + 1…; "
        "empty: one a core, two at least.",
    )
    secret: SecretStr | None = Field(
        None, description="Key that signs tokens, at least 32 bytes; empty: one made once in the data directory."
    )
    database_url: SecretStr | None = Field(
        None,
        description="Database of the catalogue, postgresql://user:password@host/database; "
        "empty: SQLite in the data directory.",
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID provider with which staff may sign in, https://…; empty: passwords only."
    )
    oidc_client_id: str = Field("classroom", description="What this server is called at the provider.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret at the provider.")
    oidc_name: str = Field("统一身份认证", description="What the button for signing in there says.")
    oidc_claim: str = Field(
        "preferred_username", description="Claim of the provider that is the login here: a staff number, for example."
    )
    audit_days: int = Field(
        365,
        ge=183,
        description="For how many days the audit log is kept; the law (网络安全法 §21) asks for six months.",
    )
    timezone: str = Field(
        "Asia/Shanghai", description="Time zone of the schools: timetables and bells are in its local time."
    )
    max_connections: int = Field(2000, ge=1, description="Open control WebSockets; more are answered 503.")
    max_sessions: int = Field(1000, ge=1, description="Open WHIP and WHEP sessions; more are answered 503.")
    bad_tokens_per_minute: int = Field(
        20, ge=1, description="Refused tokens per client address and minute; more are answered 429."
    )

    @field_validator("tls", mode="before")
    @classmethod
    def _split_tls(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = tuple(part.strip() for part in value.split(","))
        if len(parts) != 2 or not all(parts):
            raise ValueError("two files with a comma between: the certificate, its key")
        return parts

    @field_validator("media_address", "proxies", "metrics_from", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple):
            return value
        return tuple(part.strip() for text in values for part in str(text).split(",") if part.strip())

    @field_validator("media_address")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_address(text)
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
                raise ValueError("an issuer is an address that begins with https://")
        return value

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("there is no such time zone; Asia/Shanghai is one") from None
        return value

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError("a secret has at least 32 bytes; `openssl rand -hex 32` makes one")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line is first, the file last; `.env` and secret files are not read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(file: Path | None = None, **command_line: Any) -> Settings:
    """Read the settings; what is None on the command line was not said.

    ``file`` must exist; without one, ``classroom.toml`` in the present directory is read if it is there.
    Raises BadSettings.
    """
    if file is not None and not file.is_file():
        raise BadSettings(f"没有这个配置文件：{file}。 There is no settings file {file}.")
    _refuse_unknown_environment()
    said = {key: value for key, value in command_line.items() if value is not None}
    path = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromFile(**said)
    except ValidationError as error:
        raise BadSettings(_explain(error, path)) from None
    except ValueError as error:  # the TOML itself
        raise BadSettings(f"配置文件 {path} 无法解析。 The settings file {path} cannot be parsed: {error}") from None


def _refuse_unknown_environment() -> None:
    for key in sorted(os.environ):
        if key.startswith(ENV_PREFIX) and key not in NOT_SETTINGS:
            name = key.removeprefix(ENV_PREFIX).lower()
            if name not in Settings.model_fields:
                raise BadSettings(_unknown(name, f"environment variable {key}"))


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            lines.append(_unknown(name, str(path or "command line")))
        else:
            message = fault["msg"].removeprefix("Value error, ")
            lines.append(f"设置 {name} 的值不对。 The setting {name} is wrong: {message}.")
    return "\n".join(lines)


def _unknown(name: str, where: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"没有名为 {name} 的设置（{where}）。 There is no setting {name} ({where}).{hint}"


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def parse_duration_s(text: str) -> int:
    """Seconds of a duration such as ``2h``, ``90m``, ``1d12h`` or ``45``; raises BadSettings."""
    match = _DURATION.fullmatch(text.strip())
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    total_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total_s <= 0:
        raise BadSettings(f"“{text}” 不是时长，例如 2h、90m。 {text!r} is not a duration; write 2h, 90m or 1d.")
    return total_s
