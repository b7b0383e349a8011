"""Making a model from a manifest, and judging one; never imported when labelling.

`train` runs the whole way: sound to mel spectra, a voice detector without each part of the cross-validation and one on
everything, the track classifier on what the former heard, bounds of certainty, model files.
"""

from songscore.training.evaluate import evaluate
from songscore.training.train import train

__all__ = ["evaluate", "train"]
