"""Vocal presence: a small convolutional network over the mel spectrum, run as matrix products.

Conventions
-----------
Input is mel power ``(n_frames, N_MELS)`` at `spectrum.FRAME_RATE`. Output is one row per step of two frames (`STEP`
seconds), with the probabilities of the `KINDS` of sound at that moment, several of which may sound at once. The
spectrum is levelled over each window that it is called with, so no gain changes any number. Probabilities are multiples
of ``1 / LEVELS``, so that a record of two bytes holds them exactly.

The network is in the manner of Schlüter and Grill (ISMIR 2015, "Exploring data augmentation for improved singing voice
detection with neural networks"): 3x3 convolutions over log-mel, here followed by dilated convolutions over time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import FRAME_RATE, HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE, FloatArray

KINDS = ("sung", "choir", "speech", "music", "other")
"""Sung or rapped words; voices without words; speech; music; sounds that are not music."""

SUNG, CHOIR, SPEECH, MUSIC, OTHER = range(len(KINDS))
LEVELS = 65_535
FRAMES_PER_STEP = 2
STEP = FRAMES_PER_STEP / FRAME_RATE
DILATIONS = (1, 2, 4, 8)
N_CONVOLUTIONS = 4
FLOOR_DB = -60.0
MOST_CHANNELS = 256
"""Of a layer, so that no model asks for more memory than a track may."""


def time_strides(steps_at_once: int) -> tuple[int, ...]:
    """Stride over time of each convolution of a network whose last layers answer for so many steps at once."""
    return (1, FRAMES_PER_STEP, steps_at_once, 1)


def level(mel: FloatArray) -> FloatArray:
    """Log-mel relative to the mean power, about -3 to 1 with -1 at 20 dB below the mean; no gain is left in it.

    Parameters
    ----------
    mel : (n_frames, N_MELS) float32
        Power; all zero gives the floor everywhere.
    """
    mean = max(float(mel.mean(dtype=np.float64)), float(np.finfo(np.float32).tiny))
    return (np.log10(mel / np.float32(mean) + np.float32(10 ** (FLOOR_DB / 10))) * np.float32(0.5)).astype(np.float32)


def step_times(step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centre of each step, in seconds from the start of the track."""
    return (step * FRAMES_PER_STEP * HOP_LENGTH + (HOP_LENGTH * (FRAMES_PER_STEP - 1) + N_FFT) / 2) / SAMPLE_RATE


def expit(log_odds: Any) -> Any:
    """Probabilities of natural log-odds, a number or an array, as `scipy.special.expit`, without its slow import."""
    with np.errstate(invalid="ignore"):  # what is not a number stays none
        return np.exp(-np.logaddexp(0, -log_odds))


