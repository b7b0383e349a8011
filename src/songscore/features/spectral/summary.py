"""The spectral features of a track, from its curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectral.families import FAMILIES, NAMES
from songscore.features.spectral.frames import FloatArray
from songscore.features.spectral.tempo import pulse


def summarise(curves: dict[str, FloatArray]) -> dict[str, float]:
    """The features `NAMES`, from `spectral_curves`."""
    found = pulse(curves["onset_strength"])
    for family in FAMILIES:
        for curve in family.curves if family.statistics else ():
            values = curves[curve].astype(np.float64)
            found |= {f"{curve}_{statistic}": _statistic(values, statistic) for statistic in family.statistics}
    return {name: found[name] for name in NAMES}


def _statistic(values: NDArray[np.float64], statistic: str) -> float:
    if statistic.startswith("q"):
        return float(np.percentile(values, int(statistic[1:])))
    return float(values.mean() if statistic == "mean" else values.std())
