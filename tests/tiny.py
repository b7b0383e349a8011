"""A small model whose log-odds are those of the strongest five seconds of the voice, and what it might hear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore.features.detector import CHOIR, DILATIONS, KINDS, MUSIC, N_CONVOLUTIONS, OTHER, SPEECH, STEP, SUNG
from songscore.features.spectrum import N_MELS
from songscore.features.track_vector import Activity
from songscore.model import Linear, TrackModel, read_model
from songscore.training.publish import write_model

WIDTH = 6
BOUNDS: dict[str, Any] = {
    "song_above": 3.0,
    "song_above_with_choir": 4.0,
    "score_below": -2.0,
    "long_score_below": -2.0,
    "song_left_above": 3.5,
    "music_above": 1.0,
    "song_speech_below": 0.2,
    "score_spoken_below": 0.1,
    "part": {"score_below": -3.0, "rise": 2.0, "rise_in_doubt": 1.0, "beside_below": 0.5},
}


def detector_arrays() -> dict[str, NDArray[np.float32]]:
    """A small detector with random weights."""
    random = np.random.default_rng(0)
    channels = (2, 3, 4, 3, 2)
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{i}.weight": (9 * channels[i], channels[i + 1]) for i in range(N_CONVOLUTIONS)
    }
    shapes |= {"join.weight": (N_MELS // 16 * channels[-1], WIDTH), "head.weight": (WIDTH, len(KINDS))}
    shapes |= {f"context{i}.weight": (3, WIDTH, WIDTH) for i in range(len(DILATIONS))}
    shapes |= {name.replace("weight", "bias"): shape[-1:] for name, shape in shapes.items()}
    return {
        name: (random.standard_normal(shape) / max(1, np.sqrt(np.prod(shape[:-1])))).astype(np.float32)
        for name, shape in shapes.items()
    }


def linear(names: list[str], *weights: float, bias: float = 0.0) -> Linear:
    n = len(names)
    return Linear(names, np.zeros(n), np.ones(n), np.array([weights], np.float64), np.array([bias]))


def write_tiny(folder: Path, name: str = "tiny", *, weight: float = 1.0, **about: Any) -> Path:
    """Write the model, with other metadata where they are given; the path without suffix."""
    write_model(
        folder,
        name,
        detector_arrays(),
        decision=linear(["voice_top_5s", "voice_top_30s"], weight, 0.0),
        music=linear(["music_mean", "sung_mean"], 1.0, 1.0, bias=6.0),
        examples=np.random.default_rng(1).normal(size=(10, 2)),
        about={"bounds": BOUNDS} | about,
        card=f"# {name}\n",
    )
    return folder / name


def tiny(folder: Path, **about: Any) -> TrackModel:
    write_tiny(folder, **about)
    return read_model(folder, "tiny")


def heard(
    *,
    sung: float = 0.0,
    choir: float = 0.0,
    speech: float = 0.0,
    music: float = 0.9,
    other: float = 0.0,
    seconds: float = 60.0,
    gap: float = 0.0,
) -> Activity:
    """The same at every moment, but for a stretch in the middle that was not heard."""
    n_steps, missed = round(seconds / STEP), round(gap / STEP)
    step = np.arange(n_steps)
    first = (n_steps - missed) // 2
    step = step[(step < first) | (step >= first + missed)]
    kinds = np.zeros((len(step), len(KINDS)), np.float32)
    for column, p in {SUNG: sung, CHOIR: choir, SPEECH: speech, MUSIC: music, OTHER: other}.items():
        kinds[:, column] = p
    return Activity(step, kinds, n_steps, 0.5)


def p(log_odds: float) -> float:
    return float(expit(log_odds))
