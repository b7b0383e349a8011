"""Histograms of features, songs against scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from songscore.display.plotting.axes import short
from songscore.display.scales import colour_of
from songscore.features.reference import UNITS
from songscore.results import SCORE, SONG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
BINS = 24
COVERED = (0.5, 99.5)
"""Percentiles between which a distribution is drawn, so that one odd track does not squeeze the others."""


def plot_features(
    table: Any,
    labels: str | Sequence[Any] = "label",
    axes: Sequence[Axes] | None = None,
    *,
    most: int = 12,
) -> NDArray[Any]:
    """Compare songs with scores over a library: both distributions of each feature, the most telling feature first.

    Parameters
    ----------
    table : DataFrame, or mapping of str to sequence
        A row for each track and a column for each feature, as of ``songscore features`` or of `VocalFeatures` and
        `SpectralFeatures` with ``set_output(transform="pandas")``. Columns that hold no numbers are passed over, and so
        are rows without a label and numbers that are missing.
    labels : str or sequence, default "label"
        The label of each track, or the column that has it. There are two kinds.
    axes : sequence of matplotlib Axes, optional
        Where to draw, one feature each. Without it a figure is made.
    most : int, default 12
        Number of features, where no Axes say how many.

    Returns
    -------
    array of Axes
        Each title has the AUC: how often the feature of a song is above that of a score, or below it where that is more
        often; 0.5 is chance, 1 tells them all apart. It is measured on the tracks of the table, so the best of many
        features looks somewhat better than it is.

    Raises
    ------
    ValueError
        There are not two kinds of labels, or no column holds different numbers of both kinds.
    """
    columns = table.columns if hasattr(table, "columns") else table
    features = {str(name): np.asarray(table[name]) for name in columns if name != labels}
    kinds, is_second = _two_kinds(table[labels] if isinstance(labels, str) else labels)
    pairs = {
        name: _split(values.astype(np.float64), is_second, name)
        for name, values in features.items()
        if values.dtype.kind in "fiu"
    }
    found = {
        name: auc(*pair) for name, pair in pairs.items() if all(map(len, pair)) and np.ptp(np.concatenate(pair)) > 0
    }
    if not found:
        raise ValueError("no column holds different numbers of both kinds of tracks")
    best = sorted(found, key=lambda name: -max(found[name], 1 - found[name]))
    places = _new_axes(min(most, len(best))) if axes is None else list(axes)
    for ax, name in zip(places, best, strict=False):
        _draw(ax, name, found[name], pairs[name], kinds)
    places[0].legend(loc="upper right", frameon=False, fontsize="x-small")
    return np.array(places, dtype=object)


def auc(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """How often a value of the second kind is above one of the first; ties count half."""
    ranks = rankdata(np.concatenate([first, second]))[len(first) :]
    return float((ranks.mean() - (len(second) + 1) / 2) / len(first))


def _two_kinds(labels: Any) -> tuple[tuple[str, str], NDArray[np.float64]]:
    """The two kinds of labels, scores first, and for each track 1 for the second kind, 0, or NaN without a label."""
    given = [None if label is None or label != label else str(label) for label in labels]
    kinds = sorted({label for label in given if label is not None})
    if len(kinds) != 2:
        raise ValueError(f"labels of two kinds are needed, not {len(kinds)}: {kinds[:5]}")
    first, second = (SCORE, SONG) if set(kinds) == {SCORE, SONG} else kinds
    return (first, second), np.array([np.nan if label is None else label == second for label in given])


def _split(
    values: NDArray[np.float64], is_second: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The finite values of the tracks of the first kind, and those of the second."""
    if len(values) != len(is_second):
        raise ValueError(f"{len(is_second)} labels for {len(values)} tracks in {name}")
    known = np.isfinite(values)
    return values[known & (is_second == 0)], values[known & (is_second == 1)]


def _draw(
    ax: Axes, name: str, area: float, pair: tuple[NDArray[np.float64], NDArray[np.float64]], kinds: tuple[str, str]
) -> None:
    low, high = np.percentile(np.concatenate(pair), COVERED)
    if low == high:
        low, high = np.concatenate(pair).min(), np.concatenate(pair).max()
    edges = np.linspace(low, high, BINS + 1).tolist()
    for values, kind, colour in zip(pair, kinds, (colour_of(0.0), colour_of(1.0)), strict=True):
        weights = np.full(len(values), 100 / len(values))
        ax.hist(values.clip(low, high), edges, weights=weights, color=colour, alpha=0.5, label=f"{len(values)} {kind}")
        ax.axvline(float(np.median(values)), color=colour, lw=1.5)
    ax.set_title(f"{short(name)}\nAUC {max(area, 1 - area):.2f}", fontsize="small", loc="left")
    ax.set_xlabel(UNITS.get(name, ""), fontsize="small")
    ax.set_ylabel("% of tracks", fontsize="small")
    ax.tick_params(labelsize="x-small")


def _new_axes(n: int) -> list[Axes]:
    from matplotlib import pyplot as plt

    rows = -(-n // COLUMNS)
    figure, grid = plt.subplots(rows, min(n, COLUMNS), figsize=(11, 2.2 * rows), squeeze=False, layout="constrained")
    places = list(grid.flat)
    for ax in places[n:]:
        figure.delaxes(ax)
    return places[:n]
