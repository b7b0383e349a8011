"""What the decision learns from: excerpts, long scores and verses, of the right length, place and label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import detector_arrays

from songscore.features.detector import FRAMES_PER_STEP, KINDS, MUSIC, SPEECH, STEP, SUNG
from songscore.features.spectrum import N_MELS, WINDOW, FloatArray
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
    Sound,
    collect,
    excerpts,
    heard_in_part,
    leaves_early,
    long_scores,
    whole,
    with_verse,
)
from songscore.training.decision.crossval import Trained

STEPS_PER_WINDOW = WINDOW // FRAMES_PER_STEP


def numbered(seconds: float, *, song: bool = False, group: str = "Ann") -> Example:
    """A sound whose steps are numbered from 1 in every kind."""
    n = round(seconds / STEP)
    kinds = np.repeat(np.arange(1, n + 1, dtype=np.float32)[:, None], len(KINDS), axis=1)
    return Example(whole(kinds), song, True, "recording", group, 0)


def silent(seconds: float) -> Example:
    score = numbered(seconds, group="Ben")
    return replace(score, activity=whole(np.zeros_like(score.activity.kinds)))


def clip(example: Example, sung: tuple[float, float] = (0, 0)) -> Sound:
    """The clip of a sound in which a teacher hears singing from one second to another.

    The spectrum of a score lies in the lowest band, that of a song in the next two: the higher one while it is sung.
    """
    n = len(example.activity.kinds)
    teacher = np.zeros((n, 3), np.uint8)
    teacher[round(sung[0] / STEP) : round(sung[1] / STEP), 0] = 200
    band = np.where(teacher[:, 0] > 0, 2, 1) if example.song else np.zeros(n, np.int64)
    mel = np.zeros((n * FRAMES_PER_STEP, N_MELS), np.uint8)
    mel[np.arange(len(mel)), np.repeat(band, FRAMES_PER_STEP)] = 255
    return Sound(example, mel, teacher)


def bands(mel: FloatArray) -> FloatArray:
    """A detector that hears in which band each step is loudest."""
    loudest = mel.argmax(axis=1)[::FRAMES_PER_STEP]
    return np.repeat(loudest[:, None], len(KINDS), axis=1).astype(np.float32)


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
    song, rng = clip(numbered(120, song=True), (60, 75)), np.random.default_rng(0)
    made = [example for _ in range(50) for example in excerpts(song, bands, rng)]
    assert len(made) == 50
    for example in made:
        heard = example.activity.kinds[:, 0]
        assert set(heard) <= {1, 2}
        assert (heard == 2).mean() >= SUNG_SHARE
        assert EXCERPT[0] - STEP <= len(heard) * STEP <= EXCERPT[1] + STEP
        assert (example.song, example.kind, example.group) == (True, "excerpt", "Ann")


def test_there_is_no_excerpt_of_a_song_without_a_voice_and_of_a_short_sound() -> None:
    rng = np.random.default_rng(0)
    assert not list(excerpts(clip(numbered(60, song=True)), bands, rng))
    assert not list(excerpts(clip(numbered(8, song=True), (0, 8)), bands, rng))


def test_an_excerpt_of_a_score_needs_no_voice() -> None:
    (made,) = excerpts(clip(numbered(60)), bands, np.random.default_rng(0))
    assert not made.song


def test_long_scores_last_a_minute_to_an_hour_evenly_in_octaves() -> None:
    cues = [clip(numbered(30, group="Ann")), clip(numbered(40, group="Ben"))]
    made = [score.example for score in long_scores(cues, 300, np.random.default_rng(0))]
    seconds = np.array([score.activity.n_steps * STEP for score in made])
    assert len(made) == 300
    assert LONG[0] - STEP <= seconds.min() < 70
    assert 3000 < seconds.max() <= LONG[1] + STEP
    assert np.median(seconds) == pytest.approx(np.sqrt(LONG[0] * LONG[1]), rel=0.3)
    assert {(score.song, score.kind) for score in made} == {(False, "composed")}
    assert all(score.activity.is_whole for score in made)


def test_long_scores_are_loops_and_medleys() -> None:
    cues = [clip(replace(silent(30), activity=whole(silent(30).activity.kinds + i))) for i in range(4)]
    for i, cue in enumerate(cues):
        cue.mel[:] = i
    made = list(long_scores(cues, 100, np.random.default_rng(0)))
    cues_in = [len(np.unique(score.example.activity.kinds[:, 0])) for score in made]
    assert 30 < cues_in.count(1) < 70
    for score in made:
        np.testing.assert_array_equal(score.mel[::FRAMES_PER_STEP, 0], score.example.activity.kinds[:, 0])


def test_a_verse_is_one_passage_of_the_song_anywhere_in_the_score() -> None:
    song, score, rng = clip(numbered(120, song=True), (50, 80)), clip(silent(300)), np.random.default_rng(0)
    places = []
    for _ in range(50):
        made = with_verse(score, song, bands, rng)
        assert made is not None
        assert (made.song, made.kind, made.group) == (True, "composed", "Ann")
        assert made.activity.n_steps == score.example.activity.n_steps
        heard = np.flatnonzero(made.activity.kinds[:, 0])
        assert (np.diff(heard) == 1).all()
        assert 8 - STEP <= len(heard) * STEP <= 40 + STEP
        assert (made.activity.kinds[heard, 0] == 2).mean() >= SUNG_SHARE
        places.append(heard[0] / made.activity.n_steps)
    assert min(places) < 0.2
    assert max(places) > 0.7
    assert not score.example.activity.kinds.any()
    assert set(score.mel.argmax(axis=1)) == {0}


def test_a_verse_is_heard_again_in_the_windows_that_it_shares_with_the_score() -> None:
    """From where the first of them begins to where the last ends; it is as loud as the score around it."""
    song, rng, windows = clip(numbered(60, song=True), (0, 60)), np.random.default_rng(0), []

    def detector(mel: FloatArray) -> FloatArray:
        windows.append(mel)
        return np.full((len(mel) // FRAMES_PER_STEP, len(KINDS)), 7, np.float32)

    for _ in range(20):
        windows.clear()
        made = with_verse(clip(silent(90)), song, detector, rng, (10, 10))
        assert made is not None
        again = np.flatnonzero(made.activity.kinds[:, 0] == 7)
        assert again[0] % STEPS_PER_WINDOW == 0
        assert (again[-1] + 1) % STEPS_PER_WINDOW == 0 or again[-1] + 1 == made.activity.n_steps
        mel = np.concatenate(windows)
        assert len(mel) == len(again) * FRAMES_PER_STEP
        sung, played = mel[:, 2] > 1e-6, mel[:, 0]
        assert np.count_nonzero(sung) == round(10 / STEP) * FRAMES_PER_STEP
        assert np.count_nonzero(sung[: STEPS_PER_WINDOW * FRAMES_PER_STEP])
        assert np.count_nonzero(sung[-STEPS_PER_WINDOW * FRAMES_PER_STEP :])
        assert mel[:, 2].max() == pytest.approx(played.max(), rel=1e-3)


def test_there_is_no_verse_without_a_voice_or_longer_than_the_score() -> None:
    song, rng = numbered(60, song=True), np.random.default_rng(0)
    assert with_verse(clip(silent(300)), clip(song), bands, rng) is None
    assert with_verse(clip(silent(10)), clip(song, (0, 60)), bands, rng, (20, 20)) is None


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
    trained = Trained(dict.fromkeys(range(2), detector_arrays()), curves, scenes)
    examples, index = collect(rows, corpus, trained, fold, seed=1)
    clips, mixtures, made = np.split(np.array(examples, object), [len(index), len(index) + 3])
    assert [float(example.activity.kinds[0, 0]) for example in clips] == index.tolist() == list(range(len(rows)))
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
