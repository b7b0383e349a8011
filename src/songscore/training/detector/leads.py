"""Made-up leads: synthesised melodies that swell, glide and vibrate like a voice, but have no words.

They teach the detector that pitch and formants that move do not make a voice, not even in an ensemble. Each is additive
synthesis at `spectrum.SAMPLE_RATE` with random scale and rhythm, portamento, bends, vibrato, tremolo, breath, slope of
the partials, resonances that stay (an "aah") or sweep (a wah-wah), distortion, and number of players.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.features.spectrum import HOP_LENGTH, N_FFT, SAMPLE_RATE, FloatArray, mel_spectrum
from songscore.training.data.corpus import Codes, quantise

CONTROL = 80
"""Samples per control step, at which pitch, loudness and resonances are given."""

PARTIALS = 28
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 1, 4, 5, 7, 8, 11), tuple(range(12)))

Floats = NDArray[np.float64]


def lead_bank(seed: int, n_frames: int, n_leads: int) -> list[Codes]:
    """Mel codes of leads, each ``(n_frames, N_MELS)``."""
    rng = np.random.default_rng(seed)
    n_samples = (n_frames - 1) * HOP_LENGTH + N_FFT
    return [quantise(mel_spectrum(lead(rng, n_samples / SAMPLE_RATE))) for _ in range(n_leads)]


def lead(rng: Generator, seconds: float) -> FloatArray:
    """One lead, float32 of peak 1 and shape ``(n_samples,)``."""
    n = ceil(seconds * SAMPLE_RATE / CONTROL)
    pitch, loudness = melody(rng, n)
    players = rng.choice([1, 1, 1, 2, 4])
    y = np.zeros(n * CONTROL)
    slope, odd = rng.uniform(0.4, 2.0), rng.random() < 0.2
    resonance = _resonance(rng, n, loudness)
    for _ in range(players):
        cents = rng.normal(0, 12 if players > 1 else 0)
        y += _voice(rng, np.roll(pitch, rng.integers(0, 8)) + cents / 100, loudness, slope, odd, resonance)
    y /= np.abs(y).max() + 1e-9
    y += rng.choice([0, 0, 0.02, 0.1]) * rng.normal(size=len(y)) * np.repeat(loudness, CONTROL)
    if rng.random() < 0.3:
        y = np.tanh(rng.uniform(2, 12) * y)
    return np.asarray(y / (np.abs(y).max() + 1e-9), np.float32)[: round(seconds * SAMPLE_RATE)]


def melody(rng: Generator, n: int) -> tuple[Floats, Floats]:
    """Pitch in MIDI note numbers and loudness in [0, 1], ``n`` control steps each."""
    rate = SAMPLE_RATE / CONTROL
    scale = SCALES[rng.integers(len(SCALES))]
    centre, tempo = rng.uniform(48, 79), rng.uniform(0.12, 0.8)
    attack, release = rng.uniform(0.005, 0.15), rng.uniform(0.02, 0.25)
    degree, position = 0, 0
    pitch, loudness = np.full(n, centre), np.zeros(n)
    while position < n:
        length = max(8, int(tempo * rng.choice([0.5, 1, 1, 2, 4]) * rate))
        degree = int(np.clip(degree + rng.integers(-3, 4), -7, 7))
        note = slice(position, position + length)
        t = np.arange(len(pitch[note])) / rate
        bend = rng.choice([0, 0, 0, -2, 1, 2]) * np.exp(-t / rng.uniform(0.03, 0.3))
        pitch[note] = centre + 12 * (degree // len(scale)) + scale[degree % len(scale)] + bend
        if rng.random() > 0.15:
            swell = np.minimum(1, t / attack) * np.minimum(1, (t[-1] - t + 1e-3) / release)
            loudness[note] = rng.uniform(0.5, 1) * swell * np.exp(-t * rng.choice([0, 0, 1, 4]))
        position += length
    pitch = glide(pitch, rng.choice([0.005, 0.03, 0.1, 0.25]) * rate)
    depth, speed = rng.choice([0, 0.15, 0.4, 0.8, 1.5]), rng.uniform(4, 7.5)
    time = np.arange(n) / rate
    drift = glide(rng.normal(size=n), 0.1 * rate)
    pitch = pitch + depth * loudness * np.sin(2 * np.pi * speed * time + 3 * drift) + 0.1 * drift
    return pitch, loudness * (1 - rng.choice([0, 0, 0.3]) * (0.5 + 0.5 * np.sin(2 * np.pi * speed * time)))


def glide(steps: Floats, width: float) -> Floats:
    """Smooth a curve over `width` control steps."""
    kernel = np.hanning(max(3, int(2 * width) | 1))
    padded = np.pad(steps, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")[: len(steps)]


def _resonance(rng: Generator, n: int, loudness: Floats) -> list[tuple[Floats, float, float]]:
    """Resonances as centre in log2 hertz over time, width in octaves and height."""
    still = np.zeros(n)
    kind = rng.choice(["none", "vowel", "vowel", "wah"])
    if kind == "none":
        return []
    if kind == "vowel":
        centres = rng.uniform([300, 800, 2200, 3000], [900, 2000, 3000, 3800])
        return [(still + np.log2(c), rng.uniform(0.15, 0.4), rng.uniform(1, 12)) for c in centres]
    time = np.arange(n) * CONTROL / SAMPLE_RATE
    lfo = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 6) * time)
    sweep = lfo if rng.random() < 0.5 else glide(loudness, 6)
    return [(np.log2(rng.uniform(250, 600)) + rng.uniform(1, 3) * sweep, rng.uniform(0.2, 0.6), rng.uniform(4, 20))]


def _voice(
    rng: Generator,
    pitch: Floats,
    loudness: Floats,
    slope: float,
    odd: bool,
    resonance: list[tuple[Floats, float, float]],
) -> Floats:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * np.cumsum(np.repeat(hertz, CONTROL)) / SAMPLE_RATE + rng.uniform(0, 6)
    y = np.zeros(len(phase))
    for k in range(1, PARTIALS + 1, 2 if odd else 1):
        frequency = k * hertz
        height = np.ones(len(pitch))
        for centre, width, gain in resonance:
            height += gain * np.exp(-(((np.log2(frequency) - centre) / width) ** 2))
        height *= loudness * k**-slope * (frequency < 0.45 * SAMPLE_RATE)
        if height.max() > 1e-3:
            y += np.repeat(glide(height, 2), CONTROL) * np.sin(k * phase)
    return y
