"""Whether one song gets the same answer in every encoding and container.

    python -m benchmarks encodings --markdown docs/figures/encodings.md

A minute and a quarter of a song is written by FFmpeg (through PyAV) in every way below. The answer to each file, read
by parts and whole, is compared with that to the samples: the label, the probability and the length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import click
import numpy as np
from numpy.typing import NDArray

from songscore import TrackResult, classify_track

from .material.library import music, recordings
from .material.place import Place

QUICK = {"seconds": 5.0}
RATE = 44_100
MOST_MOVED, MOST_LENGTH = 0.1, 0.2
"""Of the probability, and seconds: codecs add a packet of silence."""


@dataclass(frozen=True)
class Encoding:
    """How a file is written: the ending, the codec and what else FFmpeg is told."""

    ending: str
    codec: str
    bit_rate: int = 0
    rate: int = RATE
    layout: str = "stereo"
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """In words."""
        words = [self.ending.upper(), self.codec, f"{self.bit_rate // 1000} kbit/s" if self.bit_rate else ""]
        words += [f"{self.rate} Hz" if self.rate != RATE else "", self.layout if self.layout != "stereo" else ""]
        return ", ".join(filter(None, [*words, *(f"{key} {value}" for key, value in self.options)]))


def _many(codec: str, *endings: str, **how: int) -> list[Encoding]:
    return [Encoding(ending, codec, **how) for ending in endings]


ENCODINGS = [
    *(Encoding("mp3", "libmp3lame", bit_rate) for bit_rate in (64_000, 128_000, 320_000)),
    Encoding("mp3", "libmp3lame", 128_000, options=(("write_xing", "0"),)),
    Encoding("mp3", "libmp3lame", 64_000, 22_050),
    Encoding("mp3", "libmp3lame", 128_000, layout="mono"),
    *_many("libmp3lame", "wav", "mka", "mp4", "avi", bit_rate=128_000),
    *_many("mp2", "mp2", "mpg", bit_rate=192_000),
    *_many("aac", "m4a", "aac", "mov", "mka", "flv", "ts", "avi", bit_rate=128_000),
    Encoding("m4a", "aac", 128_000, options=(("movflags", "frag_keyframe+empty_moov"), ("frag_duration", "1000000"))),
    Encoding("m4a", "aac", 48_000, 22_050, "mono"),
    *_many("alac", "m4a", "caf", "mov"),
    *_many("flac", "flac", "oga", "mka", "mp4"),
    Encoding("flac", "flac", rate=96_000),
    *_many("libvorbis", "ogg", "mkv", "webm", bit_rate=128_000),
    *_many("libopus", "opus", "webm", "mka", "mp4", bit_rate=96_000, rate=48_000),
    Encoding("opus", "libopus", 32_000, 48_000),
    *_many("wmav2", "wma", bit_rate=128_000),
    *_many("ac3", "ac3", "mka", bit_rate=192_000),
    *_many("eac3", "eac3", bit_rate=192_000),
    *_many("wavpack", "wv"),
    *_many("tta", "tta"),
    *_many("pcm_s16le", "wav", "w64", "mka"),
    Encoding("wav", "pcm_s16le", options=(("rf64", "always"),)),
    *(
        Encoding("wav", codec)
        for codec in ("pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw", "adpcm_ms", "adpcm_ima_wav")
    ),
    *_many("pcm_s16be", "aiff", "caf", "au"),
    Encoding("wav", "pcm_s16le", rate=192_000),
    Encoding("wav", "pcm_s16le", rate=8_000),
]


def write(path: Path, encoding: Encoding, blocks: list[NDArray[np.float32]]) -> bool:
    """Write a file; False where this FFmpeg has no such encoder."""
    if encoding.codec not in av.codecs_available:
        return False
    with av.open(str(path), "w", options=dict(encoding.options)) as container:
        stream = container.add_stream(encoding.codec, encoding.rate, layout=encoding.layout)
        if encoding.bit_rate:
            stream.bit_rate = encoding.bit_rate
        offered = [form.name for form in stream.codec_context.codec.audio_formats or ()]
        stream.codec_context.format = next((name for name in offered if not name.startswith("u8")), stream.format.name)
        stream.codec_context.open()
        frame_size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format.name, encoding.layout, encoding.rate, frame_size)
        first = 0
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, first
            first += len(block)
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        for part in resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return True


def compared(path: Path, expected: TrackResult) -> tuple[bool, str]:
    """Whether the answers to a file are those to the samples, and the cells of its row."""
    fine, cells = True, []
    for thorough in (False, True):
        answer = classify_track(path, thorough=thorough)
        moved = abs((answer.song_probability or 0.0) - (expected.song_probability or 0.0))
        longer = answer.duration - expected.duration
        fine &= answer.status == "ok" and answer.label == expected.label
        fine &= moved <= MOST_MOVED and abs(longer) <= MOST_LENGTH
        cells += [answer.label or answer.status, f"{moved:.3f}", f"{longer:+.2f} s"]
    return fine, " | ".join(cells)


@click.command()
@click.option("--seconds", default=75.0, show_default=True)
def main(place: Place, seconds: float) -> Iterator[str]:
    """A row for each encoding, and how many are as they should be."""
    files = recordings(place.data, 1)["song"][0]
    blocks = list(music(files, seconds, RATE))
    expected = classify_track(np.concatenate(blocks).T, RATE, thorough=True)
    heads = [f"{read}: label | probability moves by | longer by" for read in ("by parts", "whole")]
    yield f"| encoding | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    n_fine = n = 0
    for i, encoding in enumerate(ENCODINGS):
        path = place.own / f"{i}.{encoding.ending}"
        if not write(path, encoding, blocks):
            continue
        fine, cells = compared(path, expected)
        n, n_fine = n + 1, n_fine + fine
        yield f"| {encoding.name} | {cells} |"
        path.unlink()
    yield ""
    limits = f"the probability within {MOST_MOVED:g}, the length within {MOST_LENGTH:g} s"
    yield f"The same label, {limits}: {n_fine} of {n} encodings."
