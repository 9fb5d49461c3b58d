"""What happened in a lesson, for the timeline of the replay: ``events.jsonl`` made short."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from classroom.recording.event_log import EVENTS_FILE
from classroom.recording.page_turns import PageTurn, page_turn, settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 32 << 20  # of the log that are looked at
MAX_EVENTS = 5000  # of a lesson that are told
_HEAD = frozenset({"event", "at_s", "at"})
_NOT_PEOPLE = ("recorder", "node", "capture", "observer")


def read_events(folder: Path, shift_s: float) -> list[dict[str, Any]]:
    """``{at_s, kind, name, …}`` in order: hands, floor, mode, programme, pages, notes, and who comes and goes. Blocks.

    ``name`` is who or what, empty when the floor or the programme is the teacher's again, and when a note is for all.
    ``shift_s`` is added to all times. Lines that cannot be read are left out.
    """
    found: list[dict[str, Any]] = []
    turns: list[PageTurn] = []
    online: dict[str, bool] = {}
    for line in _lines(folder):
        kind, data = str(line["event"]), {key: value for key, value in line.items() if key not in _HEAD}
        if kind == "participant":
            who = str(data.get("id"))
            is_online = bool(data.get("online"))
            if data.get("role") in _NOT_PEOPLE or online.get(who, False) == is_online:
                continue
            online[who] = is_online
            data = {"name": str(data.get("name", "")), "role": str(data.get("role", "")), "online": is_online}
        elif kind == "page":
            turns += filter(None, [page_turn(line)])
            continue
        elif (told := _told(kind, data)) is not None:
            data = told
        else:
            continue
        found.append({**data, "kind": kind, "at_s": round(max(0.0, line["at_s"] + shift_s), 3)})
        if len(found) + len(turns) >= MAX_EVENTS:
            break
    for at_s, page in settled(turns):
        found.append({"page": page, "kind": "page", "at_s": round(max(0.0, at_s + shift_s), 3)})
    return sorted(found, key=lambda event: float(event["at_s"]))


def _told(kind: str, data: dict[str, Any]) -> dict[str, Any] | None:
    """What the timeline says of an event; None when it is not on it."""
    match kind:
        case "floor":
            return {"name": "、".join(_names(data.get("participants")))}
        case "programme":
            return {"name": str(data.get("programme") or "")}
        case "hand" if data.get("raised", True):
            return {"name": str(data.get("name", ""))}
        case "mode":
            return {"name": str(data.get("mode", ""))}
        case "note":
            return {"name": "、".join(_names(data.get("to"))), "text": str(data.get("text", ""))}
    return None


def read_page_turns(folder: Path) -> list[PageTurn]:
    """The page turns of a recording, on its axis. Blocks."""
    return settled(filter(None, (page_turn(line) for line in _lines(folder) if line["event"] == "page")))


def people(events: list[dict[str, Any]]) -> list[str]:
    """The names of those who took part, in the order in which they came."""
    names = [str(event["name"]) for event in events if event["kind"] == "participant" and event["name"]]
    return list(dict.fromkeys(names))


def _names(participants: Any) -> Iterator[str]:
    for who in participants if isinstance(participants, list) else ():
        if isinstance(who, dict) and who.get("name"):
            yield str(who["name"])


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        with (folder / EVENTS_FILE).open("rb") as file:
            contents = file.read(MAX_BYTES)
    except OSError:
        return
    for text in contents.splitlines():
        try:
            line = json.loads(text)
            if isinstance(line, dict) and "event" in line:
                line["at_s"] = float(line["at_s"])
                yield line
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
