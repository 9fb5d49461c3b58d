"""Frames on their way into a track: what was asked for and what has come, durable until it is spliced.

``<holding>/.deliveries/<track>/`` has ``request`` (a line of JSON and the inventory) and ``frames``: records of
identity and bytes, append-only, each of which checks itself.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import struct
import zlib
from bisect import bisect_right
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

from classroom.files import replace_file, sync_folder, write_whole
from classroom.live.errors import BadDelivery, NotWanted
from classroom.media.depacketize import NAL_IDR, NAL_PPS, NAL_SPS, opus_duration
from classroom.media.h264 import ParameterSets, build_avcc, split_length_prefixed
from classroom.model import Label, TrackKind
from classroom.recording.inventory import IDENTITY, FrameIdentity, Inventory
from classroom.recording.splice_plan import Delivered
from classroom.sfu.core.sps import BadParameterSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

FOLDER = ".deliveries"
MAX_FRAME_BYTES = (4 << 20) - IDENTITY.size  # one that is larger fits into no request
_REQUEST, _FRAMES = "request", "frames"


@dataclass(frozen=True, slots=True)
class Request:
    """What an inventory said beside the frames. ``wanted`` are (first, count) of what the archive missed then.

    ``twice`` when it showed moments twice, in two layers: there is something to mend even if nothing is missing.
    ``now_ntp`` was the publisher's clock at ``received_at_s`` (seconds since 1970).
    """

    label: Label
    kind: TrackKind
    now_ntp: int
    received_at_s: float
    wanted: list[tuple[int, int]]
    twice: bool = False


class Staged(NamedTuple):
    """A frame that has come: where its bytes are, and what they are."""

    identity: FrameIdentity
    offset: int
    facts: Delivered


class Staging:
    """The delivery of one track. Not for two threads at once; methods block and may raise OSError."""

    def __init__(self, holding: Path, track: str) -> None:
        """Read what is there; a record that a crash left unfinished is cut off.

        What the disk has spoilt is removed: whoever delivers still has it, and is asked again.
        """
        self.track = track
        self._path = holding / FOLDER / track
        self.request: Request | None = None
        self.inventory = Inventory(b"")
        self.staged: dict[int, Staged] = {}  # by time of capture
        self._end = 0
        try:
            self._read()
        except (ValueError, KeyError, TypeError, BadDelivery) as error:
            logger.warning("the delivery %s is damaged and begins anew: %s", self._path, error)
            self.remove()

    @property
    def due(self) -> bool:
        """Whether the track is to be written again."""
        return bool(self.staged) or (self.request is not None and self.request.twice)

    @property
    def received_bytes(self) -> int:
        """Bytes of the frames that have come."""
        return sum(staged.identity.size_bytes for staged in self.staged.values())

    @property
    def wanted_bytes(self) -> int:
        """Bytes of the frames that were asked for, those that have come included."""
        wanted = self.request.wanted if self.request is not None else []
        frames = self.inventory.frames
        return sum(frames[index].size_bytes for first, count in wanted for index in range(first, first + count))

    def ask(self, request: Request, inventory: Inventory) -> None:
        """Remember what the copy has and what of it is missing."""
        head = json.dumps({**asdict(request), "track": self.track})
        self._path.mkdir(parents=True, exist_ok=True)
        replace_file(self._path / _REQUEST, head.encode() + b"\n" + inventory.data)
        for path in (self._path, self._path.parent, self._path.parent.parent):
            sync_folder(path)
        self.request, self.inventory = request, inventory

    def take(self, body: bytes) -> None:
        """Take frames that were asked for; they are durable afterwards. What was there before is left as it is.

        All or nothing. Raises BadDelivery, NotWanted, OSError.
        """
        if self.request is None:
            raise NotWanted("还没有收到这条轨的清单。 There is no inventory of this track yet.")
        records = bytearray()
        new: dict[int, Staged] = {}
        for identity, at in _records(body):
            index = self.inventory.index(identity)
            if index is None:
                raise NotWanted("清单里没有这一帧。 There is a frame that no inventory has asked for.")
            data = body[at : at + identity.size_bytes]
            facts = _facts(data, self.request.kind)
            if not self._is_wanted(index) or identity.captured_ntp in self.staged or identity.captured_ntp in new:
                continue
            new[identity.captured_ntp] = Staged(identity, self._end + len(records) + IDENTITY.size, facts)
            records += IDENTITY.pack(*identity) + data
        if new:
            self._append(bytes(records))
            self.staged |= new

    def read(self, staged: Staged) -> bytes:
        """The bytes of a frame that has come."""
        fd = os.open(self._path / _FRAMES, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, staged.identity.size_bytes, staged.offset)
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Forget the delivery."""
        shutil.rmtree(self._path, ignore_errors=True)
        self.request, self.inventory, self.staged, self._end = None, Inventory(b""), {}, 0

    def _is_wanted(self, index: int) -> bool:
        assert self.request is not None
        at = bisect_right(self.request.wanted, (index, len(self.inventory))) - 1
        return at >= 0 and index < sum(self.request.wanted[at])

    def _append(self, records: bytes) -> None:
        new = not (self._path / _FRAMES).exists()
        fd = os.open(self._path / _FRAMES, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.lseek(fd, self._end, os.SEEK_SET)
            try:
                write_whole(fd, records)
                os.fdatasync(fd)
            except OSError:
                os.ftruncate(fd, self._end)
                raise
        finally:
            os.close(fd)
        if new:
            sync_folder(self._path)
        self._end += len(records)

    def _read(self) -> None:
        try:
            head, _, data = (self._path / _REQUEST).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return
        said = json.loads(head)
        self.inventory = Inventory(data)
        self.request = Request(
            Label(said["label"]),
            TrackKind(said["kind"]),
            said["now_ntp"],
            said["received_at_s"],
            [(first, count) for first, count in said["wanted"]],
            said.get("twice", False),
        )
        try:
            file = (self._path / _FRAMES).open("r+b")
        except FileNotFoundError:
            return
        with file:
            while len(head := file.read(IDENTITY.size)) == IDENTITY.size:
                identity = FrameIdentity(*IDENTITY.unpack(head))
                frame = file.read(identity.size_bytes) if identity.size_bytes <= MAX_FRAME_BYTES else b""
                if not frame or zlib.crc32(frame) != identity.crc32 or len(frame) != identity.size_bytes:
                    break
                facts = _facts(frame, self.request.kind)
                self.staged[identity.captured_ntp] = Staged(identity, self._end + IDENTITY.size, facts)
                self._end += IDENTITY.size + len(frame)
            file.truncate(self._end)


def deliveries_of(holding: Path) -> list[str]:
    """The tracks of a recording for which frames are on their way. Blocks."""
    folder = holding / FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _records(body: bytes) -> Iterator[tuple[FrameIdentity, int]]:
    """Identity and offset of each frame. Raises BadDelivery when a length or a checksum does not fit."""
    at = 0
    while at < len(body):
        try:
            identity = FrameIdentity(*IDENTITY.unpack_from(body, at))
        except struct.error:
            raise BadDelivery("数据不完整。 The last frame has no whole header.") from None
        at += IDENTITY.size
        frame = body[at : at + identity.size_bytes]
        if not frame or len(frame) != identity.size_bytes or zlib.crc32(frame) != identity.crc32:
            raise BadDelivery("帧的长度或校验和不符。 The length or the checksum of a frame does not fit.")
        yield identity, at
        at += identity.size_bytes


def _facts(data: bytes, kind: TrackKind) -> Delivered:
    """What has to be known of a frame to put it in. Raises BadDelivery when it is no H.264 picture, or no Opus."""
    if kind is TrackKind.AUDIO:
        duration = opus_duration(data)
        if not duration:
            raise BadDelivery("这不是 Opus 数据包。 A frame is not an Opus packet.")
        return Delivered(True, duration)
    try:
        nals = split_length_prefixed(data)
        kinds = {nal[0] & 0x1F for nal in nals}
        if {NAL_SPS, NAL_PPS} & kinds:
            sets = ParameterSets().updated(nals)
            if not sets.complete:
                raise ValueError("one parameter set without the other")
            build_avcc(sets)
    except (ValueError, BadParameterSet) as error:
        raise BadDelivery(f"这不是可用的 H.264 图像。 A frame is not a picture that can be stored: {error}") from None
    return Delivered(NAL_IDR in kinds, 0)
