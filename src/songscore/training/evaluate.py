"""Judging a model on a manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from songscore.batch.run import Progress, classify_files, watched
from songscore.decision import Choir
from songscore.errors import ManifestError
from songscore.model import MODEL
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
        Over the files that got a label.
    """

    results: tuple[TrackResult, ...]
    failed: int
    figures: dict[str, Figure]


def evaluate(
    manifest: str | Path,
    *,
    root: str | Path | None = None,
    jobs: int = 1,
    threshold: float = 0.5,
    prior: float | None = None,
    choir: Choir = "score",
    model: str | os.PathLike[str] = MODEL,
    progress: Progress | None = None,
) -> Evaluation:
    """Label the files of a manifest, and compare the labels with those in it.

    Parameters
    ----------
    manifest : path
        CSV with ``path,label,group``; rows without a label are passed over.
    root : path, optional
        What the paths in the manifest are relative to; without it, the manifest's folder.
    jobs, threshold, prior, choir, model, progress
        As for `classify_folder`.

    Returns
    -------
    Evaluation
        Files that got no label are counted in `failed` and are not in the figures.

    Raises
    ------
    ManifestError
        The manifest breaks its rules, or does not hold both labels.
    """
    rows = [row for row in read_manifest(manifest, root) if row.label and row.role != "pair"]
    paths = [row.path for row in rows]
    asked = classify_files(paths, jobs=jobs, ordered=True, threshold=threshold, prior=prior, choir=choir, model=model)
    results = tuple(watched(asked, progress))
    judged = [(row, result) for row, result in zip(rows, results, strict=True) if result.label]
    song = np.array([row.label == SONG for row, _ in judged])
    if not 0 < song.sum() < len(song):
        raise ManifestError(f"{manifest}: songs and instrumental scores are both needed to judge a model")
    probability = np.array([result.song_probability for _, result in judged], float)
    group = np.array([row.group for row, _ in judged])
    return Evaluation(results, len(rows) - len(judged), figures(song, probability, group))
