"""How often ``certain`` is wrong, and how often a label is certain, over thresholds, priors, lengths, ways of reading.

    python -m benchmarks certainty --markdown docs/figures/certainty.md
    python -m benchmarks certainty --kinds --markdown docs/figures/kinds.md

needs no music: it reads the lessons that lie beside the shipped model, what its decision was fitted to. They are the
labelled clips, excerpts of ten to twenty seconds, speakers, choirs and singers mixed over scores, and scores of one
minute to an hour, looped and medleys, half of them with one passage of 8 to 40 s of a song. Detector, weights and
bounds of an answer never met its artist, source or origin. By group, each artist or source counts the same, however
many tracks it has. Intervals are 95 % over resampled groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from songscore.decision import SHORTEST_CERTAIN, Question, stays
from songscore.model import MODEL, Bounds, load_model
from songscore.model.bounds import VERY_LONG
from songscore.training.decision.bounds import Answers, DecisionSet, calibrate, cross_validated
from songscore.training.decision.lessons import lessons_of

from .material.place import Place

QUESTIONS = [Question(threshold, prior) for threshold in (0.5, 0.9, 0.97) for prior in (None, 0.5, 0.116, 0.03)]
LENGTHS = {"10 to 20 s": (10, 20), "20 s to 1 min": (20, 60), "1 to 10 min": (60, 600), "10 to 60 min": (600, 4000)}
N_DRAWS = 300

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Judged:
    """The lessons, the answers to them by weights of other folds, and the bounds without each fold."""

    given: DecisionSet
    answers: Answers
    bounds: list[dict[str, Any]]

    @classmethod
    def of(cls, name: str) -> Judged:
        given = lessons_of(load_model(name), name)
        answers = cross_validated(given)
        return cls(given, answers, [calibrate(given, answers, given.fold != part) for part in np.unique(given.fold)])


def answered(data: Judged, question: Question, *, thorough: bool) -> tuple[Booleans, Booleans, Booleans]:
    """Whether each example is called a song, whether that is certain, and whether it is heard in part."""
    song, certain, left = np.zeros((3, len(data.given.song)), np.bool_)
    very_long = data.given.seconds >= VERY_LONG
    for part, bounds in enumerate(data.bounds):
        for here in (data.given.fold == part) & np.array([very_long, ~very_long]):
            song[here], certain[here], left[here] = _answered(data, here, bounds, question, thorough)
    return song, certain & (data.given.seconds >= SHORTEST_CERTAIN), left


def _answered(
    data: Judged, here: Booleans, bounds: Mapping[str, Any], question: Question, thorough: bool
) -> tuple[Booleans, Booleans, Booleans]:
    """`answered` for some tracks, which are very long all of them, or none."""
    limits = Bounds.from_dict(bounds)
    whole, heard = data.answers.whole[here], data.answers.part[here]
    sung = data.given.speech[here] < limits.song_speech_below
    played = data.given.spoken[here] < limits.score_spoken_below
    played_part = data.given.spoken_part[here] < limits.score_spoken_below
    seconds = data.given.seconds[here]
    part = limits.part_at(float(seconds.max(initial=0)))
    low = np.array([limits.score_below_at(length) for length in seconds.tolist()])
    settled = stays(heard, part, question.cut, limits.song_above, low, played_part)
    left = data.given.early[here] & settled & (not thorough)
    log_odds = np.where(left, heard, whole)
    song = log_odds >= question.cut
    is_score = np.where(left, played_part & (heard <= part.score_below), played & (whole <= low))
    certain = np.where(song, sung & (log_odds >= limits.song_above), is_score)
    return song, certain & (data.answers.music[here] >= limits.music_above), left


def share(hits: Booleans, group: NDArray[np.str_], *, by_group: bool) -> float:
    """Share of the tracks, or mean over groups of the share of their tracks."""
    if not len(hits):
        return float("nan")
    if not by_group:
        return float(hits.mean())
    _, index = np.unique(group, return_inverse=True)
    return float((np.bincount(index, hits) / np.bincount(index)).mean())


def interval(hits: Booleans, group: NDArray[np.str_]) -> str:
    """Share of the tracks with its interval."""
    rng, members = np.random.default_rng(0), [np.flatnonzero(group == name) for name in np.unique(group)]
    draws = [
        hits[np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])].mean()
        for _ in range(N_DRAWS)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{hits.mean():.1%} [{low:.1%}, {high:.1%}]"


def by_length(data: Judged) -> Iterator[str]:
    """At the default question."""
    heads = "certain", "certainly wrong, by track", "by group"
    shown = " | ".join(f"{label}: {head}" for label in ("songs", "scores") for head in heads)
    yield f"| length, read | {shown} | scores: heard, median, mean |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, (low, high) in LENGTHS.items():
        for thorough in (False, True) if low >= 60 else (True,):
            song, certain, left = answered(data, Question(), thorough=thorough)
            cells = [f"{name}, {'whole' if thorough else 'by default'}"]
            for label in (True, False):
                chosen = _chosen(data, low, high, label)
                group = data.given.group[chosen]
                wrong = (certain & (song != label))[chosen]
                cells.append(f"{certain[chosen].mean():.0%} of {chosen.sum()}")
                cells += [interval(wrong, group), f"{share(wrong, group, by_group=True):.1%} of {len(set(group))}"]
            heard = np.where(left, data.given.heard, 1.0)[_chosen(data, low, high, False)]
            cells.append(f"{np.median(heard):.0%}, {heard.mean():.0%}")
            yield f"| {' | '.join(cells)} |"


def by_question(data: Judged) -> Iterator[str]:
    """Over all lengths."""
    shown = " | ".join(f"{label}: certain, wrong by track, by group" for label in ("songs", "scores"))
    yield f"| threshold, prior | labels that differ from reading the whole | of these certain | {shown} |"
    yield "|---|---|---|---|---|"
    for question in QUESTIONS:
        song, certain, _ = answered(data, question, thorough=False)
        whole, whole_certain, _ = answered(data, question, thorough=True)
        used = data.given.trusted & data.given.is_music
        differs = (song != whole) & used
        cells = [
            f"{question.threshold:g}, {question.prior or 'none'}",
            f"{differs.sum()} of {used.sum()}",
            f"{(differs & (certain | whole_certain)).sum()}",
        ]
        for label in (True, False):
            chosen = _chosen(data, 0, np.inf, label)
            wrong, group = (certain & (song != label))[chosen], data.given.group[chosen]
            shares = [share(wrong, group, by_group=by_group) for by_group in (False, True)]
            cells.append(f"{certain[chosen].mean():.0%}, {shares[0]:.2%}, {shares[1]:.2%}")
        yield f"| {' | '.join(cells)} |"


def by_kind(data: Judged) -> Iterator[str]:
    """What is right, certain and refused of each kind, at the default question."""
    song, certain, _ = answered(data, Question(), thorough=False)
    yield "| kind | label | number | right | certain | certainly wrong | called no music |"
    yield "|---|---|---|---|---|---|---|"
    given = data.given
    for kind in sorted(set(given.kind[given.is_music])):
        for label in (True, False):
            chosen = given.trusted & given.is_music & (given.kind == kind) & (given.song == label)
            if chosen.any():
                right = (song == label)[chosen].mean()
                wrong = (certain & (song != label))[chosen].mean()
                refused = (data.answers.music < 0)[chosen].mean()
                name = "song" if label else "score"
                shares = f"{right:.1%} | {certain[chosen].mean():.0%} | {wrong:.1%} | {refused:.1%}"
                yield f"| {kind} | {name} | {chosen.sum()} | {shares} |"
    nothing = ~given.is_music
    yield f"| no music | none | {nothing.sum()} | | | | {(data.answers.music < 0)[nothing].mean():.1%} |"


def _chosen(data: Judged, low: float, high: float, label: bool) -> Booleans:
    given = data.given
    inside = (given.seconds >= low) & (given.seconds < high)
    return np.asarray(given.trusted & given.is_music & inside & (given.song == label))


@click.command()
@click.option("--kinds", is_flag=True, help="By kind of sound instead.")
def main(place: Place, kinds: bool) -> Iterator[str]:
    """The tables by length and by question, or the one by kind."""
    data = Judged.of(MODEL)
    if kinds:
        yield from by_kind(data)
    else:
        yield from [*by_length(data), "", *by_question(data)]
