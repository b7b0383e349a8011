"""Figures of merit for the model card and the benchmarks, with their uncertainty.

``song`` is True for songs; ``probability`` is that of "song". Intervals are percentiles of a bootstrap that draws
whole groups, because errors on tracks of one artist are correlated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def balanced_accuracy(song: Booleans, probability: Floats, threshold: float = 0.5) -> float:
    """Mean of the shares of songs and of instrumental scores that are labelled right."""
    called = probability >= threshold
    return float((called[song].mean() + (~called[~song]).mean()) / 2)


def best_balanced_accuracy(song: Booleans, probability: Floats) -> float:
    """Balanced accuracy at the threshold that is best on these very tracks: an upper bound, not a result."""
    return max(balanced_accuracy(song, probability, t) for t in np.unique(probability))


def precision_at_prevalence(song: Booleans, probability: Floats, instrumental_share: float, recall: float) -> float:
    """Precision of "instrumental score" at the threshold with that recall, in a collection with that share of it."""
    threshold = np.quantile(probability[~song], recall)
    false = (probability[song] <= threshold).mean() * (1 - instrumental_share)
    true = (probability[~song] <= threshold).mean() * instrumental_share
    return float(true / (true + false))


def calibration_error(song: Booleans, probability: Floats, n_bins: int = 10) -> float:
    """Expected calibration error over bins of equal width, both classes weighted to one half (Naeini et al. 2015)."""
    weight = np.where(song, 0.5 / song.sum(), 0.5 / (~song).sum())
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    gaps = [abs(np.sum(weight[bins == b] * (song[bins == b] - probability[bins == b]))) for b in range(n_bins)]
    return float(sum(gaps))


Compute = Callable[[Booleans, Floats], float]
FIGURES: Mapping[str, Compute] = {
    "auc": lambda song, p: float(roc_auc_score(song, p)),
    "balanced_accuracy": balanced_accuracy,
    "best_balanced_accuracy": best_balanced_accuracy,
    "precision_at_11.6%_recall_0.9": lambda song, p: precision_at_prevalence(song, p, 0.116, 0.9),
    "precision_at_50%_recall_0.9": lambda song, p: precision_at_prevalence(song, p, 0.5, 0.9),
    "calibration_error": calibration_error,
    "brier": lambda song, p: float(brier_score_loss(song, p)),
}


def figures(
    song: Booleans,
    probability: Floats,
    group: NDArray[np.str_],
    wanted: Mapping[str, Compute] = FIGURES,
    *,
    n_draws: int = 500,
    seed: int = 0,
) -> dict[str, Figure]:
    """Compute each of the `wanted` figures with its 95 % interval."""
    draws = [d for d in _draws(group, n_draws, seed) if 0 < song[d].sum() < len(d)]
    return {name: _figure(compute, song, probability, draws) for name, compute in wanted.items()}


def _figure(compute: Compute, song: Booleans, probability: Floats, draws: list[NDArray[np.int64]]) -> Figure:
    low, high = np.percentile([compute(song[d], probability[d]) for d in draws], [2.5, 97.5])
    return Figure(compute(song, probability), float(low), float(high))


def _draws(group: NDArray[np.str_], n_draws: int, seed: int) -> list[NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    return [
        np.concatenate([members[i] for i in random.integers(len(members), size=len(members))]) for _ in range(n_draws)
    ]
