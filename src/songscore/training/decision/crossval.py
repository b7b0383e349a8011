"""Train detectors without the clips that they judge, and one on all clips.

Each part of the cross-validation runs in a process of its own with one thread, so that the arrays do not depend on the
number of jobs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from songscore._files import new_file
from songscore.features.detector import SUNG, VoiceDetector
from songscore.features.spectrum import FloatArray, mel_windows
from songscore.training.data.corpus import MEL, Corpus, dequantise
from songscore.training.data.manifest import SUNG_SPEECH
from songscore.training.detector.settings import Settings

Arrays = dict[str, FloatArray]
Curves = dict[int, FloatArray]
Scenes = dict[tuple[str, int], list[tuple[int, FloatArray]]]
SCENES = ("mix", "narration", "choir_over", "chopped", "speech", "other")
"""Recipes of `songscore.training.detector.batches` for examples of the decision that no clip provides."""

N_SCENES, SCENE_FRAMES, SCENE_RATIO = 80, 500, -3.0
"""Number of mixtures of each recipe and fold, their length (20 s), and the lowest level of their voices in decibels."""

SCENE_SUNG = 0.3
"""Least share of a mixture in which the singer must sound; some voices pause for longer than a mixture lasts."""

RECIPE = 12
"""Version of the training code. A change that gives other arrays for the same settings must raise it."""

ALL = -1
"""Number of the part for which no fold is left out."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What `cross_validate` returns.

    Attributes
    ----------
    detectors : dict of int to arrays
        Each by the fold that it was trained without; the one of `ALL` was trained on everything.
    curves : dict of int to (n_steps, 5) float32
        For each clip, what was heard by a detector that was trained without its fold.
    scenes : dict of (str, int) to list of (int, (n_steps, 5) float32)
        The same for mixtures of the clips of each fold, by recipe and fold; each with the index of its main clip.
    """

    detectors: dict[int, Arrays]
    curves: Curves
    scenes: Scenes


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
        Where processes share the corpus, and finished parts are kept for a later call with the same input.
    jobs : int
        Processes; one core each.
    report : callable
        Called with lines of progress.
    """
    work = folder / _digest(corpus, fold, settings)
    work.mkdir(parents=True, exist_ok=True)
    corpus.save(work)
    curves: Curves = {}
    scenes: Scenes = {}
    detectors: dict[int, Arrays] = {}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        parts = {pool.submit(_part, work, fold, settings, part): part for part in [ALL, *range(int(fold.max()) + 1)]}
        for future in as_completed(parts):
            future.result()
            report("the detector is trained" if parts[future] == ALL else f"fold {parts[future]} is judged")
        for future, part in parts.items():  # in order of submission, since sums depend on the order in the last digit
            detectors[part], judged, mixtures = future.result()
            curves |= judged
            scenes |= mixtures
    return Trained(detectors, curves, scenes)


def _digest(corpus: Corpus, fold: NDArray[np.int64], settings: Settings) -> str:
    sha = hashlib.sha256(f"{MEL} {RECIPE} {settings}".encode())
    for array in (*(getattr(corpus, item.name) for item in fields(corpus)), fold):
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def _part(work: Path, fold: NDArray[np.int64], settings: Settings, part: int) -> tuple[Arrays, Curves, Scenes]:
    """A detector trained without one fold, and what it hears of the clips there."""
    corpus = Corpus.load(work)
    chosen = fold != part
    *first, last = _one_by_one(settings)
    ensemble = [
        _trained(work / f"part{part}.steps{one.steps_at_once}.seed{one.seed}.npz", corpus, chosen, one) for one in first
    ]
    arrays = _trained(work / f"part{part}.npz", corpus, chosen, last, ensemble)
    judged = np.flatnonzero((fold == part) & (corpus.role != SUNG_SPEECH))
    detector = VoiceDetector(arrays)
    with threadpool_limits(1):  # threads of several processes would wait for each other
        curves = {i: curve(dequantise(corpus.clip(i)), detector) for i in judged.tolist()}
        return arrays, curves, _scenes(corpus, fold == part, settings, part, detector)


def _one_by_one(settings: Settings) -> list[Settings]:
    """Settings of the detectors of an ensemble, in the order of training, and of the one that it teaches."""
    steps = (*settings.ensemble, settings.steps_at_once)
    return [replace(settings, seed=settings.seed + steps[:i].count(n), steps_at_once=n) for i, n in enumerate(steps)]


def _scenes(
    corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, part: int, detector: VoiceDetector
) -> Scenes:
    import torch

    from songscore.training.detector.augment import RandomSource
    from songscore.training.detector.batches import BatchSampler

    if not chosen.any():
        return {}
    settings = replace(
        settings, frames=SCENE_FRAMES, n_leads=8, share_led=0.0, ratio_low=SCENE_RATIO, share_sung_speech=0.0
    )
    sampler = BatchSampler(corpus, chosen, settings, RandomSource(settings.seed + part))
    found = {}
    with torch.no_grad():
        for name in SCENES:
            if name in sampler.recipes():
                mixed = sampler.mixed(name, N_SCENES)
                sung = mixed.target[:, :, SUNG].mean(1) >= SCENE_SUNG
                heard = torch.nonzero(sung)[:, 0] if name == "mix" else torch.arange(len(sung))
                sounds = zip(mixed.clip[heard].tolist(), mixed.mel[heard].numpy(), strict=True)
                found[name, part] = [(clip, curve(mel, detector)) for clip, mel in sounds]
    return found


def curve(mel: FloatArray, detector: VoiceDetector) -> FloatArray:
    """What a detector hears of a whole clip, window by window, shape ``(n_frames // 2, 5)``."""
    return np.concatenate([detector(window)[: len(window) // 2] for window in mel_windows([mel])])


def _trained(
    store: Path, corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, ensemble: Sequence[Arrays] = ()
) -> Arrays:
    """The arrays in a file; where there is none, those of a new detector, which are kept there."""
    if not store.exists():
        arrays = _train(corpus, chosen, settings, ensemble, store.with_suffix(".log"))
        with new_file(store) as file:
            np.savez(file, allow_pickle=False, **arrays)
    with np.load(store, allow_pickle=False) as stored:
        return dict(stored)


def _train(
    corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, ensemble: Sequence[Arrays], log: Path
) -> Arrays:
    import torch

    from songscore.training.detector.fit import train_detector

    torch.set_num_threads(1)
    with log.open("w", buffering=1) as file:
        report = partial(print, file=file)
        return train_detector(corpus, chosen, settings, ensemble, report).arrays()
