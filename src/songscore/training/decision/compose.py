"""Long tracks put together from what was heard in short ones.

Most labelled clips last half a minute, the tracks of a collection last minutes, and a verse in eight minutes of
instrumental music makes a song. So the track classifier also learns from scores of one to eight minutes, and from the
same with a single passage of a song in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.features.detector import FRAMES_PER_STEP, STEP
from songscore.features.track_vector import Activity, WindowActivity, join_windows

SHORTEST, LONGEST = 60.0, 480.0
"""Seconds of a composed score."""

VERSE = (15.0, 40.0)
"""Shortest and longest passage of a song in it, in seconds."""

MOST_OF_ONE = 72.0
"""Seconds taken of one instrumental."""


def compose(
    songs: Sequence[Activity], scores: Sequence[Activity], rng: Generator
) -> tuple[list[Activity], NDArray[np.bool_]]:
    """As many composed scores as there are songs, and as many with a passage of each song.

    Parameters
    ----------
    songs, scores : sequence of Activity
    rng : Generator

    Returns
    -------
    heard : list of Activity
        Empty where there are no scores.
    song : (n,) bool
    """
    if not scores:
        return [], np.empty(0, np.bool_)
    alone = [_joined(_medley(scores, rng)) for _ in songs]
    sung = [_joined([*_medley(scores, rng), _verse(song, rng)]) for song in songs]
    return [*alone, *sung], np.repeat([False, True], len(songs))


def _medley(scores: Sequence[Activity], rng: Generator) -> Iterator[Activity]:
    left = rng.uniform(SHORTEST, LONGEST)
    for index in rng.permutation(len(scores)):
        yield _part(scores[index], 0, round(min(left, MOST_OF_ONE) / STEP))
        left -= min(len(scores[index].probability) * STEP, MOST_OF_ONE)
        if left <= STEP:
            return


def _verse(song: Activity, rng: Generator) -> Activity:
    """A passage in which the voice is heard: its mean is among the upper 40 % of the passages of that length."""
    length = round(rng.uniform(*VERSE) / STEP)
    if len(song.probability) <= length:
        return song
    presence = np.convolve(song.probability[:, 0], np.ones(length), "valid")
    return _part(song, int(rng.choice(np.flatnonzero(presence >= np.quantile(presence, 0.6)))), length)


def _part(heard: Activity, first: int, n_steps: int) -> Activity:
    some = slice(first, first + n_steps)
    return Activity(heard.step[some], heard.probability[some], heard.spectral, heard.peak)


def _joined(parts: Sequence[Activity] | Iterator[Activity]) -> Activity:
    windows, start = [], 0
    for part in parts:
        n_frames = len(part.probability) * FRAMES_PER_STEP
        windows.append(WindowActivity(start, n_frames, part.probability, part.spectral))
        start += n_frames
    return join_windows(windows, 1.0)
