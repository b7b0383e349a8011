"""The answers of the cross-validation, track by track, as ``songscore train`` writes them to ``NAME.tracks.csv``.

Each track was judged by a detector and a decision that were trained without its artist, its source and everything from
the same origin.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from songscore.training.metrics import Figure, figures

Track = dict[str, str]

SLICES: dict[str, Callable[[Track], bool]] = {
    "recordings": lambda row: row["kind"] == "recording",
    "without doubtful labels": lambda row: row["kind"] == "recording" and not row["doubt"],
    "with more": lambda row: row["kind"] in ("recording", "recording (more)"),
    "generated": lambda row: row["kind"] == "generated",
    "with and without the singer": lambda row: row["kind"] == "pair",
}
"""Name, and which tracks belong to it."""


def read_clips(path: Path) -> list[Track]:
    """The answers to every clip."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_tracks(path: Path) -> list[Track]:
    """The answers to music with instruments."""
    return [row for row in read_clips(path) if row["role"] in ("song", "instrumental")]


def figures_of(tracks: list[Track]) -> dict[str, Figure]:
    """What the answers to these tracks are worth."""
    return figures(
        np.array([track["song"] == "1" for track in tracks]),
        np.array([float(track["song_probability"]) for track in tracks]),
        np.array([track["group"] for track in tracks]),
    )
