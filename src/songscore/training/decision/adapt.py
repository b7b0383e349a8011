"""Refit a decision to a person's marks together with its lessons, the examples that it was first fitted to.

Marks are few and chosen by hand, so three rules limit what they change: together they weigh at most `STRENGTH` of the
lessons; a fit that gets more than `HARM` more of the lessons wrong is repeated with marks of half the weight; and no
bound of certainty gets laxer until a hundred marks of the other class support that.
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
    PARTS,
    RISING,
    Answers,
    DecisionSet,
    as_metadata,
    evidence,
    part_as_metadata,
    rises,
    upper_bound,
)
from songscore.training.decision.linear import (
    PENALTY,
    Booleans,
    Floats,
    balanced_weights,
    log_odds_of,
    refit_linear,
    terms,
)

MARKED = "marked"
"""Kind of a track that a person marked."""

STRENGTH = 0.5
"""Weight of very many marks together; all lessons together weigh 1."""

HALF = 20
"""Number of marks of a class that weigh half of what very many weigh."""

HARM = 0.005
"""Largest rise of the share of wrong lessons; each kind of lesson, and both classes of a kind, count the same."""

HALVINGS = 6
"""Number of strengths that are tried, each half the one before, until the marks are ignored."""


def mark_weights(song: Booleans) -> Floats:
    """Weight of each mark: both classes count the same if they have many marks, and no single mark counts much."""
    return 1 / (np.where(song, song.sum(), (~song).sum()) + HALF) / 2


def adapted(base: Linear, lessons: DecisionSet, marks: DecisionSet, chosen: Booleans) -> Linear:
    """`base` refitted to the chosen marks and the lessons; `base` itself if every fit costs the lessons too much."""
    used, weight = _fitted_lessons(lessons)
    old = lessons.whole[used], lessons.song[used], weight
    song = marks.song[chosen]
    for halving in range(HALVINGS):
        new = marks.whole[chosen], song, mark_weights(song) * STRENGTH / 2**halving
        linear = refit_linear(base, old, new, RISING)
        if harm(linear, base, lessons) <= HARM:
            return linear
    return base


def harm(linear: Linear, base: Linear, lessons: DecisionSet) -> float:
    """The share of the lessons that `linear` gets wrong, minus the share that `base` gets wrong."""
    used, weight = _fitted_lessons(lessons)
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
    """Log-odds of tracks by one decision; the log-odds of music are left at 0."""
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
        The marks to use; without it, all.
    """
    heard = answers_of(linear, lessons)
    ours, theirs = evidence(lessons, heard), evidence(marks, answers, chosen)
    before = {"very_long_score_below": before["long_score_below"], "very_long_part": before["part"], **before}
    parts = {name: before[name] for name in PARTS}
    known = {name: before[name] for name in ("song_above", "song_above_with_choir")}
    known |= {name: -before[name] for name in ("score_below", "long_score_below", "very_long_score_below")}
    known |= {name: -part["score_below"] if part else NEVER for name, part in parts.items()}
    found = {name: supported_bound(ours[name], theirs[name], known[name]) for name in known}
    # Counting choirs as voices raises log-odds, and hearing only a part lowers them, so these bounds are no laxer.
    found["song_above_with_choir"] = max(found["song_above_with_choir"], found["song_above"])
    found["part"] = max(found["part"], found["long_score_below"])
    found["very_long_part"] = max(found["very_long_part"], found["very_long_score_below"])
    return as_metadata(found) | {
        "music_above": before["music_above"],
        **{name: _part(part, lessons, heard, -found[name]) for name, part in parts.items()},
        "calibrated_on": {
            name: {
                "tracks": len(ours[name][0]) + len(theirs[name][0]),
                "groups": len(np.unique(ours[name][1])) + len(np.unique(theirs[name][1])),
            }
            for name in CALIBRATED
        },
    }


def _part(
    before: Mapping[str, float] | None, lessons: DecisionSet, heard: Answers, score_below: float
) -> dict[str, float] | None:
    """Bounds of tracks heard in part, whose log-odds may rise no less than they might before; None as before."""
    if before is None:
        return None
    known = before["rise"], before.get("rise_in_doubt", 0.0)
    return part_as_metadata(score_below, *map(max, known, rises(lessons, heard, score_below)))


def supported_bound(
    lessons: tuple[Floats, NDArray[np.str_]], marks: tuple[Floats, NDArray[np.str_]], before: float
) -> float:
    """The smallest bound that lessons and marks of the other class support.

    The lessons alone must support it. Enough marks to promise `ERROR_RATE` by themselves must support it too. Fewer
    marks are pooled with the lessons, which then weigh as much as that number of tracks, and the bound is never below
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

    Tracks are chosen one after the other by the gain of Fisher information about the weights (MacKay 1992,
    "Information-based objective functions for active data selection"): it is greatest where the label is in doubt and
    lessons and marks say least. The gain is halved in a folder with one chosen track, a third with two, and so on.
    """
    used, weight = _fitted_lessons(lessons)
    rows = [(lessons.whole[used], weight), (marks.whole, mark_weights(marks.song) * STRENGTH)]
    known = PENALTY * np.eye(base.weight.size + base.bias.size)
    for some, weights in rows:
        x = terms(base, some)
        known += (x.T * (weights * _doubt(base, some))) @ x
    spread: Floats = np.linalg.inv(known).astype(np.float64)
    x = terms(base, features)
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
    """Variance of the label of each track, ``p (1 - p)``."""
    p = expit(log_odds_of(linear, features))
    return np.asarray(p * (1 - p))


def _fitted_lessons(lessons: DecisionSet) -> tuple[Booleans, Floats]:
    """Which lessons a decision is fitted to, and their weights, which add up to 1."""
    used = lessons.trusted & lessons.is_music
    weight = balanced_weights(lessons.song[used], lessons.kind[used])
    return used, weight / weight.sum()
