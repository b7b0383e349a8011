"""Train a model from a manifest, adapt one to marks, and judge one; never imported when labelling.

`train` takes every step: it computes mel spectra, trains a voice detector without each fold of the cross-validation and
one on everything, fits the decision to what the former heard in the folds left out, sets the bounds of certainty, and
writes the model. `adapt` refits the decision and its bounds, to marks and to what they were fitted to before.
"""

from songscore.training.adapt import Adaptation, adapt
from songscore.training.evaluate import evaluate
from songscore.training.train import train

__all__ = ["Adaptation", "adapt", "evaluate", "train"]
