"""Write a model: its arrays, its metadata, and its card."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore._files import write_together, write_whole
from songscore.features.detector import KINDS, VoiceDetector
from songscore.features.spectrum import N_MELS, WINDOW, FloatArray
from songscore.features.track_vector import FEATURE_SET
from songscore.model import CLASSES, FORMAT, Linear, TrackModel, digest

CANARY_FRAMES, N_CANARIES = 64, 8

CANARY_PITCHES = (110.0, 130.0, 150.0, 180.0, 220.0, 260.0, 300.0, 350.0, 400.0)


def write_model(
    folder: Path,
    name: str,
    detector: Mapping[str, FloatArray],
    decision: Linear,
    music: Linear,
    examples: NDArray[np.float64],
    about: Mapping[str, Any],
    card: str,
) -> None:
    """Write ``NAME.npz``, ``NAME.json`` and ``NAME.md``.

    Parameters
    ----------
    folder, name
        Folder of the files, and their name without suffix.
    detector : mapping of str to array
        The arrays that `VoiceDetector` takes.
    decision, music : Linear
        Log-odds of "song", and of music.
    examples : (n, n_features) float64
        Feature vectors for `decision`, some of which are stored as canaries.
    about : mapping
        The rest of the metadata: ``bounds``, ``provenance``, ``metrics``, ``seed`` and so on.
    card : str
        Markdown.
    """
    arrays: dict[str, NDArray[Any]] = {f"detector.{key}": value for key, value in detector.items()}
    for prefix, linear in (("decision", decision), ("music", music)):
        for key in ("mean", "scale", "weight", "bias"):
            arrays[f"{prefix}.{key}"] = np.asarray(getattr(linear, key))
    rows = examples[:: max(1, len(examples) // N_CANARIES)]
    arrays["canary.mel"] = canary_mel()
    arrays["canary.kinds"] = VoiceDetector(detector)(arrays["canary.mel"])
    arrays["canary.features"] = rows
    arrays["canary.log_odds"] = np.array([decision(dict(zip(decision.names, row, strict=True))) for row in rows])
    metadata = {
        "name": name,
        "format": FORMAT,
        "feature_set": FEATURE_SET,
        "classes": CLASSES,
        "kinds": list(KINDS),
        "window": WINDOW,
        "features": list(decision.names),
        "music_features": list(music.names),
        **about,
    }
    metadata = json.loads(json.dumps(metadata))
    write_files(folder, name, arrays | _canary_of_samples(arrays, metadata), metadata, card)


def write_files(
    folder: Path, name: str, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], card: str
) -> None:
    """Write the three files of a model, with the SHA-256 of its arrays and metadata.

    Parameters
    ----------
    folder, name
        Folder of the files, and their name without suffix.
    arrays : mapping of str to array
    metadata : mapping
        Plain values of JSON, without the SHA-256.
    card : str
        Markdown.
    """
    signed = {**metadata, "sha256": digest(arrays, metadata)}
    folder.mkdir(parents=True, exist_ok=True)
    write_together(
        {
            folder / f"{name}.npz": _npz_bytes(arrays),
            folder / f"{name}.json": (json.dumps(signed, indent=1) + "\n").encode(),
            folder / f"{name}.md": card.encode(),
        }
    )


def write_lessons(folder: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``NAME.lessons.npz``, which holds what a decision was fitted to, beside the files of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.lessons.npz", _npz_bytes(arrays))


def _npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _canary_of_samples(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The canary pitch with the log-odds nearest to 0, where any change moves them most, and these log-odds."""
    log_odds = {pitch: log_odds_of_samples(arrays, metadata, pitch) for pitch in CANARY_PITCHES}
    pitch = min(CANARY_PITCHES, key=lambda pitch: abs(log_odds[pitch]))
    return {"canary.samples_pitch": np.array(pitch), "canary.samples_log_odds": np.array(log_odds[pitch])}


def log_odds_of_samples(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], pitch: float) -> float:
    """Log-odds of the canary sound of that pitch, by a model that has no canary of samples yet."""
    return TrackModel(arrays, {**metadata, "sha256": digest(arrays, metadata)}).of_samples(pitch)


def canary_mel() -> FloatArray:
    """A synthetic mel spectrum: gliding harmonics over a noise floor that falls with frequency."""
    band, frame = np.arange(N_MELS), np.arange(CANARY_FRAMES)[:, None]
    glide = 12 + 3 * np.sin(frame / 5)
    comb = np.exp(-(((band / glide) % 1 - 0.5) ** 2) * 40)
    return ((comb + 0.01) * 10 ** (-band / 40)).astype(np.float32)
