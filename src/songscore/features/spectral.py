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

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from songscore.audio import Source, open_audio
from songscore.features.median import WIDTH, running_median

FloatArray = NDArray[np.float32]

FEATURE_SET = "spectral-v1"
"""Version of every number here, but for what another version of librosa changes."""

SAMPLE_RATE = 22_050
N_FFT = 2048
HOP_LENGTH = 512
N_MFCC = 20
TEMPO_WINDOW = 8.0
"""Seconds over which `librosa.feature.tempo` looks for a period."""

SLOWEST, FASTEST = 40.0, 240.0
"""Beats per minute between which the pulse is looked for."""

DELTA_WIDTH = 9
TOP_DB = 80.0
CONTRAST_FROM, CONTRAST_BANDS, CONTRAST_QUANTILE = 200.0, 6, 0.02

_AT_ONCE = 512
_CONTEXT = WIDTH // 2
"""Frames before and after a frame that the median filter of `librosa.decompose.hpss` looks at."""

_PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_MEAN_STD = ("mean", "std")
_WITH_QUANTILES = ("mean", "std", "q10", "q50", "q90")


@dataclass(frozen=True, slots=True)
class Family:
    """Curves that one function gives, and the features that are made of them.

    Attributes
    ----------
    name : str
    curves : tuple of str
        Names of the curves.
    statistics : tuple of str
        What is taken of each curve over the track: mean, standard deviation, quantiles in percent. Without any, the
        family is one number of the whole track and has no curve.
    unit, definition, source, good_for : str
        For people: the definition calls librosa by its public names, the source is the paper.
    """

    name: str
    curves: tuple[str, ...]
    statistics: tuple[str, ...]
    unit: str
    definition: str
    source: str
    good_for: str

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        if not self.statistics:
            return self.curves
        return tuple(f"{curve}_{statistic}" for curve in self.curves for statistic in self.statistics)


FAMILIES = (
    Family(
        "mfcc",
        tuple(f"mfcc_{i}" for i in range(1, N_MFCC + 1)),
        _MEAN_STD,
        "dB",
        "librosa.feature.mfcc, n_mfcc=20; mfcc_1 is its row 0",
        "Davis and Mermelstein 1980",
        "timbre: mfcc_1 the loudness of the frames, mfcc_2 dark against bright, the others ever finer shapes",
    ),
    Family(
        "mfcc_delta",
        tuple(f"mfcc_delta_{i}" for i in range(1, N_MFCC + 1)),
        _MEAN_STD,
        "dB per frame",
        "librosa.feature.delta of mfcc",
        "Furui 1986",
        "how fast the timbre changes: the standard deviation is large for speech and drums, small for pads",
    ),
    Family(
        "spectral_contrast",
        tuple(f"spectral_contrast_{i}" for i in range(1, CONTRAST_BANDS + 2)),
        _MEAN_STD,
        "dB",
        "librosa.feature.spectral_contrast; band 1 ends at 200 Hz, each other is an octave, the last ends at 11025 Hz",
        "Jiang et al. 2002",
        "clear partials against noise, octave by octave",
    ),
    Family(
        "spectral_centroid",
        ("spectral_centroid",),
        _WITH_QUANTILES,
        "Hz",
        "librosa.feature.spectral_centroid",
        "Peeters 2004",
        "brightness",
    ),
    Family(
        "spectral_bandwidth",
        ("spectral_bandwidth",),
        _MEAN_STD,
        "Hz",
        "librosa.feature.spectral_bandwidth",
        "Peeters 2004",
        "how widely the sound spreads around its centroid",
    ),
    Family(
        "spectral_rolloff",
        ("spectral_rolloff",),
        _MEAN_STD,
        "Hz",
        "librosa.feature.spectral_rolloff, roll_percent=0.85",
        "Scheirer and Slaney 1997",
        "where the treble ends; follows the encoder's low-pass as much as the music",
    ),
    Family(
        "spectral_flatness",
        ("spectral_flatness",),
        _WITH_QUANTILES,
        "0 to 1",
        "librosa.feature.spectral_flatness; 1 in digital silence",
        "Dubnov 2004",
        "tone against noise",
    ),
    Family(
        "onset_strength",
        ("onset_strength",),
        _WITH_QUANTILES,
        "dB",
        "librosa.onset.onset_strength: the spectral flux of the mel spectrum",
        "Böck and Widmer 2013",
        "how hard notes begin: drums and plucked strings against pads",
    ),
    Family(
        "zero_crossing_rate",
        ("zero_crossing_rate",),
        _MEAN_STD,
        "share of samples",
        "librosa.feature.zero_crossing_rate",
        "Gouyon et al. 2000",
        "noise and sibilants",
    ),
    Family(
        "rms",
        ("rms",),
        _WITH_QUANTILES,
        "ratio",
        "librosa.feature.rms; relative to the track, whose root mean square is 1",
        "Tzanetakis and Cook 2002",
        "dynamics: a small q10 is a track with quiet passages",
    ),
    Family(
        "chroma",
        tuple(f"chroma_{pitch}" for pitch in _PITCHES),
        _MEAN_STD,
        "0 to 1",
        "librosa.feature.chroma_stft, tuning=0.0 (A is 440 Hz)",
        "Ellis 2007",
        "which pitch classes sound; depends on the key",
    ),
    Family(
        "tonnetz",
        tuple(f"tonnetz_{interval}_{axis}" for interval in ("fifth", "minor", "major") for axis in "xy"),
        _MEAN_STD,
        "-1 to 1",
        "librosa.feature.tonnetz of chroma",
        "Harte, Sandler and Gasser 2006",
        "harmony: the standard deviation says how much it moves",
    ),
    Family(
        "harmonic_share",
        ("harmonic_share",),
        _WITH_QUANTILES,
        "0 to 1",
        "energy of the harmonic part of librosa.decompose.hpss over that of the frame",
        "Fitzgerald 2010",
        "sustained sound",
    ),
    Family(
        "percussive_share",
        ("percussive_share",),
        _WITH_QUANTILES,
        "0 to 1",
        "energy of the percussive part of librosa.decompose.hpss over that of the frame",
        "Fitzgerald 2010",
        "drums, plucks, consonants",
    ),
    Family(
        "stereo_width",
        ("stereo_width",),
        _WITH_QUANTILES,
        "0 to 1",
        "energy of half the difference of the first two channels, over that and the energy of the mean; "
        "frames as of librosa.feature.rms",
        "songscore",
        "0 is mono, 0.5 two channels with nothing in common; a voice in the middle narrows it",
    ),
    Family(
        "tempo",
        ("tempo",),
        (),
        "beats per minute",
        "librosa.feature.tempo of onset_strength",
        "Ellis 2007",
        "tempo, often off by a factor of two; without a beat it is near 120",
    ),
    Family(
        "pulse_clarity",
        ("pulse_clarity",),
        (),
        "0 to 1",
        "mean of librosa.feature.tempogram(norm=None) of onset_strength less its mean, windows of 8 s: the largest at "
        "lags of 40 to 240 beats per minute over that at lag 0",
        "Lartillot et al. 2008",
        "a steady beat against none",
    ),
)
"""Every spectral feature. docs/features.md is made of this."""

