"""A USB camera through OpenCV."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from classroom.capture.frames import Probe, SourceError

if TYPE_CHECKING:
    import threading

    from classroom.capture.sources.source import Outputs

_WIDTH_PX, _HEIGHT_PX, _FPS = 1280, 720, 25.0
_MISSED_S = 2.0  # without a picture for so long, the camera is taken to be gone


class CameraSource:
    """Reads a camera by its number; what it gives is taken if it cannot do 1280x720 at 25 fps."""

    is_recorded = False

    def __init__(self, device: int | str) -> None:
        self.name = f"camera {device}"
        self._device = device

    def probe(self) -> Probe:
        """Open it once; raises SourceError."""
        self._open().release()
        return Probe(has_picture=True, has_sound=False)

    def run(self, outputs: Outputs, start_s: float, stop: threading.Event) -> None:
        """Read until ``stop`` is set; raises SourceError when the camera gives no more pictures."""
        if outputs.video is None:
            return
        capture = self._open()
        try:
            fps = capture.get(cv2.CAP_PROP_FPS)
            fps = fps if 1.0 <= fps <= 240.0 else _FPS
            last_picture_s = time.monotonic()
            converter = VideoReformatter()  # kept: to set one up costs more than to convert
            while not stop.is_set():
                grabbed, image = capture.read()
                now_s = time.monotonic()
                if grabbed:
                    last_picture_s = now_s
                    # Converted here and not by the encoder's thread: this one only waits for the camera otherwise.
                    frame = av.VideoFrame.from_ndarray(np.asarray(image, np.uint8), format="bgr24")
                    frame = converter.reformat(frame, format="yuv420p", threads=1)
                    outputs.video.picture(frame, now_s, fps)
                elif now_s - last_picture_s > _MISSED_S:
                    raise SourceError(
                        f"{self.name}：摄像头没有画面，请检查连接 / {self.name}: no picture, check its cable"
                    )
                else:
                    stop.wait(0.05)
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # what goes wrong is told below, not twice
        capture = cv2.VideoCapture(self._device)
        if not capture.isOpened():
            raise SourceError(
                f"{self.name}：打不开摄像头，可能没有插好或被其他程序占用"
                f" / {self.name}: cannot be opened; is it plugged in, or used by another program?"
            )
        # MJPG before the size: uncompressed, USB 2 carries 720p at 10 fps only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, _WIDTH_PX)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _HEIGHT_PX)
        capture.set(cv2.CAP_PROP_FPS, _FPS)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture
