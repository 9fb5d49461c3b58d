"""Sources with real files, a real RTSP server and real encoders; what arrives on the event loop is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from classroom.capture.frames import Probe, SourceError
from classroom.capture.h264 import IDR, PPS, SPS, nal_type, parse_avcc, split_annexb, split_lengths
from classroom.capture.sources.camera import CameraSource
from classroom.capture.sources.choose import assign
from classroom.capture.sources.file import FileSource
from classroom.capture.sources.live import Address, LiveSource, alsa, rtsp
from classroom.capture.sources.sample import SampleCamera, SampleMic, SampleSlides
from classroom.capture.sources.source import Outputs, Source
from classroom.capture.threads import Threads
from classroom.capture.tracks import AudioTrack, VideoTrack
from classroom.capture.video_encoder import Content
from classroom.media.packetize import packetize_h264
from classroom.model import Label
from classroom.sfu.core.rtp import build_rtp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from classroom.capture.frames import CodedFrame

FPS = 25
OPUS_RATE_HZ = 48_000


def write_file(
    path: Path, seconds: float, *, profile: str = "baseline", gop: int = 25, sound: str | None = None,
    b_frames: int = 0, fps: int = FPS, flash_at_s: float | None = None,
) -> Path:  # fmt: skip
    """A file whose picture counts; at ``flash_at_s`` a white picture and a click begin."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.options = {
            "preset": "superfast",
            "profile": profile,
            "g": str(gop),
            "bf": str(b_frames),
            "sc_threshold": "0",
        }
        audio = container.add_stream(sound, rate=OPUS_RATE_HZ, layout="mono") if sound else None
        for number in range(round(seconds * fps)):
            picture = np.full((180, 160), 16, np.uint8)
            picture[120:] = 128
            picture[:120, : number % 160] = 90
            if flash_at_s is not None and number / fps >= flash_at_s:
                picture[:120] = 235
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            samples = np.zeros(round(seconds * OPUS_RATE_HZ), np.float32)
            if flash_at_s is not None:
                begin = round(flash_at_s * OPUS_RATE_HZ)
                samples[begin : begin + 2400] = 0.8 * np.sin(np.arange(2400) * 0.2)
            size = audio.codec_context.frame_size or 960
            sample_format = audio.codec_context.format.name
            for at in range(0, len(samples), size):
                part = samples[at : at + size].reshape(1, -1)
                if sample_format.startswith("s16"):
                    part = (part * 32767).astype(np.int16)
                sound_frame = av.AudioFrame.from_ndarray(part, sample_format, "mono")
                sound_frame.sample_rate, sound_frame.pts = OPUS_RATE_HZ, at
                container.mux(audio.encode(sound_frame))
            container.mux(audio.encode(None))
    return path


class Studio:
    """Tracks on the loop of a test, and what came out of them: (arrival, frame)."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.video = VideoTrack(Label.CAMERA, loop, Content.MOTION)
        self.audio = AudioTrack(Label.MIC, loop)
        self.pictures: list[tuple[float, CodedFrame]] = []
        self.sounds: list[tuple[float, CodedFrame]] = []
        self._arrived = asyncio.Event()
        [self.picture] = self.video.streams
        self.picture.on_frame = lambda frame: self._take(self.pictures, frame)
        self.audio.on_frame = lambda frame: self._take(self.sounds, frame)
        self.stop = threading.Event()
        self.threads = Threads()

    def _take(self, frames: list[tuple[float, CodedFrame]], frame: CodedFrame) -> None:
        frames.append((time.monotonic(), frame))
        self._arrived.set()

    async def play(self, source: Source, start_s: float | None = None) -> float:
        """Run a source to its end; returns its start."""
        start_s = time.monotonic() + 0.05 if start_s is None else start_s
        outputs = Outputs(self.video, self.audio)
        await self.threads.run("source", lambda: source.run(outputs, start_s, self.stop))
        await self.close()
        return start_s

    async def play_until(self, source: Source, enough, start_s: float | None = None) -> float:  # type: ignore[no-untyped-def]
        """Run a source until ``enough()``."""
        task = asyncio.create_task(self.play(source, start_s))
        task.add_done_callback(lambda _: self._arrived.set())
        await self.until(lambda: enough() or task.done())
        self.stop.set()
        return await task

    async def until(self, condition) -> None:  # type: ignore[no-untyped-def]
        """Wait for a condition that frames bring about."""
        async with asyncio.timeout(30):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def close(self) -> None:
        await self.threads.run("close", self.video.close)
        await self.threads.run("close", self.audio.close)


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    studio = Studio()
    yield studio
    studio.stop.set()
    await studio.threads.join(5)
    await studio.close()


def assert_on_grid(times: list[float], grid: list[float]) -> None:
    """Every time is one of the grid's, in order; some may be left out, for a busy machine drops pictures."""
    places = [int(np.abs(np.array(grid) - at_s).argmin()) for at_s in times]
    assert times == pytest.approx([grid[place] for place in places], abs=1e-4)
    assert all(after > before for before, after in itertools.pairwise(places))


