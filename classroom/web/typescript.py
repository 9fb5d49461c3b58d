"""The messages as TypeScript: ``python -m classroom.web.typescript [FILE]`` prints a file of ``ui/src/protocol``.

The file is ``messages.gen.ts`` unless one is named.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from classroom import messages, model
from classroom.schoolday import messages as device_messages

_MAX_LINE = 110


@dataclasses.dataclass(frozen=True, slots=True)
class Generated:
    """A file, and what it is made from: a module of dataclasses, and the names of its two unions."""

    module: types.ModuleType
    source: str
    client: str
    server: str


FILES = {
    "messages.gen.ts": Generated(messages, "classroom/messages.py", "ClientMessage", "ServerMessage"),
    "device_messages.gen.ts": Generated(
        device_messages, "classroom/schoolday/messages.py", "DeviceClientMessage", "DeviceServerMessage"
    ),
}
DEFAULT = "messages.gen.ts"


def generate(file: str = DEFAULT) -> str:
    """The whole of one of ``FILES``."""
    wanted = FILES[file]
    client, server = (_members(getattr(wanted.module, union)) for union in (wanted.client, wanted.server))
    views = [
        item
        for item in vars(wanted.module).values()
        if isinstance(item, type) and dataclasses.is_dataclass(item) and item not in client and item not in server
    ]
    enums: dict[str, type[StrEnum]] = {}
    for item in [*views, *client, *server]:
        for hint in get_type_hints(item).values():
            enums |= {enum.__name__: enum for enum in _enums(hint)}
    order = [*vars(model), *vars(wanted.module)]
    command = "python -m classroom.web.typescript" + ("" if file == DEFAULT else f" {file}")
    parts = [f"// Generated from {wanted.source} by `{command}`. Do not edit.\n"]
    parts += [_alias(name, [json.dumps(e.value) for e in enums[name]]) for name in sorted(enums, key=order.index)]
    parts += [_interface(item, sent=False) for item in views]
    parts += [_interface(item, sent=True) for item in client]
    parts.append(_alias(wanted.client, [item.__name__ for item in client]))
    parts += [_interface(item, sent=False) for item in server if item not in client]
    parts.append(_alias(wanted.server, [item.__name__ for item in server]))
    return "\n".join(parts)


def _members(union: Any) -> list[type]:
    return list(get_args(get_args(union)[0]))


def _enums(hint: Any) -> list[type[StrEnum]]:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return [hint]
    return [enum for argument in get_args(hint) for enum in _enums(argument)]


def _alias(name: str, members: list[str]) -> str:
    line = f"export type {name} = {' | '.join(members)};\n"
    if len(line) <= _MAX_LINE:
        return line
    return f"export type {name} =\n" + "\n".join(f"  | {member}" for member in members) + ";\n"


def _interface(item: type, *, sent: bool) -> str:
    hints = get_type_hints(item)
    lines = [f"export interface {item.__name__} {{"]
    for field in dataclasses.fields(item):
        # A client may leave out what has a default; the server always says everything.
        optional = "?" if sent and field.name != "type" and field.default is not dataclasses.MISSING else ""
        lines.append(f"  {field.name}{optional}: {_type(hints[field.name])};")
    return "\n".join([*lines, "}", ""])


def _type(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Annotated:
        return _type(get_args(hint)[0])
    if origin is Literal:
        return " | ".join(json.dumps(value) for value in get_args(hint))
    if origin in (Union, types.UnionType):
        return " | ".join(_type(argument) for argument in get_args(hint))
    if origin is list:
        element = _type(get_args(hint)[0])
        return f"({element})[]" if " " in element else f"{element}[]"
    simple = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    if hint in simple:
        return simple[hint]
    if isinstance(hint, type) and (issubclass(hint, StrEnum) or dataclasses.is_dataclass(hint)):
        return hint.__name__
    raise TypeError(f"no TypeScript for {hint}")


if __name__ == "__main__":
    sys.stdout.write(generate(*sys.argv[1:2]))
