"""Features and decision as scikit-learn transformers and an estimator."""

from songscore.estimators.classifier import SongClassifier
from songscore.estimators.transformers import SpectralFeatures, VocalFeatures

__all__ = ["SongClassifier", "SpectralFeatures", "VocalFeatures"]
