"""Models of format 1, of songscore 0.1, brought into the current format when they are loaded.

They know three kinds of sound, have longer windows, and were not calibrated on tracks heard in part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import KINDS, MUSIC, SPEECH, SUNG
from songscore.features.spectrum import FloatArray
from songscore.model.bounds import NO_LIMIT
from songscore.model.linear import Arrays


def as_current(metadata: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The metadata and the arrays of a model of format 1, in the current format."""
    certain = metadata["certain"]
    bounds = {
        "song_above": certain["song_above"],
        "song_above_with_choir": certain["song_above"],
        "score_below": certain["score_below"],
        "long_score_below": certain["score_below"],
        "song_left_above": max(3.0, certain["song_above"]),
        "music_above": 0.5,
        "song_speech_below": 0.2,
        "score_spoken_below": NO_LIMIT,
    }
    kinds = ["sung", "speech", "music"]
    renamed = {_CANARIES.get(name, name): _converted(name, array) for name, array in arrays.items()}
    return {**metadata, "kinds": kinds, "window": 256, "bounds": bounds, "music_features": []}, renamed


_CANARIES = {"canary.activity": "canary.kinds", "canary.probability": "canary.log_odds"}
"""Current names of the canaries of format 1."""


def _converted(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """An array of format 1 in the current format; only canaries differ."""
    if name == "canary.activity":
        kinds = np.zeros((len(array), len(KINDS)), np.float32)
        kinds[:, [SUNG, SPEECH, MUSIC]] = array
        return kinds
    return np.log(array / (1 - array)) if name == "canary.probability" else array


def music(kinds: FloatArray) -> float:
    """Whether a sound is music, by the fixed rules of format 1, which has no weights for this.

    Parameters
    ----------
    kinds : (n_steps, 5) float32
        Probabilities of `songscore.features.detector.KINDS`.

    Returns
    -------
    float
        1 for music, -1 for none, 0 for music of which no label is certain.
    """
    sung, speech, music = kinds[:, SUNG], kinds[:, SPEECH], kinds[:, MUSIC]
    if np.percentile(np.maximum(sung, music), 95) < 0.2 and speech.mean() < 0.3:
        return -1.0
    if speech.mean() > 0.3 and music.mean() < 0.3 and sung.mean() < 0.7:
        return -1.0
    return 1.0 if music.mean() >= 0.3 else 0.0
