"""A classifier of feature vectors, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


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
        Mean and standard deviation of each feature in the training tracks, and its weight.
    bias_ : float
        ``log_odds = sum(weight_ * (x - mean_) / scale_) + bias_``
    """

    def __init__(self, C: float = 0.1) -> None:
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to labelled tracks.

        Parameters
        ----------
        X : (n_tracks, n_features) array_like
            Feature vectors.
        y : (n_tracks,) array_like
            Labels, of exactly two kinds.
        sample_weight : (n_tracks,) array_like, optional
            Weight of each track among those of its class.

        Raises
        ------
        ValueError
            The labels are not of two kinds, or the shapes or weights do not fit.
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
        """Natural log-odds of the second class.

        Parameters
        ----------
        X : (n_tracks, n_features) array_like

        Returns
        -------
        (n_tracks,) float64
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return np.asarray(((X - self.mean_) / self.scale_) @ self.weight_ + self.bias_, np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class.

        Parameters
        ----------
        X : (n_tracks, n_features) array_like

        Returns
        -------
        (n_tracks, 2) float64
            In [0, 1], in the order of `classes_`.
        """
        positive = expit(self.decision_function(X))
        return np.column_stack([1 - positive, positive])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likelier class of each track.

        Parameters
        ----------
        X : (n_tracks, n_features) array_like

        Returns
        -------
        (n_tracks,) array
            Elements of `classes_`.
        """
        log_odds = self.decision_function(X)
        return np.asarray(self.classes_[(log_odds >= 0).astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _weights(weights: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Checked weights of `n` tracks; 1 each without any."""
    if weights is None:
        return np.ones(n)
    checked = check_array(weights, ensure_2d=False, dtype=np.float64)
    if checked.shape != (n,):
        raise ValueError(f"sample_weight has the shape {checked.shape}, not {(n,)}")
    if not checked.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return np.asarray(checked)
