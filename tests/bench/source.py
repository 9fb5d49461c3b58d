"""The media of the load: 720p25 as x264 makes it for us, cut into RTP payloads."""

import av
import numpy as np

from classroom.capture.h264 import split_annexb
from classroom.media.packetize import packetize_h264

FPS = 25
GOP_S = 2


def encoded_frames(bitrate_bps: int, seconds: float = 4) -> list[list[bytes]]:
    """RTP payloads of each frame of a 720p stream of the given bitrate; the first is a keyframe, then one in 2 s."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 1280, 720, "yuv420p"
    context.bit_rate, context.framerate = bitrate_bps, FPS
    context.options = {
        "preset": "superfast", "tune": "zerolatency", "profile": "baseline", "g": str(FPS * GOP_S),
        "maxrate": str(bitrate_bps), "bufsize": str(bitrate_bps // 2), "nal-hrd": "cbr",
    }  # fmt: skip
    noise = np.random.default_rng(1)
    frames = []
    for number in range(round(seconds * FPS)):
        picture = np.full((1080, 1280), 128, np.uint8)
        left = number * 12 % 1000
        picture[200:520, left : left + 280] = noise.integers(0, 255, (320, 280), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        frames += [packetize_h264(split_annexb(bytes(packet))) for packet in context.encode(frame)]
    return frames
