"""A weighted sum of named features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A weighted sum of standardised features: ``sum(weight * (x - mean) / scale) + bias``.

    Attributes
    ----------
    names : sequence of str
        The features, in the order of the arrays.
    mean, scale, weight : (n_features,) float64
    bias : float
    """

    names: Sequence[str]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: float

    @classmethod
    def of(cls, names: Sequence[str], arrays: Arrays) -> Self:
        """The sum whose arrays are ``mean``, ``scale``, ``weight`` and ``bias``.

        Raises
        ------
        KeyError
            An array is missing.
        ValueError
            The arrays do not hold one finite number for each name, or a scale is not positive.
        """
        mean, scale, weight = (np.asarray(arrays[key], np.float64) for key in ("mean", "scale", "weight"))
        bias = float(arrays["bias"])
        if not (mean.shape == scale.shape == weight.shape == (len(names),)):
            raise ValueError(f"weights of the shape {weight.shape} for {len(names)} features")
        if not (np.isfinite([*mean, *scale, *weight, bias]).all() and (scale > 0).all()):
            raise ValueError("weights that are not finite")
        return cls(names, mean, scale, weight, bias)

    def parts(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """What each feature adds to the sum, shape ``(n_features,)``."""
        values = np.array([features[name] for name in self.names])
        return np.asarray(self.weight * (values - self.mean) / self.scale, np.float64)

    def __call__(self, features: Mapping[str, float]) -> float:
        return float(self.parts(features).sum() + self.bias)
