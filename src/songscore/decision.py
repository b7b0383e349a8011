"""The one place that decides: what is asked, whether enough was heard to answer it, and the answer.

Log-odds are natural; positive favours "song". A track's log-odds are those of a collection of as many songs as
instrumental scores, whatever is asked; the question moves only the cut between the labels.

The features that decide never fall while more of a track is heard (`songscore.features.track_vector`), and their
weights are positive. So the log-odds of a part are a lower bound of those of the whole: a song that was told from a
part stays one. A score that was told from a part may hold a voice in the rest, most likely beside what resembles one;
so that has to be heard, and a part has bounds of its own, calibrated on songs of which as little was heard. How far the
log-odds of such a part have risen in others says whether what is in doubt can still get another answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import log
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from songscore.features.detector import CHOIR, FRAMES_PER_STEP, OTHER, SPEECH, STEP, SUNG, expit, step_times
from songscore.features.segments import vocal_segments
from songscore.features.spectrum import FloatArray
from songscore.features.track_vector import Activity, plainest_beside, plainest_speech, voice_curve
from songscore.results import SCORE, SONG, Label, Segment, Status, TrackResult, VocalTimeline, VoiceKind

if TYPE_CHECKING:
    from songscore.analysis.record import Analysis
    from songscore.model import TrackModel
    from songscore.model.bounds import Bounds, PartBounds

Choir = Literal["score", "song"]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

SHORTEST = 2.0
"""Seconds of sound below which a track gets no label."""

SHORTEST_CERTAIN = 10.0
"""Seconds of sound below which no label is certain."""

SILENCE = 1e-6
"""Peak below which a track is silent, -120 dB of full scale: below the last of 20 bits, above rounding errors."""

VOICES: dict[VoiceKind, int] = {"sung": SUNG, "choir": CHOIR, "speech": SPEECH}
"""The kinds of sound that are voices."""

CHOIR_HEARD = 0.5
"""Share of a track with voices without words from which a score is not certain: they may sing words."""

SPOKEN = 0.3
"""Mean probability of speech from which sound without music is called speech; not higher, since speakers pause."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a track.

    Parameters
    ----------
    threshold : float, default 0.5
        Song probability from which the label is "song", in (0, 1).
    prior : float, optional
        Share of songs in the collection, in (0, 1). Without it both labels are equally expected.
    choir : {"score", "song"}, default "score"
        Label of a track whose only voices sing no words, such as a choir on "ah".

    Raises
    ------
    TypeError, ValueError
        A value is of another type, or out of range.
    """

    threshold: float = 0.5
    prior: float | None = None
    choir: Choir = "score"

    def __post_init__(self) -> None:
        _check_share("threshold", self.threshold)
        if self.prior is not None:
            _check_share("prior", self.prior)
        if self.choir not in get_args(Choir):
            raise ValueError(f"choir must be one of {get_args(Choir)}, not {self.choir!r}")

    @property
    def shift(self) -> float:
        """Log-odds that the prior adds."""
        return 0.0 if self.prior is None else _logit(self.prior)

    @property
    def cut(self) -> float:
        """Log-odds, without the prior, from which a track is called a song."""
        return _logit(self.threshold) - self.shift

    @property
    def counts_choir(self) -> bool:
        """Whether voices without words are a voice."""
        return self.choir == "song"


def is_settled(activity: Activity, model: TrackModel, question: Question) -> bool:
    """Whether the rest of a track could change neither its label nor whether that is certain.

    Never before `SHORTEST_CERTAIN` seconds were heard, and never while all that was heard is silent. Where no stretch
    longer than a window is left, what was heard sounds spoken as often as the whole.
    """
    if activity.is_whole:
        return True
    if not model.rises or len(activity.step) * STEP < SHORTEST_CERTAIN or activity.peak < SILENCE:
        return False
    bounds = model.bounds
    if model.music(activity) < max(0.0, bounds.music_above):
        return False
    log_odds = model.log_odds(activity, choir=question.counts_choir)
    song_above = _song_above(model, question)
    if log_odds >= max(question.cut, song_above):
        at_once = log_odds >= bounds.song_left_above and _speech(activity) < bounds.song_speech_below
        return at_once or _is_heard_evenly(activity, model)
    seconds = activity.n_steps * STEP
    part = bounds.part_at(seconds)
    if part is None or not _is_heard_enough(activity, model, question):
        return False
    score_below = bounds.score_below_at(seconds)
    may_be_certain = not _may_be_rap(activity, bounds)
    return bool(stays(log_odds, part, question.cut, song_above, score_below, may_be_certain))


def stays(
    log_odds: float | Floats,
    part: PartBounds,
    cut: float,
    song_above: float,
    score_below: float | Floats,
    may_be_certain: bool | Booleans,
) -> Booleans:
    """Whether tracks of which enough was heard keep their label, and whether it is certain, as their log-odds rise.

    Parameters
    ----------
    log_odds : float or (n,) float64
        Log-odds of what was heard.
    part : PartBounds
    cut, song_above : float
        Log-odds from which the label is "song", and from which that is certain.
    score_below : float or (n,) float64
        Log-odds up to which "instrumental score" is certain of a track of that length that was heard whole.
    may_be_certain : bool or (n,) bool
        Whether so little sounds spoken that "instrumental score" may be certain.
    """
    is_plain = np.asarray(log_odds <= part.score_below)
    highest = log_odds + np.where(is_plain, part.rise, part.rise_in_doubt)
    song = (highest < song_above) | (log_odds >= song_above)
    may_get_certain = ~is_plain & (log_odds <= score_below) & may_be_certain
    score = (highest < cut) & (log_odds + part.rise < max(cut, song_above)) & ~may_get_certain
    return np.where(log_odds >= cut, song, score)


def suspected(
    activity: Activity, model: TrackModel, question: Question, first: NDArray[np.int64], after: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which stretches of a track lie beside what resembles a voice, and so may hold more of it.

    What is not plainly a song is not left before they are heard.

    Parameters
    ----------
    activity : Activity
    model : TrackModel
    question : Question
    first, after : (n,) int64
        First step of each stretch, and the step after its last.
    """
    part = model.bounds.part_at(activity.n_steps * STEP)
    if part is None:
        return np.zeros(len(first), np.bool_)
    vocal = np.maximum(voice_curve(activity.kinds, choir=question.counts_choir), activity.kinds[:, SPEECH])
    beside = plainest_beside(activity, vocal, first, after, model.window // FRAMES_PER_STEP)
    return np.asarray(beside >= part.beside_below)


def label(analysis: Analysis, model: TrackModel, question: Question) -> TrackResult:
    """The answer for a track, from what was heard of it."""
    activity = analysis.activity
    known = partial(
        TrackResult,
        path=analysis.path,
        duration=analysis.duration,
        analysed=analysis.analysed,
        model=model.name,
    )
    refusal = _refusal(analysis, model)
    if refusal:
        status, message = refusal
        return known(status=status, message=message)
    decided = model.decide(activity, choir=question.counts_choir)
    segments = _segments(activity)
    voices = _voices(segments, len(activity.step) * STEP)
    answer: Label = SONG if decided.log_odds >= question.cut else SCORE
    curve = voice_curve(activity.kinds, choir=question.counts_choir)
    return known(
        label=answer,
        song_probability=float(expit(decided.log_odds + question.shift)),
        certain=_is_certain(answer, decided.log_odds, analysis, model, question, voices),
        vocal_fraction=voices["sung"],
        voices=voices,
        vocal_segments=segments,
        timeline=VocalTimeline(step_times(activity.step), curve),
        features=decided.features,
        contributions=decided.contributions,
        status="partial" if analysis.damage else "ok",
        message=analysis.damage,
    )


def _is_certain(
    answer: Label,
    log_odds: float,
    analysis: Analysis,
    model: TrackModel,
    question: Question,
    voices: dict[VoiceKind, float],
) -> bool:
    """Whether the model's error guarantee covers the label: few enough tracks of the other class look like this one."""
    bounds, activity = model.bounds, analysis.activity
    if analysis.damage or analysis.analysed < SHORTEST_CERTAIN or model.music(activity) < bounds.music_above:
        return False
    if answer == SONG:
        return log_odds >= _song_above(model, question) and _speech(activity) < bounds.song_speech_below
    if _may_be_rap(activity, bounds) or (not question.counts_choir and voices["choir"] >= CHOIR_HEARD):
        return False
    seconds = activity.n_steps * STEP
    if activity.is_whole:
        return log_odds <= bounds.score_below_at(seconds)
    part = bounds.part_at(seconds)
    return part is not None and _is_heard_enough(activity, model, question) and log_odds <= part.score_below


def _may_be_rap(activity: Activity, bounds: Bounds) -> bool:
    """Whether something in it sounds too much like speech for a certain score."""
    return plainest_speech(activity) >= bounds.score_spoken_below or _speech(activity) >= bounds.score_speech_below


def _speech(activity: Activity) -> float:
    """Mean probability of speech."""
    return float(activity.kinds[:, SPEECH].mean())


def _song_above(model: TrackModel, question: Question) -> float:
    """Log-odds from which "song" is certain."""
    return model.bounds.song_above_with_choir if question.counts_choir else model.bounds.song_above


def _is_heard_enough(activity: Activity, model: TrackModel, question: Question) -> bool:
    """Whether no stretch is left that is longer than a window or suspected, as in the parts that bounds rest on."""
    return _is_heard_evenly(activity, model) and not suspected(activity, model, question, *activity.gaps).any()


def _is_heard_evenly(activity: Activity, model: TrackModel) -> bool:
    """Whether no stretch is left that is longer than a window."""
    return activity.longest_gap < model.window_seconds + STEP / 2


def _refusal(analysis: Analysis, model: TrackModel) -> tuple[Status, str] | None:
    """Status and message of a sound that gets no label; None for one that does."""
    if analysis.analysed < SHORTEST or not len(analysis.activity.step):
        return "too_short", too_short(analysis.analysed)
    if analysis.activity.peak < SILENCE:
        return "silent", f"no sample exceeds {SILENCE:g} of full scale"
    why = no_music(analysis.activity, model)
    return ("not_music", why) if why else None


def too_short(seconds: float) -> str:
    """The message for a sound that is too short."""
    return f"{seconds:.1f} s of sound; at least {SHORTEST:.0f} s are needed"


def no_music(activity: Activity, model: TrackModel) -> str:
    """The message for a sound without music; "" where there is music or somebody sings."""
    if model.music(activity) >= 0:
        return ""
    means = activity.kinds.mean(axis=0)
    return (
        "speech without music" if means[SPEECH] > max(SPOKEN, means[OTHER]) else "no music: noise, ambience or effects"
    )


def _segments(activity: Activity) -> tuple[Segment, ...]:
    """Passages of each kind of voice, in order; where several kinds are probable at a moment, the likeliest counts."""
    curves = {kind: activity.kinds[:, column] for kind, column in VOICES.items()}
    strongest = np.max(list(curves.values()), axis=0)
    found = [
        segment
        for kind, curve in curves.items()
        for segment in vocal_segments(_where_strongest(curve, strongest), activity.step, kind)
    ]
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.end)))


def _where_strongest(curve: FloatArray, strongest: FloatArray) -> FloatArray:
    return np.where(curve >= strongest, curve, np.float32(0))


def _voices(segments: tuple[Segment, ...], seconds: float) -> dict[VoiceKind, float]:
    """Share of the time with each kind of voice."""
    return {kind: min(1.0, sum(s.end - s.start for s in segments if s.kind == kind) / seconds) for kind in VOICES}


def _logit(probability: float) -> float:
    """Natural log-odds."""
    return log(probability / (1 - probability))


def _check_share(name: str, value: object) -> None:
    """Raise where a probability is not inside (0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, not {value}")
