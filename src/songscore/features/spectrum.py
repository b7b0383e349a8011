"""The one short-time spectrum that every feature shares.

Conventions
-----------
``y`` is mono float32 at `SAMPLE_RATE` hertz. Frame ``i`` covers the samples ``[i * HOP_LENGTH, i * HOP_LENGTH +
N_FFT)`` and its time is the centre of that span. Spectra are power (not decibel) with time first: ``(n_frames,
n_bins)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SAMPLE_RATE = 16_000
N_FFT = 1024
HOP_LENGTH = 640
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH
N_MELS = 80
F_MIN, F_MAX = 60.0, 8000.0

WINDOW = 128
"""Frames that are judged together, 5.12 s; the last window of a sound has up to half as many more."""

_FRAMES_AT_ONCE = 64
"""So many that all their numbers stay in the cache of a core."""

_BANDS_AT_ONCE = 16
"""Neighbouring bands, which share few bins: a product of all bins and bands would be zeros for the most part."""


def frame_times(n_frames: int) -> NDArray[np.float64]:
    """Centre of each frame, in seconds."""
    return (np.arange(n_frames) * HOP_LENGTH + N_FFT / 2) / SAMPLE_RATE


@cache
def _window() -> FloatArray:
    """Periodic Hann window, times `N_FFT`, by which the transform divides."""
    return (N_FFT * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT))).astype(np.float32)


@cache
def mel_frequencies() -> NDArray[np.float64]:
    """Centre of each mel band in hertz, shape ``(N_MELS,)``."""
    return _mel_edges()[1:-1]


def _mel_edges() -> NDArray[np.float64]:
    """``N_MELS + 2`` band edges in hertz, even in mel: ``m = 2595 log10(1 + f / 700)`` (O'Shaughnessy 1987)."""
    lowest, highest = 2595 * np.log10(1 + np.array([F_MIN, F_MAX]) / 700)
    return 700 * (10 ** (np.linspace(lowest, highest, N_MELS + 2) / 2595) - 1)


@cache
def mel_bank() -> FloatArray:
    """Triangular mel filters of unit area, shape ``(N_FFT // 2 + 1, N_MELS)``.

    The bank of the HTK book (Young et al. 2006, section 5.6) with the area normalisation of Slaney's Auditory Toolbox.
    """
    edges = _mel_edges()
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


@cache
def _bank_in_parts() -> tuple[tuple[slice, slice, FloatArray], ...]:
    """The mel bank as bins, bands and their weights, `_BANDS_AT_ONCE` at a time."""
    parts = []
    for first in range(0, N_MELS, _BANDS_AT_ONCE):
        bands = slice(first, min(first + _BANDS_AT_ONCE, N_MELS))
        used = np.flatnonzero(mel_bank()[:, bands].any(axis=1))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        parts.append((bins, bands, np.ascontiguousarray(mel_bank()[bins, bands])))
    return tuple(parts)


def power_spectrum(y: FloatArray) -> FloatArray:
    """Power of the short-time Fourier transform.

    Parameters
    ----------
    y : (n_samples,) float32

    Returns
    -------
    (n_frames, N_FFT // 2 + 1) float32
        Only frames that lie wholly inside `y`.
    """
    if len(y) < N_FFT:
        return np.empty((0, N_FFT // 2 + 1), np.float32)
    y = np.ascontiguousarray(y)
    shape, strides = (1 + (len(y) - N_FFT) // HOP_LENGTH, N_FFT), (HOP_LENGTH * y.itemsize, y.itemsize)
    frames = np.ndarray(shape, y.dtype, y, strides=strides) * _window()
    # NumPy transforms float32 without a detour by float64 only where it scales the result
    parts: FloatArray = np.fft.rfft(frames, norm="forward").view(np.float32)
    np.square(parts, out=parts)
    return parts[:, ::2] + parts[:, 1::2]


def mel_spectrum(y: FloatArray) -> FloatArray:
    """Power in mel bands, shape ``(n_frames, N_MELS)``; frames as in `power_spectrum`."""
    n_frames = max(0, 1 + (len(y) - N_FFT) // HOP_LENGTH)
    mel = np.empty((n_frames, N_MELS), np.float32)
    for first in range(0, n_frames, _FRAMES_AT_ONCE):
        last = min(first + _FRAMES_AT_ONCE, n_frames)
        chunk = y[first * HOP_LENGTH : (last - 1) * HOP_LENGTH + N_FFT]
        power = power_spectrum(chunk)
        for bins, bands, weights in _bank_in_parts():
            np.matmul(power[:, bins], weights, out=mel[first:last, bands])
    return mel


def mel_frames(blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """`mel_spectrum` of a stream of samples, piece by piece, whatever the blocks."""
    samples = np.empty(0, np.float32)
    for block in blocks:
        samples = np.concatenate([samples, block])
        frames = mel_spectrum(samples)
        samples = samples[len(frames) * HOP_LENGTH :]
        yield frames


def mel_windows(pieces: Iterable[FloatArray], window: int = WINDOW) -> Iterator[FloatArray]:
    """Cut a stream of frames into windows, whatever the pieces.

    Parameters
    ----------
    pieces : iterable of (n_frames, N_MELS) float32
    window : int
        Frames of a window; the last has up to half as many more.

    Yields
    ------
    (n_frames, N_MELS) float32
        `window_ends` says which frames. Nothing where there are no frames.
    """
    mel = np.empty((0, N_MELS), np.float32)
    for piece in pieces:
        mel = np.concatenate([mel, piece])
        while len(mel) >= window + window // 2:
            yield mel[:window]
            mel = mel[window:]
    if len(mel):
        yield mel


def window_ends(n_frames: int, window: int = WINDOW) -> NDArray[np.int64]:
    """One past the last frame of each window of a sound, shape ``(n_windows,)``, at least one window."""
    n_windows = max(1, (n_frames + window // 2) // window)
    return np.append(np.arange(1, n_windows) * window, n_frames)
