"""What the cross-validation of a training left behind, for the benchmarks that judge with it.

Everything here was heard by detectors that had never met the artist, the source or anything of the same origin. It
comes from the cache that ``songscore train`` leaves in the folder of the work; nothing is trained anew. The models of
the cross-validation are put together once, complete, and kept there: audio, changed in whatever way, goes through them
as it would through the shipped one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songscore.analysis.sampling import analyse
from songscore.audio import Source
from songscore.decision import Question, label
from songscore.model import TrackModel, read_model
from songscore.results import TrackResult
from songscore.training.data.corpus import Corpus, build_corpus
from songscore.training.data.files import sha256
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import (
    Answers,
    DecisionSet,
    calibrate,
    cross_validated,
    fit_decision,
    fit_music,
)
from songscore.training.decision.compose import Example, collect
from songscore.training.decision.crossval import Trained, cross_validate
from songscore.training.publish import write_model
from songscore.training.train import N_FOLDS

from .place import Place


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


def read_corpus(place: Place) -> tuple[list[Row], Corpus]:
    """The manifest, and the spectra of its files."""
    rows = read_manifest(place.manifest, place.work)
    return rows, build_corpus(rows, place.work / "cache" / "spectra")


@cache
def read_folds(place: Place) -> Folds:
    """Read it from the folder in which the model was made."""
    rows, corpus = read_corpus(place)
    fold = folds(rows, N_FOLDS)[corpus.row]
    trained = cross_validate(corpus, fold, place.settings, place.work / "cache", 1, lambda _: None)
    examples, clip = collect(rows, corpus, trained, fold, place.settings.seed)
    given = DecisionSet.of(examples)
    answers = cross_validated(given)
    bounds = [calibrate(given, answers, chosen=given.fold != part) for part in range(N_FOLDS)]
    return Folds(rows, corpus, fold, trained, examples, clip, given, answers, bounds)


@dataclass(frozen=True)
class FoldModels:
    """The rows of the manifest, and the model that may judge each."""

    rows: list[Row]
    fold: dict[str, int]
    models: list[TrackModel]

    def of(self, row: Row) -> TrackModel:
        return self.models[self.fold[row.name]]

    def judge(self, row: Row, source: Source, *, thorough: bool = True) -> TrackResult:
        """The answer for a sound made from a row."""
        return judge(source, self.of(row), thorough=thorough)


def judge(source: Source, model: TrackModel, *, thorough: bool = True) -> TrackResult:
    """`songscore.classify_track` with a model that is at hand."""
    return label(analyse(source, model, Question(), thorough=thorough), model, Question())


def fold_models(place: Place) -> FoldModels:
    """Read the models from the folder in which the shipped one was made, or put them together there.

    Those of each training have a folder of their own, named by its answers.
    """
    rows = read_manifest(place.manifest, place.work)
    folder = place.work / "folds" / sha256(place.tracks)[:16]
    if not (folder / f"fold-{N_FOLDS - 1}.md").exists():
        _put_together(place, folder)
    fold = dict(zip((row.name for row in rows), folds(rows, N_FOLDS).tolist(), strict=True))
    return FoldModels(rows, fold, [read_model(folder, f"fold-{part}") for part in range(N_FOLDS)])


def _put_together(place: Place, folder: Path) -> None:
    data = read_folds(place)
    for part, bounds in enumerate(data.bounds):
        others = data.given.fold != part
        decision, music = fit_decision(data.given, others), fit_music(data.given, others)
        examples = data.given.whole[others & data.given.is_music]
        detector, card = data.trained.detectors[part], f"Trained without fold {part}.\n"
        write_model(folder, f"fold-{part}", detector, decision, music, examples, {"bounds": bounds}, card)
