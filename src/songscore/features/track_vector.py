"""From frames to the track vector; owns the names.

`listen` runs over a stream once, window by window, in memory that grows by 150 bytes per second of sound. Names, units
and plain meanings of everything in the vector stand in `FEATURES`. Whatever changes a number here raises
`FEATURE_SET`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songscore.features.detector import ACTIVITIES, FRAMES_PER_STEP, STEP, VoiceDetector
from songscore.features.segments import runs, smooth
from songscore.features.spectral import window_features
from songscore.features.spectrum import FloatArray, mel_frames, mel_windows

FEATURE_SET = "features-v1"
"""Version of every number in the track vector but those of the detector's weights, which the model's name covers."""

TOP_SECONDS = (2, 5, 10, 30)
QUANTILES = (50, 75, 90, 95, 99)
SHARES = (30, 50, 70, 90)


@dataclass(frozen=True, slots=True)
class Feature:
    """A number of the track vector.

    Attributes
    ----------
    name, unit : str
    meaning : str
        In plain words, to follow "because of".
    """

    name: str
    unit: str
    meaning: str


VOCAL = (
    *(Feature(f"voice_top_{s}s", "log-odds", f"how clear the voice is in its {s} best seconds") for s in TOP_SECONDS),
    *(Feature(f"voice_q{q}", "log-odds", f"how clear the voice is in {100 - q} % of the track") for q in QUANTILES),
    *(Feature(f"voice_share_{p}", "share", f"how often the voice is more than {p} % probable") for p in SHARES),
    Feature("voice_mean", "log-odds", "how clear the voice is on average"),
    Feature("voice_longest", "log2 s", "how long the voice stays"),
    Feature("voice_spread", "log-odds", "how plainly the voice comes and goes"),
    Feature("speech_mean", "log-odds", "how much of it resembles speech"),
    Feature("music_mean", "log-odds", "how much of it resembles music"),
)
SPECTRAL = (
    Feature("spectral_centroid", "Hz", "where the centre of the spectrum lies"),
    Feature("spectral_flatness", "dB", "how noisy the spectrum is"),
    Feature("spectral_flux", "dB", "how much is new from one moment to the next"),
    Feature("vocal_variance", "dB^2", "how fast the timbre changes, as in articulation"),
    Feature("syllable_modulation", "share", "how much of the movement is at the rate of syllables"),
)
FEATURES = VOCAL + SPECTRAL
MEANINGS = {feature.name: feature.meaning for feature in FEATURES}


@dataclass(frozen=True, slots=True, eq=False)
class WindowActivity:
    """What was heard in one window.

    Attributes
    ----------
    start : int
        Its first frame in the sound, even.
    n_frames : int
    probability : (n_frames // 2, 3) float32
        Probabilities of `songscore.features.detector.ACTIVITIES`, one row per `STEP` seconds.
    spectral : (n_features,) float64
        `songscore.features.spectral.window_features`.
    """

    start: int
    n_frames: int
    probability: FloatArray
    spectral: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What was heard in one sound, or in some windows of it.

    Attributes
    ----------
    step : (n_steps,) int64
        Which steps of the sound the rows of `probability` are, in order.
    probability : (n_steps, 3) float32
        Probabilities of `songscore.features.detector.ACTIVITIES`.
    spectral : (n_features,) float64
        Means over the windows of `songscore.features.spectral.window_features`, by length.
    peak : float
        Largest magnitude of a sample.
    """

    step: NDArray[np.int64]
    probability: FloatArray
    spectral: NDArray[np.float64]
    peak: float

    @property
    def features(self) -> dict[str, float]:
        """The track vector."""
        spectral = {feature.name: float(value) for feature, value in zip(SPECTRAL, self.spectral, strict=True)}
        return vocal_features(self.probability) | spectral


def listen(blocks: Iterable[FloatArray], detector: VoiceDetector) -> Activity:
    """Run the features over a stream of mono samples at `spectrum.SAMPLE_RATE`."""
    peak = 0.0

    def watched() -> Iterator[FloatArray]:
        nonlocal peak
        for block in blocks:
            peak = max(peak, float(block.max(initial=0)), -float(block.min(initial=0)))
            yield block

    heard = listen_to_mel(mel_frames(watched()), detector)
    return replace(heard, peak=peak)


def listen_to_mel(pieces: Iterable[FloatArray], detector: VoiceDetector) -> Activity:
    """The same from a stream of mel frames; the peak is that of a full scale."""
    windows, start = [], 0
    for mel in mel_windows(pieces):
        windows.append(listen_to_window(mel, start, detector))
        start += len(mel)
    return join_windows(windows, 1.0)


def listen_to_window(mel: FloatArray, start: int, detector: VoiceDetector) -> WindowActivity:
    """Judge one window that begins at the frame `start` of the sound."""
    n_steps = len(mel) // FRAMES_PER_STEP
    return WindowActivity(start, len(mel), detector(mel)[:n_steps], window_features(mel))


def join_windows(windows: Sequence[WindowActivity], peak: float) -> Activity:
    """What was heard in the sound, from windows in any order."""
    windows = sorted(windows, key=lambda window: window.start)
    length = [window.n_frames for window in windows]
    step = [window.start // FRAMES_PER_STEP + np.arange(len(window.probability)) for window in windows]
    none = np.empty((0, len(ACTIVITIES)), np.float32)
    return Activity(
        step=np.concatenate([np.empty(0, np.int64), *step]),
        probability=np.concatenate([none, *(window.probability for window in windows)]),
        spectral=np.average([w.spectral for w in windows], 0, length) if windows else np.zeros(len(SPECTRAL)),
        peak=peak,
    )


def vocal_features(activity: FloatArray) -> dict[str, float]:
    """The features named in `VOCAL`.

    Statistics of the voice curve as in Bayle et al. 2017 ("Revisiting autotagging toward faultless instrumental
    playlists generation") and in evidence from many short passages: the strongest seconds, quantiles, shares and the
    longest run.

    Parameters
    ----------
    activity : (n_steps, 3) float32
        At least one row.
    """
    voice, speech, music = activity.T
    ranked = np.sort(voice)[::-1]
    tops = [ranked[: max(1, round(seconds / STEP))].mean() for seconds in TOP_SECONDS]
    shares = [(voice > percent / 100).mean() for percent in SHARES]
    longest = np.log2(1 + _longest_run(smooth(voice) > 0.5) * STEP)
    values = [
        *_log_odds([*tops, *np.percentile(voice, QUANTILES)]),
        *shares,
        *_log_odds([voice.mean()]),
        longest,
        _log_odds(voice).std(),
        *_log_odds([speech.mean(), music.mean()]),
    ]
    return {feature.name: float(value) for feature, value in zip(VOCAL, values, strict=True)}


def _log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Natural log-odds, for probabilities no closer than 0.001 to 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)))


def _longest_run(flags: NDArray[np.bool_]) -> int:
    found = runs(flags)
    return int((found[:, 1] - found[:, 0]).max(initial=0))
