"""Weighted sums of named features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

SHORT_UNTIL, LONG_FROM = 60.0, 300.0
"""Seconds up to which the first of two sums holds, and from which the second does."""

LENGTH = "length"
"""The feature that tells how long a track is, as ``log2`` of its seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A weighted sum of standardised features, or two between which the length of a track decides.

    A sum is ``sum(weight * (x - mean) / scale) + bias``. Of two, the first is that of a track of `SHORT_UNTIL` seconds
    or less, the second that of one of `LONG_FROM` or more; in between they are mixed in proportion to the logarithm of
    the length. Half a minute of voice tells a song of three minutes, but no verse in half an hour has as much.

    Attributes
    ----------
    names : sequence of str
        The features, in the order of the arrays; of two sums, `LENGTH` is one of them.
    mean, scale : (n_features,) float64
    weight : (n_sums, n_features) float64
        One row or two.
    bias : (n_sums,) float64
    """

    names: Sequence[str]
    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, names: Sequence[str], arrays: Arrays) -> Self:
        """The sums whose arrays are ``mean``, ``scale``, ``weight`` and ``bias``; one sum may lack its axis.

        Raises
        ------
        KeyError
            An array is missing.
        ValueError
            The arrays do not hold one finite number for each name, a scale is not positive, or there are two sums
            without `LENGTH`.
        """
        mean, scale = (np.asarray(arrays[key], np.float64) for key in ("mean", "scale"))
        weight, bias = np.atleast_2d(np.asarray(arrays["weight"], np.float64)), np.atleast_1d(arrays["bias"])
        n_sums = len(bias)
        shapes_fit = mean.shape == scale.shape == (len(names),) and weight.shape == (n_sums, len(names))
        if not shapes_fit or bias.shape != (n_sums,) or n_sums not in {1, 2} or (n_sums == 2 and LENGTH not in names):
            raise ValueError(f"weights of the shape {weight.shape} for {len(names)} features")
        if not (np.isfinite([*mean, *scale, *weight.ravel(), *bias]).all() and (scale > 0).all()):
            raise ValueError("weights that are not finite")
        return cls(names, mean, scale, weight, np.asarray(bias, np.float64))

    def shares(self, features: Floats) -> Floats:
        """How much each sum counts for each track, shape ``(n_tracks, n_sums)``.

        Parameters
        ----------
        features : (n_tracks, n_features) float64
        """
        if len(self.bias) == 1:
            return np.ones((len(features), 1))
        length = features[:, list(self.names).index(LENGTH)]
        long = ((length - log2(SHORT_UNTIL)) / (log2(LONG_FROM) - log2(SHORT_UNTIL))).clip(0.0, 1.0)
        return np.column_stack([1 - long, long])

    def parts(self, features: Mapping[str, float]) -> tuple[Floats, float]:
        """What each feature adds, shape ``(n_features,)``, and what is added whatever the features are."""
        values = np.array([[features[name] for name in self.names]], np.float64)
        shares = self.shares(values)[0]
        return np.asarray(shares @ self.weight * (values[0] - self.mean) / self.scale), float(shares @ self.bias)

    def __call__(self, features: Mapping[str, float]) -> float:
        parts, bias = self.parts(features)
        return float(parts.sum() + bias)
