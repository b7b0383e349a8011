"""How often a label changes when the sound changes in a way that no listener would call another piece.

    python -m benchmarks perturbations --markdown docs/figures/perturbations.md

needs the cache that training leaves: each track is judged by a model of the cross-validation that never met
its artist, source or origin, before and after the change. The first minute and a half of every song of the labelled
recordings takes part, a hundred instrumentals from as many sources as there are, and every fourth pair with and without
its singer; what a minute is compared with is the whole track, ten minutes of it at most.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice

import click
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from songscore.model import TrackModel
from songscore.results import TrackResult
from songscore.training.data.manifest import Row

from .material.folds import FoldModels, fold_models, judge
from .material.place import Place

RATE = 48_000
SECONDS, AT_MOST, CROP = 90, 600, 60
QUICK = {"most": 2}
Sound = NDArray[np.float32]
"""Stereo at `RATE`, ``(n_samples, 2)``."""


def gain(db: float) -> Callable[[Sound], Sound]:
    return lambda y: y * np.float32(10 ** (db / 20))


def low_pass(hertz: float) -> Callable[[Sound], Sound]:
    sos = butter(8, hertz, fs=RATE, output="sos")
    return lambda y: sosfilt(sos, y, axis=0).astype(np.float32)


def speed(factor: float) -> Callable[[Sound], Sound]:
    """As a turntable does it: faster and higher."""
    return lambda y: soxr.resample(y, RATE * factor, RATE).astype(np.float32)


def mp3(kilobits: float) -> Callable[[Sound], Sound]:
    """At 44.1 kHz with a constant bit rate; libsndfile's scale runs from 320 to 32 kbit/s."""
    return lambda y: coded(
        soxr.resample(y, RATE, 44_100),
        44_100,
        {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": (320 - kilobits) / (320 - 32)},
    )


def opus(kilobits: float) -> Callable[[Sound], Sound]:
    """libsndfile's scale runs from 256 to 6 kbit/s for each channel."""
    level = (256 - kilobits / 2) / (256 - 6)
    return lambda y: coded(y, RATE, {"format": "OGG", "subtype": "OPUS", "compression_level": level})


def coded(y: Sound, rate: int, codec: dict[str, object]) -> Sound:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 2, **codec) as out:
        for i in range(0, len(y), rate):
            out.write(y[i : i + rate])
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32", always_2d=True)[0]
    return soxr.resample(decoded, rate, RATE).astype(np.float32)


CHANGES: dict[str, Callable[[Sound], Sound]] = {
    "gain -9 dB": gain(-9),
    "gain +9 dB": gain(9),
    "gain +9 dB, clipped at full scale": lambda y: np.clip(gain(9)(y), -1, 1),
    "MP3, 128 kbit/s": mp3(128),
    "MP3, 64 kbit/s": mp3(64),
    "Opus, 32 kbit/s": opus(32),
    "low-pass, 8 kHz": low_pass(8000),
    "low-pass, 4 kHz": low_pass(4000),
    "mono": lambda y: np.repeat(y.mean(axis=1, keepdims=True), 2, axis=1),
    "left and right swapped": lambda y: y[:, ::-1],
    "2 % slower": speed(0.98),
    "2 % faster": speed(1.02),
    "0.5 s later": lambda y: y[RATE // 2 :],
}


def chosen(rows: list[Row]) -> Iterator[Row]:
    """The sample, songs first."""
    recordings = [row for row in rows if row.kind == "recording" and row.name.startswith("music/")]
    songs = [row for row in recordings if row.role == "song"]
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in recordings:
        if row.role == "instrumental":
            by_source[row.group].append(row)
    scores = [row for turn in range(2) for group in by_source.values() for row in group[turn : turn + 1]]
    yield from [*songs, *scores[:100], *[row for row in rows if row.role == "pair"][::4]]


def sounds(row: Row) -> Iterator[tuple[str, Sound]]:
    """What a row is heard as: kind, and stereo at `RATE`."""
    y, rate = soundfile.read(row.path, dtype="float32", always_2d=True, frames=AT_MOST * RATE)
    y = soxr.resample(y[:, [0, -1]], rate, RATE).astype(np.float32)
    if row.role != "pair":
        yield f"recordings, {row.role}", y
        return
    yield "pairs without the singer", np.repeat(y[:, :1], 2, axis=1)
    yield "pairs with the singer", np.repeat(y.sum(axis=1, keepdims=True), 2, axis=1) / np.float32(2)


def answers(models: FoldModels, most: int | None) -> Iterator[tuple[str, str, TrackResult, TrackResult]]:
    """Kind of track, change, answer before, answer after."""
    for row in islice(chosen(models.rows), most):
        model = models.of(row)
        for kind, whole in sounds(row):
            y = whole[: SECONDS * RATE]
            before = answer(y, model)
            for change, changed in CHANGES.items():
                yield kind, change, before, answer(changed(y), model)
            start = max(0, len(whole) - CROP * RATE) // 2
            yield kind, "60 s of the whole", answer(whole, model), answer(whole[start : start + CROP * RATE], model)


def answer(y: Sound, model: TrackModel) -> TrackResult:
    return judge((np.ascontiguousarray(y.T), RATE), model)


def moved(before: TrackResult, after: TrackResult) -> float:
    """By how much the probability moves; 1 where a label comes or goes."""
    if before.song_probability is None or after.song_probability is None:
        return float(before.status != after.status)
    return abs(before.song_probability - after.song_probability)


def report(models: FoldModels, most: int | None) -> Iterator[str]:
    found = defaultdict(list)
    for kind, change, before, after in answers(models, most):
        flips = before.label != after.label
        effect = flips, flips and before.certain, moved(before, after)
        found[change, kind].append(effect)
        found[change, "all"].append(effect)
    kinds = ["all", *dict.fromkeys(kind for _, kind in found if kind != "all")]
    first = next(iter(CHANGES))
    heads = [f"{kind} ({len(found[first, kind])})" for kind in kinds]
    yield f"| labels that flip | {' | '.join(heads)} | certain ones, number | probability moves by, median |"
    yield "|---" * (len(kinds) + 3) + "|"
    for change in dict.fromkeys(change for change, _ in found):
        shares = [f"{np.mean([flips for flips, _, _ in found[change, kind]]):.1%}" for kind in kinds]
        certain = sum(certain for _, certain, _ in found[change, "all"])
        median = np.median([distance for _, _, distance in found[change, "all"]])
        yield f"| {change} | {' | '.join(shares)} | {certain} | {median:.3f} |"


@click.command()
@click.option("--most", type=int, help="Files to take part.  [all of the sample]")
def main(place: Place, most: int | None) -> Iterator[str]:
    """A row for each change."""
    yield from report(fold_models(place), most)
