"""The named features of a track, from what a detector heard.

The features that decide are the strongest seconds of the voice. None of them falls while more of a track is heard: what
was not heard yet counts as silence, so the features of a part are lower bounds of those of the whole. That is why a
track may be heard in part.

Names, units, plain meanings and definitions of everything in the vector stand in `FEATURES`. Whatever changes a number
here raises `FEATURE_SET`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log2

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import CHOIR, FRAMES_PER_STEP, KINDS, MUSIC, OTHER, SPEECH, STEP, SUNG, VoiceDetector
from songscore.features.segments import longest_run, smooth
from songscore.features.spectrum import FloatArray, mel_frames, mel_windows

FEATURE_SET = "features-v2"
"""Version of every number in the track vector but those of the detector's weights, which the model's name covers."""

MOST_OF_TRACK = {"features-v1": 1.0, "features-v2": 0.6}
"""Largest share of a track that its strongest seconds may be, by feature set; a short song pauses too."""

TOP_SECONDS = (2, 5, 10, 30)
QUANTILES = (50, 75, 90, 95, 99)
SHARES = (30, 50, 70, 90)

SECOND = 1.0
"""How long something has to sound sung or spoken: a voice does so plainly for a second, music dimly here and there."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowActivity:
    """What was heard in one window.

    Attributes
    ----------
    start : int
        Its first frame in the sound, even.
    kinds : (n_steps, 5) float32
        Probabilities of `songscore.features.detector.KINDS`, one row per `STEP` seconds.
    """

    start: int
    kinds: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What was heard in one sound, or in some windows of it.

    Attributes
    ----------
    step : (n_heard,) int64
        Which steps of the sound the rows of `kinds` are, in order.
    kinds : (n_heard, 5) float32
        Probabilities of `songscore.features.detector.KINDS`.
    n_steps : int
        Steps of the whole sound, heard or not.
    peak : float
        Largest magnitude of a sample.
    """

    step: NDArray[np.int64]
    kinds: FloatArray
    n_steps: int
    peak: float

    @property
    def is_whole(self) -> bool:
        """Whether every step was heard."""
        return len(self.step) >= self.n_steps

    @property
    def gaps(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First step of each stretch that was not heard, and the step after its last."""
        edges = np.concatenate([[-1], self.step, [self.n_steps]])
        wide = np.flatnonzero(np.diff(edges) > 1)
        return edges[wide] + 1, edges[wide + 1]

    @property
    def longest_gap(self) -> float:
        """Seconds of the longest stretch that was not heard."""
        first, after = self.gaps
        return float((after - first).max(initial=0) * STEP)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What features are computed from.

    Attributes
    ----------
    activity : Activity
    voice : (n_heard,) float32
        Probability of a voice, see `voice_curve`.
    most : float
        Largest share of the track that its strongest seconds may be, see `MOST_OF_TRACK`.
    """

    activity: Activity
    voice: FloatArray
    most: float

    def mean(self, kind: int) -> float:
        """Log-odds of the mean probability of a kind of sound."""
        return log_odds(float(self.activity.kinds[:, kind].mean()))


@dataclass(frozen=True, slots=True)
class Feature:
    """A number of the track vector.

    Attributes
    ----------
    name, unit : str
    meaning : str
        In plain words, to follow "because of".
    compute : callable
    """

    name: str
    unit: str
    meaning: str
    compute: Callable[[Curves], float]


def log_odds(probability: float) -> float:
    """Natural log-odds, for a probability no closer than 0.001 to 0 and 1."""
    p = min(max(probability, 1e-3), 1 - 1e-3)
    return float(np.log(p / (1 - p)))


def strongest(curves: Curves, seconds: float) -> float:
    """Log-odds of the mean over the strongest `seconds` of the voice, or over a share of a track that is short.

    Steps that were not heard count as 0, so the mean never falls while more is heard.
    """
    k = max(1, round(min(seconds / STEP, curves.most * curves.activity.n_steps)))
    voice = curves.voice
    best = voice if len(voice) <= k else np.partition(voice, len(voice) - k)[-k:]
    return log_odds(float(best.sum(dtype=np.float64)) / k)


def quantile(curves: Curves, percent: int) -> float:
    """Log-odds of a percentile of the voice."""
    return log_odds(float(np.percentile(curves.voice, percent)))


def share_above(curves: Curves, percent: int) -> float:
    """Share of the steps at which the voice is more probable than `percent`."""
    return float((curves.voice > percent / 100).mean())


def _strongest(s: int) -> Feature:
    meaning = f"how clear the voice is in its {s} best seconds"
    return Feature(f"voice_top_{s}s", "log-odds", meaning, partial(strongest, seconds=s))


def _quantile(percent: int) -> Feature:
    meaning = f"how clear the voice is in {100 - percent} % of the track"
    return Feature(f"voice_q{percent}", "log-odds", meaning, partial(quantile, percent=percent))


def _share(percent: int) -> Feature:
    meaning = f"how often the voice is more than {percent} % probable"
    return Feature(f"voice_share_{percent}", "share", meaning, partial(share_above, percent=percent))


def longest(curves: Curves) -> float:
    """``log2(1 + seconds)`` of the longest passage with a voice."""
    return log2(1 + longest_run(smooth(curves.voice) > 0.5) * STEP)


def spread(curves: Curves) -> float:
    """Standard deviation of the log-odds of the voice."""
    p = np.clip(curves.voice, 1e-3, 1 - 1e-3)
    return float(np.log(p / (1 - p)).std())


FEATURES = (
    *(_strongest(seconds) for seconds in TOP_SECONDS),
    *(_quantile(percent) for percent in QUANTILES),
    *(_share(percent) for percent in SHARES),
    Feature("voice_mean", "log-odds", "how clear the voice is on average", lambda c: log_odds(float(c.voice.mean()))),
    Feature("voice_longest", "log2 s", "how long the voice stays", longest),
    Feature("voice_spread", "log-odds", "how plainly the voice comes and goes", spread),
    Feature("sung_mean", "log-odds", "how much of it is sung or rapped", lambda c: c.mean(SUNG)),
    Feature("choir_mean", "log-odds", "how much of it resembles voices without words", lambda c: c.mean(CHOIR)),
    Feature("speech_mean", "log-odds", "how much of it resembles speech", lambda c: c.mean(SPEECH)),
    Feature("music_mean", "log-odds", "how much of it resembles music", lambda c: c.mean(MUSIC)),
    Feature("other_mean", "log-odds", "how much of it resembles sounds that are not music", lambda c: c.mean(OTHER)),
    Feature("length", "log2 s", "how long the track is", lambda c: log2(max(1, c.activity.n_steps) * STEP)),
)
BY_NAME = {feature.name: feature for feature in FEATURES}
RISING = frozenset(f"voice_top_{s}s" for s in TOP_SECONDS)
"""Features that never fall while more of a track is heard."""

FIXED = frozenset({"length"})
"""Features that stay the same while more of a track is heard."""

MEANINGS = {feature.name: feature.meaning for feature in FEATURES}


def track_vector(
    activity: Activity,
    names: Sequence[str] = tuple(BY_NAME),
    *,
    choir: bool = False,
    feature_set: str = FEATURE_SET,
) -> dict[str, float]:
    """Features of a track, after Bayle et al. 2017 ("Revisiting autotagging toward faultless instrumental playlists").

    Parameters
    ----------
    activity : Activity
        At least one step.
    names : sequence of str
        Which of `FEATURES`.
    choir : bool, default False
        Whether voices without words count as a voice.
    feature_set : str
        A key of `MOST_OF_TRACK`.
    """
    curves = Curves(activity, voice_curve(activity.kinds, choir=choir), MOST_OF_TRACK[feature_set])
    return {name: float(BY_NAME[name].compute(curves)) for name in names}


def voice_curve(kinds: FloatArray, *, choir: bool = False) -> FloatArray:
    """Probability of a voice at each step: one that sings or raps words or, with `choir`, any that sings."""
    return kinds[:, [SUNG, CHOIR]].max(axis=1) if choir else kinds[:, SUNG]


def plainest_speech(activity: Activity) -> float:
    """Largest mean probability of speech over a second in a row, or over all of a shorter track.

    Steps that were not heard count as 0, so it never falls while more is heard.
    """
    return float(_by_second(activity, activity.kinds[:, SPEECH]).max())


def plainest_beside(
    activity: Activity, curve: FloatArray, first: NDArray[np.int64], after: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    """How plainly something is heard on either side of stretches of a sound.

    Parameters
    ----------
    activity : Activity
    curve : (n_heard,) float32
        Probability of it at each step that was heard.
    first, after : (n,) int64
        First step of each stretch, and the step after its last.
    width : int
        Steps on each side that are looked at, a second or more.

    Returns
    -------
    (n,) float64
        Largest mean over a second in a row before or after each stretch, where steps that were not heard count as 0.
    """
    by_second = _by_second(activity, curve)
    reach = width - round(SECOND / STEP) + 1
    before = _largest(by_second, first - width, first - width + reach)
    return np.maximum(before, _largest(by_second, after, after + reach))


def _largest(values: NDArray[np.float64], first: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Largest of the values in each stretch; 0 where there are none."""
    edges = np.column_stack([first, after]).clip(0, len(values))
    largest = np.maximum.reduceat(np.append(values, 0.0), edges.ravel())[::2]
    return np.where(edges[:, 1] > edges[:, 0], largest, 0.0)


