"""Logistic regression on standardised features, with weights that may be held at zero or more.

With two sums of features (`songscore.model.Linear`) it is still one regression, on each sum's share of every feature.
The second is held near the first, so without long tracks both are the same.

Features have the shape ``(n_tracks, n_features)``; labels and weights of tracks have the shape ``(n_tracks,)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from songscore.model import Linear

PENALTY = 0.001
"""Strength of the L2 penalty on the standardised weights, per unit of mean loss."""

HELD = 0.1
"""Strength of the penalty on what the second sum differs from the first, beside that on the weights of the first."""

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def fit_linear(
    names: Sequence[str],
    features: Floats,
    positive: Booleans,
    weight: Floats,
    rising: Sequence[str] = (),
    *,
    n_sums: int = 1,
) -> Linear:
    """Logistic regression on standardised features, with weights that may not be negative for the names `rising`.

    Parameters
    ----------
    names : sequence of str
    features : (n_tracks, n_features) float64
    positive : (n_tracks,) bool
    weight : (n_tracks,) float64
    rising : sequence of str
    n_sums : {1, 2}
        Whether there is one sum for all tracks, or one for short and one for long tracks.
    """
    weight = weight / weight.sum()
    mean = weight @ features
    scale = np.sqrt(weight @ (features - mean) ** 2)
    scale[scale == 0] = 1.0
    blank = Linear(list(names), mean, scale, np.zeros((n_sums, len(names))), np.zeros(n_sums))
    return _minimise(blank, features, positive, weight, rising, pull=np.zeros(n_sums * (len(names) + 1)))


def refit_linear(
    linear: Linear,
    old: tuple[Floats, Booleans, Floats],
    new: tuple[Floats, Booleans, Floats],
    rising: Sequence[str] = (),
) -> Linear:
    """A fitted `Linear`, refitted to old and new tracks together.

    The slope of the loss over the old tracks is subtracted, so that the result is `linear` itself if there are no new
    tracks, even if some of its old tracks are missing; the penalty is on the distance from `linear`.

    Parameters
    ----------
    linear : Linear
    old, new : tuple of features, positive, weight
        The weights of the old tracks add up to 1; those of the new ones say how much they count beside these.
    rising : sequence of str
        Names whose weights may not be negative.
    """
    _, slope = _loss(terms(linear, old[0]), old[1], old[2], _parameters(linear))
    features, positive, weight = (np.concatenate(pair) for pair in zip(old, new, strict=True))
    return _minimise(linear, features, positive, weight, rising, pull=slope)


def log_odds_of(linear: Linear, features: Floats) -> Floats:
    """Log-odds by a fitted `Linear` of each row of features."""
    return np.asarray(terms(linear, features) @ _parameters(linear))


def balanced_weights(positive: Booleans, kind: NDArray[np.str_]) -> Floats:
    """Weights with which each kind of track counts the same, and so do both classes of a kind."""
    weight = np.empty(len(positive))
    for name in np.unique(kind):
        of_kind = kind == name
        counts = [(of_kind & (positive == label)).sum() for label in (False, True)]
        whole = [(positive == label).sum() for label in (False, True)]
        weight[of_kind] = 1 / np.array(counts if min(counts) else whole)[positive[of_kind].astype(int)]
    return weight


def _minimise(
    near: Linear, features: Floats, positive: Booleans, weight: Floats, rising: Sequence[str], pull: Floats
) -> Linear:
    """Minimise the loss minus `pull` times the parameters, plus a penalty on the distance from `near`'s weights."""
    x, start, n_sums = terms(near, features), _parameters(near), len(near.bias)
    penalty = _penalty(n_sums, len(near.names))

    def objective(parameters: Floats) -> tuple[float, Floats]:
        value, slope = _loss(x, positive, weight, parameters)
        away = parameters - start
        return value + float(away @ penalty @ away / 2 - pull @ parameters), slope + penalty @ away - pull

    limits = [*((0.0 if name in rising else None, None) for name in near.names), (None, None)]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=limits * n_sums).x.reshape(n_sums, -1)
    return replace(near, weight=found[:, :-1], bias=found[:, -1])


def _penalty(n_sums: int, n_features: int) -> Floats:
    """Matrix of a quadratic penalty: on the weights of the first sum, and on what the second differs from the first."""
    n = n_features + 1
    penalised = np.eye(n_sums * n)
    penalised[n:, :-n] -= np.eye((n_sums - 1) * n)
    penalised[n:] *= np.sqrt(HELD)
    penalised[n - 1] = 0.0
    return PENALTY * penalised.T @ penalised


def _loss(x: Floats, positive: Booleans, weight: Floats, parameters: Floats) -> tuple[float, Floats]:
    """Weighted logistic loss, and its slope."""
    sign = np.where(positive, 1.0, -1.0)
    margin = sign * (x @ parameters)
    return float(weight @ np.logaddexp(0, -margin)), x.T @ (-weight * sign * expit(-margin))


def terms(linear: Linear, features: Floats) -> Floats:
    """What the parameters multiply: for each sum its share of the standardised features, and of 1 for its bias.

    Returns
    -------
    (n_tracks, n_sums * (n_features + 1)) float64
    """
    x = np.column_stack([(features - linear.mean) / linear.scale, np.ones(len(features))])
    return np.hstack([share[:, None] * x for share in linear.shares(features).T])


def _parameters(linear: Linear) -> Floats:
    """Weights and bias of each sum in turn."""
    return np.column_stack([linear.weight, linear.bias]).ravel()
