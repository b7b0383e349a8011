"""What the cross-validation of the shipped model left behind, for the benchmarks that judge with it.

Everything here was heard by detectors that had never met the artist, the source or anything of the same origin. It
wants the cache that ``shipped_model`` leaves; nothing is trained anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shipped_model import MANIFEST

from songscore.training.data.corpus import Corpus, build_corpus
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import Answers, DecisionSet, calibrate, cross_validated
from songscore.training.decision.compose import Example, collect
from songscore.training.decision.crossval import Trained, cross_validate
from songscore.training.detector.settings import Settings
from songscore.training.train import N_FOLDS


@dataclass(frozen=True, eq=False)
class Folds:
    """The examples of the decision, and the answers to them that no detector and no weights could know.

    Attributes
    ----------
    rows : list of Row
    corpus : Corpus
    fold : (n_clips,) int64
    trained : Trained
    examples : list of Example
    clip : (n,) int64
        Which clips the first examples are.
    given : DecisionSet
    answers : Answers
    bounds : list of dict
        Calibrated without each fold in turn.
    """

    rows: list[Row]
    corpus: Corpus
    fold: NDArray[np.int64]
    trained: Trained
    examples: list[Example]
    clip: NDArray[np.int64]
    given: DecisionSet
    answers: Answers
    bounds: list[dict]


@cache
def read_folds(work: Path) -> Folds:
    """Read it from the folder in which the shipped model was made."""
    rows, settings = read_manifest(MANIFEST, work), Settings()
    corpus = build_corpus(rows, work / "cache" / "spectra")
    fold = folds(rows, N_FOLDS)[corpus.row]
    trained = cross_validate(corpus, fold, settings, work / "cache", 1, lambda _: None)
    examples, clip = collect(rows, corpus, trained.curves, trained.scenes, fold, settings.seed)
    given = DecisionSet.of(examples)
    answers = cross_validated(given)
    bounds = [calibrate(given, answers, chosen=given.fold != part) for part in range(N_FOLDS)]
    return Folds(rows, corpus, fold, trained, examples, clip, given, answers, bounds)
