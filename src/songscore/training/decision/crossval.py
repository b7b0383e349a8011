"""Detectors that never heard the clips they judge, and one that heard them all.

Each part of the cross-validation runs in a process of its own with one thread, so that the arrays do not depend on the
number of jobs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songscore._files import new_file
from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import FloatArray
from songscore.features.track_vector import FEATURE_SET, Activity, listen_to_mel
from songscore.training.data.corpus import Corpus, dequantise
from songscore.training.detector.settings import Settings

Arrays = dict[str, FloatArray]
HeldOut = dict[int, Activity]
RECIPE = 5
"""Version of what the training modules do; whatever changes the arrays of the same settings raises it."""

ALL = -1
"""The part that leaves nothing out."""


@dataclass(frozen=True, eq=False)
class Trained:
    """The answer of `cross_validate`.

    Attributes
    ----------
    detectors : dict of int to arrays
        By the fold that each was trained without; that of `ALL` was trained on everything.
    heard : dict of int to Activity
        For each song, instrumental and speech clip, what was heard by a detector that was trained without its fold.
    """

    detectors: dict[int, Arrays]
    heard: HeldOut


def cross_validate(
    corpus: Corpus,
    fold: NDArray[np.int64],
    settings: Settings,
    folder: Path,
    jobs: int,
    report: Callable[[str], None],
) -> Trained:
    """Train without each fold in turn, and once on everything.

    Parameters
    ----------
    corpus : Corpus
    fold : (n_clips,) int
    settings : Settings
    folder : Path
        Where processes share the corpus, and finished parts wait for a later call with the same input.
    jobs : int
        Processes; one core each.
    report : callable
        Takes lines of progress.
    """
    work = folder / _digest(corpus, fold, settings)
    work.mkdir(parents=True, exist_ok=True)
    corpus.save(work)
    heard: HeldOut = {}
    detectors: dict[int, Arrays] = {}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        parts = {pool.submit(_part, work, fold, settings, part): part for part in [ALL, *range(int(fold.max()) + 1)]}
        for future in as_completed(parts):
            arrays, judged = future.result()
            report("the detector is trained" if parts[future] == ALL else f"fold {parts[future]} is judged")
            heard |= judged
            detectors[parts[future]] = arrays
    return Trained(detectors, heard)


def _digest(corpus: Corpus, fold: NDArray[np.int64], settings: Settings) -> str:
    sha = hashlib.sha256(f"{FEATURE_SET} {RECIPE} {settings}".encode())
    for array in (*(getattr(corpus, item.name) for item in fields(corpus)), fold):
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def _part(work: Path, fold: NDArray[np.int64], settings: Settings, part: int) -> tuple[Arrays, HeldOut]:
    """A detector trained without one fold, and what it hears of the songs, instrumentals and speech there."""
    corpus = Corpus.load(work)
    store = work / f"part{part}.npz"
    if not store.exists():
        arrays = _train(corpus, fold != part, settings, work / f"part{part}.log")
        with new_file(store) as file:
            np.savez(file, allow_pickle=False, **arrays)
    with np.load(store, allow_pickle=False) as stored:
        arrays = dict(stored)
    judged = np.flatnonzero((fold == part) & np.isin(corpus.role, ["song", "instrumental", "speech"]))
    detector = VoiceDetector(arrays)
    return arrays, {i: listen_to_mel([dequantise(corpus.clip(i))], detector) for i in judged.tolist()}


def _train(corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, log: Path) -> Arrays:
    import torch

    from songscore.training.detector.fit import train_detector

    torch.set_num_threads(1)
    with log.open("w", buffering=1) as file:
        return train_detector(corpus, chosen, settings, report=lambda line: print(line, file=file)).arrays()
