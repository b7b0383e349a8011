"""Instruments, each a note at a time, and the room they stand in.

Conventions
-----------
A note is float64 ``(n_samples,)`` of peak about 1, from its attack to its end. Pitches are MIDI note numbers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Samples = NDArray[np.float64]


def hertz(pitch: float) -> float:
    """Frequency of a MIDI note number, equal temperament with A4 = 440 Hz."""
    return float(440 * 2 ** ((pitch - 69) / 12))


@cache
def piano(pitch: float, seconds: float, sr: int) -> Samples:
    """Stiff strings: partials stretched as by Fletcher (1964), the high ones gone sooner."""
    t = _seconds(seconds + 0.25, sr)
    y = np.zeros(len(t))
    for k in range(1, 25):
        frequency = k * hertz(pitch) * (1 + 4e-4 * k**2) ** 0.5
        if frequency < min(8000, sr / 2.2):
            y += k**-1.3 * np.sin(2 * np.pi * frequency * t + k) * np.exp(-t * (0.9 + 0.35 * k) * hertz(pitch) / 260)
    return 0.6 * y * np.minimum(1, t / 0.004) * np.clip((seconds + 0.25 - t) / 0.25, 0, 1)


@cache
def strings(pitch: float, seconds: float, sr: int) -> Samples:
    """Five players, each a little out of tune, that swell and fade."""
    t = _seconds(seconds + 0.5, sr)
    y = np.zeros(len(t))
    for cents in (-9, -4, 0, 5, 8):
        f = hertz(pitch + cents / 100)
        for k in range(1, int(3500 / f) + 1):
            y += k**-1.6 * np.sin(2 * np.pi * k * f * t + k * cents)
    return 0.2 * y * np.minimum(1, t / 0.6) * np.clip((seconds + 0.5 - t) / 0.5, 0, 1)


@cache
def bass(pitch: float, seconds: float, sr: int) -> Samples:
    """A plucked bass guitar."""
    t = _seconds(seconds + 0.05, sr)
    y = sum(k**-1.5 * np.sin(2 * np.pi * k * hertz(pitch) * t) * np.exp(-t * (1 + 1.2 * k)) for k in range(1, 9))
    return np.asarray(0.7 * y * np.minimum(1, t / 0.005) * np.clip((seconds + 0.05 - t) / 0.05, 0, 1))


@cache
def kick(sr: int) -> Samples:
    """A bass drum: a sine that falls from 150 to 50 Hz."""
    t = _seconds(0.35, sr)
    return np.asarray(np.sin(2 * np.pi * (50 * t + 100 * 0.03 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.09))


@cache
def snare(sr: int) -> Samples:
    """A snare drum: a short tone and a rattle."""
    t = _seconds(0.25, sr)
    return np.asarray(
        0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.04) + 0.5 * _hiss(len(t), 2500, sr) * np.exp(-t / 0.07)
    )


@cache
def hat(sr: int) -> Samples:
    """A closed hi-hat: noise above 7 kHz."""
    t = _seconds(0.08, sr)
    return np.asarray(_hiss(len(t), 7000, sr) * np.exp(-t / 0.02))


@cache
def timpani(pitch: float, sr: int) -> Samples:
    """A kettledrum: the modes of its membrane at 1, 1.5, 1.98 and 2.44 (Rossing 1982)."""
    t = _seconds(2.0, sr)
    modes = ((1, 1.0), (1.5, 0.6), (1.98, 0.4), (2.44, 0.25))
    return np.asarray(sum(a * np.sin(2 * np.pi * hertz(pitch) * m * t) * np.exp(-t * (1.5 + m)) for m, a in modes))


def room(y: Samples, seconds: float, sr: int) -> Samples:
    """The reverberation of a room with decay time `seconds`: two channels of decaying noise, ``(2, n_samples)``."""
    t = _seconds(seconds, sr)
    answer = (
        np.random.default_rng(3).standard_normal((2, len(t))) * np.exp(-6.9 * t / seconds) * np.minimum(1, t / 0.01)
    )
    answer /= np.sqrt((answer**2).sum(axis=1, keepdims=True))
    n = fft.next_fast_len(len(y) + len(t), real=True)
    return np.asarray(fft.irfft(fft.rfft(y, n) * fft.rfft(answer, n), n)[:, : len(y)])


def _seconds(length: float, sr: int) -> Samples:
    return np.arange(round(length * sr)) / sr


def _hiss(n: int, lowest: float, sr: int) -> Samples:
    """Noise above a frequency in hertz, of peak 1."""
    spectrum = fft.rfft(np.random.default_rng(5).standard_normal(n))
    spectrum[fft.rfftfreq(n, 1 / sr) < lowest] = 0
    y = fft.irfft(spectrum, n)
    return np.asarray(y / np.abs(y).max())
