"""The examples that the decision is fitted to: what detectors heard, out of fold, in tracks of every length.

Most labelled clips last half a minute; the tracks of a collection last from ten seconds to hours, people speak over
some of them, and a verse in eight minutes of instrumental music makes a song. So beside the clips there are mixtures
(made by `songscore.training.decision.crossval`), excerpts of ten to twenty seconds, and scores of one minute to an
hour, looped or medleys, half of them with a single passage of a song in them. What a detector heard of a clip serves
wherever the clip lies; only the windows of an excerpt, and those that hold some of a verse, are heard again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.analysis.sampling import FEWEST
from songscore.features.detector import FRAMES_PER_STEP, SPEECH, STEP, SUNG, VoiceDetector
from songscore.features.spectrum import WINDOW, FloatArray, window_ends
from songscore.features.track_vector import Activity, plainest_beside
from songscore.training.data.corpus import Codes, Corpus, dequantise
from songscore.training.data.manifest import Row
from songscore.training.decision.crossval import Trained, curve

EXCERPT = (10.0, 20.0)
LONG = (60.0, 3600.0)
VERSE = (8.0, 40.0)
"""Shortest and longest excerpt, composed score, and passage of a song in one, in seconds."""

BESIDE_BELOW = 0.35
"""Mean probability of singing or speech over a second in the window on either side, from which no window of a score may
be missed."""

QUIETEST = 1e-12
"""Mean power, beside the loudest cell of a clip, as which silence counts."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A clip of which tracks are composed, or a score that was composed.

    Attributes
    ----------
    example : Example
        Heard whole.
    mel : (2 * n_steps, N_MELS) uint8
    teacher : (n_steps, 3) uint8
        The teacher's probabilities of singing, speech and music, times 255; not used of a score.
    """

    example: Example
    mel: Codes
    teacher: NDArray[np.uint8]


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


def excerpts(clip: Sound, detector: VoiceDetector, rng: Generator) -> Iterator[Example]:
    """Yield an excerpt of a clip, from a song one in which somebody sings; yield nothing if there is none."""
    length = round(rng.uniform(*EXCERPT) / STEP)
    starts = _starts(clip, length)
    if len(starts):
        first = int(rng.choice(starts))
        heard = curve(dequantise(_steps(clip.mel, first, first + length)), detector)
        yield replace(clip.example, activity=whole(heard), kind="excerpt")


def _starts(clip: Sound, length: int) -> NDArray[np.int64]:
    """Steps at which a passage of `length` steps may begin; in a song, one in which somebody sings."""
    n = len(clip.example.activity.kinds) - length + 1
    if n < 1:
        return np.empty(0, np.int64)
    if not clip.example.song:
        return np.arange(n)
    sings = np.concatenate([[0], np.cumsum(clip.teacher[:, 0] > 127)])
    return np.flatnonzero(sings[length : length + n] - sings[:n] >= SUNG_SHARE * length)


def _steps(mel: Codes, first: int, after: int) -> Codes:
    return mel[first * FRAMES_PER_STEP : after * FRAMES_PER_STEP]


def long_scores(cues: Sequence[Sound], n: int, rng: Generator) -> Iterator[Sound]:
    """Compose `n` scores of one minute to an hour; the logarithms of their lengths are uniform."""
    for _ in range(n):
        seconds = float(np.exp(rng.uniform(*np.log(LONG))))
        first = cues[int(rng.integers(len(cues)))]
        chosen = [first] if rng.random() < LOOPED else [first, *(cues[i] for i in rng.permutation(len(cues)))]
        kinds, mel = _repeated(chosen, round(seconds / STEP), rng)
        yield Sound(replace(first.example, activity=whole(kinds), kind="composed"), mel, first.teacher[:0])


def _repeated(cues: Sequence[Sound], n_steps: int, rng: Generator) -> tuple[FloatArray, Codes]:
    """Repeat cues in turn up to `n_steps`; each begins at a random step and wraps around."""
    kinds: list[FloatArray] = []
    mel: list[Codes] = []
    left = n_steps
    while left > 0:
        for cue in cues:
            heard = cue.example.activity.kinds
            shift = int(rng.integers(len(heard)))
            kinds.append(np.roll(heard, shift, axis=0)[:left])
            mel.append(_steps(np.roll(cue.mel, shift * FRAMES_PER_STEP, axis=0), 0, left))
            left -= len(kinds[-1])
            if left <= 0:
                break
    return np.concatenate(kinds), np.concatenate(mel)


def with_verse(
    score: Sound, song: Sound, detector: VoiceDetector, rng: Generator, verse: tuple[float, float] = VERSE
) -> Example | None:
    """The score with one passage of a song at a random place; None if the song has none of the length drawn.

    It is as loud as the score around it. The windows that hold some of it are heard again: a verse begins and ends
    within a window, beside the score.
    """
    length, n_steps = round(rng.uniform(*verse) / STEP), score.example.activity.n_steps
    starts = _starts(song, length)
    if not len(starts) or length >= n_steps:
        return None
    first, place = int(rng.choice(starts)), int(rng.integers(n_steps - length))
    after = window_ends(n_steps * FRAMES_PER_STEP, WINDOW) // FRAMES_PER_STEP
    begin = int(np.append(0, after)[np.searchsorted(after, place, side="right")])
    end = int(after[np.searchsorted(after, place + length)])
    around = dequantise(_steps(score.mel, begin, end))
    sung = dequantise(_steps(song.mel, first, first + length))
    from_frame = (place - begin) * FRAMES_PER_STEP
    around[from_frame : from_frame + len(sung)] = sung * (around.mean() / max(float(sung.mean()), QUIETEST))
    kinds = score.example.activity.kinds.copy()
    kinds[begin:end] = curve(around, detector)
    return replace(song.example, activity=whole(kinds), kind="composed")


def leaves_early(activity: Activity) -> bool:
    """Whether a track is long enough for listening to stop before its end."""
    return len(window_ends(activity.n_steps * FRAMES_PER_STEP, WINDOW)) >= FEWEST


def collect(
    rows: Sequence[Row], corpus: Corpus, trained: Trained, fold: NDArray[np.int64], seed: int
) -> tuple[list[Example], NDArray[np.int64]]:
    """All examples that the decision is fitted to: clips, mixtures, excerpts and composed scores.

    Parameters
    ----------
    rows : sequence of Row
    corpus : Corpus
    trained : Trained
    fold : (n_clips,) int64
    seed : int

    Returns
    -------
    examples : list of Example
        The clips come first.
    clip : (n_clips,) int64
        Index into the corpus of each of the clips.
    """
    clip = np.array(sorted(trained.curves), np.int64)
    examples = [_example(rows[corpus.row[i]], str(corpus.role[i]), trained.curves[i], int(fold[i])) for i in clip]
    mixtures = [
        _mixture(recipe, part, rows[corpus.row[i]].group, kinds)
        for (recipe, part), found in trained.scenes.items()
        for i, kinds in found
    ]
    made: list[Example] = []
    clips = [Sound(example, corpus.clip(i), corpus.teaching(i)) for i, example in zip(clip, examples, strict=True)]
    for part in np.unique(fold):
        rng, detector = np.random.default_rng([seed, int(part)]), VoiceDetector(trained.detectors[int(part)])
        here = [one for one in clips if one.example.fold == part and one.example.trusted]
        songs = [one for one in here if one.example.song and one.example.kind != ALONE]
        scores = [one for one in here if _is_plain_score(one.example)]
        some = [scores[i] for i in rng.permutation(len(scores))[: 2 * len(songs)]]
        for one in [*songs, *songs, *some]:
            made += excerpts(one, detector, rng)
        if songs and scores:
            made += (score.example for score in long_scores(scores, N_LONG, rng))
            for score in long_scores(scores, N_LONG, rng):
                sung = (with_verse(score, song, detector, rng) for song in _one_of_each_group(songs, rng))
                made += islice((track for track in sung if track is not None), 1)
    return [*examples, *mixtures, *made], clip


def _one_of_each_group(clips: Sequence[Sound], rng: Generator) -> Iterator[Sound]:
    """A clip of each artist or source in turn, so that nobody sings more often for having many clips."""
    group = np.array([clip.example.group for clip in clips])
    for name in rng.permutation(np.unique(group)):
        yield clips[int(rng.choice(np.flatnonzero(group == name)))]


def _is_plain_score(example: Example) -> bool:
    """Whether it is a score in which nobody is expected to sing."""
    return example.music and not example.song and example.kind not in SUNG_IN


def _example(row: Row, role: str, kinds: FloatArray, fold: int) -> Example:
    sings, plays = role in {"song", "voice"}, role in {"instrumental", "choir"}
    kind = ALONE if role == "voice" else row.kind.removesuffix(" (more)") if sings or plays else NO_MUSIC
    return Example(whole(kinds), sings, sings or plays, kind, row.group, fold, row.weight > 0 and not row.doubt)


def _mixture(recipe: str, fold: int, group: str, kinds: FloatArray) -> Example:
    music = recipe not in {"speech", "other"}
    return Example(whole(kinds), recipe == "mix", music, "mix" if music else NO_MUSIC, group, fold)
