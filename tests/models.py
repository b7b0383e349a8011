"""Small models of format 2, for what the shipped one does not show."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import CHOIR, DILATIONS, KINDS, MUSIC, SUNG, TIME_STRIDES, VoiceDetector
from songscore.features.spectrum import N_MELS
from songscore.features.track_vector import Activity
from songscore.model import CLASSES, TrackModel, digest

WIDTH = 6
FEATURES = ["voice_top_5s", "voice_top_30s"]
BOUNDS: dict[str, Any] = {
    "song_above": 2.5,
    "song_above_with_choir": 3.5,
    "score_below": -2.5,
    "song_left_above": 3.0,
    "part": {"score_below": -3.0, "rise": 0.5},
    "error_rate": 0.01,
}

Arrays = dict[str, NDArray[Any]]
Metadata = dict[str, Any]


def detector_arrays(seed: int = 0, outputs: int = len(KINDS)) -> dict[str, NDArray[np.float32]]:
    """Weights of a small detector, of a size that saturates nothing."""
    random = np.random.default_rng(seed)
    channels = (2, 3, 4, 3, 2)
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{i}.weight": (9 * channels[i], channels[i + 1]) for i in range(len(TIME_STRIDES))
    }
    shapes |= {"join.weight": (N_MELS // 16 * channels[-1], WIDTH), "head.weight": (WIDTH, outputs)}
    shapes |= {f"context{i}.weight": (3, WIDTH, WIDTH) for i in range(len(DILATIONS))}
    arrays = {name: random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1])) for name, shape in shapes.items()}
    arrays |= {name.replace("weight", "bias"): 0.3 * random.standard_normal(s[-1]) for name, s in shapes.items()}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def model_files(
    *,
    features: Sequence[str] = FEATURES,
    weight: Sequence[float] | None = None,
    bias: float = 0.0,
    music: dict[str, float] | None = None,
    **metadata: Any,
) -> tuple[Arrays, Metadata]:
    """Arrays and metadata whose decision is the mean of the features, or their weighted sum, plus a bias.

    `music` are weights of features that say whether there is music; without them the means of the kinds do.
    """
    weights = np.full(len(features), 1 / len(features)) if weight is None else np.asarray(weight, np.float64)
    random = np.random.default_rng(1)
    arrays: Arrays = {f"detector.{key}": value for key, value in detector_arrays().items()}
    for prefix, values in (("decision", weights), ("music", np.array([*(music or {}).values()]))):
        arrays[f"{prefix}.mean"], arrays[f"{prefix}.scale"] = np.zeros(len(values)), np.ones(len(values))
        arrays[f"{prefix}.weight"] = values
        arrays[f"{prefix}.bias"] = np.array(bias if prefix == "decision" else 0.0)
    arrays["canary.mel"] = random.exponential(size=(40, N_MELS)).astype(np.float32)
    arrays["canary.kinds"] = VoiceDetector(detector_arrays())(arrays["canary.mel"])
    arrays["canary.features"] = random.normal(0, 2, (5, len(features)))
    arrays["canary.log_odds"] = arrays["canary.features"] @ weights + bias
    about = {
        "name": "tiny",
        "format": 2,
        "feature_set": "features-v2",
        "classes": CLASSES,
        "kinds": list(KINDS),
        "window": 128,
        "features": list(features),
        "music_features": list(music or {}),
        "bounds": BOUNDS,
        "metrics": {},
        **metadata,
    }
    return arrays, signed(arrays, about)


def signed(arrays: Arrays, metadata: Metadata) -> Metadata:
    """The metadata with the hash that belongs to it."""
    metadata = json.loads(json.dumps(metadata))
    return metadata | {"sha256": digest(arrays, metadata)}


def small_model(**how: Any) -> TrackModel:
    """The model of `model_files`."""
    return TrackModel(*model_files(**how))


def write_files(folder: Path, arrays: Arrays, metadata: Metadata, name: str = "tiny", card: str = "# tiny\n") -> Path:
    """Put the three files of a model into a folder; the path without suffix."""
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=True, **arrays)
    (folder / f"{name}.json").write_text(json.dumps(metadata), "utf-8")
    (folder / f"{name}.md").write_text(card, "utf-8")
    return folder / name


def heard(
    sung: NDArray[Any], *, choir: Any = 0.0, speech: Any = 0.0, music: Any = 0.9, other: Any = 0.0, peak: float = 0.5
) -> Activity:
    """A sound heard whole, from one probability of each kind per step."""
    columns = [np.broadcast_to(np.float32(curve), len(sung)) for curve in (sung, choir, speech, music, other)]
    return Activity(np.arange(len(sung)), np.column_stack(columns).astype(np.float32), len(sung), peak)


def part_of(activity: Activity, chosen: NDArray[np.bool_]) -> Activity:
    """The same sound, heard at some of its steps."""
    return Activity(activity.step[chosen], activity.kinds[chosen], activity.n_steps, activity.peak)


class Band:
    """A detector that hears music everywhere, a voice where the mel bands are loud from `voice`, and a choir likewise.

    It judges each step by itself, so the answer does not depend on the window.
    """

    def __init__(self, voice: int = 45, choir: int = 70) -> None:
        self.voice, self.choir = voice, choir

    def __call__(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(mel, [(0, len(mel) % 2), (0, 0)]).reshape(-1, 2, N_MELS).sum(axis=1)
        share = padded / np.maximum(padded.sum(axis=1, keepdims=True), 1e-20)
        kinds = np.zeros((len(share), len(KINDS)), np.float32)
        kinds[:, MUSIC] = 0.9
        kinds[:, SUNG] = 0.01 + 0.98 * (share[:, self.voice : self.choir].sum(axis=1) > 0.5)
        kinds[:, CHOIR] = 0.01 + 0.98 * (share[:, self.choir :].sum(axis=1) > 0.5)
        return np.rint(kinds * 65_535) / np.float32(65_535)


def with_band(model: TrackModel) -> TrackModel:
    """The model with `Band` for a detector."""
    changed = copy.copy(model)
    changed.detector = Band()  # type: ignore[assignment]
    return changed
