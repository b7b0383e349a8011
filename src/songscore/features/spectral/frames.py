"""The frames of librosa's defaults: frame ``i`` is at ``i * HOP_LENGTH / SAMPLE_RATE`` seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SAMPLE_RATE = 22_050
N_FFT = 2048
HOP_LENGTH = 512


def n_frames(duration: float) -> int:
    """Frames of a sound of that many seconds."""
    return 1 + int(duration * SAMPLE_RATE) // HOP_LENGTH


def seconds(n_frames: int) -> float:
    """Seconds of a sound of that many frames, at most a hop too many."""
    return n_frames * HOP_LENGTH / SAMPLE_RATE


def frame_times(n_frames: int) -> NDArray[np.float64]:
    """Centre of each frame, in seconds."""
    return np.arange(n_frames, dtype=np.float64) * (HOP_LENGTH / SAMPLE_RATE)


def columns_of(frames: FloatArray, width: int) -> FloatArray:
    """Means over `width` frames each, the last over those that are left."""
    starts = np.arange(0, frames.shape[-1], width)
    sums = np.add.reduceat(frames, starts, axis=-1)
    return np.asarray(sums / np.diff(starts, append=frames.shape[-1]), np.float32)
