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

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore.features.spectrum import FRAME_RATE, HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE, FloatArray

KINDS = ("sung", "choir", "speech", "music", "other")
"""Sung or rapped words; voices without words; speech; music; sounds that are no music."""

SUNG, CHOIR, SPEECH, MUSIC, OTHER = range(len(KINDS))
LEVELS = 65_535
FRAMES_PER_STEP = 2
STEP = FRAMES_PER_STEP / FRAME_RATE
DILATIONS = (1, 2, 4, 8)
TIME_STRIDES = (1, 2, 1, 1)
FLOOR_DB = -60.0
MOST_CHANNELS = 256
"""Of a layer, so that no model asks for more memory than a track may."""


def level(mel: FloatArray) -> FloatArray:
    """Log-mel relative to the mean power, about -3 to 1 with -1 at 20 dB below the mean; no gain is left in it.

    Parameters
    ----------
    mel : (n_frames, N_MELS) float32
        Power; all zero gives the floor everywhere.
    """
    mean = max(float(mel.mean(dtype=np.float64)), float(np.finfo(np.float32).tiny))
    return (np.log10(mel / np.float32(mean) + np.float32(10 ** (FLOOR_DB / 10))) * np.float32(0.5)).astype(np.float32)


def network_input(mel: FloatArray) -> FloatArray:
    """`level`, and beside it the same less each band's mean over time: ``(n_frames, N_MELS, 2)``."""
    levelled = level(mel)
    return np.stack([levelled, levelled - levelled.mean(axis=0)], axis=2)


def step_times(step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centre of each step, in seconds from the start of the track."""
    return (step * FRAMES_PER_STEP * HOP_LENGTH + (HOP_LENGTH * (FRAMES_PER_STEP - 1) + N_FFT) / 2) / SAMPLE_RATE


class VoiceDetector:
    """The trained network, ready to run.

    Parameters
    ----------
    arrays : mapping of str to float32 array
        ``conv{i}.weight`` ``(9 * inputs, outputs)`` with rows by (time offset, band offset, input), ``join.weight``
        ``(bands * channels, width)``, ``context{i}.weight`` ``(3, width, width)`` with the time offset first,
        ``head.weight`` ``(width, n_outputs)``, and a ``.bias`` beside each.
    outputs : sequence of str
        Which of the `KINDS` the outputs are, in order; the probability of the others is 0.
    """

    def __init__(self, arrays: Mapping[str, FloatArray], outputs: Sequence[str] = KINDS) -> None:
        if len({*outputs}) < len(outputs):
            raise ValueError(f"a kind of sound comes twice: {outputs}")
        self._columns = [KINDS.index(kind) for kind in outputs]
        self._convolutions, channels = [], 2
        for i in range(len(TIME_STRIDES)):
            self._convolutions.append(_layer(arrays, f"conv{i}", 9 * channels))
            channels = len(self._convolutions[i][1])
        self._join = _layer(arrays, "join", N_MELS // 2 ** len(TIME_STRIDES) * channels)
        width = len(self._join[1])
        self._context = [_layer(arrays, f"context{i}", 3, width, width) for i in range(len(DILATIONS))]
        self._head = _layer(arrays, "head", width, len(outputs))

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
        h = network_input(mel)
        for (weight, bias), stride in zip(self._convolutions, TIME_STRIDES, strict=True):
            patches = _patches(h, stride)
            rows = _rectify(patches.reshape(-1, len(weight)) @ weight, bias)
            h = rows.reshape(*patches.shape[:2], len(bias))
        h = _rectify(h.reshape(len(h), -1) @ self._join[0], self._join[1])
        for dilation, (weight, bias) in zip(DILATIONS, self._context, strict=True):
            h += _rectify(_dilated(h, weight, dilation), bias)
        kinds = np.zeros((len(h), len(KINDS)), np.float32)
        kinds[:, self._columns] = np.rint(expit(h @ self._head[0] + self._head[1]) * LEVELS) / np.float32(LEVELS)
        return kinds


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


def _dilated(x: FloatArray, weight: FloatArray, dilation: int) -> FloatArray:
    """Convolution over time with three taps `dilation` steps apart, zeros outside: ``(t, c) -> (t, o)``."""
    out = x @ weight[1]
    if dilation < len(x):
        out[dilation:] += x[:-dilation] @ weight[0]
        out[:-dilation] += x[dilation:] @ weight[2]
    return out


def _rectify(x: FloatArray, bias: FloatArray) -> FloatArray:
    x += bias
    return np.maximum(x, 0, out=x)
