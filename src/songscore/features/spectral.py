"""Timbre and movement of the mel spectrum, without any detector.

Conventions
-----------
Input is the mel power of one window, ``(n_frames, N_MELS)`` at `spectrum.FRAME_RATE`; output is one number per window.
Decibels are relative to the window's mean power with a floor 60 dB below it, so no gain changes any number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from songscore.features.spectrum import FRAME_RATE, FloatArray, mel_frequencies

FLOOR = 1e-6
VARIANCE_FRAMES = 11
SYLLABLES_HZ = (2.0, 8.0)
MODULATION_HZ = (0.5, 12.5)
VOICE_BANDS_HZ = (300.0, 4000.0)

NAMES = ("spectral_centroid", "spectral_flatness", "spectral_flux", "vocal_variance", "syllable_modulation")


def window_features(mel: FloatArray) -> NDArray[np.float64]:
    """The features in the order of `NAMES`, shape ``(5,)``; zeros for silence."""
    mean = float(mel.mean(dtype=np.float64)) if len(mel) else 0.0
    if mean <= 0:
        return np.zeros(len(NAMES))
    power = mel / np.float32(mean) + np.float32(FLOOR)
    decibels = 10 * np.log10(power)
    return np.array(
        [
            centroid(power),
            flatness(decibels, power),
            flux(decibels),
            vocal_variance(decibels),
            syllable_modulation(decibels),
        ]
    )


def centroid(power: FloatArray) -> float:
    """Power-weighted mean frequency of the window, in hertz."""
    bands = power.sum(axis=0, dtype=np.float64)
    return float(bands @ mel_frequencies() / bands.sum())


def flatness(decibels: FloatArray, power: FloatArray) -> float:
    """Geometric over arithmetic mean of the bands, averaged over frames, in decibels; 0 for a flat spectrum.

    Wiener entropy (Gray and Markel 1974), over mel bands.
    """
    return float(decibels.mean() - 10 * np.log10(power.mean(axis=1)).mean())


def flux(decibels: FloatArray) -> float:
    """Mean rise from one frame to the next over all bands, in decibels; falls count as zero."""
    if len(decibels) < 2:
        return 0.0
    return float(np.maximum(np.diff(decibels, axis=0), 0).mean())


def vocal_variance(decibels: FloatArray) -> float:
    """Variance of the mel cepstrum's coefficients 1 to 5 over 11 frames, averaged over the window, in square decibels.

    After Lehner, Sonnleitner and Widmer (ISMIR 2013), here with frames of 40 ms.
    """
    if len(decibels) < VARIANCE_FRAMES:
        return 0.0
    cepstrum = fft.dct(decibels, type=2, norm="ortho", axis=1)[:, 1:6]
    return float(np.lib.stride_tricks.sliding_window_view(cepstrum, VARIANCE_FRAMES, axis=0).var(axis=-1).mean())


def syllable_modulation(decibels: FloatArray) -> float:
    """Share of the movement of the voice bands' envelopes that is at the rate of syllables, 2 to 8 Hz, in [0, 1].

    The peak of speech and singing in the modulation spectrum (Houtgast and Steeneken 1985; Scheirer and Slaney 1997).
    """
    frequencies = mel_frequencies()
    voice = decibels[:, (frequencies >= VOICE_BANDS_HZ[0]) & (frequencies <= VOICE_BANDS_HZ[1])]
    energy = (np.abs(fft.rfft(voice - voice.mean(axis=0), axis=0)) ** 2).sum(axis=1)
    rate = np.fft.rfftfreq(len(decibels), 1 / FRAME_RATE)
    moving = energy[(rate >= MODULATION_HZ[0]) & (rate <= MODULATION_HZ[1])].sum()
    syllables = energy[(rate >= SYLLABLES_HZ[0]) & (rate <= SYLLABLES_HZ[1])].sum()
    return float(syllables / moving) if moving > 0 else 0.0
