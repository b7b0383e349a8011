"""The audio on which speed is measured: labelled music in every format and length.

Songs and scores joined end to end, so that decoders meet real music.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from songscore.audio import Layout, open_audio
from songscore.audio.frames import find_runs
from songscore.audio.span import read_at
from songscore.features.spectrum import SAMPLE_RATE

FORMATS = {
    "constant.mp3": {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.5},
    "variable.mp3": {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.2},
    "uncounted.mp3": {},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "m4a": {},
    "wav": {"format": "WAV"},
}
"""Endings of file names, and what soundfile is told; ``uncounted`` is ``variable`` without the count of its frames."""

NAMES = {
    "constant.mp3": "MP3, constant rate",
    "variable.mp3": "MP3, variable rate",
    "uncounted.mp3": "MP3, variable rate, no count",
    "flac": "FLAC",
    "ogg": "Ogg Vorbis",
    "opus": "Opus",
    "m4a": "M4A (AAC)",
    "wav": "WAV",
}
_BLOCK = 5
_PIECE = 600.0
"""Seconds of an MP3 that are repeated in a longer one."""


def recordings(data: Path, n: int) -> dict[str, list[list[Path]]]:
    """Songs and scores: for each label, the recordings of at least 20 s of `n` artists."""
    with (data / "music.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "recording" and float(row["duration_s"]) > 20]
    found: dict[str, dict[str, list[Path]]] = {"song": {}, "instrumental score": {}}
    for row in rows:
        found[row["label"]].setdefault(row["group"], []).append(data / "music" / row["file"])
    return {label: [*files.values()][:: max(1, len(files) // n)][:n] for label, files in found.items()}


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


def write(stem: Path, ending: str, files: list[Path], seconds: float) -> Path:
    """A file of that length in that format, once."""
    path = stem.with_name(f"{stem.name}.{ending}")
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        if ending == "uncounted.mp3":
            _write_uncounted(part, stem, files, seconds)
        elif ending == "m4a":
            _write_m4a(part, files, seconds)
        else:
            rate = 48_000 if ending == "opus" else 44_100
            with soundfile.SoundFile(part, "w", rate, 2, **FORMATS[ending]) as out:
                for block in music(files, seconds, rate):
                    out.write(block)
        part.rename(path)
    return path


def _write_uncounted(path: Path, stem: Path, files: list[Path], seconds: float) -> None:
    """The frames of a file with a count, behind which nothing tells how many they are; long ones repeat a piece."""
    piece = min(seconds, _PIECE)
    counted = write(stem.with_name(f"{stem.name}-{piece:g}") if piece < seconds else stem, "variable.mp3", files, piece)
    with counted.open("rb") as file:
        runs, _ = find_runs(lambda start, n: read_at(file, start, n), 0, counted.stat().st_size)
    content = counted.read_bytes()[runs[0].offsets[0] : runs[0].end]
    with path.open("wb") as out:
        for _ in range(round(seconds / piece)):
            out.write(content)


def _write_m4a(path: Path, files: list[Path], seconds: float) -> None:
    rate, length, first = 44_100, 1024, 0
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="stereo", bit_rate=192_000)
        for block in music(files, seconds, rate):
            for start in range(0, len(block) - length + 1, length):
                planes = np.ascontiguousarray(block[start : start + length].T)
                frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = rate, first
                first += length
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def decode(path: Path) -> float:
    """Plain decoding, block by block, by libsndfile or else by FFmpeg; the seconds of sound that came of it."""
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        seconds = 0.0
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                frame.to_ndarray()
                seconds += frame.samples / frame.sample_rate
        return seconds
    with file:
        while len(file.read(65_536, dtype="float32", always_2d=True)):
            pass
        return float(file.tell() / file.samplerate)


def samples(path: Path, layout: Layout = "mono") -> NDArray[np.float32]:
    """A file at 16 kHz; in mono, as peers want it, or in another layout."""
    with open_audio(path, rate=SAMPLE_RATE) as stream:
        return np.concatenate(list(stream.blocks(seconds=20, layout=layout)), axis=-1)
