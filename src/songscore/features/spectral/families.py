"""Every spectral feature: its name, unit, definition, source, and the statistics that are taken of its curve."""

from __future__ import annotations

from dataclasses import dataclass

FEATURE_SET = "spectral-v1"
"""Version of the numbers; another version of librosa may change them besides."""

N_MFCC = 20
CONTRAST_BANDS = 6
"""Octaves of the spectral contrast, above a band that ends at 200 Hz."""

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
