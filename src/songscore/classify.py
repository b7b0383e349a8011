"""One track in, one answer out: the thin public layer over audio, features and model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from songscore.audio import Source
from songscore.errors import AudioError
from songscore.features.spectrum import WINDOW_SECONDS
from songscore.features.track_vector import runs, smooth
from songscore.features.detector import STEP, step_times
from songscore.analysis.record import Heard
from songscore.analysis.sampling import hear
from songscore.model import TrackModel, load_model
from songscore.results import SCORE, SONG, Segment, Status, TrackResult, VocalTimeline

MODEL = "track-v1"
SHORTEST = 2.0
"""Seconds of sound below which nothing is said."""

SURE = WINDOW_SECONDS
"""Seconds of sound below which nothing is certain, see `may_be_certain`."""

SILENCE = 1e-6
"""Peak of a silent track, -120 dB of full scale: below the last bit of 16 and of 20 bits, above numerical dust."""

VOICE_THRESHOLD = 0.3
"""Vocal presence in a passage with a voice; benchmarks/segments.py shows what other values cost."""

SOUND_THRESHOLD = 0.2
SPEECH_THRESHOLD, MUSIC_THRESHOLD, SUNG_THRESHOLD = 0.3, 0.3, 0.7
"""Means of speech above, and of music and voice below which there is speech alone; no song of training is like that."""

SHORTEST_SEGMENT = 0.4
LONGEST_GAP = 0.4


def classify_track(
    source: Source | NDArray[Any],
    sr: int | None = None,
    *,
    threshold: float = 0.5,
    prior: float | None = None,
    thorough: bool = False,
    model: str = MODEL,
) -> TrackResult:
    """Say whether a track is a song or instrumental score.

    Parameters
    ----------
    source : path, binary file object, array, or (array, sample rate)
        An array has the shape ``(samples,)`` or ``(channels, samples)``; its sample rate is the second argument, or
        comes with it in a tuple.
    sr : int, optional
        Sample rate of an array, in hertz.
    threshold : float, default 0.5
        Song probability from which the label is "song", in (0, 1).
    prior : float, optional
        Share of songs in the collection, in (0, 1), where it is known. Without it both answers are equally expected.
    thorough : bool, default False
        Listen to everything. Without it, a track of a minute and more is left as soon as the rest would not change its
        label, and the timeline and the passages with a voice are those of what was heard.
    model : str, default "track-v1"
        Name of a model that comes with songscore.

    Returns
    -------
    TrackResult
        Also for a file that cannot be read: then `label` is None, and `status` and `message` say why.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong. Nothing about the content of a file raises.
    ModelError
        The model's files are not as they were made.
    """
    source = _as_source(source, sr)
    check_share("threshold", threshold)
    if prior is not None:
        check_share("prior", prior)
    chosen = load_model(model)
    try:
        heard = hear(source, chosen, thorough=thorough)
    except AudioError as error:
        return TrackResult(path=_path_of(source), status=error.status, message=str(error), model=chosen.name)
    return conclude(heard, chosen, threshold, prior)


def extract_features(source: Source | NDArray[Any], sr: int | None = None, *, model: str = MODEL) -> dict[str, float]:
    """The named feature vector of a track.

    Parameters
    ----------
    source, sr
        As for `classify_track`.
    model : str, default "track-v1"
        The model whose voice detector is used.

    Returns
    -------
    dict of str to float
        Names, units and meanings stand in `songscore.features.track_vector.FEATURES`.

    Raises
    ------
    AudioError
        The sound cannot be read, or is shorter than `SHORTEST`.
    """
    heard = hear(_as_source(source, sr), load_model(model), thorough=True)
    if heard.analysed < SHORTEST:
        raise AudioError(f"{heard.path or 'the samples'}: {_too_short(heard)}")
    return heard.listening.features


def check_share(name: str, value: object) -> None:
    """Raise where a probability is not inside (0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, not {value}")


def _as_source(source: Source | NDArray[Any], sr: int | None) -> Source:
    if isinstance(source, np.ndarray):
        if sr is None:
            raise TypeError("an array needs its sample rate: classify_track(y, sr)")
        return source, sr
    if sr is not None:
        raise TypeError("sr is for arrays only; a file knows its own sample rate")
    return source


def _path_of(source: Source | BinaryIO) -> str | None:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else None


def conclude(heard: Heard, model: TrackModel, threshold: float = 0.5, prior: float | None = None) -> TrackResult:
    """From what was heard to the answer; `heard` comes from `hear`, now or earlier, and a model of its feature set."""
    known = partial(TrackResult, path=heard.path, duration=heard.duration, analysed=heard.analysed, model=model.name)
    refusal = _refusal(heard)
    if refusal:
        status, message = refusal
        return known(status=status, message=message)
    features = heard.listening.features
    decision = model.decide(features, prior)
    step, voice = heard.listening.step, heard.listening.activity[:, 0]
    segments = vocal_segments(voice, step)
    return known(
        label=SONG if decision.probability >= threshold else SCORE,
        song_probability=decision.probability,
        certain=decision.certain and not heard.damage and may_be_certain(heard.analysed, heard.listening.activity),
        vocal_fraction=min(1.0, sum(s.end - s.start for s in segments) / (len(voice) * STEP)),
        vocal_segments=segments,
        timeline=VocalTimeline(step_times(step), voice),
        features=features,
        contributions=decision.contributions,
        status="partial" if heard.damage else "ok",
        message=heard.damage,
    )


def _refusal(heard: Heard) -> tuple[Status, str] | None:
    if heard.analysed < SHORTEST:
        return "too_short", _too_short(heard)
    if heard.listening.peak < SILENCE:
        return "silent", f"no sample exceeds {SILENCE:g} of full scale"
    why = no_music(heard.listening.activity)
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
    return seconds >= SURE and float(activity[:, 2].mean()) >= MUSIC_THRESHOLD


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


def _too_short(heard: Heard) -> str:
    return f"{heard.analysed:.1f} s of sound; at least {SHORTEST:.0f} s are needed"


def vocal_segments(voice: NDArray[np.float32], step: NDArray[np.int64]) -> tuple[Segment, ...]:
    """Passages with a voice in a curve of one probability per `STEP` seconds.

    The curve is smoothed, cut at `VOICE_THRESHOLD`, gaps of up to `LONGEST_GAP` seconds are closed, and what is
    shorter than `SHORTEST_SEGMENT` seconds is dropped. No passage goes on over steps that were not heard.

    Parameters
    ----------
    voice : (n_steps,) float32
    step : (n_steps,) int64
        Which steps of the track these are, in order.
    """
    breaks = np.flatnonzero(np.diff(step) > 1) + 1
    stretches = zip(np.split(voice, breaks), np.split(step, breaks), strict=True)
    return tuple(segment for curve, steps in stretches if len(curve) for segment in _passages(curve, int(steps[0])))


def _passages(voice: NDArray[np.float32], first: int) -> Iterator[Segment]:
    found = runs(smooth(voice, 0.4) > VOICE_THRESHOLD)
    if not len(found):
        return
    joins = found[1:, 0] - found[:-1, 1] > LONGEST_GAP / STEP
    starts, ends = found[np.r_[True, joins], 0], found[np.r_[joins, True], 1]
    long = ends - starts >= SHORTEST_SEGMENT / STEP
    for a, b in zip(starts[long], ends[long], strict=True):
        yield Segment(float((first + a) * STEP), float((first + b) * STEP), float(voice[a:b].mean()))
