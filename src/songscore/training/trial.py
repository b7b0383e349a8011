"""Cross-validate an adapted decision on the marks, and judge whether it is better than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from songscore.model import Linear
from songscore.training.decision.adapt import (
    adapted,
    adapted_bounds,
    cross_validated,
    harm,
    mark_weights,
)
from songscore.training.decision.bounds import Answers, DecisionSet, is_certain
from songscore.training.decision.linear import Booleans, Floats, log_odds_of
from songscore.training.metrics import Figure

FEWEST_GROUPS = 3
N_FOLDS = 10

MOST = 200
"""If more further marks than this would be needed, the verdict is "not better" instead of "not yet"."""

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
    """A decision adapted to marks, and its cross-validated answers to them.

    Attributes
    ----------
    base, linear : Linear
        The decision before, and the one that was fitted to all marks.
    before, bounds : mapping
        Their bounds of certainty, as metadata.
    lessons, marks : DecisionSet
    answers : Answers
        To each mark, by a decision that was fitted without the marks of its fold.
    music : (n_marks,) float64
        Log-odds of music of each mark, which adapting does not change.
    gain : Figure
        By how much the mean loss of a mark falls, in nats, with its 95 % interval.
    """

    base: Linear
    linear: Linear
    before: Mapping[str, Any]
    bounds: dict[str, Any]
    lessons: DecisionSet
    marks: DecisionSet
    answers: Answers
    music: Floats
    gain: Figure

    @classmethod
    def of(
        cls, base: Linear, before: Mapping[str, Any], lessons: DecisionSet, marks: DecisionSet, music: Floats
    ) -> Trial:
        """Adapt a decision and its bounds to all marks, and once more without each fold of the marks."""
        linear = adapted(base, lessons, marks, np.ones(len(marks.song), np.bool_))
        answers = cross_validated(base, lessons, marks)
        bounds = adapted_bounds(before, linear, lessons, marks, answers)
        gains = _loss(log_odds_of(base, marks.whole), marks.song) - _loss(answers.whole, marks.song)
        gain = _mean(gains, marks.group, mark_weights(marks.song))
        return cls(base, linear, before, bounds, lessons, marks, answers, music, gain)

    @property
    def elsewhere(self) -> float:
        """By how much the share of wrong lessons rises."""
        return harm(self.linear, self.base, self.lessons)

    @property
    def better(self) -> bool:
        """Whether fewer marks are wrong, and their mean loss falls by more than chance explains."""
        return self.gain.low > 0 and self._fewer_wrong

    @property
    def more(self) -> int | None:
        """Further marks until the gain, if it stays the same, would exceed chance; None with no gain or over `MOST`."""
        gain, n = self.gain, len(self.marks.song)
        if self.better or not self._fewer_wrong or gain.value <= 0:
            return None
        more = max(1, ceil(n * (((gain.value - gain.low) / gain.value) ** 2 - 1)))
        return more if more <= MOST else None

    @property
    def message(self) -> str:
        """The verdict in words."""
        n, before, after = len(self.marks.song), *(int(wrong.sum()) for wrong in self._wrong)
        if not before:
            return f"not better: the model already agrees with all of the {counted_marks(n)}"
        found = f"of {counted_marks(n)}, {before} are wrong before and {after} after, in cross-validation"
        if self.better:
            return f"better: {found}"
        if self.more is not None:
            return f"not yet: {found}; that may be chance. About {counted_marks(self.more, 'more ')} would tell"
        return f"not better: {found}; the marks hold nothing that this decision could learn from what was heard"

    def standings(self) -> tuple[Standing, Standing]:
        """Figures before and after; for those after, the bounds of certainty are cross-validated, too."""
        before = is_certain(self.marks, log_odds_of(self.base, self.marks.whole), self.music, self.before)
        after = np.zeros(len(before), np.bool_)
        for here in (self.marks.fold == part for part in np.unique(self.marks.fold)):
            bounds = adapted_bounds(self.before, self.linear, self.lessons, self.marks, self.answers, ~here)
            after[here] = is_certain(self.marks, self.answers.whole, self.music, bounds)[here]
        wrong = self._wrong
        return self._standing(wrong[0], before), self._standing(wrong[1], after)

    def _standing(self, wrong: Booleans, certain: Booleans) -> Standing:
        song = self.marks.song
        return Standing(
            wrong_songs=int((wrong & song).sum()),
            wrong_scores=int((wrong & ~song).sum()),
            error=_mean(wrong.astype(np.float64), self.marks.group, np.ones(len(wrong))),
            certain=float(certain.mean()),
            certain_and_wrong=int((wrong & certain).sum()),
        )

    @property
    def _wrong(self) -> tuple[Booleans, Booleans]:
        """Which marks are wrong, before and after."""
        before = log_odds_of(self.base, self.marks.whole)
        return (before >= 0) != self.marks.song, (self.answers.whole >= 0) != self.marks.song

    @property
    def _fewer_wrong(self) -> bool:
        before, after = self._wrong
        return bool(after.sum() < before.sum())


def in_folds(marks: DecisionSet) -> DecisionSet:
    """The marks with folds for cross-validation, which split no group.

    With fewer groups than `FEWEST_GROUPS`, every mark is a group by itself.
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
    index = np.unique(group, return_inverse=True)[1]
    total, mass = np.bincount(index, values * weight), np.bincount(index, weight)
    drawn = np.random.default_rng(0).integers(len(mass), size=(N_DRAWS, len(mass)))
    low, high = np.percentile(total[drawn].sum(axis=1) / mass[drawn].sum(axis=1), [2.5, 97.5])
    return Figure(float(total.sum() / mass.sum()), float(low), float(high))


def counted_marks(n: int, more: str = "") -> str:
    """``1 mark`` or ``N marks``, with `more` before the noun."""
    return f"1 {more}mark" if n == 1 else f"{n} {more}marks"
