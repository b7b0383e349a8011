"""The one place that decides: whether enough was heard, which label that gives, and whether it is certain."""

from __future__ import annotations

from functools import partial
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import STEP, step_times
from songscore.features.segments import vocal_segments
from songscore.features.spectrum import WINDOW_SECONDS
from songscore.model import TrackModel
from songscore.results import SCORE, SONG, Status, TrackResult, VocalTimeline

if TYPE_CHECKING:
    from songscore.analysis.record import Analysis

SHORTEST = 2.0
"""Seconds of sound below which nothing is said."""

SHORTEST_CERTAIN = WINDOW_SECONDS
"""Seconds of sound below which nothing is certain, see `may_be_certain`."""

SILENCE = 1e-6
"""Peak of a silent track, -120 dB of full scale: below the last bit of 16 and of 20 bits, above numerical dust."""

SOUND_THRESHOLD = 0.2
SPEECH_THRESHOLD, MUSIC_THRESHOLD, SUNG_THRESHOLD = 0.3, 0.3, 0.7
"""Means of speech above, and of music and voice below which there is speech alone; no song of training is like that."""

SONG_ENOUGH, SCORE_ENOUGH = 3.0, -2.7
"""Log-odds of a song beyond which the rest of a track is not read; benchmarks/sequential.py shows what that costs."""

GROWING = 60
"""Windows, ten minutes, up to which doubt has everything read; beyond, what is read grows as the root of the length."""


def label(analysis: Analysis, model: TrackModel, threshold: float = 0.5, prior: float | None = None) -> TrackResult:
    """From what was heard to the answer; `analysis` was made now or earlier, by a model of the same feature set."""
    known = partial(
        TrackResult, path=analysis.path, duration=analysis.duration, analysed=analysis.analysed, model=model.name
    )
    failure = _failure(analysis)
    if failure:
        status, message = failure
        return known(status=status, message=message)
    activity = analysis.activity
    features = activity.features
    decided = model.decide(features, prior)
    step, voice = activity.step, activity.probability[:, 0]
    segments = vocal_segments(voice, step)
    return known(
        label=SONG if decided.probability >= threshold else SCORE,
        song_probability=decided.probability,
        certain=decided.certain and not analysis.damage and may_be_certain(analysis.analysed, activity.probability),
        vocal_fraction=min(1.0, sum(s.end - s.start for s in segments) / (len(voice) * STEP)),
        vocal_segments=segments,
        timeline=VocalTimeline(step_times(step), voice),
        features=features,
        contributions=decided.contributions,
        status="partial" if analysis.damage else "ok",
        message=analysis.damage,
    )


def _failure(analysis: Analysis) -> tuple[Status, str] | None:
    if analysis.analysed < SHORTEST:
        return "too_short", too_short(analysis)
    if analysis.activity.peak < SILENCE:
        return "silent", f"no sample exceeds {SILENCE:g} of full scale"
    why = no_music(analysis.activity.probability)
    return ("not_music", why) if why else None


def may_be_certain(seconds: float, activity: NDArray[np.float32]) -> bool:
    """Whether an answer may be certain at all: the bounds of certainty come from tracks that are long and have music.

    Parameters
    ----------
    seconds : float
        Sound that was heard.
    activity : (n_steps, 3) float32
        Probabilities of voice, speech and music.
    """
    return seconds >= SHORTEST_CERTAIN and float(activity[:, 2].mean()) >= MUSIC_THRESHOLD


def no_music(activity: NDArray[np.float32]) -> str:
    """Why this is neither a song nor instrumental score, or "" where it may be either.

    Parameters
    ----------
    activity : (n_steps, 3) float32
        Probabilities of voice, speech and music.
    """
    voice, speech, music = activity.T
    if np.percentile(np.maximum(voice, music), 95) < SOUND_THRESHOLD and speech.mean() < SPEECH_THRESHOLD:
        return "neither music nor a voice was heard"
    if speech.mean() > SPEECH_THRESHOLD and music.mean() < MUSIC_THRESHOLD and voice.mean() < SUNG_THRESHOLD:
        return "speech without music"
    return ""


def too_short(analysis: Analysis) -> str:
    """Why so little sound gets no answer."""
    return f"{analysis.analysed:.1f} s of sound; at least {SHORTEST:.0f} s are needed"


def is_settled(log_odds: float, n_heard: int, n_windows: int) -> bool:
    """Whether the rest of a track may stay unread: the answer would hardly change, or enough windows were heard."""
    score = log_odds <= SCORE_ENOUGH and n_heard >= most(n_windows) / 2
    return log_odds >= SONG_ENOUGH or score or n_heard >= most(n_windows)


def most(n_windows: int) -> int:
    """Windows after which no more are heard; a score may be called after half of them."""
    return ceil(min(n_windows, sqrt(n_windows * GROWING)))
