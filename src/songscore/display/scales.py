"""Scales of all pictures: the colours of a song probability and of kinds of voices, and the width of a track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from songscore.results import TrackResult, VoiceKind

COLOURS = ((0.0, 0.45, 0.70), (0.95, 0.95, 0.95), (0.84, 0.37, 0.0))
"""Red, green and blue for song probabilities of 0, 0.5 and 1: blue, white and orange, after Okabe and Ito (2008)."""


VOICES: dict[VoiceKind, tuple[str, str]] = {
    "sung": ("sung or rapped", "#d55e00"),
    "choir": ("voices without words", "#cc79a7"),
    "speech": ("speech", "#56b4e9"),
}
"""Name and colour of each kind of voice; the colours are those of Okabe and Ito (2008)."""


def colour_of(probability: float) -> tuple[float, float, float]:
    """Red, green and blue of a song probability, each in [0, 1]."""
    red, green, blue = (float(np.interp(probability, (0, 0.5, 1), channel)) for channel in zip(*COLOURS, strict=True))
    return red, green, blue


def lengths(tracks: Sequence[TrackResult]) -> NDArray[np.float64]:
    """Length of each track in seconds, to be drawn; the median for a track of unknown length."""
    middle = np.median([track.duration for track in tracks if track.duration] or [1.0])
    return np.array([track.duration or middle for track in tracks])
