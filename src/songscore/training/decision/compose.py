"""The examples that the decision is fitted to: what detectors heard, out of fold, in tracks of every length.

Most labelled clips last half a minute; the tracks of a collection last from ten seconds to hours, people speak over
some of them, and a verse in eight minutes of instrumental music makes a song. So beside the clips there are mixtures
(made by `songscore.training.decision.crossval`), excerpts of ten to twenty seconds, and scores of one minute to an
hour, looped or medleys, half of them with a single passage of a song in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.analysis.sampling import FEWEST
from songscore.features.detector import FRAMES_PER_STEP, SPEECH, STEP, SUNG
from songscore.features.spectrum import WINDOW, FloatArray, window_ends
from songscore.features.track_vector import Activity, plainest_beside
from songscore.training.data.corpus import Corpus
from songscore.training.data.manifest import Row
from songscore.training.decision.crossval import Curves, Scenes

EXCERPT = (10.0, 20.0)
LONG = (60.0, 3600.0)
VERSE = (8.0, 40.0)
"""Shortest and longest excerpt, composed score, and passage of a song in one, in seconds."""

BESIDE_BELOW = 0.5
"""Mean probability of singing or speech over a second in the window on either side, from which no window of a score may
be missed."""

SUNG_SHARE = 0.4
"""Least share of an excerpt or a verse in which the teacher hears a voice."""

ALONE, NO_MUSIC = "voice alone", "no music"
"""Kinds of examples that are not music with instruments."""

SUNG_IN = ("pair", "rendered choir", "choir of speakers", "wordless choir")
"""Kinds of scores that may contain voices: backing singers, choirs."""

N_LONG = 450
"""Number of composed scores in each fold; as many again have a verse."""

LOOPED = 0.5
"""Share of the composed scores that repeat one cue; the others are medleys."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A track, or an excerpt or mixture that is used like one.

    Attributes
    ----------
    activity : Activity
        What was heard by a detector that was trained without its artist, its source and anything of the same origin.
    song, music : bool
        Whether it is a song; whether there is music or singing in it at all.
    kind : str
        What it is made of; each kind counts the same when the decision is fitted.
    group : str
        Its artist or source; in a composed track with a verse, that of the song.
    fold : int
    trusted : bool
        False where a label is doubted; then it is judged, but nothing is fitted to it.
    """

    activity: Activity
    song: bool
    music: bool
    kind: str
    group: str
    fold: int
    trusted: bool = True


def whole(kinds: FloatArray) -> Activity:
    """The activity of a sound that was heard from start to end."""
    return Activity(np.arange(len(kinds)), kinds, len(kinds), 1.0)


def heard_in_part(activity: Activity) -> Activity:
    """The activity of the same sound with only those windows heard that `songscore.analysis.sampling` always hears.

    Of a score that is every other window, the last included, and those beside which something resembles a voice.
    """
    after = window_ends(activity.n_steps * FRAMES_PER_STEP, WINDOW) // FRAMES_PER_STEP
    first = np.append(0, after[:-1])
    heard = (len(after) - 1 - np.arange(len(after))) % 2 == 0
    between = np.flatnonzero(~heard)
    half = _of_windows(activity, after, heard)
    vocal = half.kinds[:, [SUNG, SPEECH]].max(axis=1)
    beside = plainest_beside(half, vocal, first[between], after[between], WINDOW // FRAMES_PER_STEP)
    heard[between] = beside >= BESIDE_BELOW
    return _of_windows(activity, after, heard)


def _of_windows(activity: Activity, after: NDArray[np.int64], heard: NDArray[np.bool_]) -> Activity:
    """The activity with only the windows that were heard, given the step after each of them."""
    known = heard[np.searchsorted(after, activity.step, side="right")]
    return replace(activity, step=activity.step[known], kinds=activity.kinds[known])


def excerpts(example: Example, teacher: NDArray[np.uint8], rng: Generator) -> Iterator[Example]:
    """Yield an excerpt of a clip, from a song one in which somebody sings; yield nothing if there is none.

    Parameters
    ----------
    example : Example
        A clip that was heard whole.
    teacher : (n_steps, 3) uint8
        The teacher's probabilities of singing, speech and music, times 255.
    """
    length = round(rng.uniform(*EXCERPT) / STEP)
    starts = _starts(example, teacher, length)
    if len(starts):
        first = int(rng.choice(starts))
        yield replace(example, activity=whole(example.activity.kinds[first : first + length]), kind="excerpt")


def _starts(example: Example, teacher: NDArray[np.uint8], length: int) -> NDArray[np.int64]:
    """Steps at which a passage of `length` steps may begin; in a song, one in which somebody sings."""
    n = len(example.activity.kinds) - length + 1
    if n < 1:
        return np.empty(0, np.int64)
    if not example.song:
        return np.arange(n)
    sings = np.concatenate([[0], np.cumsum(teacher[:, 0] > 127)])
    return np.flatnonzero(sings[length : length + n] - sings[:n] >= SUNG_SHARE * length)


def long_scores(scores: Sequence[Example], n: int, rng: Generator) -> Iterator[Example]:
    """Compose `n` scores of one minute to an hour; the logarithms of their lengths are uniform."""
    for _ in range(n):
        seconds = float(np.exp(rng.uniform(*np.log(LONG))))
        first = scores[int(rng.integers(len(scores)))]
        cues = [first] if rng.random() < LOOPED else [first, *(scores[i] for i in rng.permutation(len(scores)))]
        yield replace(first, activity=whole(_repeated(cues, round(seconds / STEP), rng)), kind="composed")


def _repeated(cues: Sequence[Example], n_steps: int, rng: Generator) -> FloatArray:
    """Repeat cues in turn up to `n_steps`; each begins at a random step and wraps around."""
    parts: list[FloatArray] = []
    left = n_steps
    while left > 0:
        for cue in cues:
            part = np.roll(cue.activity.kinds, int(rng.integers(len(cue.activity.kinds))), axis=0)[:left]
            parts.append(part)
            left -= len(part)
            if left <= 0:
                break
    return np.concatenate(parts)


def with_verse(
    score: Example, song: Example, teacher: NDArray[np.uint8], rng: Generator, verse: tuple[float, float] = VERSE
) -> Example | None:
    """The score with one passage of a song at a random place; None if the song has none of the length drawn."""
    length = round(rng.uniform(*verse) / STEP)
    starts = _starts(song, teacher, length)
    if not len(starts) or length >= score.activity.n_steps:
        return None
    first, place = int(rng.choice(starts)), int(rng.integers(score.activity.n_steps - length))
    kinds = score.activity.kinds.copy()
    kinds[place : place + length] = song.activity.kinds[first : first + length]
    return replace(song, activity=whole(kinds), kind="composed")


def leaves_early(activity: Activity) -> bool:
    """Whether a track is long enough for listening to stop before its end."""
    return len(window_ends(activity.n_steps * FRAMES_PER_STEP, WINDOW)) >= FEWEST


def collect(
    rows: Sequence[Row], corpus: Corpus, curves: Curves, scenes: Scenes, fold: NDArray[np.int64], seed: int
) -> tuple[list[Example], NDArray[np.int64]]:
    """All examples that the decision is fitted to: clips, mixtures, excerpts and composed scores.

    Parameters
    ----------
    rows : sequence of Row
    corpus : Corpus
    curves, scenes
        Attributes of `songscore.training.decision.crossval.Trained`.
    fold : (n_clips,) int64
    seed : int

    Returns
    -------
    examples : list of Example
        The clips come first.
    clip : (n_clips,) int64
        Index into the corpus of each of the clips.
    """
    clip = np.array(sorted(curves), np.int64)
    examples = [_clip(rows[corpus.row[i]], str(corpus.role[i]), curves[i], int(fold[i])) for i in clip]
    mixtures = [
        _mixture(recipe, part, rows[corpus.row[i]].group, kinds)
        for (recipe, part), found in scenes.items()
        for i, kinds in found
    ]
    made: list[Example] = []
    taught = {id(example): corpus.teaching(i) for i, example in zip(clip, examples, strict=True)}
    for part in np.unique(fold):
        rng = np.random.default_rng([seed, int(part)])
        here = [example for example in examples if example.fold == part and example.trusted]
        songs = [example for example in here if example.song and example.kind != ALONE]
        scores = [example for example in here if example.music and not example.song and example.kind not in SUNG_IN]
        some = [scores[i] for i in rng.permutation(len(scores))[: 2 * len(songs)]]
        for example in [*songs, *songs, *some]:
            made += excerpts(example, taught[id(example)], rng)
        if songs and scores:
            made += long_scores(scores, N_LONG, rng)
            for score in long_scores(scores, N_LONG, rng):
                order = (songs[i] for i in rng.permutation(len(songs)))
                sung = (with_verse(score, song, taught[id(song)], rng) for song in order)
                made += islice((track for track in sung if track is not None), 1)
    return [*examples, *mixtures, *made], clip


def _clip(row: Row, role: str, kinds: FloatArray, fold: int) -> Example:
    sings, plays = role in {"song", "voice"}, role in {"instrumental", "choir"}
    kind = ALONE if role == "voice" else row.kind.removesuffix(" (more)") if sings or plays else NO_MUSIC
    return Example(whole(kinds), sings, sings or plays, kind, row.group, fold, row.weight > 0 and not row.doubt)


def _mixture(recipe: str, fold: int, group: str, kinds: FloatArray) -> Example:
    music = recipe not in {"speech", "other"}
    return Example(whole(kinds), recipe == "mix", music, "mix" if music else NO_MUSIC, group, fold)
