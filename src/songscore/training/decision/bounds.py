"""Fit the weights of the decision, and calibrate the bounds within which a label is certain.

Bounds are calibrated on out-of-fold answers: neither the detector nor the weights behind an answer were fitted to the
artist, the source or the origin of the track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from songscore.decision import SHORTEST_CERTAIN
from songscore.features.detector import STEP
from songscore.features.track_vector import Activity, plainest_speech, track_vector
from songscore.model import Linear
from songscore.model.bounds import LONG, VERY_LONG
from songscore.training.decision.compose import (
    BESIDE_BELOW,
    Example,
    heard_in_part,
    leaves_early,
)
from songscore.training.decision.linear import Booleans, Floats, balanced_weights, fit_linear, log_odds_of

ERROR_RATE = 0.01
"""Largest share of the tracks of one class that may look certain of the other, by track and averaged over groups."""

SONG_SPEECH_BELOW = 0.2
"""Mean probability of speech from which a song is not certain."""

SCORE_SPOKEN_BELOW = 0.5
"""Mean probability of speech over a second from which a score may be rap: not certain."""

NOISE_RATE = 0.03
"""Largest share of the sounds that are not music which may count as music for certain."""

MIN_CERTAIN_LOG_ODDS = 2.2
"""Smallest absolute log-odds (9:1) of a certain label, whatever the calibration says."""

NEVER = 1e6
"""Log-odds that no track reaches."""

LEFT_ABOVE = 3.0
"""Least log-odds at which listening to a song stops early; with less, its probability would come out too low."""

CHOIRLESS = ("recording", "generated", "rendered", "excerpt", "composed")
"""Kinds of scores with few choirs, on which the bound for choirs that count as voices is calibrated."""

DECIDING = ["voice_top_2s", "voice_top_5s", "voice_top_10s", "voice_top_30s", "length"]
"""Features that the decision weighs; ``python -m benchmarks ablation`` tries others."""

RISING = DECIDING[:-1]
"""Those of them that never fall while more is heard; their weights may not be negative."""

MUSIC = ["voice_top_10s", "choir_mean", "speech_mean", "music_mean", "other_mean"]
"""Features that tell whether there is music at all."""

REFUSED = 0.001
"""Largest share of the recorded songs and scores that may be refused as no music."""

RECORDED = ("recording", "generated", "pair", "excerpt")
"""Kinds of tracks like those in people's collections."""

PARTS = ("part", "very_long_part")
"""Bounds of tracks that are heard in part."""

CALIBRATED = ("song_above", "score_below", "long_score_below", "very_long_score_below", "part", "very_long_part")
"""Bounds for which the metadata gives the numbers of tracks and groups that they were calibrated on."""

CHANGED = 0.005
"""Share of the tracks left early whose log-odds may rise further than expected."""


@dataclass(frozen=True, eq=False)
class DecisionSet:
    """The tracks that the decision is fitted to and judged on.

    Attributes
    ----------
    whole, part, choir : (n_tracks, n_features) float64
        Features named in `DECIDING`: of the whole track, of the part of it that is always heard (`heard_in_part`; of
        the whole where it is short), and of the whole with voices without words counted as a voice.
    music : (n_tracks, n_music_features) float64
        Features named in `MUSIC`.
    song, is_music : (n_tracks,) bool
    fold : (n_tracks,) int64
    kind, group : (n_tracks,) str
    trusted : (n_tracks,) bool
        False where a label is doubted; then the track is judged, but nothing is fitted to it.
    seconds : (n_tracks,) float64
    spoken, spoken_part : (n_tracks,) float64
        `plainest_speech` of the whole, and of that part.
    heard : (n_tracks,) float64
        Share of the track in that part.
    """

    whole: Floats
    part: Floats
    choir: Floats
    music: Floats
    song: Booleans
    is_music: Booleans
    fold: NDArray[np.int64]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]
    trusted: Booleans
    seconds: Floats
    spoken: Floats
    spoken_part: Floats
    heard: Floats

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """The features and labels of examples."""

        def part(activity: Activity) -> Activity:
            return heard_in_part(activity) if leaves_early(activity) else activity

        def rows(names: Sequence[str], of: Callable[[Activity], Activity], *, choir: bool = False) -> Floats:
            vectors = (track_vector(of(example.activity), names, choir=choir) for example in examples)
            return np.array([list(vector.values()) for vector in vectors]).reshape(-1, len(names))

        def column(name: str, of: type = np.bool_) -> NDArray[Any]:
            return np.array([getattr(example, name) for example in examples], of)

        return cls(
            whole=rows(DECIDING, lambda activity: activity),
            part=rows(DECIDING, part),
            choir=rows(DECIDING, lambda activity: activity, choir=True),
            music=rows(MUSIC, lambda activity: activity),
            song=column("song"),
            is_music=column("music"),
            fold=column("fold", np.int64),
            kind=column("kind", np.str_),
            group=column("group", np.str_),
            trusted=column("trusted"),
            seconds=np.array([example.activity.n_steps * STEP for example in examples]),
            spoken=np.array([plainest_speech(example.activity) for example in examples]),
            spoken_part=np.array([plainest_speech(part(example.activity)) for example in examples]),
            heard=np.array([len(part(example.activity).step) / example.activity.n_steps for example in examples]),
        )

    @property
    def speech(self) -> Floats:
        """Mean probability of speech in each track."""
        return np.asarray(expit(self.music[:, MUSIC.index("speech_mean")]))

    @property
    def early(self) -> Booleans:
        """Which tracks are music, and long enough to be left early."""
        return self.is_music & (self.whole != self.part).any(axis=1)


