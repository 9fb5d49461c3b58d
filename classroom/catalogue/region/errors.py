"""What a region refuses, and why. The text is for people; the class is what a caller goes by."""

from __future__ import annotations

from classroom.model import ClassroomError


class RegionError(ClassroomError):
    """Something that was asked of the region cannot be done; nothing was changed."""


class NotFound(RegionError):
    """There is no such thing, or not in the scope of whoever asks."""


class Duplicate(RegionError):
    """Another one has the key already; the text names it."""


class InUse(RegionError):
    """It cannot be removed, because others refer to it; the text names them."""


class BadValue(RegionError):
    """A value is not as it should be. ``field`` is the name of the attribute."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Conflict(RegionError):
    """A room, a teacher or a class would be in two lessons at once; the text names the other lesson."""


class ValueChanged(RegionError):
    """Somebody else has changed it meanwhile: what was to be written over is not what is there."""
