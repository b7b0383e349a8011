"""scikit-learn faces of the feature vector and of the decision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from songscore.classify import extract_features
from songscore.features.track_vector import FEATURES
from songscore.model import MODEL


class VocalFeatures(TransformerMixin, BaseEstimator):
    """Tracks in, their named feature vectors out.

    Parameters
    ----------
    model : str or path, default "track-v2"
        The model whose voice detector is used.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(VocalFeatures(), SongClassifier())
    """

    def __init__(self, model: str | os.PathLike[str] = MODEL) -> None:
        self.model = model

    def fit(self, X: Sequence[Any], y: object = None) -> Self:
        """Learn nothing."""
        return self

    def transform(self, X: Sequence[Any]) -> NDArray[np.float64]:
        """Feature vectors of tracks.

        Parameters
        ----------
        X : sequence of path, binary file object or (array, sample rate)

        Returns
        -------
        (n_tracks, n_features) float64
            Columns as `get_feature_names_out`.

        Raises
        ------
        AudioError
            A track cannot be read.
        """
        names = self.get_feature_names_out()
        rows = (extract_features(source, model=self.model) for source in X)
        return np.array([[row[name] for name in names] for row in rows]).reshape(-1, len(names))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the columns."""
        return np.array([feature.name for feature in FEATURES], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


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
