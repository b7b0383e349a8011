"""The audio on which speed is measured: one piece of labelled music in every format and length.

Songs and scores of ``shared/data`` joined end to end, so that decoders meet real music.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from songscore.audio import open_audio

FORMATS = {
    "mp3": {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.2},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "wav": {"format": "WAV"},
}
_BLOCK = 5


def music(files: list[Path], seconds: float, rate: int) -> Iterator[NDArray[np.float32]]:
    """Stereo blocks ``(n, 2)`` of the files in turn, again and again, up to a length."""
    left = round(seconds * rate)
    while left > 0:
        for file in files:
            y, native = soundfile.read(file, dtype="float32", always_2d=True)
            y = soxr.resample(y[:, [0, -1]], native, rate).astype(np.float32)[:left]
            yield from (y[i : i + _BLOCK * rate] for i in range(0, len(y), _BLOCK * rate))
            left -= len(y)
            if left <= 0:
                return


def write(path: Path, files: list[Path], seconds: float) -> Path:
    """A file of that length in the format of its name, once."""
    if not path.exists():
        rate = 48_000 if path.suffix == ".opus" else 44_100
        part = path.with_name(f"part-{path.name}")
        with soundfile.SoundFile(part, "w", rate, 2, **FORMATS[path.suffix[1:]]) as out:
            for block in music(files, seconds, rate):
                out.write(block)
        part.rename(path)
    return path


def decode(path: Path) -> None:
    """Plain decoding, block by block."""
    with soundfile.SoundFile(path) as file:
        while len(file.read(65_536, dtype="float32", always_2d=True)):
            pass


def samples(path: Path) -> NDArray[np.float32]:
    """Mono at 16 kHz, for peers that want it."""
    with open_audio(path) as stream:
        return np.concatenate(list(stream.blocks()))
