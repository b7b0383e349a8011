"""What thirty marks mend in a collection of one kind, and what they cost elsewhere.

    python -m benchmarks adapting --markdown docs/figures/adapting.md

reads ``benchmarks/track-v2.tracks.csv``, the features of each labelled clip as a detector heard it that had never met
its artist or source; no music is heard. For each collection the decision is first fitted without it: that is the model
before. Then some of its artists are marked, until there are thirty marks, or tracks at random where there are fewer
than ten artists; the decision is adapted to them, and judged on the artists or tracks that were not marked and on all
other music. Means over draws, in brackets the range that holds nine of ten draws.

With ``--lessons`` it writes instead what ``songscore adapt`` needs beside a model that was trained before training
kept its lessons. The table lacks what was heard of parts, so the models adapted from these never leave a score early.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from shipped_model import HERE, MANIFEST, MODELS

from songscore.decision import SHORTEST_CERTAIN
from songscore.model import MODEL, load_model
from songscore.training.decision.adapt import MARKED, adapted, adapted_bounds, answers_of, cross_validated, to_mark_next
from songscore.training.decision.bounds import DECIDING, MUSIC, DecisionSet, calibrate, fit_decision
from songscore.training.decision.compose import ALONE, NO_MUSIC
from songscore.training.decision.lessons import as_arrays
from songscore.training.publish import write_lessons

N_MARKS, N_DRAWS, N_FOLDS = 30, 40, 10
FEWEST_ARTISTS = 10

Row = Mapping[str, str]
Booleans = NDArray[np.bool_]


def rows_of(table: Path) -> list[dict[str, str]]:
    """The table, with what the manifest says of each track under ``about``."""
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        about = {row["path"]: " ".join([row["title"], row["artist"], row["note"]]) for row in csv.DictReader(file)}
    with table.open(encoding="utf-8", newline="") as file:
        return [{**row, "about": about.get(row["path"], "")} for row in csv.DictReader(file)]


def lessons_from(rows: list[dict[str, str]]) -> DecisionSet:
    """The tracks as lessons. Nothing is known of parts, so a part is the whole; nor of choirs that count as a voice."""

    def features(names: list[str]) -> NDArray[np.float64]:
        return np.array([[float(row[name]) for name in names] for row in rows])

    whole = features(DECIDING)
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
    )


def _kind(row: Row) -> str:
    if row["role"] in {"speech", "other"}:
        return NO_MUSIC
    return ALONE if row["role"] == "voice" else row["kind"].removesuffix(" (more)")


def about(pattern: str, *, song: bool) -> Callable[[Row], bool]:
    """Tracks of a label whose title, artist or note says so."""
    return lambda row: row["song"] == str(int(song)) and bool(re.search(pattern, row["about"], re.IGNORECASE))


COLLECTIONS: dict[str, Callable[[Row], bool]] = {
    "karaoke pairs: songs and their accompaniments": lambda row: row["kind"] == "pair" and row["role"] != "voice",
    "studies of singing technique": lambda row: "tech-singer" in row["origin"],
    "voices alone": lambda row: row["role"] == "voice",
    "opera, arias, lieder": about(r"opera|aria\b|lied\b|lieder|caruso|soprano|tenor", song=True),
    "rap": about(r"\brap\b|hip-?hop", song=True),
    "generated music": lambda row: row["kind"] == "generated",
    "recordings": lambda row: row["kind"].startswith("recording"),
    "chiptunes and trackers": about(r"chip|8-bit|keygen|tracker", song=False),
    "rendered choirs": lambda row: row["kind"] == "rendered choir",
}


def part_of(given: DecisionSet, chosen: Booleans | NDArray[np.int64]) -> DecisionSet:
    """Some of the tracks."""
    return DecisionSet(**{field.name: getattr(given, field.name)[chosen] for field in fields(given)})


def drawn(
    given: DecisionSet, inside: NDArray[np.int64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tracks to mark, and the rest: other artists, or other tracks where there are few artists."""
    groups = rng.permutation(np.unique(given.group[inside]))
    if len(groups) < FEWEST_ARTISTS:
        order = rng.permutation(inside)
        return order[:n], order[n:]
    order = np.concatenate([rng.permutation(inside[given.group[inside] == group]) for group in groups])
    marked = order[:n]
    return marked, order[~np.isin(given.group[order], given.group[marked])]