@dataclass(frozen=True, eq=False)
class Answers:
    """Log-odds of "song", and of music, for each track, by weights that were fitted to other folds.

    Attributes
    ----------
    whole, part, choir, music : (n_tracks,) float64
        From the features of the same name in `DecisionSet`.
    """

    whole: Floats
    part: Floats
    choir: Floats
    music: Floats


def fit_decision(given: DecisionSet, chosen: Booleans) -> Linear:
    """Weights for song against score, fitted to the trusted music among the chosen tracks."""
    used = chosen & given.trusted & given.is_music
    weight = balanced_weights(given.song[used], given.kind[used])
    return fit_linear(DECIDING, given.whole[used], given.song[used], weight, RISING, n_sums=2)


def fit_music(given: DecisionSet, chosen: Booleans) -> Linear:
    """Weights for music against other sound, fitted to the trusted chosen tracks; refuse at most `REFUSED` of music."""
    used = chosen & given.trusted
    weight = balanced_weights(given.is_music[used], np.full(int(used.sum()), "all"))
    linear = fit_linear(MUSIC, given.music[used], given.is_music[used], weight)
    recorded = used & np.isin(given.kind, RECORDED)
    kept = recorded if recorded.any() else used & given.is_music
    lowest = np.quantile(log_odds_of(linear, given.music[kept]), REFUSED)
    return replace(linear, bias=linear.bias - min(0.0, float(lowest)))


def cross_validated(given: DecisionSet) -> Answers:
    """Answers to every track by weights that were fitted to other folds."""
    answers = Answers(*(np.empty(len(given.song)) for _ in fields(Answers)))
    for held_out in (given.fold == part for part in np.unique(given.fold)):
        decision, music = fit_decision(given, ~held_out), fit_music(given, ~held_out)
        for name in ("whole", "part", "choir"):
            getattr(answers, name)[held_out] = log_odds_of(decision, getattr(given, name)[held_out])
        answers.music[held_out] = log_odds_of(music, given.music[held_out])
    return answers


def calibrate(given: DecisionSet, answers: Answers, chosen: Booleans | None = None) -> dict[str, Any]:
    """The bounds of a model, as its metadata holds them, with the numbers of tracks and groups behind each.

    With `chosen`, they are calibrated on those tracks alone.
    """
    behind = evidence(given, answers, chosen)
    found = {name: upper_bound(*found) for name, found in behind.items()}
    parts = {name: (-found[name], *rises(given, answers, -found[name], chosen)) for name in PARTS}
    return as_metadata(found) | {
        "music_above": _music_above(given, answers),
        **{name: part_as_metadata(*numbers) for name, numbers in parts.items()},
        "calibrated_on": {
            name: {"tracks": len(behind[name][0]), "groups": len(np.unique(behind[name][1]))} for name in CALIBRATED
        },
    }


def evidence(
    given: DecisionSet, answers: Answers, chosen: Booleans | None = None
) -> dict[str, tuple[Floats, NDArray[np.str_]]]:
    """For each bound, the log-odds of the tracks of the other class, few of which may reach it, and their groups.

    For bounds on scores the sign is turned, so that more is always worse. A track with too much speech to be certain
    has log-odds of `-NEVER`.
    """
    used = given.trusted & given.is_music & (given.seconds >= SHORTEST_CERTAIN)
    if chosen is not None:
        used = used & chosen
    songs, scores = used & given.song, used & ~given.song
    no_choir, early = scores & np.isin(given.kind, CHOIRLESS), songs & given.early
    long, very_long = given.seconds >= LONG, given.seconds >= VERY_LONG
    sung = given.speech < SONG_SPEECH_BELOW
    played, played_part = given.spoken < SCORE_SPOKEN_BELOW, given.spoken_part < SCORE_SPOKEN_BELOW
    towards = {
        "song_above": (answers.whole, sung, scores),
        "song_above_with_choir": (answers.choir, sung, no_choir),
        "score_below": (-answers.whole, played, _enough(songs & ~long, songs)),
        "long_score_below": (-answers.whole, played, _enough(songs & long & ~very_long, songs & long, songs)),
        "very_long_score_below": (-answers.whole, played, _enough(songs & very_long, songs & long, songs)),
        "part": (-answers.part, played_part, _enough(early & ~very_long, early)),
        "very_long_part": (-answers.part, played_part, _enough(early & very_long, early)),
    }
    return {
        name: (np.where(possible, far, -NEVER)[here], given.group[here])
        for name, (far, possible, here) in towards.items()
    }


