"""Sounds with known content, files of them, and their titles."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

WRITE_FRAMES = 20_000
"""libsndfile 1.2.2 crashes when it writes a long Ogg Vorbis file in one call."""

FORMATS = {
    "a.wav": {},
    "a.flac": {},
    "a.mp3": {},
    "a.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.aiff": {},
    "a.au": {},
    "a.caf": {},
    "a.w64": {},
}
"""File names, and how soundfile writes them; Opus wants 48 kHz."""

TAGGED = ("a.mp3", "a.flac", "a.ogg", "a.opus", "a.m4a", "a.wav", "a.aiff")
"""A file name of each format that holds tags."""


Sound = tuple[NDArray[np.float32], int]


@functools.cache
def rendered(piece: Callable[[int], Sound], sr: int) -> Sound:
    """A piece of the demo, rendered once; no test can change the samples for another."""
    y, sr = piece(sr)
    y.flags.writeable = False
    return y, sr


def sine(frequency: float, seconds: float, sr: int, level: float = 0.5) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)).astype(np.float32)


def write(path: Path, y: NDArray[np.float32], sr: int, **how: str) -> Path:
    """Write ``(samples,)`` or ``(samples, channels)`` in pieces."""
    channels = 1 if y.ndim == 1 else y.shape[1]
    with soundfile.SoundFile(path, "w", sr, channels, **how) as file:
        for first in range(0, len(y), WRITE_FRAMES):
            file.write(y[first : first + WRITE_FRAMES])
    return path


def write_m4a(
    path: Path, y: NDArray[np.float32], sr: int, codec: str = "aac", options: dict[str, str] | None = None
) -> Path:
    """Mono through PyAV, as AAC or what else goes into MP4."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=sr, layout="mono")
        length = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format.name, "mono", sr, length)
        for first in range(0, len(y) - length, length):
            frame = av.AudioFrame.from_ndarray(y[None, first : first + length].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sr, first
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def write_as_named(path: Path, y: NDArray[np.float32], sr: int) -> Path:
    """Mono, in the format that the name ends with."""
    return write_m4a(path, y, sr) if path.suffix == ".m4a" else write(path, y, sr, **FORMATS[f"a{path.suffix}"])


def set_title(path: Path, title: str) -> None:
    """Give the file a title as another program does."""
    import mutagen
    from mutagen.id3 import ID3, TIT2

    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text=[title]))
    else:
        file.tags["\xa9nam" if path.suffix == ".m4a" else "TITLE"] = [title]
    file.save()


def write_surround(path: Path, voice: NDArray[np.float32], sr: int, codec: str) -> Path:
    """A voice in the centre of six channels, put in their places by FFmpeg."""
    import av

    with av.open(str(path), "w", format="ogg" if path.suffix == ".opus" else None) as container:
        stream = container.add_stream(codec, rate=sr, layout="5.1")
        centre = [channel.name for channel in stream.layout.channels].index("FC")
        length = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format.name, "5.1", sr, length)
        for first in range(0, len(voice) - length, length):
            planes = np.zeros((6, length), np.float32)
            planes[centre] = voice[first : first + length]
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="5.1")
            frame.sample_rate, frame.pts = sr, first
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path
