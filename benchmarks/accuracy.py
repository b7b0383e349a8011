"""How often songscore is right, on tracks of artists and origins that training never saw.

    python -m benchmarks accuracy --markdown docs/figures/accuracy.md

Each track in ``NAME.tracks.csv`` of the shipped model was judged by a detector and a decision trained without its
artist, its source and everything from the same origin. Intervals are 95 % over resampled artists and sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from songscore.training.card import metrics_table

from .material.place import Place
from .material.tracks import SLICES, figures_of, read_tracks
from .training_data import TRACKS


def measure(tracks: list[dict[str, str]]) -> dict[str, dict[str, list[float]]]:
    """The figures of each slice: value, low, high."""
    found = {}
    for name, belongs in SLICES.items():
        rows = [row for row in tracks if belongs(row)]
        songs = sum(row["song"] == "1" for row in rows)
        if not 0 < songs < len(rows):
            continue
        label = f"{name} ({songs} songs, {len(rows) - songs} instrumental)"
        measured = figures_of(rows)
        found[label] = {key: [f.value, f.low, f.high] for key, f in measured.items()}
    return found


def certainty_table(tracks: list[dict[str, str]]) -> Iterator[str]:
    """The share of each slice that is certain, and the share of these that contradict their label."""
    kept = {name: [row for row in tracks if belongs(row)] for name, belongs in {"all": bool, **SLICES}.items()}
    kept = {name: rows for name, rows in kept.items() if rows}
    certain = {name: [row for row in rows if row["certain"] == "1"] for name, rows in kept.items()}
    yield "| | " + " | ".join(kept) + " |"
    yield "|---" * (len(kept) + 1) + "|"
    yield "| certain | " + " | ".join(f"{len(certain[name]) / len(kept[name]):.1%}" for name in kept) + " |"
    wrong = (np.mean([is_wrong(row) for row in rows] or [0]) for rows in certain.values())
    yield "| wrong of these | " + " | ".join(f"{share:.1%}" for share in wrong) + " |"


def is_wrong(row: dict[str, str]) -> bool:
    return (float(row["song_probability"]) >= 0.5) != (row["song"] == "1")


def worst(tracks: list[dict[str, str]], n: int) -> Iterator[str]:
    """The most confident mistakes on recordings, as a table."""
    yield "| label in the list | song probability | file |"
    yield "|---|---|---|"
    rows = [row for row in tracks if row["kind"].startswith("recording")]
    rows.sort(key=lambda row: -abs(float(row["song"]) - float(row["song_probability"])))
    for row in rows[:n]:
        label = "song" if row["song"] == "1" else "instrumental score"
        yield f"| {label} | {row['song_probability']} | {row['path']} |"


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
@click.option("--worst", "n_worst", default=20, show_default=True, help="Mistakes to list.")
def main(place: Place, tracks: Path, n_worst: int) -> Iterator[str]:
    """The figures, the share that is certain, and the worst mistakes."""
    rows = read_tracks(tracks)
    yield from metrics_table(measure(rows)).splitlines()
    yield ""
    yield from certainty_table(rows)
    yield from ["", f"The {n_worst} most confident mistakes on recordings:", ""]
    yield from worst(rows, n_worst)
