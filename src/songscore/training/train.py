"""The whole way from a manifest to a model."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from songscore.decision import may_be_certain
from songscore.errors import ManifestError
from songscore.features.detector import STEP
from songscore.features.spectrum import N_FFT, SAMPLE_RATE
from songscore.features.track_vector import FEATURES
from songscore.model import TrackModel, read_model
from songscore.training.data.corpus import Corpus, build_corpus
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import (
    DecisionSet,
    certainty_bounds,
    coverage,
    cross_validated_log_odds,
    fit_decision,
    is_certain,
)
from songscore.training.decision.compose import compose
from songscore.training.decision.crossval import ALL, HeldOut, cross_validate
from songscore.training.detector.settings import Settings
from songscore.training.metrics import figures
from songscore.training.publish import render_card, write_model

DECISION_FEATURES = ["voice_top_5s", "voice_top_30s"]
"""What the track classifier weighs: evidence that a long track does not dilute; benchmarks/ablation.py tries others."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """The labelled clips, as detectors heard them that had never met them.

    Attributes
    ----------
    clip : (n,) int64
        Index into the corpus.
    features : (n, n_features) float64
        The whole track vector, columns as in `FEATURES`.
    song : (n,) bool
    fold : (n,) int64
    trusted : (n,) bool
        False where the manifest doubts the label.
    sure : (n,) bool
        `songscore.decision.may_be_certain`.
    """

    clip: NDArray[np.int64]
    features: NDArray[np.float64]
    song: NDArray[np.bool_]
    fold: NDArray[np.int64]
    trusted: NDArray[np.bool_]
    sure: NDArray[np.bool_]


def train(
    manifest: str | Path,
    folder: str | Path,
    *,
    name: str = "track-v1",
    n_folds: int = 5,
    settings: Settings | None = None,
    jobs: int = 2,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> TrackModel:
    """Train a model and write its files.

    Parameters
    ----------
    manifest : path
        CSV with ``path,label,group``; `songscore.training.data.manifest` says what else it may hold.
    folder : path
        Where ``NAME.npz``, ``NAME.json``, ``NAME.md`` and ``NAME.tracks.csv`` (cross-validated answers, track by
        track) go.
    name : str
        The model's name.
    n_folds : int, default 5
        Parts of the cross-validation.
    settings : Settings, optional
        How the detector is trained, its seed included. The same seed gives the same arrays on the same machine.
    jobs : int, default 2
        Processes, one core each; the result does not depend on it.
    root : path, optional
        What the paths in the manifest are relative to; without it, the manifest's folder.
    cache : path, optional
        Where decoded spectra and finished parts are kept, for a later call to go on from.
    report : callable, optional
        Takes lines of progress.

    Returns
    -------
    TrackModel
        As read back from its files.

    Raises
    ------
    ManifestError
        The manifest breaks its rules, or has no song or no instrumental.
    """
    folder, settings = Path(folder), settings or Settings()
    rows = read_manifest(manifest, root)
    with TemporaryDirectory() as temporary:
        kept = Path(cache or temporary)
        corpus = build_corpus(rows, kept / "spectra", jobs, report)
        _check_roles(corpus)
        fold = folds(rows, n_folds)[corpus.row]
        trained = cross_validate(corpus, fold, settings, kept, jobs, report)
    tracks = labelled_tracks(rows, corpus, trained.heard, fold)
    song, n = tracks.song, len(tracks.song)
    settling = tracks.trusted & tracks.sure
    decision_set = with_composed(rows, corpus, trained.heard, fold, tracks, settings.seed)
    log_odds = cross_validated_log_odds(decision_set)[:n]
    bounds = certainty_bounds(log_odds[settling], song[settling])
    certain = tracks.sure & is_certain(log_odds, bounds)
    _write_tracks(folder / f"{name}.tracks.csv", rows, corpus, tracks, log_odds, certain)
    about = {
        "seed": settings.seed,
        "settings": asdict(settings),
        "n_features": len(DECISION_FEATURES),
        "manifest_sha256": hashlib.sha256(Path(manifest).read_bytes()).hexdigest(),
        "certain": bounds,
        "coverage": coverage(log_odds[settling], song[settling], bounds),
        "metrics": slices(rows, corpus, tracks, log_odds),
    }
    decision = fit_decision(decision_set, np.ones(len(decision_set.song), np.bool_))
    detector = trained.detectors[ALL]
    n_parameters = sum(array.size for array in detector.values())
    card = render_card(name, rows, about, Counter(corpus.role.tolist()), n_parameters)
    examples = decision_set.features[: n : max(1, n // 8)]
    write_model(folder, name, detector, decision, DECISION_FEATURES, examples, about, card)
    return read_model(folder, name)


def _check_roles(corpus: Corpus) -> None:
    missing = {"song", "instrumental", "voice"} - set(corpus.role.tolist())
    if missing:
        raise ManifestError(f"nothing readable in the role of {', '.join(sorted(missing))}")


def labelled_tracks(rows: Sequence[Row], corpus: Corpus, heard: HeldOut, fold: NDArray[np.int64]) -> Tracks:
    """The clips to judge and what was heard in them."""
    clip = np.array([i for i in sorted(heard) if corpus.role[i] in ("song", "instrumental")])
    vectors = [heard[i].features for i in clip]
    matrix = np.array([[vector[feature.name] for feature in FEATURES] for vector in vectors])
    trusted = np.array([not rows[corpus.row[i]].doubt for i in clip])
    seconds = [len(heard[i].probability) * STEP + N_FFT / SAMPLE_RATE for i in clip]
    sure = np.array([may_be_certain(s, heard[i].probability) for s, i in zip(seconds, clip, strict=True)])
    return Tracks(clip, matrix, corpus.role[clip] == "song", fold[clip], trusted, sure)


def with_composed(
    rows: Sequence[Row], corpus: Corpus, heard: HeldOut, fold: NDArray[np.int64], tracks: Tracks, seed: int
) -> DecisionSet:
    """What the track classifier learns from: the tracks, and tracks composed of what is surely one or the other."""
    usable = [i for i in heard if rows[corpus.row[i]].weight > 0 and not rows[corpus.row[i]].doubt]
    songs = {i: heard[i] for i in usable if corpus.role[i] == "song"}
    scores = {i: heard[i] for i in usable if corpus.role[i] == rows[corpus.row[i]].role == "instrumental"}
    columns = [[feature.name for feature in FEATURES].index(name) for name in DECISION_FEATURES]
    kind = np.array([rows[corpus.row[i]].kind for i in tracks.clip])
    parts = [DecisionSet(tracks.features[:, columns], tracks.song, tracks.fold, kind, tracks.trusted)]
    for part in np.unique(tracks.fold):
        sung, played = ([what[i] for i in sorted(what) if fold[i] == part] for what in (songs, scores))
        composed, song = compose(sung, played, np.random.default_rng([seed, int(part)]))
        vectors = [listening.features for listening in composed]
        matrix = np.array([[vector[name] for name in DECISION_FEATURES] for vector in vectors])
        same = np.full(len(song), part), np.full(len(song), "composed"), np.ones(len(song), np.bool_)
        parts.append(DecisionSet(matrix.reshape(-1, len(columns)), song, *same))
    return DecisionSet(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(DecisionSet)))


def slices(
    rows: Sequence[Row], corpus: Corpus, tracks: Tracks, log_odds: NDArray[np.float64]
) -> dict[str, dict[str, list[float]]]:
    """The figures of each kind of music that has both classes, each as value, low and high."""
    kind = np.array([rows[corpus.row[i]].kind for i in tracks.clip])
    group = np.array([rows[corpus.row[i]].group for i in tracks.clip])
    probability = 1 / (1 + np.exp(-log_odds))
    found = {}
    for name in np.unique(kind):
        chosen = kind == name
        if 0 < tracks.song[chosen].sum() < chosen.sum():
            measured = figures(tracks.song[chosen], probability[chosen], group[chosen])
            found[str(name)] = {k: [round(x, 4) for x in (f.value, f.low, f.high)] for k, f in measured.items()}
    return found


def _write_tracks(
    path: Path,
    rows: Sequence[Row],
    corpus: Corpus,
    tracks: Tracks,
    log_odds: NDArray[np.float64],
    certain: NDArray[np.bool_],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        known = ["path", "role", "kind", "group", "origin", "fold", "doubt", "song", "song_probability", "certain"]
        writer.writerow([*known, *(feature.name for feature in FEATURES)])
        columns = zip(tracks.clip, tracks.song, tracks.fold, log_odds, certain, tracks.features, strict=True)
        for i, song, fold, value, sure, vector in columns:
            row = rows[corpus.row[i]]
            probability = f"{1 / (1 + np.exp(-value)):.4f}"
            about = [row.name, corpus.role[i], row.kind, row.group, row.origin, fold, row.doubt, int(song), probability]
            writer.writerow([*about, int(sure), *(f"{number:.4g}" for number in vector)])
