"""scikit-learn faces of the features and of the decision."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from songscore.batch.cache import Cache
from songscore.batch.measure import features_of
from songscore.batch.run import CacheFolder, cache_folder
from songscore.batch.table import features_of_files
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio
from songscore.extract import SetName, feature_names
from songscore.model import MODEL

_ERRORS = {"unreadable": UnreadableAudio, "unsupported": UnsupportedAudio}
_EVERY = 5.0
"""Seconds between two lines of progress."""


class _TrackFeatures(TransformerMixin, BaseEstimator):
    """Tracks in, a table of features out, whatever the set of features."""

    n_jobs: int | None
    cache: CacheFolder
    on_error: str
    verbose: int

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn nothing."""
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
            Columns as `get_feature_names_out`.

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
        progress = _Progress(type(self).__name__, len(tracks), self.verbose)
        for row, found in zip(table, self._found(tracks), strict=True):
            if isinstance(found, AudioError):
                if self.on_error == "raise":
                    raise found
                warnings.warn(f"no features, so a row of NaN: {found}", RuntimeWarning, stacklevel=2)
            else:
                row[:] = [found[name] for name in names]
            progress.advance()
        return table

    def _found(self, tracks: list[Any]) -> Iterator[dict[str, float] | AudioError]:
        """Features of each track or why there are none; several files at a time in processes of their own."""
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
    """Tracks in, what the voice detector heard in them out; :doc:`features` explains every column.

    Parameters
    ----------
    model : str or path, default "track-v2"
        The model whose voice detector is used.
    n_jobs : int, optional
        Files to hear at once, each in a process of its own; -1 for all cores. Where a track is no path, all are heard
        one after the other in this process.
    cache : path or bool, optional
        Folder in which to keep what was heard, so that no file is heard twice; True for the user's own, which labelling
        uses too. Only files are kept.
    on_error : {"raise", "nan"}, default "raise"
        What becomes of a track that cannot be read: an `AudioError`, or a row of NaN and a warning.
    verbose : int, default 0
        Above 0, say on standard error how far it is.

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
        self.model = model
        self.n_jobs = n_jobs
        self.cache = cache
        self.on_error = on_error
        self.verbose = verbose


class SpectralFeatures(_TrackFeatures):
    """Tracks in, librosa's spectral features of them out; :doc:`features` explains every column.

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


def tracks_of(X: Any) -> list[Any]:
    """The tracks in what a transformer was given.

    Raises
    ------
    TypeError, ValueError
        It holds none; the message says what does.
    """
    wanted = "a list of paths, file objects or (y, sr), a Series, or a DataFrame of one column"
    if hasattr(X, "read") or isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(f"one track, {_short(X)}, where several are needed: write [track], {wanted}")
    if (
        isinstance(X, tuple)
        and len(X) == 2
        and isinstance(X[0], np.ndarray)
        and not isinstance(X[1], (tuple, np.ndarray))
    ):
        raise TypeError(f"one track, (y, sr), where several are needed: write [(y, sr)], {wanted}")
    if hasattr(X, "columns"):
        if len(X.columns) != 1:
            raise ValueError(
                f"a DataFrame of {len(X.columns)} columns, {_short([*X.columns])}; choose the one of paths"
            )
        X = X[X.columns[0]]
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "fiub":
            raise TypeError(f"numbers of the shape {X.shape}; samples need their rate: [(y, sr), ...]")
        if X.ndim > 1 and X.shape[1:] != (1,):
            raise ValueError(f"an array of the shape {X.shape}; one column of tracks is needed")
        X = X.ravel()
    if not isinstance(X, Iterable):
        raise TypeError(f"{_short(X)} holds no tracks; {wanted} is needed")
    tracks = list(X)
    for i, track in enumerate(tracks):
        if not (isinstance(track, (str, os.PathLike)) or hasattr(track, "read") or _is_samples(track)):
            raise TypeError(f"track {i} is {_short(track)}; a path, a binary file object or (y, sr) is needed")
    return tracks


def _is_samples(track: Any) -> bool:
    return isinstance(track, tuple) and len(track) == 2 and isinstance(track[0], np.ndarray)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _n_jobs(n_jobs: Any) -> int:
    """As scikit-learn counts them: None is one, -1 all cores, -2 all but one."""
    if n_jobs is None:
        return 1
    if n_jobs == 0 or int(n_jobs) != n_jobs:
        raise ValueError(f"n_jobs must be a whole number but 0, or None, not {n_jobs!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))


class _Progress:
    """A line on standard error at most every few seconds, and one at the end."""

    def __init__(self, who: str, total: int, verbose: int) -> None:
        self._who, self._total, self._verbose = who, total, verbose
        self._done, self._began = 0, time.monotonic()
        self._told = self._began

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if self._verbose > 0 and (now - self._told >= _EVERY or self._done == self._total):
            self._told = now
            print(f"[{self._who}] {self._done} of {self._total} tracks, {now - self._began:.0f} s", file=sys.stderr)


class SongClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression on standardised features, with both classes given the same total weight.

    Fitted on features of tracks that the voice detector did not train on, its probabilities are calibrated for a
    collection of as many songs as instrumental scores.

    Parameters
    ----------
    C : float, default 0.1
        Inverse strength of the L2 penalty.

    Attributes
    ----------
    classes_ : (2,) array
        The classes in sorted order; probabilities and log-odds favour the second.
    mean_, scale_, weight_ : (n_features,) float64
    bias_ : float
        ``log_odds = sum(weight_ * (x - mean_) / scale_) + bias_``
    """

    def __init__(self, C: float = 0.1) -> None:
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to feature vectors `X`, shape ``(n_tracks, n_features)``, and labels `y` of two kinds.

        `sample_weight`, shape ``(n_tracks,)``, weighs tracks against others of their class.
        """
        X, y = validate_data(self, X, y)
        weight = _weights(sample_weight, np.shape(X)[0])
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            found = "1 class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            raise ValueError(f"Only binary classification is supported; y has {found}.")
        totals = np.array([weight[y == label].sum() for label in self.classes_])
        if not (totals > 0).all():
            raise ValueError(f"sample weights of zero leave only one class of {self.classes_.tolist()}")
        balanced = weight * (weight.sum() / 2 / totals)[(y == self.classes_[1]).astype(int)]
        scaler = StandardScaler().fit(X, sample_weight=weight)
        regression = LogisticRegression(C=self.C, max_iter=1000).fit(scaler.transform(X), y, sample_weight=balanced)
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        self.weight_, self.bias_ = regression.coef_[0], float(regression.intercept_[0])
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-odds of the second class, shape ``(n_tracks,)``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return np.asarray(((X - self.mean_) / self.scale_) @ self.weight_ + self.bias_, np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, shape ``(n_tracks, 2)``."""
        positive = 1 / (1 + np.exp(-self.decision_function(X)))
        return np.column_stack([1 - positive, positive])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likelier class of each track."""
        log_odds = self.decision_function(X)
        return np.asarray(self.classes_[(log_odds >= 0).astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _weights(weights: ArrayLike | None, n: int) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(n)
    checked = check_array(weights, ensure_2d=False, dtype=np.float64)
    if checked.shape != (n,):
        raise ValueError(f"sample_weight has the shape {checked.shape}, not {(n,)}")
    if not checked.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return np.asarray(checked)