def _by_second(activity: Activity, curve: FloatArray) -> NDArray[np.float64]:
    """Mean of a curve over the second that begins at each step, or over all of a shorter track."""
    everywhere = np.zeros(activity.n_steps)
    everywhere[activity.step] = curve
    n = min(activity.n_steps, round(SECOND / STEP))
    until = np.concatenate([[0.0], np.cumsum(everywhere)])
    return np.asarray((until[n:] - until[:-n]) / n)


def listen(blocks: Iterable[FloatArray], detector: VoiceDetector, window: int) -> Activity:
    """Run the detector over a stream of mono samples at `spectrum.SAMPLE_RATE`, `window` frames at a time."""
    peak = 0.0

    def watched() -> Iterator[FloatArray]:
        nonlocal peak
        for block in blocks:
            peak = max(peak, float(block.max(initial=0)), -float(block.min(initial=0)))
            yield block

    heard = listen_to_mel(mel_frames(watched()), detector, window)
    return replace(heard, peak=peak)


def listen_to_mel(pieces: Iterable[FloatArray], detector: VoiceDetector, window: int) -> Activity:
    """Like `listen`, from mel frames; `peak` is set to 1 because there are no samples."""
    windows, start = [], 0
    for mel in mel_windows(pieces, window):
        windows.append(listen_to_window(mel, start, detector))
        start += len(mel)
    return join_windows(windows, start // FRAMES_PER_STEP, 1.0)


def listen_to_window(mel: FloatArray, start: int, detector: VoiceDetector) -> WindowActivity:
    """Judge one window that begins at the frame `start` of the sound."""
    return WindowActivity(start, detector(mel)[: len(mel) // FRAMES_PER_STEP])


def join_windows(windows: Sequence[WindowActivity], n_steps: int, peak: float) -> Activity:
    """What was heard in a sound of `n_steps` steps, from windows in any order."""
    windows = sorted(windows, key=lambda window: window.start)
    step = [window.start // FRAMES_PER_STEP + np.arange(len(window.kinds)) for window in windows]
    return Activity(
        step=np.concatenate([np.empty(0, np.int64), *step]),
        kinds=np.concatenate([np.empty((0, len(KINDS)), np.float32), *(window.kinds for window in windows)]),
        n_steps=n_steps,
        peak=peak,
    )
