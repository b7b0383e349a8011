"""A trained model: its arrays, its bounds of certainty, and the canaries that test it when it is loaded.

A model is three files of one name: ``NAME.npz`` (plain arrays), ``NAME.json`` (metadata) and ``NAME.md`` (the model
card). ``NAME.lessons.npz`` beside them holds what the decision was fitted to; only adapting the model needs it.

The metadata holds ``format``, the version of this layout; `READABLE` lists what is read. A change that an older
songscore would misread must raise `FORMAT`, keep the reader of the number before for one minor version, and say so in
the changelog.
"""

from songscore.model.bounds import Bounds, PartBounds
from songscore.model.files import MODEL, load_model, locate, read_lessons, read_model, shipped_models
from songscore.model.linear import Linear
from songscore.model.track_model import CLASSES, FORMAT, READABLE, Decided, TrackModel, digest

__all__ = [
    "CLASSES",
    "FORMAT",
    "MODEL",
    "READABLE",
    "Bounds",
    "Decided",
    "Linear",
    "PartBounds",
    "TrackModel",
    "digest",
    "load_model",
    "locate",
    "read_lessons",
    "read_model",
    "shipped_models",
]
