"""From the detector's curves to labels: the track classifier and the bounds of certainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from songscore.estimators import SongClassifier

ERROR_RATE = 0.01
"""Stated share of the tracks of a class that may look certain of the other."""

MIN_CERTAIN_LOG_ODDS = 2.2
"""Log-odds, nine to one, within which no label is certain, however well the two classes are told apart."""

NEVER = 1e6
"""Log-odds that no track reaches."""

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DecisionSet:
    """What the track classifier learns from.

    Attributes
    ----------
    features : (n_tracks, n_features) float64
    song : (n_tracks,) bool
    fold : (n_tracks,) int64
    kind : (n_tracks,) str
        Each kind of music that has both classes counts the same.
    trusted : (n_tracks,) bool
        False where a label is doubted; then the track is judged and teaches nothing.
    """

    features: Floats
    song: Booleans
    fold: NDArray[np.int64]
    kind: NDArray[np.str_]
    trusted: Booleans


def fit_decision(decision_set: DecisionSet, chosen: Booleans) -> SongClassifier:
    """Fit to the trusted tracks among the chosen; ``True`` sorts last, so the log-odds favour songs."""
    used = chosen & decision_set.trusted
    song, kind = decision_set.song[used], decision_set.kind[used]
    weight = np.empty(len(song))
    for name in np.unique(kind):
        of_kind = kind == name
        counts = [(of_kind & (song == label)).sum() for label in (False, True)]
        whole = [(song == label).sum() for label in (False, True)]
        weight[of_kind] = 1 / np.array(counts if min(counts) else whole)[song[of_kind].astype(int)]
    return SongClassifier().fit(decision_set.features[used], song, sample_weight=weight * len(weight) / weight.sum())


def cross_validated_log_odds(decision_set: DecisionSet) -> Floats:
    """Log-odds of each track from a classifier fitted to other folds, shape ``(n_tracks,)``."""
    log_odds = np.empty(len(decision_set.song))
    for part in np.unique(decision_set.fold):
        held_out = decision_set.fold == part
        log_odds[held_out] = fit_decision(decision_set, ~held_out).decision_function(decision_set.features[held_out])
    return log_odds


def certainty_bounds(log_odds: Floats, song: Booleans, error_rate: float = ERROR_RATE) -> dict[str, float]:
    """Class-conditional conformal bounds (Vovk et al. 2005, section 4.5; Sadinle et al. 2019).

    A new instrumental, exchangeable with these, lies at or above ``song_above`` with a probability of at most
    `error_rate`, and a new song at or below ``score_below`` likewise. With too few tracks to promise that, the bound is
    `NEVER`; it is never closer to even odds than `MIN_CERTAIN_LOG_ODDS`, for the sake of sounds that are not like
    these.
    """
    return {
        "song_above": max(_upper_bound(log_odds[~song], error_rate), MIN_CERTAIN_LOG_ODDS),
        "score_below": min(-_upper_bound(-log_odds[song], error_rate), -MIN_CERTAIN_LOG_ODDS),
        "error_rate": error_rate,
    }


def is_certain(log_odds: Floats, bounds: dict[str, float]) -> Booleans:
    """Which tracks lie beyond the bounds."""
    return np.asarray((log_odds >= bounds["song_above"]) | (log_odds <= bounds["score_below"]))


def coverage(log_odds: Floats, song: Booleans, bounds: dict[str, float]) -> dict[str, float]:
    """Share of the tracks beyond the bounds, and the share of wrong labels among these; 0 of none."""
    if not len(song):
        return {"certain": 0.0, "wrong": 0.0}
    certain = is_certain(log_odds, bounds)
    wrong = (log_odds >= 0) != song
    return {"certain": float(certain.mean()), "wrong": float(wrong[certain].mean()) if certain.any() else 0.0}


def _upper_bound(scores: Floats, error_rate: float) -> float:
    rank = ceil((len(scores) + 1) * (1 - error_rate))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else NEVER
