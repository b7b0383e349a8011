"""What the decision learns from: excerpts, long scores and verses, of the right length, place and label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.features.detector import FRAMES_PER_STEP, KINDS, MUSIC, SPEECH, STEP, SUNG
from songscore.features.spectrum import N_MELS, WINDOW
from songscore.features.track_vector import Activity
from songscore.training.data.corpus import Clip, Corpus
from songscore.training.data.manifest import Row
from songscore.training.decision.compose import (
    ALONE,
    BESIDE_BELOW,
    EXCERPT,
    LONG,
    N_LONG,
    NO_MUSIC,
    SUNG_SHARE,
    Example,
    collect,
    excerpts,
    heard_in_part,
    leaves_early,
    long_scores,
    whole,
    with_verse,
)

STEPS_PER_WINDOW = WINDOW // FRAMES_PER_STEP


def numbered(seconds: float, *, song: bool = False, group: str = "Ann") -> Example:
    """A sound whose steps are numbered from 1 in every kind."""
    n = round(seconds / STEP)
    kinds = np.repeat(np.arange(1, n + 1, dtype=np.float32)[:, None], len(KINDS), axis=1)
    return Example(whole(kinds), song, True, "recording", group, 0)


def silent(seconds: float) -> Example:
    score = numbered(seconds, group="Ben")
    return replace(score, activity=whole(np.zeros_like(score.activity.kinds)))


def sung_between(example: Example, first: float, last: float) -> NDArray[np.uint8]:
    """A teacher that hears singing from one second to another."""
    teacher = np.zeros((len(example.activity.kinds), 3), np.uint8)
    teacher[round(first / STEP) : round(last / STEP), 0] = 200
    return teacher


def in_windows(n_windows: int, rest: int = 0) -> NDArray[np.float32]:
    """Curves without a voice, in which music counts the steps; the last window is a little longer or shorter."""
    n = n_windows * STEPS_PER_WINDOW + rest
    kinds = np.zeros((n, len(KINDS)), np.float32)
    kinds[:, MUSIC] = np.arange(n)
    return kinds


def windows_of(part: Activity, n_windows: int) -> list[int]:
    return np.unique(np.minimum(part.step // STEPS_PER_WINDOW, n_windows - 1)).tolist()


@pytest.mark.parametrize("n_windows", [12, 13, 40])
@pytest.mark.parametrize("rest", [-5, 0, 5])
def test_part_of_a_track_without_a_voice_is_every_other_window_and_the_last(n_windows: int, rest: int) -> None:
    kinds = in_windows(n_windows, rest)
    part = heard_in_part(whole(kinds))
    assert (part.n_steps, part.is_whole, part.step[-1]) == (len(kinds), False, len(kinds) - 1)
    np.testing.assert_array_equal(part.kinds[:, MUSIC], part.step)
    assert windows_of(part, n_windows) == list(range((n_windows - 1) % 2, n_windows, 2))
    assert part.longest_gap == pytest.approx(STEPS_PER_WINDOW * STEP)


@pytest.mark.parametrize("kind", [SUNG, SPEECH])
def test_the_windows_beside_something_like_a_voice_belong_to_the_part(kind: int) -> None:
    for level, more in ((BESIDE_BELOW - 0.01, []), (BESIDE_BELOW + 0.01, [6, 8])):
        kinds = np.zeros_like(in_windows(14))
        kinds[7 * STEPS_PER_WINDOW : 8 * STEPS_PER_WINDOW, kind] = level
        assert windows_of(heard_in_part(whole(kinds)), 14) == sorted([*range(1, 14, 2), *more])


def test_a_voice_that_no_window_of_the_part_holds_is_missed() -> None:
    kinds = in_windows(14)
    kinds[6 * STEPS_PER_WINDOW : 7 * STEPS_PER_WINDOW, SUNG] = 1
    assert windows_of(heard_in_part(whole(kinds)), 14) == list(range(1, 14, 2))


def test_only_a_long_track_is_left_early() -> None:
    found = [leaves_early(numbered(seconds).activity) for seconds in (10, 30, 90, 600)]
    assert found == [False, False, True, True]


def test_an_excerpt_of_a_song_holds_the_voice_that_the_teacher_hears() -> None:
    song, rng = numbered(120, song=True), np.random.default_rng(0)
    teacher = sung_between(song, 60, 75)
    made = [example for _ in range(50) for example in excerpts(song, teacher, rng)]
    assert len(made) == 50
    for example in made:
        place = example.activity.kinds[:, 0].astype(int) - 1
        assert (np.diff(place) == 1).all()
        assert (teacher[place, 0] > 127).mean() >= SUNG_SHARE
        assert EXCERPT[0] - STEP <= len(place) * STEP <= EXCERPT[1] + STEP
        assert (example.song, example.kind, example.group) == (True, "excerpt", "Ann")


def test_there_is_no_excerpt_of_a_song_without_a_voice_and_of_a_short_sound() -> None:
    song, rng = numbered(60, song=True), np.random.default_rng(0)
    assert not list(excerpts(song, sung_between(song, 0, 0), rng))
    assert not list(excerpts(numbered(8), sung_between(numbered(8), 0, 8), rng))


def test_an_excerpt_of_a_score_needs_no_voice() -> None:
    score = numbered(60)
    (made,) = excerpts(score, sung_between(score, 0, 0), np.random.default_rng(0))
    assert not made.song


def test_long_scores_last_a_minute_to_an_hour_evenly_in_octaves() -> None:
    cues = [numbered(30, group="Ann"), numbered(40, group="Ben")]
    made = list(long_scores(cues, 300, np.random.default_rng(0)))
    seconds = np.array([score.activity.n_steps * STEP for score in made])
    assert len(made) == 300
    assert LONG[0] - STEP <= seconds.min() < 70
    assert 3000 < seconds.max() <= LONG[1] + STEP
    assert np.median(seconds) == pytest.approx(np.sqrt(LONG[0] * LONG[1]), rel=0.3)
    assert {(score.song, score.kind) for score in made} == {(False, "composed")}
    assert all(score.activity.is_whole for score in made)


def test_long_scores_are_loops_and_medleys() -> None:
    cues = [replace(silent(30), group=str(i), activity=whole(silent(30).activity.kinds + i)) for i in range(4)]
    made = list(long_scores(cues, 100, np.random.default_rng(0)))
    cues_in = [len(np.unique(score.activity.kinds[:, 0])) for score in made]
    assert 30 < cues_in.count(1) < 70


def test_a_verse_is_one_passage_of_the_song_anywhere_in_the_score() -> None:
    song, score, rng = numbered(120, song=True), silent(300), np.random.default_rng(0)
    teacher = sung_between(song, 50, 80)
    places = []
    for _ in range(50):
        made = with_verse(score, song, teacher, rng)
        assert made is not None
        assert (made.song, made.kind, made.group) == (True, "composed", "Ann")
        assert made.activity.n_steps == score.activity.n_steps
        heard = np.flatnonzero(made.activity.kinds[:, 0])
        of_song = made.activity.kinds[heard, 0].astype(int) - 1
        assert (np.diff(heard) == 1).all()
        assert (np.diff(of_song) == 1).all()
        assert 8 - STEP <= len(heard) * STEP <= 40 + STEP
        assert (teacher[of_song, 0] > 127).mean() >= SUNG_SHARE
        places.append(heard[0] / score.activity.n_steps)
    assert min(places) < 0.2
    assert max(places) > 0.7
    assert not score.activity.kinds.any()


def test_there_is_no_verse_without_a_voice_or_longer_than_the_score() -> None:
    song, rng = numbered(60, song=True), np.random.default_rng(0)
    assert with_verse(silent(300), song, sung_between(song, 0, 0), rng) is None
    assert with_verse(silent(10), song, sung_between(song, 0, 60), rng, (20, 20)) is None


def test_everything_that_the_decision_learns_from_is_collected() -> None:
    roles = ("song", "instrumental", "voice", "speech")
    n_frames = 1500
    rows = [
        Row(Path(), "", "", f"{role} {part}", "", role, "recording", 1.0, "", "choir" if doubted else "")
        for part in range(2)
        for role, doubted in [*((role, False) for role in roles), ("song", True)]
    ]
    mel, teacher = np.full((n_frames, N_MELS), 200, np.uint8), np.full((n_frames // 2, 3), 200, np.uint8)
    corpus = Corpus.of([Clip(i, row.role, mel, teacher) for i, row in enumerate(rows)], rows)
    fold = np.repeat([0, 1], len(rows) // 2)
    curves = {i: np.full((n_frames // 2, len(KINDS)), i, np.float32) for i in range(len(rows))}
    scenes = {("mix", 1): [(7, curves[7])], ("speech", 1): [(8, curves[8])], ("narration", 0): [(3, curves[3])]}
    examples, clip = collect(rows, corpus, curves, scenes, fold, seed=1)
    clips, mixtures, made = examples[: len(clip)], examples[len(clip) : len(clip) + 3], examples[len(clip) + 3 :]
    assert [float(example.activity.kinds[0, 0]) for example in clips] == clip.tolist() == list(range(len(rows)))
    assert [(e.song, e.music, e.kind, e.trusted) for e in clips[:5]] == [
        (True, True, "recording", True),
        (False, True, "recording", True),
        (True, True, ALONE, True),
        (False, False, NO_MUSIC, True),
        (True, True, "recording", False),
    ]
    assert [(e.song, e.music, e.kind, e.group, e.fold) for e in mixtures] == [
        (True, True, "mix", "voice 1", 1),
        (False, False, NO_MUSIC, "speech 1", 1),
        (False, True, "mix", "speech 0", 0),
    ]
    for part in range(2):
        composed = [e for e in made if e.kind == "composed" and e.fold == part]
        assert [sum(e.song == song for e in composed) for song in (False, True)] == [N_LONG, N_LONG]
        assert {e.group for e in made if e.fold == part} == {f"song {part}", f"instrumental {part}"}