NAMES = tuple(name for family in FAMILIES for name in family.features)
"""Names of the features, in order."""

CURVES = tuple(curve for family in FAMILIES if family.statistics for curve in family.curves)
"""Names of the curves, in order."""


def load_librosa() -> ModuleType:
    """The library, imported when it is first needed, since no label needs it.

    Raises
    ------
    ImportError
        It is not installed, or numba does not work here; the message says what to install.
    """
    try:
        import librosa
    except ImportError as error:
        raise ImportError(
            f"spectral features need librosa, which could not be imported ({error}): pip install librosa"
        ) from error
    return librosa


def summarise(curves: dict[str, FloatArray]) -> dict[str, float]:
    """The features `NAMES`, from `spectral_curves`."""
    found = pulse(curves["onset_strength"])
    for family in FAMILIES:
        for curve in family.curves if family.statistics else ():
            values = curves[curve].astype(np.float64)
            found |= {f"{curve}_{statistic}": _statistic(values, statistic) for statistic in family.statistics}
    return {name: found[name] for name in NAMES}


def _statistic(values: NDArray[np.float64], statistic: str) -> float:
    if statistic.startswith("q"):
        return float(np.percentile(values, int(statistic[1:])))
    return float(values.mean() if statistic == "mean" else values.std())


def n_frames(duration: float) -> int:
    """Frames of a sound of that many seconds."""
    return 1 + int(duration * SAMPLE_RATE) // HOP_LENGTH


def seconds(n_frames: int) -> float:
    """Seconds of a sound of that many frames, at most a hop too many."""
    return n_frames * HOP_LENGTH / SAMPLE_RATE


def frame_times(n_frames: int) -> NDArray[np.float64]:
    """Centre of each frame, in seconds."""
    return np.arange(n_frames, dtype=np.float64) * (HOP_LENGTH / SAMPLE_RATE)