def decode_luma(frames: list[CodedFrame]) -> list[tuple[float, float]]:
    """(capture time, mean brightness) of every picture."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    found = []
    for frame in frames:
        packet = av.Packet(b"".join(b"\0\0\0\1" + unit for unit in frame.units))
        packet.pts = packet.dts = round(frame.capture_s * 90_000)
        packet.time_base = Fraction(1, 90_000)
        found += decoder.decode(packet)
    found += decoder.decode(None)
    return [(frame.pts / 90_000, float(frame.to_ndarray()[: frame.height].mean())) for frame in found]


def decode_sound(frames: list[CodedFrame]) -> np.ndarray:
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = OPUS_RATE_HZ, "mono"
    parts = []
    for frame in frames:
        parts += [decoded.to_ndarray().reshape(-1) for decoded in decoder.decode(av.Packet(frame.units[0]))]
    return np.concatenate(parts).astype(float)


async def test_a_file_is_played_at_its_own_pace_with_its_own_timestamps(studio: Studio, tmp_path: Path) -> None:
    source = FileSource(write_file(tmp_path / "a.mp4", 1.6, profile="high", b_frames=2, sound="aac"), loop=False)
    assert source.probe() == Probe(has_picture=True, has_sound=True)
    start_s = await studio.play(source)
    frames = [frame for _, frame in studio.pictures]
    assert len(frames) + studio.video.pictures_dropped == 40
    assert_on_grid([frame.capture_s - start_s for frame in frames], [n / FPS for n in range(40)])
    assert all(arrived_s >= frame.capture_s for arrived_s, frame in studio.pictures), "nothing before its time"
    assert len(studio.sounds) == pytest.approx(81, abs=2)
    assert studio.sounds[0][1].capture_s == pytest.approx(start_s, abs=0.007)


@pytest.mark.parametrize(("profile", "sound"), [("high", "aac"), ("baseline", "libopus")])
async def test_flash_and_click_stay_together(studio: Studio, tmp_path: Path, profile: str, sound: str) -> None:
    """Decoded and encoded anew, or passed through: lip sync to 5 ms."""
    path = write_file(tmp_path / "sync.mp4", 1.2, profile=profile, sound=sound, flash_at_s=0.8)
    start_s = await studio.play(FileSource(path, loop=False))
    flash_s = next(at_s for at_s, luma in decode_luma([frame for _, frame in studio.pictures]) if luma > 150)
    sound_frames = [frame for _, frame in studio.sounds]
    samples = np.abs(decode_sound(sound_frames))
    click_s = sound_frames[0].capture_s + int((samples > 0.3 * samples.max()).argmax()) / OPUS_RATE_HZ
    assert flash_s - start_s == pytest.approx(0.8, abs=0.001)
    assert click_s - flash_s == pytest.approx(0.0, abs=0.005)


@pytest.mark.parametrize(("profile", "sound"), [("high", "aac"), ("baseline", "libopus")])
async def test_a_loop_goes_on_without_a_seam(studio: Studio, tmp_path: Path, profile: str, sound: str) -> None:
    path = write_file(tmp_path / "loop.mp4", 0.6, profile=profile, sound=sound)
    start_s = await studio.play_until(FileSource(path, loop=True), lambda: len(studio.pictures) >= 40)
    times = [frame.capture_s - start_s for _, frame in studio.pictures]
    with av.open(str(path)) as container:
        period_s = max(
            float((packet.pts + packet.duration) * packet.time_base) for packet in container.demux() if packet.size
        )
    assert 0.6 <= period_s < 0.66  # the longest stream of the file: AAC ends on a whole frame of its own
    assert_on_grid(times, [n // 15 * period_s + n % 15 / FPS for n in range(100)])
    steps = np.diff([frame.capture_s for _, frame in studio.sounds])
    assert steps == pytest.approx(0.020, abs=0.002), "sound has no hole where the file starts over"


@pytest.mark.parametrize("name", ["pass.mp4", "pass.mkv", "pass.ts"])
async def test_what_fits_is_passed_through_bit_by_bit(studio: Studio, tmp_path: Path, name: str) -> None:
    path = write_file(tmp_path / name, 1.0, profile="main", sound=None if name.endswith(".ts") else "libopus")
    expected, sounds = [], []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type == "video":
                split = split_annexb(bytes(packet)) if name.endswith(".ts") else split_lengths(bytes(packet), 4)
                expected.append([nal for nal in split if nal_type(nal) in (1, IDR)])
            elif packet.size:
                sounds.append(bytes(packet))
    await studio.play(FileSource(path, loop=False))
    frames = [frame for _, frame in studio.pictures]
    assert [[unit for unit in frame.units if nal_type(unit) in (1, IDR)] for frame in frames] == expected
    assert all({SPS, PPS} <= {nal_type(unit) for unit in frame.units} for frame in frames if frame.keyframe)
    assert [frame.units[0] for _, frame in studio.sounds] == sounds
    assert "passed through" in studio.video.description


@pytest.mark.parametrize(
    "unfit",
    [{"profile": "high"}, {"profile": "main", "b_frames": 2}, {"gop": 1000, "seconds": 4.5}, {"fps": 60}],
    ids=lambda unfit: next(iter(unfit)) + str(next(iter(unfit.values()))),
)
async def test_what_does_not_fit_is_encoded_anew(studio: Studio, tmp_path: Path, unfit: dict[str, object]) -> None:
    path = write_file(tmp_path / "unfit.mp4", **{"seconds": 0.5, **unfit})  # type: ignore[arg-type]
    await studio.play_until(FileSource(path, loop=False), lambda: len(studio.pictures) >= 10)
    assert "passed through" not in studio.video.description
    first = studio.pictures[0][1]
    assert next(unit for unit in first.units if nal_type(unit) == SPS)[1] == 66
    times = [frame.capture_s for _, frame in studio.pictures]
    assert np.diff(times).min() > 1 / 31, "30 fps at most"


async def test_a_session_that_starts_in_mid_gop_gets_the_gop_so_far(studio: Studio, tmp_path: Path) -> None:
    source = FileSource(write_file(tmp_path / "gop.mp4", 2.0, gop=25), loop=False)
    await studio.play_until(source, lambda: len(studio.pictures) >= 33)
    opening = studio.picture.opening()
    assert opening[0].keyframe and not any(frame.keyframe for frame in opening[1:])
    assert opening == [frame for _, frame in studio.pictures][25:]


async def test_an_encoder_is_asked_for_a_keyframe_when_a_session_starts(studio: Studio) -> None:
    task = asyncio.create_task(studio.play(SampleCamera()))
    await studio.until(lambda: len(studio.pictures) >= 5)
    sent = len(studio.pictures)
    assert studio.picture.opening() == []
    await studio.until(lambda: len(studio.pictures) >= sent + 3)
    studio.stop.set()
    await task
    assert [frame.keyframe for _, frame in studio.pictures[sent : sent + 3]] == [True, False, False]


async def test_the_sample_lesson_has_picture_slides_and_sound_in_step() -> None:
    studios = [Studio() for _ in range(3)]
    start_s = time.monotonic() + 0.3
    sources: list[Source] = [SampleCamera(), SampleSlides(), SampleMic()]
    for source in sources:
        source.probe()

    def enough() -> bool:
        return len(studios[0].pictures) > 25 and len(studios[1].pictures) > 5 and len(studios[2].sounds) > 50

    await asyncio.gather(
        *(one.play_until(source, enough, start_s) for one, source in zip(studios, sources, strict=True))
    )
    look_ahead_s = 0.0065  # of the Opus encoder
    cases = ((studios[0].pictures, 0.04, 0.0), (studios[1].pictures, 0.2, 0.0), (studios[2].sounds, 0.02, look_ahead_s))
    for frames, interval_s, early_s in cases:
        times = [frame.capture_s - start_s for _, frame in frames]
        assert_on_grid(times, [n * interval_s - early_s for n in range(2000)])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "找不到文件.*no such file"), (b"this is not a film" * 100, "不是能识别的音视频.*can be read")],
)
def test_a_file_that_cannot_be_played_is_told_by_name_and_reason(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "课堂.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=complaint) as caught:
        FileSource(path, loop=False).probe()
    assert "课堂.mp4" in str(caught.value)


async def test_a_source_says_which_of_the_two_it_lacks(
    studio: Studio, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    silent, blind = write_file(tmp_path / "silent.mp4", 0.4), tmp_path / "blind.wav"
    with av.open(str(blind), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 19_200), np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        container.mux(sound.encode(frame))
    for path, outputs, complaint in (
        (silent, Outputs(None, studio.audio), "silent.mp4：里面没有声音.*no sound"),
        (blind, Outputs(studio.video, None), "blind.wav：里面没有画面.*no picture"),
    ):
        with pytest.raises(SourceError, match=complaint):
            FileSource(path, loop=True).run(outputs, time.monotonic(), studio.stop)
    await studio.play(FileSource(blind, loop=False))
    assert len(studio.sounds) >= 19 and not studio.pictures
    assert "blind.wav：里面没有画面，只发送声音" in caplog.text


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")  # to open it would wait for ever
    with pytest.raises(SourceError, match=r"不是普通文件.*its number"):
        FileSource(tmp_path / "pipe.mp4", loop=False).probe()


def test_a_camera_that_is_not_there_is_told_in_both_languages() -> None:
    with pytest.raises(SourceError, match=r"打不开摄像头.*plugged in"):
        CameraSource(97).probe()


async def test_a_camera_is_read_through_opencv(studio: Studio, tmp_path: Path) -> None:
    """OpenCV opens a Motion JPEG file as it opens a device; a cable pulled out looks like the file's end."""
    path = str(tmp_path / "device.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
    for number in range(12):
        writer.write(np.full((240, 320, 3), 20 * number, np.uint8))
    writer.release()
    with pytest.raises(SourceError, match="没有画面"):
        await studio.play(CameraSource(path))
    await studio.close()
    luma = [luma for _, luma in decode_luma([frame for _, frame in studio.pictures])]
    assert len(luma) >= 8 and luma == sorted(luma) and luma[-1] - luma[0] > 80


async def test_a_microphone_is_read_through_ffmpeg(studio: Studio) -> None:
    """FFmpeg's test device in place of ALSA; the way from a device to Opus is the same."""
    source = LiveSource(Address("mic", "sine=frequency=440:sample_rate=44100,arealtime", format="lavfi"))
    assert source.probe() == Probe(has_picture=False, has_sound=True)
    await studio.play_until(source, lambda: len(studio.sounds) >= 60)
    sound = decode_sound([frame for _, frame in studio.sounds])[9600:]
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / OPUS_RATE_HZ)[spectrum.argmax()] == pytest.approx(440, abs=3)
    assert np.diff([frame.capture_s for _, frame in studio.sounds]) == pytest.approx(0.020, abs=1e-9)


