"""What a transformer may be given: many tracks, in the forms that scikit-learn and pandas have for a column."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from songscore.results import shortened

_MANY = "a list of paths, file objects or (y, sr), a Series, or a DataFrame of one column"


def tracks_of(X: Any) -> list[Any]:
    """The tracks that a transformer was given, as a list.

    Raises
    ------
    TypeError, ValueError
        `X` does not hold tracks; the message says what to pass.
    """
    _refuse_one(X)
    tracks = list(_column(X))
    for i, track in enumerate(tracks):
        if not (isinstance(track, (str, os.PathLike)) or hasattr(track, "read") or _is_samples(track)):
            raise TypeError(f"track {i} is {shortened(track)}; a path, a binary file object or (y, sr) is needed")
    return tracks


def _refuse_one(X: Any) -> None:
    """Raise `TypeError` for a single track, which is the likeliest mistake."""
    if hasattr(X, "read") or isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(f"one track, {shortened(X)}, where several are needed: write [track], or give {_MANY}")
    if _is_samples(X) and not isinstance(X[1], (tuple, np.ndarray)):
        raise TypeError(f"one track, (y, sr), where several are needed: write [(y, sr)], or give {_MANY}")


def _column(X: Any) -> Iterable[Any]:
    """The one column of a DataFrame or an array; anything else as it is."""
    if hasattr(X, "columns"):
        if len(X.columns) != 1:
            columns = shortened([*X.columns])
            raise ValueError(f"a DataFrame of {len(X.columns)} columns, {columns}; choose the column of paths")
        X = X[X.columns[0]]
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "fiub":
            raise TypeError(f"numbers of the shape {X.shape}; samples need their rate: [(y, sr), ...]")
        if X.ndim > 1 and X.shape[1:] != (1,):
            raise ValueError(f"an array of the shape {X.shape}; one column of tracks is needed")
        return X.ravel()
    if not isinstance(X, Iterable):
        raise TypeError(f"{shortened(X)} holds no tracks; give {_MANY}")
    return X


def _is_samples(track: Any) -> bool:
    return isinstance(track, tuple) and len(track) == 2 and isinstance(track[0], np.ndarray)
