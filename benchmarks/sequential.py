"""What the sequential test costs in accuracy, and how much of a track it hears.

    python benchmarks/sequential.py --work build/training --markdown docs/figures/sequential.md

needs the cache that ``shipped_model.py`` leaves: each clip is heard by the detector that was trained without it, and
the order of reading and the rule for stopping are those of `songscore.analysis.sampling`, for several settings of the
rule. Then the same for scores of one to eight minutes put together from short ones, alone and with one passage of a
song.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from shipped_model import HERE, MANIFEST

from songscore import decision
from songscore.analysis import sampling
from songscore.features.detector import FRAMES_PER_STEP
from songscore.features.spectrum import WINDOW
from songscore.features.track_vector import FEATURES, Activity, WindowActivity, join_windows
from songscore.training.data.corpus import build_corpus
from songscore.training.data.manifest import folds, read_manifest
from songscore.training.decision.bounds import DecisionSet, fit_decision
from songscore.training.decision.compose import compose
from songscore.training.decision.crossval import cross_validate
from songscore.training.detector.settings import Settings
from songscore.training.metrics import balanced_accuracy
from songscore.training.train import DECISION_FEATURES

RULES = ((decision.SONG_ENOUGH, decision.SCORE_ENOUGH), (2.0, -2.7), (3.0, -3.1), (3.0, -2.1), (1.0, -1.0))
STEPS = WINDOW // FRAMES_PER_STEP


@dataclass(frozen=True, eq=False)
class Track:
    """What a detector heard that never met the track, and what the track is."""

    heard: Activity
    song: bool
    kind: str
    fold: int
    trusted: bool


def tracks(work: Path) -> list[Track]:
    """Every labelled clip, and composed ones."""
    rows = read_manifest(MANIFEST, work)
    corpus = build_corpus(rows, work / "cache" / "spectra")
    fold = folds(rows, 5)[corpus.row]
    heard = cross_validate(corpus, fold, Settings(), work / "cache", 1, lambda _: None).heard
    found = []
    for i in sorted(heard):
        row, role = rows[corpus.row[i]], str(corpus.role[i])
        if role in ("song", "instrumental") and row.kind != "wordless choir":
            kind = row.kind.removesuffix(" (more)")
            found.append(Track(heard[i], role == "song", kind, int(fold[i]), not row.doubt and row.weight > 0))
    whole = [track for track in found if track.trusted]
    for part in range(5):
        here = [track for track in whole if track.fold == part]
        songs = [track.heard for track in here if track.song]
        scores = [track.heard for track in here if not track.song and track.kind != "pair"]
        sounds, song = compose(songs, scores, np.random.default_rng(part))
        found += [Track(s, bool(label), "composed", part, True) for s, label in zip(sounds, song, strict=True)]
    return found


Judge = Callable[[Activity], float]


def judges(tracks: list[Track], names: list[str]) -> list[Judge]:
    """For each fold, the log-odds by a decision that never met its tracks."""
    given = DecisionSet(
        np.array([vector(track.heard, names) for track in tracks]),
        np.array([track.song for track in tracks]),
        np.array([track.fold for track in tracks]),
        np.array([track.kind for track in tracks]),
        np.array([track.trusted for track in tracks]),
    )

    def judge(part: int) -> Judge:
        fitted = fit_decision(given, given.fold != part)
        return lambda heard: float(fitted.decision_function([vector(heard, names)])[0])

    return [judge(part) for part in range(5)]


def vector(heard: Activity, names: list[str]) -> list[float]:
    features = heard.features
    return [features[name] for name in names]


def windows(heard: Activity) -> list[WindowActivity]:
    n = max(1, round(len(heard.probability) / STEPS))
    parts = np.split(heard.probability, STEPS * np.arange(1, n))
    return [WindowActivity(i * WINDOW, len(p) * FRAMES_PER_STEP, p, heard.spectral) for i, p in enumerate(parts)]


def path_of(heard: Activity, judge: Judge) -> NDArray[np.float64]:
    """Log-odds after each window, in the order of reading."""
    parts, so_far, found = windows(heard), [], []
    for index in sampling.bit_reversed(len(parts)):
        so_far.append(parts[index])
        found.append(judge(join_windows(so_far, 1.0)))
    return np.array(found)


def stop(path: NDArray[np.float64], song: float, score: float) -> int:
    """Windows heard."""
    if len(path) < sampling.FEWEST:
        return len(path)
    for n, value in enumerate(path, 1):
        if value >= song or (value <= score and n >= decision.most(len(path)) / 2):
            return n
    return len(path)


def report(found: list[Track]) -> Iterator[str]:
    judge = judges(found, DECISION_FEATURES)
    paths = [(track, path_of(track.heard, judge[track.fold])) for track in found if track.trusted]
    yield "| stop at | music | tracks | right, whole | right, default | labels changed | heard of songs | of scores |"
    yield "|---|---|---|---|---|---|---|---|"
    for rule in RULES:
        for kind in ("recording", "generated", "pair", "composed"):
            some = [(track, path) for track, path in paths if track.kind == kind]
            yield f"| {rule[0]:g}, {rule[1]:g} | {kind} | {len(some)} | {' | '.join(cells(some, rule))} |"


def cells(some: list[tuple[Track, NDArray[np.float64]]], rule: tuple[float, float]) -> Iterator[str]:
    """Balanced accuracy of both readings, labels that differ, and median share heard of tracks of a minute and more."""
    song = np.array([track.song for track, _ in some])
    heard = np.array([stop(path, *rule) for _, path in some])
    n = np.array([len(path) for _, path in some])
    whole = np.array([path[-1] >= 0 for _, path in some])
    default = np.array([path[last - 1] >= 0 for (_, path), last in zip(some, heard, strict=True)])
    yield f"{balanced_accuracy(song, whole.astype(float)):.4f}"
    yield f"{balanced_accuracy(song, default.astype(float)):.4f}"
    yield f"{np.sum(whole != default)}"
    for label in (True, False):
        long = (song == label) & (n >= sampling.FEWEST)
        yield f"{np.median((heard / n)[long]):.2f}" if long.any() else "none is long"


def verses(found: list[Track]) -> Iterator[str]:
    """How often a single passage in a long score is found, by the features that decide."""
    yield "| features | taught with composed tracks | scores called score | with a sung passage called song |"
    yield "|---|---|---|---|"
    choices = {
        "the shipped choice": DECISION_FEATURES,
        "the whole track vector": [feature.name for feature in FEATURES],
    }
    composed = [track for track in found if track.kind == "composed"]
    for name, names in choices.items():
        for taught in (True, False):
            judge = judges([track for track in found if taught or track.kind != "composed"], names)
            right = [[], []]
            for track in composed:
                right[track.song].append((judge[track.fold](track.heard) >= 0) == track.song)
            yield f"| {name} | {'yes' if taught else 'no'} | {np.mean(right[0]):.3f} | {np.mean(right[1]):.3f} |"


@click.command()
@click.option("--work", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "build" / "training")
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the tables.")
def main(work: Path, markdown: Path | None) -> None:
    """Print both tables."""
    found = tracks(work)
    text = "\n".join([*report(found), "", *verses(found)]) + "\n"
    click.echo(text)
    if markdown:
        markdown.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
