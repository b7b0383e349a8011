"""What the decision learns from: what detectors heard of tracks that they had never met, of every length.

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
from songscore.features.detector import FRAMES_PER_STEP, STEP
from songscore.features.spectrum import WINDOW, FloatArray, window_ends
from songscore.features.track_vector import Activity
from songscore.training.data.corpus import Corpus
from songscore.training.data.manifest import Row
from songscore.training.decision.crossval import Curves, Scenes

EXCERPT = (10.0, 20.0)
LONG = (60.0, 3600.0)
VERSE = (8.0, 40.0)
"""Shortest and longest excerpt, composed score, and passage of a song in one, in seconds."""

SUNG_SHARE = 0.4
"""Share of an excerpt and of a verse in which the teacher hears a voice, at least."""

ALONE, NO_MUSIC = "voice alone", "no music"
"""Kinds of examples that are not music with instruments."""

SUNG_IN = ("pair", "rendered choir", "wordless choir")
"""Kinds of scores in which there may be voices all the same: backing singers, choirs."""

N_LONG = 150
"""Composed scores of each fold, and as many with a verse."""

LOOPED = 0.5
"""Share of the composed scores that are one cue, again and again."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A track, or what stands for one.

    Attributes
    ----------
    activity : Activity
        What a detector heard that had never met its artist, its source or anything of the same origin.
    song, music : bool
        Whether it is a song; whether there is music or singing in it at all.
    kind : str
        What it is made of; each kind counts the same when the decision is fitted.
    group : str
        Artist or source of what matters in it: of the song in a composed track.
    fold : int
    trusted : bool
        False where a label is doubted; then it is judged and teaches nothing.
    """

    activity: Activity
    song: bool
    music: bool
    kind: str
    group: str
    fold: int
    trusted: bool = True


def whole(kinds: FloatArray) -> Activity:
    """A sound that was heard from start to end."""
    return Activity(np.arange(len(kinds)), kinds, len(kinds), 1.0)


def halved(activity: Activity) -> Activity:
    """The same sound, of which every other window was heard, the last among them.

    As `songscore.analysis.sampling` leaves a score at the earliest.
    """
    ends = window_ends(activity.n_steps * FRAMES_PER_STEP, WINDOW) // FRAMES_PER_STEP
    window = np.searchsorted(ends, np.arange(activity.n_steps), side="right")
    heard = (len(ends) - 1 - window) % 2 == 0
    return replace(activity, step=activity.step[heard], kinds=activity.kinds[heard])


def excerpts(example: Example, teacher: NDArray[np.uint8], rng: Generator) -> Iterator[Example]:
    """An excerpt, of a song such in which somebody sings; nothing where there is none.

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
    """Where a passage of that many steps may begin."""
    n = len(example.activity.kinds) - length + 1
    if n < 1:
        return np.empty(0, np.int64)
    if not example.song:
        return np.arange(n)
    sings = np.concatenate([[0], np.cumsum(teacher[:, 0] > 127)])
    return np.flatnonzero(sings[length : length + n] - sings[:n] >= SUNG_SHARE * length)


def long_scores(scores: Sequence[Example], n: int, rng: Generator) -> Iterator[Example]:
    """Scores of one minute to an hour, their lengths even in octaves."""
    for _ in range(n):
        seconds = float(np.exp(rng.uniform(*np.log(LONG))))
        first = scores[int(rng.integers(len(scores)))]
        cues = [first] if rng.random() < LOOPED else [first, *(scores[i] for i in rng.permutation(len(scores)))]
        yield replace(first, activity=whole(_repeated(cues, round(seconds / STEP), rng)), kind="composed")


def _repeated(cues: Sequence[Example], n_steps: int, rng: Generator) -> FloatArray:
    """Cues in turn, again and again, up to a length; each is entered anywhere, as windows fall on it."""
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
    """The same score with one passage of a song anywhere in it; None where the song has none of that length."""
    length = round(rng.uniform(*verse) / STEP)
    starts = _starts(song, teacher, length)
    if not len(starts) or length >= score.activity.n_steps:
        return None
    first, place = int(rng.choice(starts)), int(rng.integers(score.activity.n_steps - length))
    kinds = score.activity.kinds.copy()
    kinds[place : place + length] = song.activity.kinds[first : first + length]
    return replace(song, activity=whole(kinds), kind="composed")


def leaves_early(activity: Activity) -> bool:
    """Whether a track is long enough to be left before its end."""
    return len(window_ends(activity.n_steps * FRAMES_PER_STEP, WINDOW)) >= FEWEST


def collect(
    rows: Sequence[Row], corpus: Corpus, curves: Curves, scenes: Scenes, fold: NDArray[np.int64], seed: int
) -> tuple[list[Example], NDArray[np.int64]]:
    """Everything that the decision learns from.

    Parameters
    ----------
    rows : sequence of Row
    corpus : Corpus
    curves, scenes
        Of `songscore.training.decision.crossval.Trained`.
    fold : (n_clips,) int64
    seed : int

    Returns
    -------
    examples : list of Example
        The clips first.
    clip : (n,) int64
        Index into the corpus of each of these.
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
