"""The sound on which every model is tested when it is loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import FloatArray

CANARY_RATE = 44_100
_AT_ONCE = 8192
"""Samples of the canary that are computed at once, so that a model needs little memory to load."""


def canary_samples(pitch: float, seconds: float = 12.0) -> FloatArray:
    """A made-up sound, so that no recording is needed: a gliding tone with vibrato and formants over a chord, stereo.

    Parameters
    ----------
    pitch : float
        Pitch of the tone, in hertz.
    seconds : float
        Length.

    Returns
    -------
    (2, n) float32
        Samples at `CANARY_RATE`.
    """
    t = np.arange(round(seconds * CANARY_RATE)) / CANARY_RATE
    glide = pitch * 2 ** (np.sin(2 * np.pi * 0.3 * t) / 3 + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(glide) / CANARY_RATE
    partials = np.arange(1, 25)
    formants = sum(np.exp(-(((partials * pitch - centre) / 250) ** 2)) for centre in (700, 1150, 2700))
    weights = np.asarray((0.02 + formants) / partials**0.5, np.float64)
    y = np.empty((2, len(t)), np.float32)
    for first in range(0, len(t), _AT_ONCE):
        piece = slice(first, first + _AT_ONCE)
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t[piece])
        tone = _harmonics(phase[piece], weights) * syllables
        chord = sum(np.sin(2 * np.pi * hertz * t[piece]) for hertz in (110.0, 164.8, 220.0, 277.2))
        y[:, piece] = 0.08 * tone + 0.05 * chord, 0.08 * tone + 0.03 * chord
    return y


def _harmonics(phase: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of ``weights[k - 1] * sin(k * phase)``, by Chebyshev's method.

    ``sin((k + 1) p) = 2 cos(p) sin(k p) - sin((k - 1) p)``
    """
    twice, before, now = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    total = np.zeros_like(phase)
    for weight in weights:
        total += weight * now
        before, now = now, twice * now - before
    return total
