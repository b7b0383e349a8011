"""Models that listen as the shipped one does and have made up their minds."""

from __future__ import annotations

import copy

import numpy as np

from songscore.model import Bounds, Linear, PartBounds, TrackModel, load_model

BOUNDS = Bounds(
    song_above=2.0,
    song_above_with_choir=2.0,
    score_below=-2.0,
    long_score_below=-2.0,
    song_left_above=3.0,
    music_above=0.0,
    song_speech_below=2.0,
    score_spoken_below=2.0,
    part=PartBounds(score_below=-3.0, rise=1.0),
)


def other(model: TrackModel | None = None, **attributes: object) -> TrackModel:
    """The shipped model or another, but for some attributes."""
    changed = copy.copy(model or load_model())
    vars(changed).update(attributes)
    return changed


def opinion(log_odds: float, bounds: Bounds = BOUNDS) -> TrackModel:
    """One that gives every sound the same log-odds and takes all for music, in windows of 128 frames."""
    return other(features=[], decision=constant(log_odds), _music=constant(1.0), bounds=bounds, window=128)


def constant(value: float) -> Linear:
    """A weighted sum of nothing."""
    nothing = np.empty(0)
    return Linear((), nothing, nothing, np.empty((1, 0)), np.array([value]))
