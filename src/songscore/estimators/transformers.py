"""Tracks to feature vectors, as scikit-learn transformers."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from songscore.batch.cache import Cache
from songscore.batch.measure import features_of
from songscore.batch.run import CacheFolder, cache_folder
from songscore.batch.table import features_of_files
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio
from songscore.estimators.tracks import tracks_of
from songscore.extract import SetName, feature_names
from songscore.model import MODEL

_ERRORS = {"unreadable": UnreadableAudio, "unsupported": UnsupportedAudio}
_T = TypeVar("_T")
_EVERY = 5.0
"""Seconds between two lines of progress."""


class _TrackFeatures(TransformerMixin, BaseEstimator):
    """What the transformers of both feature sets share: tracks in, a table of features out."""

    _set: tuple[SetName, ...]

    def __init__(
        self,
        *,
        n_jobs: int | None = None,
        cache: CacheFolder = None,
        on_error: str = "raise",
        verbose: int = 0,
    ) -> None:
        self.n_jobs = n_jobs
        self.cache = cache
        self.on_error = on_error
        self.verbose = verbose

    def fit(self, X: Any, y: object = None) -> Self:
        """Do nothing: the features need no training."""
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Feature vectors of tracks.

        Parameters
        ----------
        X : sequence of tracks, Series, or DataFrame of one column
            Each track is a path, a binary file object, or ``(y, sr)`` with `y` of the shape ``(samples,)`` or
            ``(channels, samples)``.

        Returns
        -------
        (n_tracks, n_features) float64
            One row a track; `get_feature_names_out` names the columns.

        Raises
        ------
        AudioError
            A track cannot be read, and `on_error` is "raise".
        TypeError, ValueError
            `X` does not hold tracks, or a parameter is wrong.
        ImportError
            Spectral features are asked for and librosa is not installed.
        """
        if self.on_error not in ("raise", "nan"):
            raise ValueError(f'on_error must be "raise" or "nan", not {self.on_error!r}')
        names = self.get_feature_names_out()
        tracks = tracks_of(X)
        table = np.full((len(tracks), len(names)), np.nan)
        results = _told(self._found(tracks), type(self).__name__, len(tracks), self.verbose)
        for row, found in zip(table, results, strict=True):
            if isinstance(found, AudioError):
                if self.on_error == "raise":
                    raise found
                warnings.warn(f"no features, so a row of NaN: {found}", RuntimeWarning, stacklevel=2)
            else:
                row[:] = [found[name] for name in names]
        return table

    def _found(self, tracks: list[Any]) -> Iterator[dict[str, float] | AudioError]:
        """Features of each track, or the error that says why there are none.

        Files are read by `n_jobs` processes; with one, or where a track is not a path, all are read in this process.
        """
        sets, model, n_jobs = self._set, getattr(self, "model", MODEL), _n_jobs(self.n_jobs)
        if n_jobs == 1 or not all(isinstance(track, (str, os.PathLike)) for track in tracks):
            folder = cache_folder(self.cache)
            store = None if folder is None else Cache(folder)
            for track in tracks:
                try:
                    yield features_of(track, sets, model, store)
                except AudioError as error:
                    yield error
            return
        for found in features_of_files(tracks, sets=sets, jobs=n_jobs, cache=self.cache, model=model):
            yield dict(found.features) if found.status == "ok" else _ERRORS.get(found.status, AudioError)(found.message)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the columns."""
        return np.array(feature_names(self._set), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.no_validation = False, True
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags


class VocalFeatures(_TrackFeatures):
    """Vocal features of tracks, from the voice detector; :doc:`features` explains every column.

    Parameters
    ----------
    model : str or path, default "track-v2"
        The model whose voice detector is used.
    n_jobs : int, optional
        Files to read at once, each in a process of its own; -1 for all cores. Where a track is not a path, all are
        read one after the other in this process.
    cache : path or bool, optional
        Cache folder, so that no file is decoded twice; True for the user's own cache, which labelling uses too. Only
        tracks given as paths are cached.
    on_error : {"raise", "nan"}, default "raise"
        For a track that cannot be read: raise `AudioError`, or give a row of NaN and a warning.
    verbose : int, default 0
        Above 0, report progress on standard error.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(VocalFeatures(n_jobs=-1, cache=True), SongClassifier())
    """

    _set: tuple[SetName, ...] = ("vocal",)

    def __init__(
        self,
        model: str | os.PathLike[str] = MODEL,
        *,
        n_jobs: int | None = None,
        cache: CacheFolder = None,
        on_error: str = "raise",
        verbose: int = 0,
    ) -> None:
        super().__init__(n_jobs=n_jobs, cache=cache, on_error=on_error, verbose=verbose)
        self.model = model


class SpectralFeatures(_TrackFeatures):
    """Spectral features of tracks, by librosa's definitions; :doc:`features` explains every column.

    Parameters
    ----------
    n_jobs, cache, on_error, verbose
        As for `VocalFeatures`.

    Examples
    --------
    >>> from sklearn.pipeline import make_union
    >>> both = make_union(VocalFeatures(cache=True), SpectralFeatures(cache=True)).set_output(transform="pandas")
    """

    _set: tuple[SetName, ...] = ("spectral",)


def _n_jobs(n_jobs: Any) -> int:
    """As scikit-learn counts them: None is one, -1 all cores, -2 all but one."""
    if n_jobs is None:
        return 1
    if n_jobs == 0 or int(n_jobs) != n_jobs:
        raise ValueError(f"n_jobs must be a whole number but 0, or None, not {n_jobs!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))


def _told(found: Iterator[_T], who: str, total: int, verbose: int) -> Iterator[_T]:
    """Pass results on, with a line on standard error at most every few seconds, and one at the end."""
    began = told = time.monotonic()
    for done, result in enumerate(found, 1):
        yield result
        now = time.monotonic()
        if verbose > 0 and (now - told >= _EVERY or done == total):
            told = now
            print(f"[{who}] {done} of {total} tracks, {now - began:.0f} s", file=sys.stderr)
