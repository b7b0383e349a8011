"""How an adapted decision does on marks that it never met, and whether that is better than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from songscore.decision import SHORTEST_CERTAIN
from songscore.model import Linear
from songscore.training.decision.adapt import (
    adapted,
    adapted_bounds,
    answers_of,
    cross_validated,
    harm,
    mark_weights,
)
from songscore.training.decision.bounds import DecisionSet
from songscore.training.decision.linear import Booleans, Floats
from songscore.training.metrics import Figure, resampled

FEWEST_GROUPS = 3
N_FOLDS = 10

MOST = 200
"""Further marks from which "not yet" is "not better"."""

N_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a decision does on the marks.

    Attributes
    ----------
    wrong_songs, wrong_scores : int
        Marked songs that it calls instrumental score, and the reverse.
    error : Figure
        Share of the marks that it gets wrong, with its 95 % interval.
    certain : float
        Share of the marks of which it is certain.
    certain_and_wrong : int
    """

    wrong_songs: int
    wrong_scores: int
    error: Figure
    certain: float
    certain_and_wrong: int


@dataclass(frozen=True, eq=False)
class Trial:
    """A decision adapted to marks, and how it does on them without having met them.

    Attributes
    ----------
    linear : Linear
        Fitted to all marks.
    bounds : dict
        Its bounds of certainty, as metadata.
    marks : DecisionSet
    before, after : (n_marks,) float64
        Log-odds by the decision before, and by one fitted without the marks of the same folder.
    certain_before, certain_after : (n_marks,) bool
    elsewhere : float
        By how much the share of wrong lessons rises.
    gain : Figure
        By how much the mean loss of a mark falls, in nats, with its 95 % interval.
    """

    linear: Linear
    bounds: dict[str, Any]
    marks: DecisionSet
    before: Floats
    after: Floats
    certain_before: Booleans
    certain_after: Booleans
    elsewhere: float
    gain: Figure

    @classmethod
    def of(cls, base: Linear, before: Mapping[str, Any], lessons: DecisionSet, marks: DecisionSet) -> Trial:
        """Adapt a decision with its bounds, and once more without each fold of the marks."""
        everything = np.ones(len(marks.song), np.bool_)
        linear, answers = adapted(base, lessons, marks, everything), cross_validated(base, lessons, marks)
        bounds = adapted_bounds(before, linear, lessons, marks, answers)
        certain = np.zeros(len(marks.song), np.bool_)
        for part in np.unique(marks.fold):
            here = marks.fold == part
            known = adapted_bounds(before, linear, lessons, marks, answers, ~here)
            certain[here] = is_certain(answers.whole, marks, known)[here]
        log_odds = answers_of(base, marks).whole
        gains = _loss(log_odds, marks.song) - _loss(answers.whole, marks.song)
        return cls(
            linear=linear,
            bounds=bounds,
            marks=marks,
            before=log_odds,
            after=answers.whole,
            certain_before=is_certain(log_odds, marks, before),
            certain_after=certain,
            elsewhere=harm(linear, base, lessons),
            gain=_mean(gains, marks.group, mark_weights(marks.song)),
        )

    @property
    def better(self) -> bool:
        """Whether fewer marks are wrong, and all of them are explained better by more than chance."""
        return self.gain.low > 0 and self._fewer_wrong

    @property
    def more(self) -> int | None:
        """Marks after which the gain would exceed chance, if it stays what it is; None where it is none."""
        gain, n = self.gain, len(self.before)
        if self.better or not self._fewer_wrong or gain.value <= 0:
            return None
        more = max(1, ceil(n * (((gain.value - gain.low) / gain.value) ** 2 - 1)))
        return more if more <= MOST else None

    @property
    def message(self) -> str:
        """The verdict in words."""
        n, before, after = len(self.before), self._n_wrong(self.before), self._n_wrong(self.after)
        if not before:
            return f"not better: the model already agrees with all of the {counted_marks(n)}"
        found = f"of {counted_marks(n)}, {before} are wrong before and {after} after, in cross-validation"
        if self.better:
            return f"better: {found}"
        if self.more is not None:
            return f"not yet: {found}; that may be chance. About {counted_marks(self.more, 'more ')} would tell"
        return f"not better: {found}; the marks hold nothing that this decision could learn from what was heard"

    def standings(self) -> tuple[Standing, Standing]:
        """Before and after."""
        return self._standing(self.before, self.certain_before), self._standing(self.after, self.certain_after)

    def _standing(self, log_odds: Floats, certain: Booleans) -> Standing:
        song, wrong = self.marks.song, (log_odds >= 0) != self.marks.song
        return Standing(
            wrong_songs=int((wrong & song).sum()),
            wrong_scores=int((wrong & ~song).sum()),
            error=_mean(wrong.astype(np.float64), self.marks.group, np.ones(len(wrong))),
            certain=float(certain.mean()),
            certain_and_wrong=int((wrong & certain).sum()),
        )

    @property
    def _fewer_wrong(self) -> bool:
        return self._n_wrong(self.after) < self._n_wrong(self.before)

    def _n_wrong(self, log_odds: Floats) -> int:
        return int(((log_odds >= 0) != self.marks.song).sum())


def is_certain(log_odds: Floats, given: DecisionSet, bounds: Mapping[str, Any]) -> Booleans:
    """Which tracks are certain by their log-odds and length, heard whole."""
    beyond = (log_odds >= bounds["song_above"]) | (log_odds <= bounds["score_below"])
    return np.asarray(beyond & (given.seconds >= SHORTEST_CERTAIN))


def in_folds(marks: DecisionSet) -> DecisionSet:
    """The same marks in parts for the cross-validation, which split no group.

    Where there are fewer than `FEWEST_GROUPS`, every mark is a group by itself.
    """
    few = len(np.unique(marks.group)) < FEWEST_GROUPS
    group = np.arange(len(marks.group)).astype(np.str_) if few else marks.group
    fold = np.zeros(len(group), np.int64)
    splits = GroupKFold(min(N_FOLDS, len(np.unique(group)))).split(group, groups=group)
    for part, (_, held_out) in enumerate(splits):
        fold[held_out] = part
    return replace(marks, group=group, fold=fold)


def _loss(log_odds: Floats, song: Booleans) -> Floats:
    """Logistic loss of each track, in nats."""
    return np.asarray(np.logaddexp(0, np.where(song, -log_odds, log_odds)))


def _mean(values: Floats, group: NDArray[np.str_], weight: Floats) -> Figure:
    """Weighted mean, with its 95 % interval over resampled groups."""
    means = [np.average(values[draw], weights=weight[draw]) for draw in resampled(group, N_DRAWS, seed=0)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(float(np.average(values, weights=weight)), float(low), float(high))


def counted_marks(n: int, more: str = "") -> str:
    """The number of marks, in words."""
    return f"1 {more}mark" if n == 1 else f"{n} {more}marks"