def _enough(*choices: Booleans) -> Booleans:
    """The first choice of tracks that are enough to promise `ERROR_RATE`, or else the last."""
    return next((some for some in choices if some.sum() + 1 >= 1 / ERROR_RATE), choices[-1])


def as_metadata(found: Mapping[str, float]) -> dict[str, Any]:
    """Convert bounds with the names and signs of `evidence` to those of a model's metadata."""
    return {
        "song_above": found["song_above"],
        "song_above_with_choir": found["song_above_with_choir"],
        "score_below": -found["score_below"],
        "long_score_below": -found["long_score_below"],
        "very_long_score_below": -found["very_long_score_below"],
        "song_left_above": max(found["song_above"], LEFT_ABOVE),
        "song_speech_below": SONG_SPEECH_BELOW,
        "score_spoken_below": SCORE_SPOKEN_BELOW,
        "error_rate": ERROR_RATE,
    }


def part_as_metadata(score_below: float, rise: float, rise_in_doubt: float) -> dict[str, float]:
    """The bounds of a part as a model's metadata holds them."""
    return {
        "score_below": score_below,
        "rise": rise,
        "rise_in_doubt": rise_in_doubt,
        "beside_below": BESIDE_BELOW,
    }


def rises(
    given: DecisionSet, answers: Answers, part_below: float, chosen: Booleans | None = None
) -> tuple[float, float]:
    """By how much the log-odds of a track that is left early may rise in the rest; a share `CHANGED` rises further.

    The first of the two holds up to `part_below`, the second above.
    """
    used = given.trusted & given.early & (given.seconds >= SHORTEST_CERTAIN)
    if chosen is not None:
        used = used & chosen
    low, rise = used & (answers.part <= part_below), answers.whole - answers.part
    return _largest_but_few(rise[low]), _largest_but_few(rise[used & ~low])


def _largest_but_few(rise: Floats) -> float:
    return max(0.0, float(np.quantile(rise, 1 - CHANGED))) if len(rise) else 0.0


def _music_above(given: DecisionSet, answers: Answers) -> float:
    """Log-odds of music that only a share `NOISE_RATE` of the sounds that are not music reach."""
    none = answers.music[~given.is_music]
    return max(0.0, float(np.quantile(none, 1 - NOISE_RATE))) if len(none) else 0.0


def is_certain(given: DecisionSet, log_odds: Floats, music: Floats, bounds: Mapping[str, Any]) -> Booleans:
    """Which tracks have a certain label, if they are heard whole and the cut lies at log-odds of 0.

    Parameters
    ----------
    given : DecisionSet
    log_odds, music : (n_tracks,) float64
        Log-odds of "song" and of music.
    bounds : mapping
        As `calibrate` makes them.
    """
    sung = (log_odds >= bounds["song_above"]) & (given.speech < bounds["song_speech_below"])
    long, very_long = given.seconds >= LONG, given.seconds >= VERY_LONG
    longest = bounds.get("very_long_score_below", bounds["long_score_below"])
    low = np.select([very_long, long], [longest, bounds["long_score_below"]], bounds["score_below"])
    played = (log_odds <= low) & (given.spoken < bounds["score_spoken_below"])
    return np.asarray((sung | played) & (given.seconds >= SHORTEST_CERTAIN) & (music >= bounds["music_above"]))


def upper_bound(scores: Floats, group: NDArray[np.str_], error_rate: float = ERROR_RATE) -> float:
    """The smallest bound that a share `error_rate` of the scores reaches, by track and averaged over groups.

    By track it is the conformal bound (Vovk et al. 2005, section 4.5): a new track, exchangeable with these, reaches it
    with a probability of at most `error_rate`. By group, each group counts the same, however many tracks it has. With
    too few tracks to promise that, the bound is `NEVER`; it is never below `MIN_CERTAIN_LOG_ODDS`.
    """
    if len(scores) + 1 < 1 / error_rate:
        return NEVER
    order = np.argsort(scores)[::-1]
    _, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    by_group = np.cumsum(1 / sizes[index][order]) / len(sizes)
    by_track = (np.arange(len(scores)) + 2) / (len(scores) + 1)
    too_many = (by_track > error_rate) | (by_group > error_rate)
    allowed = int(np.argmax(np.append(too_many, True)))
    return max(float(np.nextafter(scores[order[min(allowed, len(scores) - 1)]], np.inf)), MIN_CERTAIN_LOG_ODDS)


def coverage(log_odds: Floats, song: Booleans, certain: Booleans) -> dict[str, float]:
    """Share of the tracks that are certain, and the share of wrong labels among these; 0 if there are none."""
    wrong = (log_odds >= 0) != song
    return {
        "certain": float(certain.mean()) if len(certain) else 0.0,
        "wrong": float(wrong[certain].mean()) if certain.any() else 0.0,
    }
