"""The types of the pages are those of the server."""

import enum
from dataclasses import dataclass
from pathlib import Path

import pytest

import classroom.web
from classroom.web.typescript import FILES, _interface, generate

PROTOCOL = Path(classroom.web.__file__).parent / "ui" / "src" / "protocol"


@pytest.mark.parametrize("file", FILES)
def test_the_generated_file_is_fresh(file):
    path = PROTOCOL / file
    assert path.read_text("utf-8") == generate(file), f"run: python -m classroom.web.typescript {file} > {path}"


class Colour(enum.StrEnum):
    RED = "red"


@dataclass
class Example:
    number: float
    many: list[int | None]
    colour: Colour | None
    text: str = ""


def test_fields_keep_their_meaning():
    assert _interface(Example, sent=True).splitlines() == [
        "export interface Example {",
        "  number: number;",
        "  many: (number | null)[];",
        "  colour: Colour | null;",
        "  text?: string;",
        "}",
    ]
    assert "text: string;" in _interface(Example, sent=False)


@dataclass
class Strange:
    field: bytes


def test_what_has_no_json_is_refused():
    with pytest.raises(TypeError, match="bytes"):
        _interface(Strange, sent=False)
