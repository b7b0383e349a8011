"""Lessons: the examples that a decision was fitted to, kept beside the model so that it can be refitted without music.

They are a `DecisionSet` as plain arrays: features in half precision (0.004 of log-odds), numbers instead of the names
of artists and sources, and the digest of the detector that the features come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.errors import ModelError
from songscore.model import TrackModel, read_lessons
from songscore.training.decision.bounds import DECIDING, MUSIC, DecisionSet

FORMAT = 1
"""Version of the arrays. A change that an older songscore would misread must raise it."""

COLUMNS = {"whole": DECIDING, "part": DECIDING, "choir": DECIDING, "music": MUSIC}
LATER = ("spoken", "spoken_part", "heard")
"""Columns that lessons of older models lack."""
TRUTHS = ("song", "is_music", "trusted")


def as_arrays(given: DecisionSet, detector: str) -> dict[str, NDArray[Any]]:
    """The arrays that `lessons_of` reads.

    Parameters
    ----------
    given : DecisionSet
    detector : str
        Digest of the model's detector, `songscore.model.TrackModel.detector_digest`.
    """
    kinds, kind = np.unique(given.kind, return_inverse=True)
    return {
        "format": np.array(FORMAT),
        "detector": np.array(detector),
        "names": np.array(DECIDING),
        "music_names": np.array(MUSIC),
        **{name: getattr(given, name).astype(np.float16) for name in COLUMNS},
        **{name: getattr(given, name) for name in TRUTHS},
        "fold": given.fold.astype(np.int8),
        "kinds": kinds,
        "kind": kind.astype(np.int16),
        "group": np.unique(given.group, return_inverse=True)[1].astype(np.int32),
        "seconds": given.seconds.astype(np.float32),
        **{name: getattr(given, name).astype(np.float16) for name in LATER},
    }


def lessons_of(model: TrackModel, name: str) -> DecisionSet:
    """What the decision of a model was fitted to.

    Parameters
    ----------
    model : TrackModel
    name : str
        The name or path by which it was loaded.

    Raises
    ------
    ModelError
        There are no lessons beside the model, or they belong to another model.
    """
    arrays = read_lessons(name)
    if arrays is None:
        why = "only a model beside which songscore train wrote NAME.lessons.npz can be adapted"
        if "adapted" in model.metadata:
            why = f"it was adapted itself; adapt {model.metadata['adapted']['from']!r} to all of your marks"
        raise ModelError(f"model {model.name!r} has no lessons: {why}")
    try:
        _check(arrays, model)
        known: dict[str, NDArray[Any]] = {key: arrays[key].astype(np.float64) for key in COLUMNS}
        known |= {key: arrays[key].astype(np.bool_) for key in TRUTHS}
        zeros = np.zeros(len(arrays["song"]))
        known |= {key: arrays.get(key, zeros).astype(np.float64) for key in LATER}
        return DecisionSet(
            **known,
            fold=arrays["fold"].astype(np.int64),
            kind=arrays["kinds"][arrays["kind"]].astype(np.str_),
            group=arrays["group"].astype(np.str_),
            seconds=arrays["seconds"].astype(np.float64),
        )
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ModelError(f"the lessons of model {model.name!r} are damaged or of another model: {error!r}") from error


def _check(arrays: Mapping[str, NDArray[Any]], model: TrackModel) -> None:
    ours = {
        "format": FORMAT,
        "detector": model.detector_digest,
        "names": list(model.features),
        "music_names": list(model.metadata["music_features"]),
    }
    for key, expected in ours.items():
        if arrays[key].tolist() != expected:
            raise ValueError(f"{key} is {arrays[key].tolist()!r}, not {expected!r}")
    n = len(arrays["song"])
    for key in (*COLUMNS, *TRUTHS, "fold", "kind", "group", "seconds"):
        shape = (n, len(COLUMNS[key])) if key in COLUMNS else (n,)
        if arrays[key].shape != shape:
            raise ValueError(f"{key} has the shape {arrays[key].shape}, not {shape}")
        if not np.isfinite(arrays[key]).all():
            raise ValueError(f"{key} is not finite")