def spectral_curves(source: Source) -> dict[str, FloatArray]:
    """The curves `CURVES` of a sound, each of the shape ``(n_frames,)``, at `frame_times`.

    Parameters
    ----------
    source : path, seekable binary file object, or (samples, sample rate)
        It is read twice.

    Raises
    ------
    AudioError
        The sound cannot be read.
    ImportError
        librosa is missing.
    """
    load_librosa()
    level = _level(_read(source))
    parts: list[dict[str, FloatArray]] = []
    last = None
    for block in _blocks(_read(source)):
        found, last = _curves_of(block, level, last)
        parts.append(found)
    joined = {name: np.concatenate([part.pop(name) for part in parts], axis=1) for name in list(parts[0])}
    by_family = _finished(joined)
    return {
        curve: by_family[family.name][row]
        for family in FAMILIES
        if family.statistics
        for row, curve in enumerate(family.curves)
    }


def mel_spectrum(source: Source, most: int) -> tuple[FloatArray, int]:
    """The mel power spectrum of `librosa.feature.melspectrogram`, averaged over frames to at most `most` columns.

    Returns
    -------
    (128, n_columns) float32, int
        The spectrum, at the level of the source, and the frames of a column.
    """
    load_librosa()
    parts = [_mel(np.abs(_stft(block.own[0])) ** 2) for block in _blocks(_read(source))]
    mel = np.concatenate(parts, axis=1)
    width = -(-mel.shape[1] // most)
    return columns_of(mel, width), width


def columns_of(frames: FloatArray, width: int) -> FloatArray:
    """Means over `width` frames each, the last over those that are left."""
    starts = np.arange(0, frames.shape[-1], width)
    sums = np.add.reduceat(frames, starts, axis=-1)
    return np.asarray(sums / np.diff(starts, append=frames.shape[-1]), np.float32)


def _read(source: Source) -> Iterator[FloatArray]:
    with open_audio(source, rate=SAMPLE_RATE) as stream:
        yield from stream.blocks(layout="mean/side")


@dataclass(frozen=True, slots=True)
class _Level:
    """How loud a track is: the gain that gives it the root mean square 1, and the floor of its mel spectrum then."""

    gain: np.float32
    floor: float


def _level(pieces: Iterable[FloatArray]) -> _Level:
    import librosa

    energy, n_samples = 0.0, 0

    def counted() -> Iterator[FloatArray]:
        nonlocal energy, n_samples
        for piece in pieces:
            energy += float(np.square(piece[0], dtype=np.float64).sum())
            n_samples += piece.shape[1]
            yield piece

    loudest = max(float(_mel(np.abs(_stft(block.own[0])) ** 2).max()) for block in _blocks(counted()))
    gain = np.float32(np.sqrt(n_samples / energy)) if energy > 0 else np.float32(1)
    return _Level(gain, float(librosa.power_to_db(loudest * float(gain) ** 2)) - TOP_DB)


@dataclass(frozen=True, slots=True)
class _Block:
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


def _blocks(pieces: Iterable[FloatArray]) -> Iterator[_Block]:
    """All frames of a sound, `_AT_ONCE` at a time, whatever the pieces ``(2, n_samples)``."""
    held, before = np.empty((3, 0), np.float32), 0
    for piece in _padded(pieces):
        held = np.concatenate([held, piece], axis=1)
        while _n_frames(held) >= before + _AT_ONCE + _CONTEXT:
            yield _Block(held[:, : _n_samples(before + _AT_ONCE + _CONTEXT)], before, _AT_ONCE)
            held = held[:, (before + _AT_ONCE - _CONTEXT) * HOP_LENGTH :]
            before = _CONTEXT
    yield _Block(held, before, _n_frames(held) - before)


def _padded(pieces: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """The rows of `_Block`, with half a frame before the sound and half a frame behind it."""
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


def _stft(y: FloatArray) -> NDArray[np.complex64]:
    import librosa

    return librosa.stft(y, n_fft=N_FFT, hop_length=HOP_LENGTH, center=False)


def _mel(power: FloatArray) -> FloatArray:
    import librosa

    return librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE)


def _curves_of(block: _Block, level: _Level, last: FloatArray | None) -> tuple[dict[str, FloatArray], FloatArray]:
    """Curves by family, ``(n_curves, n_frames)``, and the last column of the log-mel spectrum.

    `last` is that of the block before. What needs the whole track is left to `_finished`.
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


def _finished(curves: dict[str, FloatArray]) -> dict[str, FloatArray]:
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


def pulse(onset_strength: FloatArray) -> dict[str, float]:
    """`tempo` and `pulse_clarity`, from a curve of onset strength."""
    import librosa

    tempogram = _mean_tempogram(onset_strength, np.inf)
    tempo = librosa.feature.tempo(tg=tempogram[:, None], sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
    # Less its mean, else all onset strengths agree with themselves at every lag, for none is negative.
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
