"""What ``classroom capture`` was told of its copy: ``--copy``, ``--copy-size``, ``--upload``, ``--upload-rate``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from classroom.capture.copy.schedule import Upload, parse_upload
from classroom.capture.data_folder import data_folder
from classroom.model import ClassroomError

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(?:B|bit/s|bps)?")
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LEAST_COPY_BYTES = 10_000_000


class BadCopyOption(ClassroomError):
    """An amount that cannot be read, or makes no sense."""


@dataclass(frozen=True, slots=True)
class CopySettings:
    """Where the copy is kept, how large all copies may be, when and how fast they are delivered (None: no limit)."""

    folder: Path
    limit_bytes: int
    upload: Upload
    rate_bps: float | None


def copy_settings(folder: str | None, size: str, upload: str, rate: str | None) -> CopySettings | None:
    """The settings that these options mean, None for ``off``; raises BadCopyOption, BadUpload."""
    limit_bytes, when = parse_amount(size), parse_upload(upload)
    rate_bps = None if rate is None else parse_amount(rate)
    if folder == "off":
        return None
    if limit_bytes < LEAST_COPY_BYTES:
        raise BadCopyOption(
            f"--copy-size {size} 太小，至少 10MB；不要副本用 --copy off。 Too small: 10MB at least, or --copy off."
        )
    if rate_bps is not None and rate_bps < 1:
        raise BadCopyOption(f"--upload-rate {rate} 太小。 The rate {rate} is too low.")
    return CopySettings(Path(folder).expanduser() if folder else default_folder(), limit_bytes, when, rate_bps)


def parse_amount(text: str) -> int:
    """``20GB``, ``500 MB``, ``4M``, ``4Mbit/s``: powers of ten; raises BadCopyOption."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise BadCopyOption(f"看不懂“{text}”，请写例如 20GB 或 4M。 {text!r} cannot be read: write 20GB or 4M.")
    return round(float(match[1]) * _FACTORS[match[2]])


def default_folder() -> Path:
    """In the user's data directory; raises BadCopyOption for who has none."""
    try:
        return data_folder() / "copies"
    except RuntimeError:
        raise BadCopyOption(
            "这个用户没有主目录，请用 --copy 指定副本目录。 This user has no home: name a folder with --copy."
        ) from None