async def test_a_microphone_is_opened_through_alsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ALSA's own silent device: no sound card is needed to see that the library finds its devices."""
    config = tmp_path / "alsa.conf"
    config.write_text("pcm.silence { type null }\nctl.silence { type null }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    assert await Threads().run("probe", LiveSource(alsa("silence")).probe) == Probe(False, has_sound=True)
    with pytest.raises(SourceError, match="mic nonsense"):
        await Threads().run("probe", LiveSource(alsa("nonsense")).probe)


class RtspCamera:
    """A camera that speaks RTSP 1.0 with RTP interleaved over TCP (RFC 2326 §10.12), playing a file's H.264."""

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        with av.open(str(path)) as container:
            self._config = container.streams.video[0].codec_context.extradata or b""
            self._frames = [
                (float(packet.pts * packet.time_base), split_lengths(bytes(packet), 4))
                for packet in container.demux(video=0)
                if packet.size and packet.pts is not None
            ]
        self._speed = speed
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RtspCamera]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"rtsp://someone:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                method = request.split(" ", 1)[0]
                headers = {
                    line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in request.splitlines()[1:]
                }
                body, extra = "", ""
                if method == "DESCRIBE":
                    extra = "Content-Type: application/sdp\r\n"
                    body = (
                        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                        "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
                    )
                elif method == "SETUP":
                    extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 7\r\n{extra}"
                writer.write(f"{answer}Content-Length: {len(body)}\r\n\r\n{body}".encode())
                if method == "PLAY":
                    playing = asyncio.create_task(self._play(writer))
                elif method == "TEARDOWN":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if playing is not None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
            writer.close()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        loop, seq = asyncio.get_running_loop(), 0
        start_s = loop.time()
        config = parse_avcc(self._config)
        sets = [*config.sps, *config.pps]
        for at_s, nals in self._frames:
            await asyncio.sleep(max(0.0, start_s + at_s / self._speed - loop.time()))
            units = [*sets, *nals] if any(nal_type(nal) == IDR for nal in nals) else nals
            payloads = packetize_h264(units)
            for index, payload in enumerate(payloads):
                packet = build_rtp(
                    pt=96, seq=seq & 0xFFFF, ts=round(at_s * 90_000) + 4242, ssrc=9, payload=payload,
                    marker=index == len(payloads) - 1,
                )  # fmt: skip
                seq += 1
                writer.write(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
        await writer.drain()
        writer.close()


async def test_rtsp_that_fits_is_passed_through_and_its_end_is_an_error(studio: Studio, tmp_path: Path) -> None:
    path = write_file(tmp_path / "camera.mp4", 3.0)
    async with RtspCamera(path).running() as camera:
        source = LiveSource(rtsp(camera.url))
        assert "secret" not in source.name and "127.0.0.1" in source.name
        with pytest.raises(SourceError, match="信号中断"):
            await studio.play(source)
    await studio.close()
    frames = [frame for _, frame in studio.pictures]
    assert "passed through" in studio.video.description
    assert frames[0].keyframe and len(frames) > 45
    assert np.median(np.diff([frame.capture_s for frame in frames])) == pytest.approx(1 / FPS, abs=0.002)
    assert all(arrived_s - frame.capture_s < 3 for arrived_s, frame in studio.pictures)
    assert len(decode_luma(frames)) == len(frames)


async def test_rtsp_with_rare_keyframes_is_encoded_anew_from_where_it_was(studio: Studio, tmp_path: Path) -> None:
    path = write_file(tmp_path / "rare.mp4", 12.0, gop=1000)
    async with RtspCamera(path, speed=3.0).running() as camera:
        await studio.play_until(
            LiveSource(rtsp(camera.url)), lambda: studio.pictures and "passed" not in studio.video.description
            and sum(frame.keyframe for _, frame in studio.pictures) >= 2
        )  # fmt: skip
    frames = [frame for _, frame in studio.pictures]
    second = [number for number, frame in enumerate(frames) if frame.keyframe][1]
    assert second > 50, "it was passed through as long as it fitted"
    # The counting bar goes on across the change: the decoder had the pictures before.
    luma = [value for _, value in decode_luma(frames)]
    assert abs(luma[second] - luma[second - 1]) < 3


async def test_rtsp_without_a_camera_says_so() -> None:
    with pytest.raises(SourceError, match=r"设备拒绝连接.*connection refused"):
        await Threads().run("probe", LiveSource(rtsp("rtsp://127.0.0.1:1/x")).probe)


def test_what_the_user_writes_becomes_sources() -> None:
    def kinds(**given: str) -> list[tuple[str, Label | None, bool]]:
        options = {"camera": None, "slides": None, "mic": None, **given}
        return [(type(a.source).__name__, a.video, a.sound) for a in assign(**options, loop=False)]

    assert kinds(camera="sample", slides="sample") == [
        ("SampleCamera", Label.CAMERA, False),
        ("SampleSlides", Label.SLIDES, False),
        ("SampleMic", None, True),
    ]
    assert kinds(camera="a.mp4") == [("FileSource", Label.CAMERA, True)]
    assert kinds(camera="a.mp4", mic="sample") == [("FileSource", Label.CAMERA, False), ("SampleMic", None, True)]
    assert kinds(camera="0", mic="hw:1") == [("CameraSource", Label.CAMERA, False), ("LiveSource", None, True)]
    assert kinds(slides="rtsp://x/y", mic="voice.wav") == [
        ("LiveSource", Label.SLIDES, False),
        ("FileSource", None, True),
    ]
    assert kinds() == []