class VoiceDetector:
    """The trained network, ready to run.

    Parameters
    ----------
    arrays : mapping of str to float32 array
        ``conv{i}.weight`` ``(9 * inputs, outputs)`` with rows by (time offset, band offset, input), ``join.weight``
        ``(bands * channels, width)``, ``context{i}.weight`` ``(3, width, width)`` with the time offset first,
        ``everywhere.weight`` ``(2 * width, width)``, which older models lack, ``head.weight`` ``(width, steps_at_once
        * n_outputs)`` with the step first, for 1 or 2 steps at once, and a ``.bias`` beside each.
    outputs : sequence of str
        Which of the `KINDS` the outputs are, in order; the probability of the others is 0.
    """

    def __init__(self, arrays: Mapping[str, FloatArray], outputs: Sequence[str] = KINDS) -> None:
        if len({*outputs}) < len(outputs):
            raise ValueError(f"a kind of sound comes twice: {outputs}")
        self._columns = [KINDS.index(kind) for kind in outputs]
        steps_at_once = 2 if arrays["head.bias"].size == 2 * len(outputs) else 1
        self._strides = time_strides(steps_at_once)[1:]
        self._first = _FirstLayer(*_layer(arrays, "conv0", 9 * 2))
        self._convolutions, channels, bands = [], self._first.n_outputs, N_MELS // 2
        for i in range(1, N_CONVOLUTIONS):
            weight, bias = _layer(arrays, f"conv{i}", 9 * channels)
            channels, bands = len(bias), bands // 2
            self._convolutions.append((weight, np.tile(bias, bands)))
        self._join = _layer(arrays, "join", bands * channels)
        width = len(self._join[1])
        context = [_layer(arrays, f"context{i}", 3, width, width) for i in range(len(DILATIONS))]
        self._context = [(np.concatenate(weight, axis=1), bias) for weight, bias in context]
        has_everywhere = "everywhere.weight" in arrays
        self._everywhere = _layer(arrays, "everywhere", 2 * width, width) if has_everywhere else None
        self._head = _layer(arrays, "head", width, steps_at_once * len(outputs))

    def __call__(self, mel: FloatArray) -> FloatArray:
        """Probabilities of the `KINDS`.

        Parameters
        ----------
        mel : (n_frames, N_MELS) float32
            Mel power.

        Returns
        -------
        (ceil(n_frames / 2), 5) float32
        """
        h, bands = self._first(level(mel)), N_MELS // 2
        for (weight, bias), stride in zip(self._convolutions, self._strides, strict=True):
            patches = _patches(h.reshape(len(h), bands, -1), stride)
            h, bands = _rectify((patches.reshape(-1, len(weight)) @ weight).reshape(len(patches), -1), bias), bands // 2
        h = _rectify(h @ self._join[0], self._join[1])
        for dilation, (weight, bias) in zip(DILATIONS, self._context, strict=True):
            if dilation == DILATIONS[-1] and self._everywhere is not None:
                pooled = np.concatenate([h.mean(axis=0), h.max(axis=0)])
                h += _rectify(pooled @ self._everywhere[0], self._everywhere[1])
            h += _rectify(_dilated(h @ weight, dilation), bias)
        probabilities = expit(h @ self._head[0] + self._head[1]).reshape(-1, len(self._columns))
        kinds = np.zeros((-(-len(mel) // FRAMES_PER_STEP), len(KINDS)), np.float32)
        kinds[:, self._columns] = np.rint(probabilities[: len(kinds)] * LEVELS) / np.float32(LEVELS)
        return kinds


class _FirstLayer:
    """The first convolution, of which the second input is the first less the mean of each band over time.

    So the kernels of both inputs are applied as one, and what that of the second makes of the means is subtracted: the
    same in every frame, but for the first and the last, which have a neighbour less.
    """

    def __init__(self, weight: FloatArray, bias: FloatArray) -> None:
        self._weight, self._bias, self.n_outputs = weight[::2] + weight[1::2], np.tile(bias, N_MELS // 2), len(bias)
        self._of_means = weight[1::2].reshape(3, 3, -1)

    def __call__(self, levelled: FloatArray) -> FloatArray:
        """``(n_frames, N_MELS) -> (n_frames, N_MELS / 2 * n_outputs)``, bands before outputs."""
        n, half = len(levelled), N_MELS // 2
        padded = np.zeros((n + 2, N_MELS + 2), np.float32)
        padded[1:-1, 1:-1] = levelled
        patches = np.empty((3, 3, n, half), np.float32)
        for i, j in np.ndindex(3, 3):
            patches[i, j] = padded[i : i + n, j : j + N_MELS : 2]
        h = (patches.reshape(9, -1).T @ self._weight).reshape(n, -1)
        means = np.zeros(N_MELS + 2, np.float32)
        levelled.mean(axis=0, out=means[1:-1])
        beside = np.stack([means[j : j + N_MELS : 2] for j in range(3)], axis=1)
        before, at, after = (beside @ self._of_means).reshape(3, -1)
        h[0] += before
        h[-1] += after
        return _rectify(h, self._bias - before - at - after)


def _layer(arrays: Mapping[str, FloatArray], name: str, *shape: int) -> tuple[FloatArray, FloatArray]:
    """Weights, whose shape begins like this, and the bias beside them."""
    weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
    fits = weight.ndim == max(2, len(shape)) and weight.shape[: len(shape)] == shape
    if not (fits and bias.shape == weight.shape[-1:] and len(bias) <= MOST_CHANNELS):
        raise ValueError(f"{name} has weights of the shape {weight.shape} and a bias of the shape {bias.shape}")
    if not weight.dtype == bias.dtype == np.float32:
        raise ValueError(f"{name} is of the type {weight.dtype}, not float32")
    return weight, bias


def _patches(x: FloatArray, stride: int) -> FloatArray:
    """3x3 neighbourhoods, every `stride` frames and every second band: ``(t, band, c) -> (t', band / 2, 9 c)``."""
    n, bands, channels = x.shape
    padded = np.zeros((n + 2, bands + 2, channels), np.float32)
    padded[1:-1, 1:-1] = x
    # three bands side by side are one run of memory
    row, band, item = padded.strides
    runs = np.ndarray((n + 2, bands // 2, 3 * channels), np.float32, padded, strides=(row, 2 * band, item))
    return np.concatenate([runs[i : i + n : stride] for i in range(3)], axis=2)


def _dilated(taps: FloatArray, dilation: int) -> FloatArray:
    """Convolution over time from three taps `dilation` steps apart, with zeros outside: ``(t, 3 o) -> (t, o)``."""
    width = taps.shape[1] // 3
    before, at, after = taps[:, :width], taps[:, width : 2 * width], taps[:, 2 * width :]
    out = at.copy()
    if dilation < len(out):
        out[dilation:] += before[:-dilation]
        out[:-dilation] += after[dilation:]
    return out


def _rectify(x: FloatArray, bias: FloatArray) -> FloatArray:
    """``max(x + bias, 0)`` in place; in this order, because NumPy compares with a row three times as fast as with 0."""
    np.maximum(x, -bias, out=x)
    x += bias
    return x
