"""The spectral features of librosa, computed in blocks from one short-time spectrum.

Conventions
-----------
Samples are float32 at `SAMPLE_RATE` hertz, the mean of all channels. Frames are those of librosa's defaults: `N_FFT`
samples every `HOP_LENGTH`, centred, with zeros beyond the ends; frame ``i`` is at ``i * HOP_LENGTH / SAMPLE_RATE``
seconds. Spectra have frequency first, ``(n_bins, n_frames)``, as in librosa.

Every function hears the track at one level: scaled so that the root mean square of all its samples is 1. So no feature
depends on the gain of a recording, and each is what the function of librosa that `FAMILIES` names gives for the whole
array ``y / np.sqrt(np.mean(y**2))``.

A sound is read twice, once for its level and once for its features, and a few seconds of it are in memory at a time.
What grows with its length are the curves, about 30 kB for each second.

Whatever changes a number here raises `FEATURE_SET`.
"""

from __future__ import annotations

from songscore.features.spectral.curves import mel_spectrum, spectral_curves
from songscore.features.spectral.families import CURVES, FAMILIES, FEATURE_SET, NAMES
from songscore.features.spectral.frames import (
    HOP_LENGTH,
    N_FFT,
    SAMPLE_RATE,
    columns_of,
    frame_times,
    n_frames,
    seconds,
)
from songscore.features.spectral.importing import load_librosa
from songscore.features.spectral.summary import summarise
from songscore.features.spectral.tempo import pulse

__all__ = [
    "CURVES",
    "FAMILIES",
    "FEATURE_SET",
    "HOP_LENGTH",
    "NAMES",
    "N_FFT",
    "SAMPLE_RATE",
    "columns_of",
    "frame_times",
    "load_librosa",
    "mel_spectrum",
    "n_frames",
    "pulse",
    "seconds",
    "spectral_curves",
    "summarise",
]
