"""Bodies and queries as pydantic models: what is unknown or of another kind is refused, and the field is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from classroom.web.payload import read_text
from classroom.web.problem import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

M = TypeVar("M", bound=BaseModel)


class _Storable(BaseModel):
    @field_validator("*", mode="after", check_fields=False)
    @classmethod
    def _has_no_nul(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:  # PostgreSQL takes none
            raise ValueError("must have no NUL in it")
        return value


class Body(_Storable):
    """What a request may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Query(_Storable):
    """What may stand after the ``?``; an empty value is as none."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


async def read_body(request: web.Request, model: type[M]) -> M:
    """The JSON of a request; raises Refusal (400, 408, 413, 415, 422)."""
    text = await read_text(request, "application/json", "bad_request")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(422, "bad_request", "内容", "The body is wrong", error) from None


def read_query(request: web.Request, model: type[M], *, beside: Collection[str] = ()) -> M:
    """The query of a request, without what is read ``beside`` it; raises Refusal (400)."""
    said = {name: value for name, value in request.query.items() if value != "" and name not in beside}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise _refusal(400, "bad_query", "查询条件", "The query is wrong", error) from None


def number_in(request: web.Request, name: str) -> int:
    """A number in the path; raises Refusal (404): there is nothing at another."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(404, "not_found", "没有这个地址。 There is nothing at this address.")
    return int(text)


def _refusal(status: int, code: str, chinese: str, english: str, error: ValidationError) -> Refusal:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, fault["loc"]))
    return Refusal(status, code, f"{chinese} {where} 不对。 {english}: {where}: {fault['msg']}.")
