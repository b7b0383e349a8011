"""Making a model from a manifest, adapting one to marks, and judging one; never imported when labelling.

`train` runs the whole way: sound to mel spectra, a voice detector without each part of the cross-validation and one on
everything, the track classifier on what the former heard, bounds of certainty, model files. `adapt` fits the track
classifier and the bounds anew, to marks beside what they were fitted to.
"""

from songscore.training.adapt import Adaptation, adapt
from songscore.training.evaluate import evaluate
from songscore.training.train import train

__all__ = ["Adaptation", "adapt", "evaluate", "train"]
