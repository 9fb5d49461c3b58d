"""Captions as WebVTT (W3C WebVTT: The Web Video Text Tracks Format): text in, cues out, and back in one normal form.

Of a file from elsewhere only what is said, when and by whom is kept. Styles, regions, placement, classes and notes
are not: how captions look is the player's business, and what a page shows should not come from a file.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 2 << 20
MAX_CUES = 20_000  # more than two a second through a lesson of two hours
_MAX_TIME_S = 24 * 3600
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")  # BCP 47 without its rare forms
_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NEWLINE = re.compile(r"\r\n?")


class BadCaptions(ClassroomError):
    """A caption file is not WebVTT, or its language has no name; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from ``start_s`` to ``end_s``, as plain text of one or more lines; ``voice``: by whom, if known."""

    start_s: float
    end_s: float
    text: str
    voice: str = ""


def parse_language(text: str) -> str:
    """A BCP 47 tag such as ``zh-CN`` that is safe as a part of a file name. Raises BadCaptions."""
    if not _LANGUAGE.fullmatch(text):
        raise BadCaptions(
            f"“{text[:40]}” 不是语言代码，例如 zh-CN、en。 {text[:40]!r} is no language tag; write zh-CN or en."
        )
    return text


def parse_webvtt(data: bytes) -> tuple[Cue, ...]:
    """The cues of a WebVTT file of at most ``MAX_BYTES``, by time. Raises BadCaptions."""
    if len(data) > MAX_BYTES:
        raise BadCaptions(f"字幕文件超过 {MAX_BYTES >> 20} MiB。 The caption file is over {MAX_BYTES >> 20} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadCaptions("字幕文件不是 UTF-8 编码，请另存为 UTF-8。 The caption file is not in UTF-8.") from None
    lines = _NEWLINE.sub("\n", text).split("\n")
    if not re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]):
        raise BadCaptions(
            "字幕文件不是 WebVTT：第一行必须是 WEBVTT。 This is no WebVTT file: its first line must be WEBVTT."
        )
    cues: list[Cue] = []
    for first, block in _blocks(lines):
        cue = _cue(first, block)
        if cue is not None:
            if len(cues) == MAX_CUES:
                raise BadCaptions(f"字幕超过 {MAX_CUES} 条。 There are more than {MAX_CUES} cues.")
            cues.append(cue)
    return tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)))


def write_webvtt(cues: Iterable[Cue]) -> bytes:
    """Cues as a WebVTT file in UTF-8; ``parse_webvtt`` gives the same cues back, times to the millisecond."""
    parts = ["WEBVTT\n"]
    for cue in cues:
        voice = f"<v {_escape(cue.voice)}>" if cue.voice else ""
        parts.append(f"{_time(cue.start_s)} --> {_time(cue.end_s)}\n{voice}{_escape(cue.text)}\n")
    return "\n".join(parts).encode()


def _blocks(lines: list[str]) -> Iterable[tuple[int, list[str]]]:
    """What stands between blank lines after the header, with the number of its first line, from 1."""
    block: list[str] = []
    in_header = True
    for number, line in enumerate([*lines, ""], 1):
        if line:
            block.append(line)
        elif block:
            # The header goes on to the first blank line; WebVTT of streaming services has metadata there.
            if not in_header:
                yield number - len(block), block
            block, in_header = [], False


def _cue(first: int, block: list[str]) -> Cue | None:
    """The cue in a block; None for notes, styles, regions and cues that say nothing."""
    timing_at = next((index for index, line in enumerate(block[:2]) if "-->" in line), None)
    if timing_at is None:
        if re.match(r"(NOTE|STYLE|REGION)(?:[ \t]|$)", block[0]):
            return None
        raise BadCaptions(
            f"第 {first} 行：应为“开始 --> 结束”的时间行。 Line {first}: a line with “start --> end” was expected."
        )
    number = first + timing_at
    match = _TIMING.fullmatch(block[timing_at].strip(" \t"))
    if match is None:
        raise BadCaptions(
            f"第 {number} 行：时间写法不对，例如 00:01:02.500 --> 00:01:05.000。 "
            f"Line {number}: times are written like 00:01:02.500 --> 00:01:05.000."
        )
    start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    if not start_s < end_s <= _MAX_TIME_S:
        raise BadCaptions(
            f"第 {number} 行：结束时间应晚于开始时间，且不超过 24 小时。 "
            f"Line {number}: a cue ends after it begins, and within 24 hours."
        )
    raw = "\n".join(block[timing_at + 1 :])
    voice = _VOICE.search(raw)
    text = "\n".join(line for line in map(_plain, raw.split("\n")) if line)
    return Cue(start_s, end_s, text, "" if voice is None else _plain(voice[1])) if text else None


def _plain(text: str) -> str:
    return " ".join(_CONTROL.sub("", html.unescape(_TAG.sub("", text))).split())


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds) / 1000


def _time(at_s: float) -> str:
    at_ms = round(at_s * 1000)
    minutes, ms = divmod(at_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"
