"""What people say about a lesson, in the words of the trade (CELTS-42 and the tags of the national platform). Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from classroom.model import ClassroomError

if TYPE_CHECKING:
    from datetime import datetime

STAGES = ("学前", "小学", "初中", "高中", "中职")
GRADES = (
    "小班", "中班", "大班", "一年级", "二年级", "三年级", "四年级", "五年级", "六年级", "七年级", "八年级", "九年级",
    "高一", "高二", "高三",
)  # fmt: skip
VOLUMES = ("上册", "下册", "全一册", "必修一", "必修二", "必修三", "选择性必修一", "选择性必修二", "选择性必修三")


class MetadataChanged(ClassroomError):
    """Somebody else has said something meanwhile: what was to be written over is not what is there."""


class BadMetadata(ClassroomError):
    """The metadata of a lesson are not as they should be; the text names the field."""


def _printable(text: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in text.replace("\n", "").replace("\t", "")):
        raise ValueError("has control characters")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line")
    return _printable(text)


Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(_one_line)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000), AfterValidator(_printable)]
SchoolCode = Annotated[str, StringConstraints(pattern=r"^(\d{10})?$")]
Language = Annotated[str, StringConstraints(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$")]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Every field may be empty. ``stage`` is one of STAGES; the others are free text, because schools differ."""

    __pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: Line = ""
    stage: Literal["", "学前", "小学", "初中", "高中", "中职"] = ""
    grade: Word = ""  # GRADES, but a village school may teach two of them in one room
    subject: Word = ""
    edition: Word = ""  # of the textbook: 人教版
    volume: Word = ""
    chapter: Line = ""
    teacher: Line = ""
    school: Line = ""
    school_code: SchoolCode = ""  # the ten digits of 一校一码
    district: Line = ""
    lesson_type: Word = ""  # 新授课, 复习课
    keywords: Annotated[tuple[Word, ...], Field(max_length=20)] = field(default=())
    description: Text = ""
    language: Language = ""
    licence: Line = ""

    def as_json(self) -> dict[str, Any]:
        """The fields as they stand in JSON."""
        return {**asdict(self), "keywords": list(self.keywords)}

    @property
    def tag(self) -> str:
        """The same for the same words: who changes them says with it what they saw."""
        return hashlib.sha256(json.dumps(self.as_json()).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class DatedMetadata:
    """What was said about a lesson, and when."""

    metadata: Metadata
    updated_at: datetime


_METADATA = TypeAdapter(Metadata)


def parse_metadata(data: bytes | str) -> Metadata:
    """Metadata of a JSON object; what it leaves out is empty. Raises BadMetadata."""
    try:
        return _METADATA.validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in fault["loc"]) or "JSON"
        message = fault["msg"].removeprefix("Value error, ")
        raise BadMetadata(f"课程信息的“{name}”不对。 The metadata field {name} is wrong: {message}.") from None
