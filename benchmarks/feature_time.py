"""What spectral features cost, beside librosa's functions called once each.

    python -m benchmarks feature_time FILE --markdown docs/figures/feature_time.md

Processor time on one core, the least of three runs. ``extract_features`` decodes the file twice, in blocks; the
functions have the whole array in memory already, and each makes its own short-time spectrum where it needs one. What a
fresh process pays once, for importing and compiling, is in the second table: numba keeps what it compiled for the
processes after it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import librosa
import numpy as np
from numpy.typing import NDArray

from songscore import classify_track, extract_features

from .material.clock import cpu
from .material.place import Place

FRESH = """
import time
def told(what, began): print(what, time.process_time() - began, sep="\\t")
began = time.process_time(); import librosa; librosa.feature.rms; told("import librosa", began)
from songscore import extract_features
for call in ("first file", "second file"):
    began = time.process_time(); extract_features({path!r}, sets=["spectral"]); told(call, began)
"""


def functions(y: NDArray[np.float32], sr: float) -> Iterator[tuple[str, Callable[[], object]]]:
    """librosa's functions, as one who has loaded a file calls them."""
    feature = librosa.feature
    mfcc, chroma = feature.mfcc(y=y, sr=sr), feature.chroma_stft(y=y, sr=sr, tuning=0.0)
    yield "mfcc", partial(feature.mfcc, y=y, sr=sr, n_mfcc=20)
    yield "delta", partial(feature.delta, mfcc)
    for name in ("spectral_contrast", "spectral_centroid", "spectral_bandwidth", "spectral_rolloff"):
        yield name, partial(getattr(feature, name), y=y, sr=sr)
    yield "spectral_flatness", partial(feature.spectral_flatness, y=y)
    yield "onset_strength", partial(librosa.onset.onset_strength, y=y, sr=sr)
    yield "zero_crossing_rate", partial(feature.zero_crossing_rate, y)
    yield "rms", partial(feature.rms, y=y)
    yield "chroma_stft", partial(feature.chroma_stft, y=y, sr=sr, tuning=0.0)
    yield "tonnetz", partial(feature.tonnetz, chroma=chroma)
    yield "tempo", partial(feature.tempo, y=y, sr=sr)
    yield "stft and hpss", lambda: librosa.decompose.hpss(np.abs(librosa.stft(y)))


def table(path: Path) -> Iterator[str]:
    """Seconds of processor time."""
    y, sr = librosa.load(path)
    direct = {name: cpu(call) for name, call in functions(y, sr)}
    ours, total = cpu(lambda: extract_features(path, sets=["spectral"])), sum(direct.values())
    yield f"| {len(y) / sr:.0f} s of {path.suffix[1:]} | processor time, s | functions together = 1 |"
    yield "|---|---|---|"
    for name, seconds in {
        "librosa's functions, once each, on the loaded array": total,
        "of these, harmonic and percussive parts": direct["stft and hpss"],
        "all others": total - direct["stft and hpss"],
        '`extract_features(path, sets=["spectral"])`': ours,
        '`extract_features(path, sets=["vocal"])`': cpu(lambda: extract_features(path, sets=["vocal"])),
        "`classify_track(path)`": cpu(lambda: classify_track(path)),
    }.items():
        yield f"| {name} | {seconds:.2f} | {seconds / total:.2f} |"
    yield ""
    yield "| in a fresh process, processor time in s | the first on this machine | any later one |"
    yield "|---|---|---|"
    with TemporaryDirectory() as empty:
        first = fresh(path, NUMBA_CACHE_DIR=empty)
    for (what, seconds), (_, later) in zip(first, fresh(path), strict=True):
        yield f"| {what} | {seconds:.2f} | {later:.2f} |"


def fresh(path: Path, **environment: str) -> list[tuple[str, float]]:
    """What the steps of `FRESH` take in a new process; numba compiles what its folder of that environment lacks."""
    answer = subprocess.run(
        [sys.executable, "-c", FRESH.format(path=str(path))],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    steps = [line.split("\t") for line in answer.stdout.splitlines()]
    return [(what, float(seconds)) for what, seconds in steps]


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
def main(place: Place, file: Path | None) -> Iterator[str]:
    """Both tables, of a song of the labelled music where no file is named."""
    yield from table(file or place.examples()[0])
