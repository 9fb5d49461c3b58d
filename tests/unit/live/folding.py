"""The lesson as a client knows it: what lesson_state.ts does, on JSON."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]


class SequenceGap(Exception):
    """A message is missing, or came twice."""


def fold(state: Message | None, message: Message) -> Message | None:
    """The state after a message; raises SequenceGap."""
    kind = message["type"]
    if kind == "snapshot":
        return message
    if "seq" not in message:
        return state
    if state is None or message["seq"] != state["seq"] + 1:
        raise SequenceGap(f"{message} after {state and state['seq']}")
    state = {**state, "seq": message["seq"]}
    match kind:
        case "lesson_changed":
            state["lesson"] = message["lesson"]
        case "participant_changed":
            state["participants"] = _put(state["participants"], message["participant"])
        case "participant_left":
            state["participants"] = [p for p in state["participants"] if p["id"] != message["participant_id"]]
        case "publication_changed":
            state["publications"] = _put(state["publications"], message["publication"])
        case "publication_removed":
            state["publications"] = [p for p in state["publications"] if p["id"] != message["publication_id"]]
    return state


def known(state: Message | None) -> Message | None:
    """What of a state can be compared: not its number, nor when it was told."""
    return state and {key: state[key] for key in ("you", "lesson", "participants", "publications")}


def _put(items: list[Message], item: Message) -> list[Message]:
    if any(known["id"] == item["id"] for known in items):
        return [item if known["id"] == item["id"] else known for known in items]
    return [*items, item]
