"""What every source is, and how its failures are told."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import av

from classroom.capture.frames import SourceError

if TYPE_CHECKING:
    import threading

    from classroom.capture.frames import Probe
    from classroom.capture.tracks import AudioTrack, VideoTrack


logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outputs:
    """The tracks that a source feeds; None where nobody wants its picture or its sound."""

    video: VideoTrack | None
    audio: AudioTrack | None


class Source(Protocol):
    """Both methods block and are called in a thread, never at the same time."""

    name: str  # as people know it, without secrets
    is_recorded: bool  # played from its beginning, not captured as it happens

    def probe(self) -> Probe:
        """Look what it has; raises SourceError."""

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Feed the tracks until the source ends or ``stop`` is set; raises SourceError.

        ``start_s`` is the instant (monotonic) at which everything that is played from its beginning begins.
        """


def require_media(name: str, outputs: Outputs, *, has_picture: bool, has_sound: bool) -> None:
    """Raise SourceError when a source has nothing of what is wanted of it; a picture alone that lacks is logged."""
    picture_lacks = outputs.video is not None and not has_picture
    if picture_lacks and outputs.audio is not None and has_sound:
        logger.warning(
            "%s：里面没有画面，只发送声音 / %s: there is no picture in it, only its sound is sent", name, name
        )
    elif picture_lacks:
        raise SourceError(f"{name}：里面没有画面 / {name}: there is no picture in it")
    elif outputs.video is None and not has_sound:
        raise SourceError(f"{name}：里面没有声音 / {name}: there is no sound in it")


_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (av.error.FileNotFoundError, "找不到文件或设备", "no such file or device"),
    (av.error.PermissionError, "没有读取权限", "permission denied"),
    (av.error.IsADirectoryError, "这是一个文件夹", "it is a folder"),
    (av.error.HTTPUnauthorizedError, "用户名或密码不对", "wrong user name or password"),
    (av.error.HTTPNotFoundError, "设备上没有这个地址", "the device does not know this address"),
    (av.error.ConnectionRefusedError, "设备拒绝连接", "connection refused"),
    (av.error.InvalidDataError, "不是能识别的音视频", "not audio or video that can be read"),
    (av.error.ExitError, "没有响应（超时）", "no answer (timeout)"),
    (av.error.TimeoutError, "没有响应（超时）", "no answer (timeout)"),
    (av.error.EOFError, "信号中断", "the signal ended"),
)


def failure(name: str, error: av.error.FFmpegError) -> SourceError:
    """A SourceError that says which source and why."""
    for kind, zh, en in _REASONS:
        if isinstance(error, kind):
            return SourceError(f"{name}：{zh} / {name}: {en}")
    reason = error.strerror or type(error).__name__
    return SourceError(f"{name}：打不开或读取失败（{reason}） / {name}: cannot be opened or read ({reason})")
