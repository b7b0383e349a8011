"""Curves by librosa's definitions: those of a block, and what needs the whole track."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectral.blocks import Block
from songscore.features.spectral.families import CONTRAST_BANDS, N_MFCC
from songscore.features.spectral.frames import HOP_LENGTH, N_FFT, SAMPLE_RATE, FloatArray
from songscore.features.spectral.median import running_median

DELTA_WIDTH = 9
CONTRAST_FROM, CONTRAST_QUANTILE = 200.0, 0.02


@dataclass(frozen=True, slots=True)
class Level:
    """How loud a track is: the gain that gives it the root mean square 1, and the floor of its mel spectrum then."""

    gain: np.float32
    floor: float


def mel_power(y: FloatArray) -> FloatArray:
    """The mel power spectrum of samples, from the first to the last whole frame."""
    return _mel(np.abs(_stft(y)) ** 2)


def _stft(y: FloatArray) -> NDArray[np.complex64]:
    import librosa

    return librosa.stft(y, n_fft=N_FFT, hop_length=HOP_LENGTH, center=False)


def _mel(power: FloatArray) -> FloatArray:
    import librosa

    return librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE)


def block_curves(block: Block, level: Level, last: FloatArray | None) -> tuple[dict[str, FloatArray], FloatArray]:
    """Curves by family, ``(n_curves, n_frames)``, and the last column of the log-mel spectrum.

    `last` is that of the block before. What needs the whole track is left to `track_curves`.
    """
    import librosa

    feature = librosa.feature
    rms = partial(feature.rms, frame_length=N_FFT, hop_length=HOP_LENGTH, center=False)
    zero_crossing_rate = partial(feature.zero_crossing_rate, frame_length=N_FFT, hop_length=HOP_LENGTH, center=False)
    rows = block.own * level.gain
    context = np.abs(_stft(block.rows[0] * level.gain))
    magnitude = context[:, block.before : block.before + block.n_frames]
    power = magnitude**2
    log_mel = np.maximum(librosa.power_to_db(_mel(power), top_db=None), level.floor)
    with_last = np.concatenate([log_mel[:, :1] if last is None else last, log_mel], axis=1)
    centroid = feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE)
    mean, side = rms(y=rows[0]), rms(y=rows[1])
    harmonic, percussive = _shares(context, slice(block.before, block.before + block.n_frames))
    peak, valley = _peaks_and_valleys(magnitude)
    curves = {
        "mfcc": feature.mfcc(S=log_mel, n_mfcc=N_MFCC),
        "peak": peak,
        "valley": valley,
        "spectral_centroid": centroid,
        "spectral_bandwidth": feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE, centroid=centroid),
        "spectral_rolloff": feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE),
        "spectral_flatness": feature.spectral_flatness(S=magnitude),
        "onset_strength": librosa.onset.onset_strength(S=with_last, sr=SAMPLE_RATE, center=False)[None, 1:],
        "zero_crossing_rate": zero_crossing_rate(rows[2]),
        "rms": mean,
        "chroma": feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0.0),
        "harmonic_share": harmonic,
        "percussive_share": percussive,
        "stereo_width": _ratio(side**2, side**2 + mean**2),
    }
    return {name: np.asarray(curve, np.float32) for name, curve in curves.items()}, log_mel[:, -1:]


def track_curves(curves: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """All families, from the curves of the whole track."""
    import librosa

    n_frames = curves["mfcc"].shape[1]
    late = N_FFT // (2 * HOP_LENGTH)
    return curves | {
        "mfcc_delta": librosa.feature.delta(curves["mfcc"], width=DELTA_WIDTH)
        if n_frames >= DELTA_WIDTH
        else np.zeros_like(curves["mfcc"]),
        "spectral_contrast": librosa.power_to_db(curves["peak"]) - librosa.power_to_db(curves["valley"]),
        "onset_strength": np.pad(curves["onset_strength"], [(0, 0), (late, 0)])[:, :n_frames],
        "tonnetz": librosa.feature.tonnetz(chroma=curves["chroma"], sr=SAMPLE_RATE),
    }


def _shares(magnitude: FloatArray, own: slice) -> tuple[FloatArray, FloatArray]:
    """Energy of the harmonic and of the percussive part over that of the frame, 0 in silence.

    The parts are those of `librosa.decompose.hpss`, whose median filters take most of its time.
    """
    import librosa

    sustained = running_median(magnitude)[:, own]
    broad = running_median(np.ascontiguousarray(magnitude[:, own].T)).T
    total = np.sum(magnitude[:, own] ** 2, axis=0, keepdims=True)

    def share(median: FloatArray, other: FloatArray) -> FloatArray:
        part = magnitude[:, own] * librosa.util.softmask(median, other, power=2.0, split_zeros=True)
        return _ratio(np.sum(part**2, axis=0, keepdims=True), total)

    return share(sustained, broad), share(broad, sustained)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _peaks_and_valleys(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean of the strongest and of the weakest bins of each band, as `librosa.feature.spectral_contrast` takes them.

    It takes logarithms of them relative to the largest of the track, which is not known within a block.
    """
    import librosa

    frequencies = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=N_FFT)
    edges = np.concatenate([[0.0], CONTRAST_FROM * 2.0 ** np.arange(CONTRAST_BANDS + 1)])
    peaks, valleys = [], []
    for k in range(CONTRAST_BANDS + 1):
        inside = np.flatnonzero((frequencies >= edges[k]) & (frequencies <= edges[k + 1]))
        first = inside[0] - (k > 0)
        end = inside[-1] + 1 if k < CONTRAST_BANDS else len(frequencies)
        few = max(1, round(CONTRAST_QUANTILE * (end - first)))
        band = magnitude[first : end - (k < CONTRAST_BANDS)]
        ordered = np.partition(band, (few - 1, len(band) - few), axis=0)
        peaks.append(ordered[-few:].mean(axis=0))
        valleys.append(ordered[:few].mean(axis=0))
    return np.stack(peaks), np.stack(valleys)
