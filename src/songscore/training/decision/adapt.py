"""A decision fitted to a person's marks, beside the lessons that it learnt before.

Marks are few and chosen by hand, so the lessons hold the decision in place three times: marks never count more than a
share of them, a fit that costs the lessons more than `HARM` is weakened until it does not, and the bounds of certainty
are never laxer than they were before a hundred marks of the other class support it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore.model import Linear
from songscore.training.decision.bounds import (
    CALIBRATED,
    ERROR_RATE,
    NEVER,
    RISING,
    Answers,
    DecisionSet,
    as_metadata,
    evidence,
    rise,
    upper_bound,
)
from songscore.training.decision.linear import (
    PENALTY,
    Booleans,
    Floats,
    balanced_weights,
    log_odds_of,
    refit_linear,
    with_ones,
)

MARKED = "marked"
"""Kind of a track that a person marked."""

STRENGTH = 0.5
"""What many marks weigh together, where all lessons weigh 1."""

HALF = 20
"""Marks of a class that weigh half of what many do."""

HARM = 0.005
"""By how much the share of wrong lessons may rise; every kind of them, and both classes of it, count the same."""

HALVINGS = 6
"""How often the strength is halved before the marks are given up."""


def mark_weights(song: Booleans) -> Floats:
    """What each mark weighs: the classes the same where there are many of each, and a single mark never much."""
    return 1 / (np.where(song, song.sum(), (~song).sum()) + HALF) / 2


def adapted(base: Linear, lessons: DecisionSet, marks: DecisionSet, chosen: Booleans) -> Linear:
    """A decision fitted to the chosen marks and to the lessons; `base` itself where they cannot be reconciled."""
    used, weight = _taught(lessons)
    old = lessons.whole[used], lessons.song[used], weight
    song = marks.song[chosen]
    for halving in range(HALVINGS):
        new = marks.whole[chosen], song, mark_weights(song) * STRENGTH / 2**halving
        linear = refit_linear(base, old, new, RISING)
        if harm(linear, base, lessons) <= HARM:
            return linear
    return base


def harm(linear: Linear, base: Linear, lessons: DecisionSet) -> float:
    """By how much more of the lessons `linear` gets wrong than `base`, in shares of 1."""
    used, weight = _taught(lessons)
    wrong = [(log_odds_of(one, lessons.whole[used]) >= 0) != lessons.song[used] for one in (linear, base)]
    return float(weight @ wrong[0] - weight @ wrong[1])


def cross_validated(base: Linear, lessons: DecisionSet, marks: DecisionSet) -> Answers:
    """Answers to every mark by a decision that was fitted without the marks of its fold."""
    answers = Answers(*(np.zeros(len(marks.song)) for _ in fields(Answers)))
    for held_out in (marks.fold == part for part in np.unique(marks.fold)):
        linear = adapted(base, lessons, marks, ~held_out)
        for name in ("whole", "part", "choir"):
            getattr(answers, name)[held_out] = log_odds_of(linear, getattr(marks, name)[held_out])
    return answers


def answers_of(linear: Linear, given: DecisionSet) -> Answers:
    """Answers to tracks by one decision; whether they are music is not asked."""
    whole, part, choir = (log_odds_of(linear, features) for features in (given.whole, given.part, given.choir))
    return Answers(whole, part, choir, np.zeros(len(whole)))


def adapted_bounds(
    before: Mapping[str, Any],
    linear: Linear,
    lessons: DecisionSet,
    marks: DecisionSet,
    answers: Answers,
    chosen: Booleans | None = None,
) -> dict[str, Any]:
    """The bounds of certainty of an adapted decision, as metadata.

    Parameters
    ----------
    before : mapping
        The bounds of the model that was adapted.
    linear : Linear
        The adapted decision.
    lessons, marks : DecisionSet
    answers : Answers
        Those of `cross_validated` to the marks.
    chosen : (n_marks,) bool, optional
        The marks that may be used.
    """
    heard = answers_of(linear, lessons)
    ours, theirs = evidence(lessons, heard), evidence(marks, answers, chosen)
    part = before["part"]
    known = {name: before[name] for name in ("song_above", "song_above_with_choir")}
    known |= {name: -before[name] for name in ("score_below", "long_score_below")}
    known |= {"part": -part["score_below"] if part else NEVER}
    found = {name: supported_bound(ours[name], theirs[name], known[name]) for name in known}
    # More is heard of a whole track, and of one in which choirs count: what they need, the others need too.
    found["song_above_with_choir"] = max(found["song_above_with_choir"], found["song_above"])
    found["part"] = max(found["part"], found["long_score_below"])
    rises = max(part["rise"] if part else 0.0, rise(lessons, heard, -found["part"]))
    return as_metadata(found) | {
        "music_above": before["music_above"],
        "part": {"score_below": -found["part"], "rise": rises} if part else None,
        "calibrated_on": {
            name: {
                "tracks": len(ours[name][0]) + len(theirs[name][0]),
                "groups": len(np.unique(ours[name][1])) + len(np.unique(theirs[name][1])),
            }
            for name in CALIBRATED
        },
    }


def supported_bound(
    lessons: tuple[Floats, NDArray[np.str_]], marks: tuple[Floats, NDArray[np.str_]], before: float
) -> float:
    """The smallest bound that lessons and marks of the other class support.

    The lessons alone must support it. Enough marks to promise `ERROR_RATE` by themselves must support it too. Fewer
    are put together with lessons that weigh as much as that number of tracks, and then the bound is never below
    `before`.
    """
    by_lessons, enough = upper_bound(*lessons), 1 / ERROR_RATE
    if len(marks[0]) + 1 >= enough:
        return max(by_lessons, upper_bound(*marks))
    if not len(lessons[0]):
        return by_lessons
    far = np.concatenate([lessons[0], marks[0]])
    weight = np.concatenate([np.full(len(lessons[0]), enough / len(lessons[0])), np.ones(len(marks[0]))])
    order = np.argsort(far)[::-1]
    too_many = np.cumsum(weight[order]) > ERROR_RATE * weight.sum()
    return max(by_lessons, before, float(np.nextafter(far[order[int(np.argmax(too_many))]], np.inf)))


def to_mark_next(
    base: Linear, lessons: DecisionSet, marks: DecisionSet, features: Floats, folder: Sequence[str], n: int
) -> list[int]:
    """The `n` tracks whose marks would teach most, best first, as rows of `features`.

    That is where the label is in doubt and the decision least settled by lessons and marks: the greatest gain of Fisher
    information about its weights, one track after the other (MacKay 1992, "Information-based objective functions for
    active data selection"). Of a folder that was asked already, a track counts half as much, then a third, and so on.
    """
    taught, weight = _taught(lessons)
    rows = [(lessons.whole[taught], weight), (marks.whole, mark_weights(marks.song) * STRENGTH)]
    n_weights = len(base.weight) + 1
    known = PENALTY * np.eye(n_weights)
    for some, weights in rows:
        x = with_ones(base, some)
        known += (x.T * (weights * _doubt(base, some))) @ x
    spread: Floats = np.linalg.inv(known).astype(np.float64)
    x = with_ones(base, features)
    informative = _doubt(base, features) * STRENGTH / 2 / HALF
    return list(_greedy(x, informative, spread, folder, n))


def _greedy(x: Floats, informative: Floats, spread: Floats, folder: Sequence[str], n: int) -> Iterator[int]:
    place = np.unique(folder, return_inverse=True)[1]
    asked, left = np.zeros(len(x)), np.ones(len(x), np.bool_)
    for _ in range(min(n, len(x))):
        gain = informative * np.einsum("ij,jk,ik->i", x, spread, x) / (1 + asked[place])
        best = int(np.argmax(np.where(left, gain, -1.0)))
        yield best
        along = spread @ x[best]
        spread = spread - informative[best] * np.outer(along, along) / (1 + informative[best] * x[best] @ along)
        asked[place[best]] += 1
        left[best] = False


def _doubt(linear: Linear, features: Floats) -> Floats:
    """Variance of the label."""
    p = expit(log_odds_of(linear, features))
    return np.asarray(p * (1 - p))


def _taught(lessons: DecisionSet) -> tuple[Booleans, Floats]:
    """The lessons that teach, and what each of these weighs; their sum is 1."""
    used = lessons.trusted & lessons.is_music
    weight = balanced_weights(lessons.song[used], lessons.kind[used])
    return used, weight / weight.sum()
