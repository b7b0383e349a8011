"""What thirty marks mend in a collection of one kind, and what they cost elsewhere.

    python -m benchmarks adapting --markdown docs/figures/adapting.md

reads ``NAME.tracks.csv`` of the shipped model, the features of each labelled clip as a detector heard it that had
never met its artist or source; no music is heard. For each collection the decision is first fitted without it: that is
the model before. Then some of its artists are marked, until there are thirty marks, or tracks at random where there
are fewer than ten artists; the decision is adapted to them, and judged on the artists or tracks that were not marked
and on all other music. Where ``songscore adapt`` would write no model, nothing changes. Means over draws, in brackets
the range that holds nine of ten draws. The last two columns are of the rest, over the draws in which a model is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore.model import Linear
from songscore.training.decision.adapt import MARKED, answers_of, to_mark_next
from songscore.training.decision.bounds import (
    DECIDING,
    MUSIC,
    DecisionSet,
    calibrate,
    fit_decision,
    fit_music,
    is_certain,
)
from songscore.training.decision.compose import ALONE, NO_MUSIC
from songscore.training.decision.linear import log_odds_of
from songscore.training.trial import Trial, in_folds

from .material.place import Place
from .material.tracks import read_clips
from .training_data import TRACKS

N_MARKS = 30
QUICK = {"draws": 1}
FEWEST_ARTISTS = 10

Row = Mapping[str, str]
Booleans = NDArray[np.bool_]
Drawn = NDArray[np.int64]


def lessons_from(rows: list[dict[str, str]]) -> DecisionSet:
    """The tracks as lessons. Nothing is known of parts, so a part is the whole; nor of choirs that count as a voice."""

    def features(names: list[str]) -> NDArray[np.float64]:
        return np.array([[float(row[name]) for name in names] for row in rows])

    whole = features(DECIDING)
    # the answers hold the mean of speech alone: ten times it reaches the limit where the mean reached its own
    spoken = 10 * expit(features(["speech_mean"])[:, 0])
    return DecisionSet(
        whole=whole,
        part=whole,
        choir=whole,
        music=features(MUSIC),
        song=np.array([row["song"] == "1" for row in rows]),
        is_music=np.array([row["role"] in {"song", "voice", "instrumental", "choir", "pair"} for row in rows]),
        fold=np.array([int(row["fold"]) for row in rows]),
        kind=np.array([_kind(row) for row in rows]),
        group=np.array([row["group"] for row in rows]),
        trusted=np.array([not row["doubt"] for row in rows]),
        seconds=2.0 ** features(["length"])[:, 0],
        spoken=spoken,
        spoken_part=spoken,
        heard=np.ones(len(rows)),
    )


def _kind(row: Row) -> str:
    if row["role"] in {"speech", "other"}:
        return NO_MUSIC
    return ALONE if row["role"] == "voice" else row["kind"].removesuffix(" (more)")


COLLECTIONS: dict[str, Callable[[Row], bool]] = {
    "karaoke pairs: songs and their accompaniments": lambda row: row["kind"] == "pair" and row["role"] != "voice",
    "studies of singing technique": lambda row: "tech-singer" in row["origin"],
    "voices alone": lambda row: row["role"] == "voice",
    "generated music": lambda row: row["kind"] == "generated",
    "recordings": lambda row: row["kind"].startswith("recording"),
    "rendered choirs": lambda row: row["kind"] == "rendered choir",
}


def part_of(given: DecisionSet, chosen: Booleans | NDArray[np.int64]) -> DecisionSet:
    """Some of the tracks."""
    return DecisionSet(**{field.name: getattr(given, field.name)[chosen] for field in fields(given)})


def at_random(given: DecisionSet, inside: Booleans, rng: np.random.Generator) -> tuple[Drawn, Drawn]:
    """Tracks to mark, and the rest: other artists, or other tracks where there are few artists."""
    pool = np.flatnonzero(inside)
    groups = rng.permutation(np.unique(given.group[pool]))
    if len(groups) < FEWEST_ARTISTS:
        order = rng.permutation(pool)
        return order[:N_MARKS], order[N_MARKS:]
    order = np.concatenate([rng.permutation(pool[given.group[pool] == group]) for group in groups])
    return order[:N_MARKS], _of_others(given, pool, order[:N_MARKS])


def without(given: DecisionSet, inside: Booleans) -> tuple[DecisionSet, Linear, Linear, dict]:
    """The lessons without a collection, and what they give: the decision, whether it is music, and the bounds."""
    lessons = part_of(given, ~inside)
    everything = np.ones(len(lessons.song), np.bool_)
    base, music = fit_decision(lessons, everything), fit_music(lessons, everything)
    return lessons, base, music, calibrate(lessons, answers_of(base, lessons))


def outcome(
    given: DecisionSet, lessons: DecisionSet, base: Linear, music: Linear, bounds: dict, marked: Drawn, rest: Drawn
) -> list[float]:
    """Before and after: errors of the rest and elsewhere, certain mistakes and certain labels; and if one is written.

    Certain mistakes are the share of a class that looks certain of the other label, of the class in which it is larger.
    Where no model is written, what was before is still so after.
    """
    marks = in_folds(replace(part_of(given, marked), kind=np.full(len(marked), MARKED)))
    trial = Trial.of(base, bounds, lessons, marks, log_odds_of(music, marks.music))
    new = (trial.linear, trial.bounds) if trial.better else (base, bounds)
    judged, others = part_of(given, rest), part_of(lessons, lessons.is_music & lessons.trusted)
    found = []
    for linear, limits in ((base, bounds), new):
        log_odds = answers_of(linear, judged).whole
        wrong = (log_odds >= 0) != judged.song
        certain = is_certain(judged, log_odds, log_odds_of(music, judged.music), limits)
        elsewhere = ((answers_of(linear, others).whole >= 0) != others.song).mean()
        looks_other = [(wrong & certain)[judged.song == song].mean() for song in np.unique(judged.song)]
        found += [wrong.mean(), elsewhere, max(looks_other), certain.mean()]
    return [*found, float(trial.better)]


def as_suggested(given: DecisionSet, inside: Booleans, rng: np.random.Generator) -> tuple[Drawn, Drawn]:
    """The tracks that ``songscore adapt --among`` names, ten at a time, of a random half of the artists."""
    lessons, pool = part_of(given, ~inside), np.flatnonzero(inside)
    groups = np.unique(given.group[pool])
    offered = pool[np.isin(given.group[pool], rng.permutation(groups)[: len(groups) // 2])]
    base, marked = fit_decision(lessons, np.ones(len(lessons.song), np.bool_)), pool[:0]
    for _ in range(N_MARKS // 10):
        left = np.setdiff1d(offered, marked)
        next_ones = to_mark_next(
            base, lessons, part_of(given, marked), given.whole[left], given.group[left].tolist(), 10
        )
        marked = np.concatenate([marked, left[next_ones]])
    return marked, _of_others(given, pool, marked)


def _of_others(given: DecisionSet, pool: Drawn, marked: Drawn) -> Drawn:
    return pool[~np.isin(given.group[pool], given.group[marked])]


def table(rows: list[dict[str, str]], draws: int) -> Iterator[str]:
    """A line for each collection and way of choosing the marks."""
    given = lessons_from(rows)
    usable = given.trusted & given.is_music & np.array([row["music"] == "1" for row in rows])
    heads = "error of the rest", "error elsewhere", "looks certain of the other label", "certain"
    yield "| collection (songs + scores, artists) | 30 marks | model written | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 3) + "|"
    for name, matches in COLLECTIONS.items():
        inside = usable & np.array([matches(row) for row in rows])
        group, song = given.group[inside], given.song[inside]
        known = without(given, inside)
        about = f"{name} ({song.sum()} + {(~song).sum()}, {len(np.unique(group))})"
        for way, choose in {"at random": at_random, "as suggested": as_suggested}.items():
            if way == "at random" or len(np.unique(group)) >= FEWEST_ARTISTS:
                rng = np.random.default_rng(0)
                found = np.array([outcome(given, *known, *choose(given, inside, rng)) for _ in range(draws)])
                written = found[found[:, -1] == 1]
                cells = [
                    f"{len(written)} of {draws}",
                    _cell(found, 0),
                    _cell(found, 1),
                    _cell(written, 2),
                    _cell(written, 3),
                ]
                yield f"| {about} | {way} | {' | '.join(cells)} |"


def _cell(found: NDArray[np.float64], i: int) -> str:
    if not len(found):
        return ""
    before, after = found[:, i], found[:, i + found.shape[1] // 2]
    low, high = np.percentile(after, [5, 95])
    return f"{before.mean():.1%} → {after.mean():.1%} [{low:.1%}, {high:.1%}]"


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
@click.option("--draws", default=20, show_default=True)
def main(place: Place, tracks: Path, draws: int) -> Iterator[str]:
    """A line for each collection and way of choosing the marks."""
    yield from table(read_clips(tracks), draws)
