"""The models of the cross-validation, complete: each judges tracks whose artist, source and origin it never met.

They are put together once, from the cache that ``shipped_model.py`` leaves, with nothing trained anew, and kept beside
it. Audio, changed in whatever way, then goes through songscore as it would through the shipped model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from folds import read_folds
from shipped_model import MANIFEST

from songscore.analysis.sampling import analyse
from songscore.audio import Source
from songscore.decision import Question, label
from songscore.model import TrackModel, read_model
from songscore.results import TrackResult
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import fit_decision, fit_music
from songscore.training.publish import write_model
from songscore.training.train import N_FOLDS


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


def fold_models(work: Path) -> FoldModels:
    """Read the models from the folder in which the shipped one was made, or put them together there."""
    rows = read_manifest(MANIFEST, work)
    folder = work / "folds"
    if not (folder / f"fold-{N_FOLDS - 1}.md").exists():
        _put_together(work, folder)
    fold = dict(zip((row.name for row in rows), folds(rows, N_FOLDS).tolist(), strict=True))
    return FoldModels(rows, fold, [read_model(folder, f"fold-{part}") for part in range(N_FOLDS)])


def _put_together(work: Path, folder: Path) -> None:
    data = read_folds(work)
    for part, bounds in enumerate(data.bounds):
        others = data.given.fold != part
        decision, music = fit_decision(data.given, others), fit_music(data.given, others)
        examples = data.given.whole[others & data.given.is_music]
        detector, card = data.trained.detectors[part], f"Trained without fold {part}.\n"
        write_model(folder, f"fold-{part}", detector, decision, music, examples, {"bounds": bounds}, card)
