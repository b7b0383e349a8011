"""From the detector's curves to labels: the track classifier and the bounds of certainty."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from songscore.estimators import SongClassifier

ERROR_RATE = 0.01
"""Stated share of the tracks of a class that may look certain of the other."""

NEVER = 1e6
"""Log-odds that no track reaches."""

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def fit_decision(features: Floats, song: Booleans) -> SongClassifier:
    """Fit the track classifier; ``True`` sorts last, so its log-odds favour songs."""
    return SongClassifier().fit(features, song)


def cross_validated_log_odds(features: Floats, song: Booleans, fold: NDArray[np.int64], trusted: Booleans) -> Floats:
    """Log-odds of each track from a classifier fitted to the trusted ones in other folds, shape ``(n_tracks,)``."""
    log_odds = np.empty(len(song))
    for part in np.unique(fold):
        held_out = fold == part
        log_odds[held_out] = fit_decision(features[~held_out & trusted], song[~held_out & trusted]).decision_function(
            features[held_out]
        )
    return log_odds


def certainty_bounds(log_odds: Floats, song: Booleans, error_rate: float = ERROR_RATE) -> dict[str, float]:
    """Class-conditional conformal bounds (Vovk et al. 2005, section 4.5; Sadinle et al. 2019).

    A new instrumental, exchangeable with these, lies at or above ``song_above`` with a probability of at most
    `error_rate`, and a new song at or below ``score_below`` likewise. With too few tracks to promise that, the bound is
    `NEVER`.
    """
    return {
        "song_above": max(_upper_bound(log_odds[~song], error_rate), 0.0),
        "score_below": min(-_upper_bound(-log_odds[song], error_rate), 0.0),
        "error_rate": error_rate,
    }


def coverage(log_odds: Floats, song: Booleans, bounds: dict[str, float]) -> dict[str, float]:
    """Share of the tracks beyond the bounds, and the share of wrong labels among these."""
    certain = (log_odds >= bounds["song_above"]) | (log_odds <= bounds["score_below"])
    wrong = (log_odds >= 0) != song
    return {"certain": float(certain.mean()), "wrong": float(wrong[certain].mean()) if certain.any() else 0.0}


def _upper_bound(scores: Floats, error_rate: float) -> float:
    rank = ceil((len(scores) + 1) * (1 - error_rate))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else NEVER
