"""Passages with a voice, from the voice curve."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import STEP
from songscore.features.spectrum import FloatArray
from songscore.results import Segment, VoiceKind

VOICE_THRESHOLD = 0.3
"""Vocal presence in a passage with a voice; benchmarks/segments.py shows what other values cost."""

SHORTEST_SEGMENT = 0.4
LONGEST_GAP = 0.4


def vocal_segments(voice: NDArray[np.float32], step: NDArray[np.int64], kind: VoiceKind) -> tuple[Segment, ...]:
    """Passages with a voice of one kind, from a curve of one probability per `STEP` seconds.

    The curve is smoothed, cut at `VOICE_THRESHOLD`, gaps of up to `LONGEST_GAP` seconds are closed, and what is
    shorter than `SHORTEST_SEGMENT` seconds is dropped. No passage goes on over steps that were not heard.

    Parameters
    ----------
    voice : (n_steps,) float32
    step : (n_steps,) int64
        Which steps of the track these are, in order.
    """
    breaks = np.flatnonzero(np.diff(step) > 1) + 1
    stretches = zip(np.split(voice, breaks), np.split(step, breaks), strict=True)
    return tuple(
        Segment(*passage, kind)
        for curve, steps in stretches
        if len(curve)
        for passage in _passages(curve, int(steps[0]))
    )


def _passages(voice: NDArray[np.float32], first: int) -> Iterator[tuple[float, float, float]]:
    """Start, end and mean probability of each passage, in seconds; `first` is the step of the first probability."""
    found = runs(smooth(voice, 0.4) > VOICE_THRESHOLD)
    if not len(found):
        return
    joins = found[1:, 0] - found[:-1, 1] > LONGEST_GAP / STEP
    starts, ends = found[np.r_[True, joins], 0], found[np.r_[joins, True], 1]
    long = ends - starts >= SHORTEST_SEGMENT / STEP
    for a, b in zip(starts[long], ends[long], strict=True):
        yield float((first + a) * STEP), float((first + b) * STEP), float(voice[a:b].mean())


def smooth(curve: FloatArray, seconds: float = 0.56) -> FloatArray:
    """Running mean over `seconds`, shorter at the ends."""
    width = round(seconds / STEP)
    ones = np.ones(width, np.float32)
    weight = np.convolve(np.ones_like(curve), ones, "full")
    total = np.convolve(curve, ones, "full") / weight
    return np.asarray(total[width // 2 : width // 2 + len(curve)], np.float32)


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First and one-past-last index of each run of True, shape ``(n_runs, 2)``."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.flatnonzero(edges).reshape(-1, 2)


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    found = runs(flags)
    return int((found[:, 1] - found[:, 0]).max(initial=0))
