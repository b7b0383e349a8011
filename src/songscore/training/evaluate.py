"""Judging a model on a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from songscore.classify import classify_track
from songscore.errors import ManifestError
from songscore.results import SONG, TrackResult
from songscore.training.data.manifest import read_manifest
from songscore.training.metrics import Figure, figures


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a model did on a manifest.

    Attributes
    ----------
    results : tuple of TrackResult
        In the order of the manifest.
    failed : int
        Files that got no label.
    figures : dict of str to Figure
        Over the files that got one.
    """

    results: tuple[TrackResult, ...]
    failed: int
    figures: dict[str, Figure]


def evaluate(
    manifest: str | Path, *, root: str | Path | None = None, model: str = "track-v1", threshold: float = 0.5
) -> Evaluation:
    """Label the files of a manifest and compare.

    Parameters
    ----------
    manifest : path
        CSV with ``path,label,group``; rows without a label are passed over.
    root : path, optional
        What the paths in the manifest are relative to; without it, the manifest's folder.
    model : str, default "track-v1"
    threshold : float, default 0.5
        Song probability from which a track is labelled "song".

    Returns
    -------
    Evaluation
        Files without a label of ours are counted in `failed` and not in the figures.

    Raises
    ------
    ManifestError
        The manifest breaks its rules, or does not hold both labels.
    """
    rows = [row for row in read_manifest(manifest, root) if row.label and row.role != "pair"]
    results = [classify_track(row.path, threshold=threshold, model=model) for row in rows]
    judged = [(row, result) for row, result in zip(rows, results, strict=True) if result.label]
    song = np.array([row.label == SONG for row, _ in judged])
    if not 0 < song.sum() < len(song):
        raise ManifestError(f"{manifest}: songs and instrumental scores are both needed to judge a model")
    probability = np.array([result.song_probability for _, result in judged], float)
    group = np.array([row.group for row, _ in judged])
    return Evaluation(tuple(results), len(rows) - len(judged), figures(song, probability, group))