def trial(given: DecisionSet, inside: Booleans, marked: NDArray[np.int64], rest: NDArray[np.int64]) -> list[float]:
    """Error of the rest and elsewhere, and certain mistakes and certain labels in the rest, each before and after."""
    lessons = part_of(given, ~inside)
    base = fit_decision(lessons, np.ones(len(lessons.song), np.bool_))
    fold = np.unique(given.group[marked], return_inverse=True)[1] % N_FOLDS
    marks = replace(part_of(given, marked), kind=np.full(len(marked), MARKED), fold=fold)
    after = adapted(base, lessons, marks, np.ones(len(marked), np.bool_))
    bounds = calibrate(lessons, answers_of(base, lessons))
    new_bounds = adapted_bounds(bounds, after, lessons, marks, cross_validated(base, lessons, marks))
    judged, others = part_of(given, rest), part_of(lessons, lessons.is_music & lessons.trusted)
    found = []
    for linear, limits in ((base, bounds), (after, new_bounds)):
        log_odds = answers_of(linear, judged).whole
        wrong = (log_odds >= 0) != judged.song
        certain = (log_odds >= limits["song_above"]) | (log_odds <= limits["score_below"])
        certain &= judged.seconds >= SHORTEST_CERTAIN
        elsewhere = ((answers_of(linear, others).whole >= 0) != others.song).mean()
        found += [wrong.mean(), elsewhere, (wrong & certain).mean(), certain.mean()]
    return found


def suggested(given: DecisionSet, inside: Booleans, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The tracks that ``songscore adapt --among`` names, ten at a time, from half of the collection's artists."""
    lessons, pool = part_of(given, ~inside), np.flatnonzero(inside)
    groups = np.unique(given.group[pool])
    pool = pool[np.isin(given.group[pool], rng.permutation(groups)[: len(groups) // 2 + 1])]
    base, marked = fit_decision(lessons, np.ones(len(lessons.song), np.bool_)), pool[:0]
    while len(marked) < n:
        left = np.setdiff1d(pool, marked)
        marks = part_of(given, marked)
        chosen = to_mark_next(base, lessons, marks, given.whole[left], given.group[left].tolist(), min(10, len(left)))
        if not chosen:
            break
        marked = np.concatenate([marked, left[chosen]])
        base = adapted(base, lessons, part_of(given, marked), np.ones(len(marked), np.bool_))
    return marked[:n]


def table(rows: list[dict[str, str]], draws: int) -> Iterator[str]:
    """A line for each collection and way of choosing the marks."""
    given = lessons_from(rows)
    usable = given.trusted & given.is_music & np.array([row["music"] == "1" for row in rows])
    heads = "error of the rest", "error elsewhere", "certain and wrong, the rest", "certain, the rest"
    yield "| collection (songs + scores, artists) | marks | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 2) + "|"
    for name, matches in COLLECTIONS.items():
        inside = usable & np.array([matches(row) for row in rows])
        pool = np.flatnonzero(inside)
        n, n_artists = min(N_MARKS, len(pool) // 2), len(np.unique(given.group[pool]))
        about = f"{name} ({given.song[pool].sum()} + {(~given.song[pool]).sum()}, {n_artists})"
        ways = {f"{n} at random": lambda rng: drawn(given, pool, n, rng)}
        if n_artists >= FEWEST_ARTISTS and n == N_MARKS:
            ways[f"{n} as suggested"] = lambda rng: _with_rest(given, pool, suggested(given, inside, n, rng))
        for way, choose in ways.items():
            rng = np.random.default_rng(0)
            found = np.array([trial(given, inside, *choose(rng)) for _ in range(draws)])
            yield f"| {about} | {way} | " + " | ".join(_cell(found, i) for i in range(len(heads))) + " |"


def _with_rest(
    given: DecisionSet, pool: NDArray[np.int64], marked: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return marked, pool[~np.isin(given.group[pool], given.group[marked])]


def _cell(found: NDArray[np.float64], i: int) -> str:
    before, after = found[:, i], found[:, i + found.shape[1] // 2]
    low, high = np.percentile(after, [5, 95])
    return f"{before.mean():.1%} → {after.mean():.1%} [{low:.1%}, {high:.1%}]"


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=HERE / f"{MODEL}.tracks.csv")
@click.option("--draws", default=N_DRAWS, show_default=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the table.")
@click.option("--lessons", is_flag=True, help="Write the lessons of the shipped model instead.")
def main(tracks: Path, draws: int, markdown: Path | None, lessons: bool) -> None:
    """Print the table."""
    rows = rows_of(tracks)
    if lessons:
        write_lessons(MODELS, MODEL, as_arrays(lessons_from(rows), load_model().detector_digest))
        return
    lines = []
    for line in table(rows, draws):
        click.echo(line)
        lines.append(line)
    if markdown:
        markdown.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
