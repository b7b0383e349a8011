"""Writing a model: arrays, metadata, card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.estimators import SongClassifier
from songscore.features.spectrum import N_MELS, FloatArray
from songscore.features.track_vector import FEATURE_SET
from songscore.features.detector import VoiceDetector
from songscore.model import CLASSES, FORMAT, digest

CANARY_FRAMES = 64


def write_model(
    folder: Path,
    name: str,
    detector: Mapping[str, FloatArray],
    decision: SongClassifier,
    features: list[str],
    examples: NDArray[np.float64],
    about: Mapping[str, Any],
    card: str,
) -> None:
    """Write ``NAME.npz``, ``NAME.json`` and ``NAME.md``.

    Parameters
    ----------
    folder, name
        Where, and as what.
    detector : mapping of str to array
        As `VoiceDetector` takes it.
    decision : SongClassifier
        Fitted to `features`, in that order, with True for songs.
    examples : (n, n_features) float64
        Feature vectors whose probabilities are stored as canaries.
    about : mapping
        The rest of the metadata: ``certain``, ``manifest_sha256``, ``metrics``, ``seed`` and what else is worth
        knowing.
    card : str
        Markdown.
    """
    arrays: dict[str, NDArray[Any]] = {f"detector.{key}": value for key, value in detector.items()}
    for key in ("mean", "scale", "weight", "bias"):
        arrays[f"decision.{key}"] = np.asarray(getattr(decision, f"{key}_"))
    mel = canary_mel()
    arrays["canary.mel"] = mel
    arrays["canary.activity"] = VoiceDetector(detector)(mel)
    arrays["canary.features"] = examples
    arrays["canary.probability"] = decision.predict_proba(examples)[:, 1]
    metadata = {
        "name": name,
        "format": FORMAT,
        "feature_set": FEATURE_SET,
        "classes": CLASSES,
        "features": features,
        **about,
    }
    metadata = json.loads(json.dumps(metadata))
    metadata["sha256"] = digest(arrays, metadata)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **arrays)
    (folder / f"{name}.json").write_text(json.dumps(metadata, indent=1) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(card, "utf-8")


def canary_mel() -> FloatArray:
    """A mel spectrum that needs no music: harmonics that glide over a tilted floor."""
    band, frame = np.arange(N_MELS), np.arange(CANARY_FRAMES)[:, None]
    glide = 12 + 3 * np.sin(frame / 5)
    comb = np.exp(-(((band / glide) % 1 - 0.5) ** 2) * 40)
    return ((comb + 0.01) * 10 ** (-band / 40)).astype(np.float32)
