"""Tempo and pulse, from a curve of onset strength."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectral.frames import HOP_LENGTH, SAMPLE_RATE, FloatArray

TEMPO_WINDOW = 8.0
"""Seconds over which `librosa.feature.tempo` looks for a period."""

SLOWEST, FASTEST = 40.0, 240.0
"""Beats per minute between which the pulse is looked for."""

_AT_ONCE = 512


def pulse(onset_strength: FloatArray) -> dict[str, float]:
    """`tempo` and `pulse_clarity`, from a curve of onset strength."""
    import librosa

    tempogram = _mean_tempogram(onset_strength, np.inf)
    tempo = librosa.feature.tempo(tg=tempogram[:, None], sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
    # The mean is subtracted: onset strengths are never negative, so they would correlate at every lag.
    periodic = _mean_tempogram(onset_strength - onset_strength.mean(), None)
    bpm = librosa.tempo_frequencies(len(periodic), sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
    strongest = float(periodic[(bpm >= SLOWEST) & (bpm <= FASTEST)].max())
    clarity = max(0.0, strongest / float(periodic[0])) if periodic[0] > 0 else 0.0
    return {"tempo": float(tempo[0]), "pulse_clarity": clarity}


def _mean_tempogram(onset_strength: FloatArray, norm: float | None) -> NDArray[np.float64]:
    """Mean over time of `librosa.feature.tempogram`, a stretch of frames at a time."""
    import librosa

    window = int(librosa.time_to_frames(TEMPO_WINDOW, sr=SAMPLE_RATE, hop_length=HOP_LENGTH))
    padded = np.pad(onset_strength, window // 2, mode="linear_ramp", end_values=0)
    n_frames, total = len(onset_strength), np.zeros(window)
    for first in range(0, n_frames, _AT_ONCE):
        columns = librosa.feature.tempogram(
            onset_envelope=padded[first : min(first + _AT_ONCE, n_frames) + window - 1],
            sr=SAMPLE_RATE,
            hop_length=HOP_LENGTH,
            win_length=window,
            center=False,
            norm=norm,
        )
        total += columns.sum(axis=1, dtype=np.float64)
    return total / n_frames
