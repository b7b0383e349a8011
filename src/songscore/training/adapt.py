"""Adapt a model to a person's marks: the decision is refitted, the voice detector stays.

Figures on marks are cross-validated: each mark is judged by a decision that was fitted without the marks of its folder.
A model is written only where these figures are better than those of the old model, by more than chance explains.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.analysis.record import Analysis
from songscore.audio.identity import file_state
from songscore.batch.run import CacheFolder, analyse_files
from songscore.decision import Question, label
from songscore.errors import ManifestError, ModelError
from songscore.marks import NEITHER, Mark, Marks, MarkSource, as_marks
from songscore.model import MODEL, TrackModel, load_model, shipped_models
from songscore.results import SONG, TrackResult
from songscore.training.card import render_adapted_card
from songscore.training.decision.adapt import MARKED, to_mark_next
from songscore.training.decision.bounds import DECIDING, DecisionSet
from songscore.training.decision.compose import Example
from songscore.training.decision.lessons import lessons_of
from songscore.training.metrics import Figure
from songscore.training.publish import log_odds_of_samples, write_files
from songscore.training.trial import Standing, Trial, counted_marks, in_folds

FEWEST = 20
"""Least number of usable marks that a decision is fitted to."""

N_NEXT = 10
"""Number of tracks that are proposed for marking next."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The outcome of adapting a model.

    Attributes
    ----------
    message : str
        Whether the model is better, and what to do next, in words.
    better : bool
    model : str or None
        Path of the new model without suffix, where one was written.
    songs, scores : int
        Marks that were used.
    passed_over : mapping of str to int
        Marks that were not used, by the reason.
    before, after : Standing or None
        Figures of the old model, and cross-validated ones of the new model; None with too few marks.
    gain : Figure or None
        By how much the mean loss of a mark falls, in nats, with its 95 % interval.
    elsewhere : float
        By how much the share of wrong labels rises among the lessons, to which the old model was fitted.
    more : int or None
        Marks that are still missing; None where more of them would not help.
    mark_next : tuple of str
        Paths of tracks whose marks would teach most.
    """

    message: str
    better: bool
    songs: int
    scores: int
    passed_over: Mapping[str, int]
    model: str | None = None
    before: Standing | None = None
    after: Standing | None = None
    gain: Figure | None = None
    elsewhere: float = 0.0
    more: int | None = None
    mark_next: tuple[str, ...] = ()


def adapt(
    marks: MarkSource,
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] = MODEL,
    among: Iterable[TrackResult] = (),
    jobs: int = 1,
    cache: CacheFolder = True,
    progress: Callable[[int, int], None] | None = None,
) -> Adaptation:
    """Fit the decision of a model to your marks and to what it learnt from before; the voice detector stays.

    Parameters
    ----------
    marks : path, iterable of Mark, or mapping of path to label
        CSV with the columns ``path`` and ``label``; a label is "song", "instrumental score" or "neither".
    output : path, optional
        The new model, without suffix, as ``models/mine``. It is written only where it is better than the old one.
    model : str or path, default "track-v2"
        The model to adapt.
    among : iterable of TrackResult, optional
        Answers in which to find marked files that have moved and, where they are of the same model, tracks to mark
        next.
    jobs : int, default 1
        Processes that listen to files that are not in the cache.
    cache : path or bool, default True
        As for `classify_folder`.
    progress : callable, optional
        Called with the number of files heard so far, and the number of all files.

    Returns
    -------
    Adaptation

    Raises
    ------
    ManifestError
        The marks cannot be read.
    ModelError
        The model cannot be adapted, or the name of the new one is that of a shipped model.
    OSError
        The new model cannot be written.
    """
    base, name = load_model(model), os.fspath(model)
    lessons = lessons_of(base, name)
    stem = None if output is None else _stem(output)
    wanted, answers = _read(marks), list(among)
    found, passed_over = _locate(wanted, answers)
    given, music = _analyse(found, base, name, jobs, cache, progress, passed_over)
    likely = _to_mark_next(base, lessons, given, answers, wanted)
    counted: dict[str, Any] = {
        "songs": int(given.song.sum()),
        "scores": int((~given.song).sum()),
        "passed_over": dict(+passed_over),
        "mark_next": likely,
    }
    if len(music) < FEWEST:
        more = FEWEST - len(music)
        message = (
            f"not yet: {counted_marks(len(music))} can be used, and at least {FEWEST} are needed; mark {more} more"
        )
        return Adaptation(message, better=False, more=more, **counted)
    trial = Trial.of(base.decision, base.metadata["bounds"], lessons, in_folds(given), music)
    before, after = trial.standings()
    counted |= {"before": before, "after": after, "gain": trial.gain, "elsewhere": trial.elsewhere}
    if not trial.better:
        return Adaptation(trial.message, better=False, more=trial.more, **counted)
    written = None if stem is None else _write(stem, base, trial, counted)
    return Adaptation(trial.message, better=True, model=written, **counted)


def _read(marks: MarkSource) -> Marks:
    try:
        return as_marks(marks)
    except (OSError, ValueError) as error:
        raise ManifestError(str(error)) from error


def _locate(wanted: Marks, answers: Sequence[TrackResult]) -> tuple[dict[str, Mark], Counter[str]]:
    """The usable marks by the present path of their file, and counts of the others by the reason."""
    elsewhere = {track.sound_digest: track.path for track in answers if track.sound_digest and track.path}
    found, passed_over = dict[str, Mark](), Counter({NEITHER: 0, "not found": 0})
    for mark in wanted:
        if mark.label == NEITHER:
            passed_over[NEITHER] += 1
        elif path := _place(mark, elsewhere.get(mark.sound)):
            found[path] = mark
        else:
            passed_over["another sound" if Path(mark.path).is_file() else "not found"] += 1
    return found, passed_over


def _place(mark: Mark, elsewhere: str | None) -> str | None:
    """Present path of a marked sound: the path of the mark, or of an answer with that sound; None if in neither."""
    if not mark.sound:
        return mark.path if Path(mark.path).is_file() else None
    for path in (mark.path, elsewhere):
        state = file_state(path) if path else None
        if state and state.sound_digest == mark.sound:
            return path
    return None


def _analyse(
    found: Mapping[str, Mark],
    base: TrackModel,
    name: str,
    jobs: int,
    cache: CacheFolder,
    progress: Callable[[int, int], None] | None,
    passed_over: Counter[str],
) -> tuple[DecisionSet, NDArray[np.float64]]:
    """Listen to marked files: what the decision is fitted to, and log-odds of music; counts unusable files."""
    examples, music = [], []
    for n, (path, reading) in enumerate(analyse_files(found, jobs=jobs, cache=cache, model=name), start=1):
        if progress is not None:
            progress(n, len(found))
        status = label(reading, base, Question()).status if isinstance(reading, Analysis) else reading.status
        if not isinstance(reading, Analysis) or status not in {"ok", "partial"}:
            passed_over[status.replace("_", " ")] += 1
            continue
        folder = str(Path(path).absolute().parent)
        examples.append(Example(reading.activity, found[path].label == SONG, True, MARKED, folder, 0))
        music.append(base.music(reading.activity))
    return DecisionSet.of(examples), np.array(music)


def _to_mark_next(
    base: TrackModel, lessons: DecisionSet, given: DecisionSet, answers: Sequence[TrackResult], marked: Marks
) -> tuple[str, ...]:
    usable = [
        (track.path, [track.features[name] for name in DECIDING])
        for track in answers
        if track.path and track.label is not None and track.model == base.name and set(DECIDING) <= set(track.features)
        if marked.of(track) is None
    ]
    if not usable:
        return ()
    folder = [str(Path(path).parent) for path, _ in usable]
    features = np.array([row for _, row in usable], np.float64)
    return tuple(usable[i][0] for i in to_mark_next(base.decision, lessons, given, features, folder, N_NEXT))


def _stem(output: str | os.PathLike[str]) -> Path:
    path = Path(output)
    stem = path.with_suffix("") if path.suffix in {".json", ".npz", ".md"} else path
    if stem.name in shipped_models():
        raise ModelError(f"{stem.name!r} is the name of a model that comes with songscore; choose another")
    return stem


def _write(stem: Path, base: TrackModel, trial: Trial, found: Mapping[str, Any]) -> str:
    """Write the files of the adapted model, and return their path without suffix."""
    linear, canary = trial.linear, base.arrays["canary.features"]
    kept = {name: array for name, array in base.arrays.items() if not name.startswith("canary.samples")}
    arrays = kept | {
        "decision.weight": linear.weight,
        "decision.bias": linear.bias,
        "canary.log_odds": np.array([linear(dict(zip(linear.names, row, strict=True))) for row in canary]),
    }
    described = {"sha256", "metrics", "coverage", "provenance"}
    metadata = {key: value for key, value in base.metadata.items() if key not in described}
    about = {
        "from": base.name,
        "sha256": base.metadata["sha256"],
        "songscore": version("songscore"),
        "songs": found["songs"],
        "scores": found["scores"],
        **{when: asdict(found[when]) | {"error": _triple(found[when].error)} for when in ("before", "after")},
        "gain": _triple(trial.gain),
        "elsewhere": round(trial.elsewhere, 4),
    }
    metadata = json.loads(json.dumps(metadata | {"name": stem.name, "bounds": trial.bounds, "adapted": about}))
    arrays |= _canary_of_samples(base, arrays, metadata)
    card = render_adapted_card(stem.name, about, trial.bounds)
    write_files(stem.parent, stem.name, arrays, metadata, card)
    return os.fspath(stem)


def _canary_of_samples(
    base: TrackModel, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """The canary of samples of the old model, with the answer of the new one; empty if the old model has none."""
    pitch = base.arrays.get("canary.samples_pitch")
    if pitch is None:
        return {}
    log_odds = log_odds_of_samples(arrays, metadata, float(pitch))
    return {"canary.samples_pitch": pitch, "canary.samples_log_odds": np.array(log_odds)}


def _triple(figure: Figure) -> list[float]:
    return [round(x, 4) for x in (figure.value, figure.low, figure.high)]
