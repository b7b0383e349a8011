"""A sound a few seconds at a time: blocks of frames, with the frames around them that median filters look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from songscore.features.spectral.frames import HOP_LENGTH, N_FFT, FloatArray
from songscore.features.spectral.median import WIDTH

AT_ONCE = 512
"""Frames of a block."""

CONTEXT = WIDTH // 2
"""Frames before and after a frame that the median filter of `librosa.decompose.hpss` looks at."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some frames of a sound, and those before and after them that median filters look at.

    Attributes
    ----------
    rows : (3, n_samples) float32
        Mean and side with zeros beyond the ends of the sound, and the mean with its first and last sample there, as
        `librosa.feature.zero_crossing_rate` has it.
    before, n_frames : int
        Frames of context before the block's own, and the number of its own.
    """

    rows: FloatArray
    before: int
    n_frames: int

    @property
    def own(self) -> FloatArray:
        """The samples of its own frames."""
        first = self.before * HOP_LENGTH
        return self.rows[:, first : first + _n_samples(self.n_frames)]


def blocks(pieces: Iterable[FloatArray]) -> Iterator[Block]:
    """All frames of a sound, `AT_ONCE` at a time, whatever the pieces ``(2, n_samples)``."""
    held, before = np.empty((3, 0), np.float32), 0
    for piece in _padded(pieces):
        held = np.concatenate([held, piece], axis=1)
        while _n_frames(held) >= before + AT_ONCE + CONTEXT:
            yield Block(held[:, : _n_samples(before + AT_ONCE + CONTEXT)], before, AT_ONCE)
            held = held[:, (before + AT_ONCE - CONTEXT) * HOP_LENGTH :]
            before = CONTEXT
    yield Block(held, before, _n_frames(held) - before)


def _padded(pieces: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """The rows of `Block`, with half a frame before the sound and half a frame behind it."""
    last = None
    for piece in pieces:
        if last is None:
            yield _padding(piece[0, 0])
        last = piece[0, -1]
        yield np.concatenate([piece, piece[:1]])
    yield from [_padding(last)] if last is not None else [_padding(np.float32(0))] * 2


def _padding(value: np.float32) -> FloatArray:
    padding = np.zeros((3, N_FFT // 2), np.float32)
    padding[2] = value
    return padding


def _n_frames(rows: FloatArray) -> int:
    return max(0, 1 + (rows.shape[1] - N_FFT) // HOP_LENGTH)


def _n_samples(n_frames: int) -> int:
    return (n_frames - 1) * HOP_LENGTH + N_FFT
