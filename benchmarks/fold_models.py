"""The models of the cross-validation, complete: each judges tracks whose artist, source and origin it never met.

They are put together once, from the cache that ``shipped_model.py`` leaves, with nothing trained anew, and kept beside
it. Audio, changed in whatever way, then goes through songscore as it would through the shipped model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipped_model import MANIFEST

from songscore.analysis.sampling import analyse
from songscore.audio import Source
from songscore.decision import label
from songscore.model import TrackModel, read_model
from songscore.results import TrackResult
from songscore.training.data.corpus import build_corpus
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import certainty_bounds, cross_validated_log_odds, fit_decision
from songscore.training.decision.crossval import cross_validate
from songscore.training.detector.settings import Settings
from songscore.training.publish import write_model
from songscore.training.train import DECISION_FEATURES, labelled_tracks, with_composed

N_FOLDS = 5


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
    """`songscore.classify_track` with a model that does not come with songscore."""
    return label(analyse(source, model, thorough=thorough), model)


def fold_models(work: Path) -> FoldModels:
    """Read the models from the folder in which the shipped one was made, or put them together there."""
    rows = read_manifest(MANIFEST, work)
    folder = work / "folds"
    if not (folder / f"fold-{N_FOLDS - 1}.md").exists():
        _put_together(rows, work / "cache", folder)
    fold = dict(zip((row.name for row in rows), folds(rows, N_FOLDS).tolist(), strict=True))
    return FoldModels(rows, fold, [read_model(folder, f"fold-{part}") for part in range(N_FOLDS)])


def _put_together(rows: list[Row], cache: Path, folder: Path) -> None:
    settings = Settings()
    corpus = build_corpus(rows, cache / "spectra")
    fold = folds(rows, N_FOLDS)[corpus.row]
    trained = cross_validate(corpus, fold, settings, cache, 1, lambda _: None)
    tracks = labelled_tracks(rows, corpus, trained.heard, fold)
    decision_set = with_composed(rows, corpus, trained.heard, fold, tracks, settings.seed)
    log_odds = cross_validated_log_odds(decision_set)[: len(tracks.song)]
    for part in range(N_FOLDS):
        others = tracks.trusted & tracks.sure & (tracks.fold != part)
        about = {"certain": certainty_bounds(log_odds[others], tracks.song[others]), "seed": settings.seed}
        decision = fit_decision(decision_set, decision_set.fold != part)
        examples = decision_set.features[:: len(decision_set.song) // 8]
        name, detector = f"fold-{part}", trained.detectors[part]
        write_model(
            folder, name, detector, decision, DECISION_FEATURES, examples, about, f"Trained without fold {part}.\n"
        )
