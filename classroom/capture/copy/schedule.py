"""When a copy may be delivered: ``--upload``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from enum import StrEnum

from classroom.model import ClassroomError

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class BadUpload(ClassroomError):
    """``--upload`` says nothing that we know."""


class Mode(StrEnum):
    """The ways to choose the time."""

    IDLE = "idle"  # while this agent sends no lesson
    NOW = "now"  # and during a lesson with what the uplink has left
    WINDOW = "window"  # while this agent sends no lesson, at certain hours


@dataclass(frozen=True, slots=True)
class Upload:
    """When to deliver. A window is from ``begin`` to before ``end`` on this computer's clock, over midnight, too."""

    mode: Mode = Mode.IDLE
    begin: time = time()
    end: time = time()

    def allows(self, sending: bool, local: time) -> bool:
        """Whether a delivery may go on now; ``sending``: a lesson is being sent."""
        if self.mode is Mode.NOW:
            return True
        if sending:
            return False
        if self.mode is Mode.IDLE or self.begin == self.end:
            return True
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


def parse_upload(text: str) -> Upload:
    """``idle``, ``now`` or ``HH:MM-HH:MM``; raises BadUpload."""
    if text in (Mode.IDLE, Mode.NOW):
        return Upload(Mode(text))
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise BadUpload(
            f"--upload {text}：请写 idle、now 或时段，例如 22:00-06:00。 Use idle, now or hours such as 22:00-06:00."
        )
    begin_h, begin_min, end_h, end_min = map(int, match.groups())
    return Upload(Mode.WINDOW, time(begin_h, begin_min), time(end_h, end_min))
