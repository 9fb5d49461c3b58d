"""What frames the copy of a publisher has: their identities, as they are sent (docs/protocol.md §6). Pure."""

from __future__ import annotations

import struct
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from classroom.live.errors import BadDelivery

if TYPE_CHECKING:
    from collections.abc import Iterable

IDENTITY = struct.Struct(">QII")  # of a FrameIdentity


class FrameIdentity(NamedTuple):
    """A frame of a publisher: the NTP time of its capture on its own clock, and its bytes as they are stored."""

    captured_ntp: int
    size_bytes: int
    crc32: int


class Inventory:
    """The frames of a copy in the order of their capture."""

    def __init__(self, data: bytes) -> None:
        """Read records of IDENTITY. Raises BadDelivery unless their times ascend."""
        if len(data) % IDENTITY.size:
            raise BadDelivery("清单不是 16 字节的整数倍。 The inventory does not consist of records of 16 bytes.")
        self.data = data
        self.frames = list(map(FrameIdentity._make, IDENTITY.iter_unpack(data)))
        times = [frame.captured_ntp for frame in self.frames]
        if any(later <= earlier for earlier, later in pairwise(times)) or (times and times[0] == 0):
            raise BadDelivery(
                "清单没有按采集时间排序。 The times of capture in the inventory must be above 0 and ascend."
            )
        if any(frame.size_bytes == 0 for frame in self.frames):
            raise BadDelivery("清单中有空帧。 There are frames without bytes in the inventory.")
        self._times = times

    def __len__(self) -> int:
        return len(self.frames)

    def index(self, frame: FrameIdentity) -> int | None:
        """Where a frame is in the inventory; None when it is not."""
        at = bisect_left(self._times, frame.captured_ntp)
        return at if at < len(self.frames) and self.frames[at] == frame else None


def spans(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, count) of those that follow each other."""
    found: list[tuple[int, int]] = []
    for index in indices:
        if found and index == found[-1][0] + found[-1][1]:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((index, 1))
    return found
