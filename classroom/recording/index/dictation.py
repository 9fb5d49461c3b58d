"""Speech to text where the extra ``speech`` is installed and the operator gave a model: sherpa-onnx, offline models.

A model is a directory as the sherpa-onnx project publishes them: ``tokens.txt`` with ``model.onnx`` (SenseVoice, or
Paraformer when the directory is called so), or with ``encoder``, ``decoder`` and ``joiner`` (transducer).
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from classroom.media.webvtt import Cue
from classroom.recording.index.voice import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Floats = np.ndarray[Any, np.dtype[np.float32]]

logger = logging.getLogger(__name__)

NOT_INSTALLED = (
    "未安装语音识别；安装方法见 docs/index.md。 "
    "Speech recognition is not installed; docs/index.md says how to install it."
)
LANGUAGE = "zh-CN"
# A cue is a piece of what is said between two pauses, cut where it is quietest.
SHORTEST_CUE_S, LONGEST_CUE_S = 4.0, 10.0
_MODEL_HZ = 16_000
_STEP = RATE_HZ // 50


class Recogniser(Protocol):
    """Something that writes down speech."""

    def text(self, sound: Floats) -> str:
        """What is said in mono sound at 48 kHz of some seconds; empty for nothing. May raise RuntimeError."""


class Dictation:
    """Writes down what is said. ``state`` is ``done``, ``off`` without a model, or why it cannot."""

    def __init__(self, recogniser: Recogniser | None, state: str) -> None:
        self._recogniser = recogniser
        self.state = state

    @classmethod
    def with_model(cls, model: Path | None) -> Dictation:
        """Load a model, if one is set. Blocks for some seconds. Raises nothing: ``state`` says what is wrong."""
        if model is None:
            return cls(None, "off")
        try:
            sherpa = importlib.import_module("sherpa_onnx")
        except ImportError:
            return cls(None, f"unavailable: {NOT_INSTALLED}")
        try:
            return cls(_SherpaOnnx(sherpa.OfflineRecognizer, model), "done")
        except (OSError, RuntimeError, ValueError) as error:
            state = (
                f"unavailable: 语音模型 {model} 无法使用，请检查设置 speech_model。 "
                f"The speech model {model} cannot be used, see the setting speech_model: {error}"
            )
            logger.warning("%s", state)
            return cls(None, state)

    @property
    def ready(self) -> bool:
        """Whether there is something to be had."""
        return self._recogniser is not None

    def cues(self, start_s: float, sound: Floats) -> list[Cue]:
        """What is said in mono sound at 48 kHz that begins at ``start_s``."""
        found: list[Cue] = []
        if self._recogniser is None:
            return found
        for begin, end in pieces(sound):
            try:
                text = " ".join(self._recogniser.text(sound[begin:end]).split())
            except RuntimeError as error:
                self._recogniser, self.state = None, f"unavailable: 语音识别出错。 Speech recognition failed: {error}"
                logger.exception("speech recognition fails and is left out from now on")
                break
            if text:
                found.append(Cue(round(start_s + begin / RATE_HZ, 3), round(start_s + end / RATE_HZ, 3), text))
        return found


def pieces(sound: Floats) -> Iterator[tuple[int, int]]:
    """Where to cut mono sound at 48 kHz into pieces of 4 to 10 s (the last may be shorter), in samples."""
    begin = 0
    while len(sound) - begin > LONGEST_CUE_S * RATE_HZ:
        first, last = begin + round(SHORTEST_CUE_S * RATE_HZ), begin + round(LONGEST_CUE_S * RATE_HZ)
        steps = sound[first : first + (last - first) // _STEP * _STEP].reshape(-1, _STEP)
        quietest = int(np.convolve((steps**2).mean(axis=1), np.ones(5), "same").argmin())
        cut = first + quietest * _STEP + _STEP // 2
        yield begin, cut
        begin = cut
    if begin < len(sound):
        yield begin, len(sound)


def third(sound: Floats) -> Floats:
    """Sound at 48 kHz as sound at 16 kHz: low-pass (windowed sinc, 7 kHz), then every third sample."""
    taps = np.arange(-48, 49)
    kernel = np.sinc(taps * 2 * 7000 / RATE_HZ) * np.hamming(len(taps))
    return np.convolve(sound, kernel / kernel.sum(), "same")[::3].astype(np.float32)


class _SherpaOnnx:
    """A model of sherpa-onnx."""

    def __init__(self, recognizers: Any, model: Path) -> None:
        """Load it. Raises ValueError for a directory without a model, and RuntimeError from the library."""
        tokens = model / "tokens.txt"
        if not tokens.is_file():
            raise ValueError(f"{tokens} is missing")
        whole = _onnx(model, "model")
        parts = {part: _onnx(model, part) for part in ("encoder", "decoder", "joiner")}
        if whole is not None and "paraformer" in model.name:
            self._model = recognizers.from_paraformer(paraformer=whole, tokens=str(tokens))
        elif whole is not None:
            self._model = recognizers.from_sense_voice(model=whole, tokens=str(tokens), language="zh", use_itn=True)
        elif all(parts.values()):
            self._model = recognizers.from_transducer(tokens=str(tokens), **parts)
        else:
            raise ValueError(f"no model.onnx, nor encoder, decoder and joiner, in {model}")

    def text(self, sound: Floats) -> str:
        """See Recogniser."""
        stream = self._model.create_stream()
        stream.accept_waveform(_MODEL_HZ, third(sound))
        self._model.decode_stream(stream)
        return str(stream.result.text)


def _onnx(model: Path, part: str) -> str | None:
    """A file of the model, the quantised one if there is one: it takes a quarter of the memory."""
    found = sorted(model.glob(f"{part}*.onnx"), key=lambda path: ("int8" not in path.name, path.name))
    return str(found[0]) if found else None
