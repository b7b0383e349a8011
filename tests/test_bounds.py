from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log2, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logit

from songscore.features.detector import KINDS, STEP
from songscore.features.track_vector import Activity
from songscore.model import Bounds
from songscore.model.linear import LONG_FROM, SHORT_UNTIL
from songscore.training.decision.bounds import (
    CHANGED,
    DECIDING,
    ERROR_RATE,
    MIN_CERTAIN_LOG_ODDS,
    MUSIC,
    NEVER,
    RISING,
    Answers,
    DecisionSet,
    calibrate,
    coverage,
    cross_validated,
    fit_decision,
    fit_music,
    is_certain,
    rises,
    upper_bound,
)
from songscore.training.decision.compose import Example
from songscore.training.decision.linear import balanced_weights, fit_linear, log_odds_of

ENOUGH = 99
"""Tracks from which one per cent can be promised: the bound is then just above their highest score."""

N = 240


def alone(n: int) -> NDArray[np.str_]:
    """A group for each track."""
    return np.arange(n).astype(str)


def test_no_more_than_the_stated_share_of_new_tracks_reaches_the_bound() -> None:
    random = np.random.default_rng(0)
    n, repetitions = 250, 400
    wrong = 0.0
    for _ in range(repetitions):
        bound = upper_bound(random.normal(0, 4, n), alone(n))
        wrong += (random.normal(0, 4, 200) >= bound).mean() / repetitions
    assert ERROR_RATE / 2 < wrong <= ERROR_RATE + 3 * np.sqrt(ERROR_RATE / n / repetitions)


@pytest.mark.parametrize(("n", "reached"), [(ENOUGH, 0), (199, 1), (999, 9)])
def test_by_track_the_bound_is_of_the_conformal_rank(n: int, reached: int) -> None:
    scores = 10 + np.random.default_rng(0).permutation(n).astype(np.float64)
    assert (scores >= upper_bound(scores, alone(n))).sum() == reached


def test_one_group_of_many_tracks_does_not_hide_behind_its_number() -> None:
    """By group it is one of a thousand; by track it is one in twenty."""
    scores, group = np.r_[np.zeros(1000), np.full(50, 9.0)], np.r_[alone(1000), np.full(50, "large")]
    assert upper_bound(scores, group) > 9


def test_many_groups_of_one_track_do_not_drown_in_a_large_group() -> None:
    scores = np.r_[np.zeros(2000), np.full(10, 9.0)]
    small = np.r_[np.full(2000, "large"), alone(10)]
    assert upper_bound(scores, small) > 9
    spread = np.r_[alone(2000), np.full(10, "one")]
    assert upper_bound(scores, spread) == MIN_CERTAIN_LOG_ODDS


def test_too_few_tracks_promise_nothing() -> None:
    assert upper_bound(np.full(ENOUGH - 1, -5.0), alone(ENOUGH - 1)) == NEVER
    assert upper_bound(np.full(ENOUGH, 5.0), alone(ENOUGH)) == np.nextafter(5.0, 9)
    assert upper_bound(np.empty(0), np.empty(0, np.str_)) == NEVER


def test_scores_far_below_do_not_make_a_doubtful_label_certain() -> None:
    assert upper_bound(np.full(500, -8.0), alone(500)) == MIN_CERTAIN_LOG_ODDS == 2.2


def test_tied_scores_are_all_kept_below_the_bound() -> None:
    scores = np.r_[np.zeros(400), np.full(100, 5.0)]
    assert not (scores >= upper_bound(scores, alone(500))).any()


def test_a_larger_error_rate_needs_fewer_tracks_and_gives_lower_bounds() -> None:
    scores = np.linspace(0, 12, 50)
    assert upper_bound(scores, alone(50)) == NEVER
    assert MIN_CERTAIN_LOG_ODDS < upper_bound(scores, alone(50), 0.2) < upper_bound(scores, alone(50), 0.05) < NEVER


def test_separable_classes_are_separated() -> None:
    x = np.linspace(-1, 1, 40)[:, None] * [1.0, -3.0]
    positive = x[:, 0] > 0
    linear = fit_linear(["a", "b"], x, positive, np.ones(40))
    np.testing.assert_array_equal(log_odds_of(linear, x) > 0, positive)
    assert linear({"a": 1.0, "b": -3.0}) == pytest.approx(log_odds_of(linear, np.array([[1.0, -3.0]]))[0])


def test_a_rising_feature_has_no_negative_weight() -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    positive = x @ [1.0, -1.0] > 0
    free, held = (fit_linear(["a", "b"], x, positive, np.ones(200), rising) for rising in ([], ["a", "b"]))
    assert free.weight[0, 0] > 0 > free.weight[0, 1]
    assert held.weight[0, 0] > 0
    assert held.weight[0, 1] == 0


def test_each_length_has_its_own_sum_and_between_them_they_are_mixed() -> None:
    """A song of a minute is told by the first feature, one of five by the second."""
    random = np.random.default_rng(0)
    long = np.arange(400) % 2 == 1
    x = np.column_stack([random.normal(size=(400, 2)), np.where(long, log2(LONG_FROM), log2(SHORT_UNTIL))])
    positive = np.where(long, x[:, 1], x[:, 0]) > 0
    names = ["a", "b", "length"]
    one, two = (fit_linear(names, x, positive, np.ones(400), ["a", "b"], n_sums=n) for n in (1, 2))
    assert ((log_odds_of(one, x) > 0) == positive).mean() < 0.9
    assert ((log_odds_of(two, x) > 0) == positive).mean() > 0.98
    (a_short, b_short, _), (a_long, b_long, _) = two.weight
    assert a_short > 5 * b_short >= 0
    assert b_long > 5 * a_long >= 0
    seconds = [1, SHORT_UNTIL, sqrt(SHORT_UNTIL * LONG_FROM), LONG_FROM, 36_000]
    tracks = np.array([[1.0, 2.0, log2(s)] for s in seconds])
    np.testing.assert_allclose(two.shares(tracks)[:, 1], [0, 0, 0.5, 1, 1])
    alone = [two(dict(zip(names, row, strict=True))) for row in tracks]
    np.testing.assert_allclose(alone, log_odds_of(two, tracks))
    z = (tracks[2] - two.mean) / two.scale
    assert alone[2] == pytest.approx((two.weight @ z + two.bias).mean())


def test_without_long_tracks_their_sum_is_that_of_the_short_ones() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[:, 2] = log2(SHORT_UNTIL) - abs(x[:, 2])
    two = fit_linear(["a", "b", "length"], x, x[:, 0] > 0, np.ones(200), n_sums=2)
    np.testing.assert_allclose(two.weight[1], two.weight[0], rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(two.bias[1], two.bias[0], rtol=1e-2, atol=1e-2)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    x = np.c_[np.arange(20.0), np.full(20, 3.0)]
    linear = fit_linear(["a", "b"], x, np.arange(20) > 9, np.ones(20))
    assert (linear.scale[1], linear.weight[0, 1]) == (1, 0)
    assert np.isfinite(log_odds_of(linear, x)).all()


def test_both_classes_of_every_kind_count_the_same() -> None:
    kind = np.array(["recording"] * 5 + ["pair"] * 3)
    positive = np.array([True, False, False, False, False, True, True, False])
    weight = balanced_weights(positive, kind)
    for name in ("recording", "pair"):
        for label in (True, False):
            assert weight[(kind == name) & (positive == label)].sum() == pytest.approx(1)


def test_a_kind_of_one_class_counts_by_its_share_of_the_class() -> None:
    positive = np.array([True, True, False, False, False, False])
    weight = balanced_weights(positive, np.array(["a", "a", "a", "a", "choir", "choir"]))
    np.testing.assert_allclose(weight[4:], 1 / 4)


def decision_set() -> DecisionSet:
    """Songs, scores and, at the end, sounds that are not music, of three folds."""
    random = np.random.default_rng(0)
    song, is_music = np.arange(N) % 2 == 0, np.arange(N) < N - 40
    song &= is_music
    whole = random.normal(np.where(song, 1.5, -1.5)[:, None], 1, (N, len(DECIDING)))
    return DecisionSet(
        whole=whole,
        part=whole - 0.5,
        choir=whole + 0.5,
        music=random.normal(np.where(is_music, 2, -2)[:, None], 1, (N, len(MUSIC))),
        song=song,
        is_music=is_music,
        fold=np.arange(N) // 2 % 3,
        kind=np.where(is_music, "recording", "no music"),
        group=alone(N),
        trusted=np.ones(N, np.bool_),
        seconds=np.full(N, 60.0),
        spoken=np.zeros(N),
        spoken_part=np.zeros(N),
        heard=np.ones(N),
    )


GIVEN = decision_set()
EVERYTHING = np.ones(N, np.bool_)


def test_the_decision_favours_songs_and_never_falls_while_more_is_heard() -> None:
    decision = fit_decision(GIVEN, EVERYTHING)
    told = log_odds_of(decision, GIVEN.whole) > 0
    assert (told == GIVEN.song)[GIVEN.is_music].mean() > 0.95
    assert (decision.weight[:, : len(RISING)] >= 0).all()


def test_music_is_told_from_other_sounds_and_hardly_ever_refused() -> None:
    taken = log_odds_of(fit_music(GIVEN, EVERYTHING), GIVEN.music) >= 0
    assert taken[GIVEN.is_music].mean() >= 0.99
    assert taken[~GIVEN.is_music].mean() < 0.5


def test_each_fold_is_judged_by_the_others() -> None:
    found = cross_validated(GIVEN)
    for part in range(3):
        there = GIVEN.fold == part
        decision, music = fit_decision(GIVEN, ~there), fit_music(GIVEN, ~there)
        for name in ("whole", "part", "choir"):
            expected = log_odds_of(decision, getattr(GIVEN, name)[there])
            np.testing.assert_array_equal(getattr(found, name)[there], expected)
        np.testing.assert_array_equal(found.music[there], log_odds_of(music, GIVEN.music[there]))


def test_what_is_not_trusted_moves_no_answer() -> None:
    given = replace(GIVEN, trusted=np.arange(N) >= 4)
    wrong = replace(given, song=given.song ^ ~given.trusted)
    np.testing.assert_array_equal(cross_validated(wrong).whole, cross_validated(given).whole)


def test_each_bound_rests_on_the_trusted_tracks_of_the_other_class() -> None:
    n = 4 * ENOUGH + 4
    song, short = np.arange(n) % 2 == 0, np.arange(n) % 4 < 2
    whole = np.where(song, np.where(short, -4.0, -5.0), 3.0)
    given = DecisionSet(
        whole=np.zeros((n, 1)),
        part=np.ones((n, 1)),
        choir=np.zeros((n, 1)),
        music=spoken([0.01] * n),
        song=song,
        is_music=np.ones(n, np.bool_),
        fold=np.zeros(n, np.int64),
        kind=np.full(n, "recording"),
        group=alone(n),
        trusted=np.arange(n) >= 4,
        seconds=np.where(short, 59.9, 60.0),
        spoken=np.zeros(n),
        spoken_part=np.zeros(n),
        heard=np.ones(n),
    )
    whole[:4] = -90.0, 90.0, -90.0, 90.0
    answers = Answers(whole, whole - 1, whole + 1, np.ones(n))
    found = calibrate(given, answers)
    assert found["song_above"] == pytest.approx(3)
    assert found["song_above_with_choir"] == pytest.approx(4)
    assert (found["score_below"], found["long_score_below"]) == pytest.approx((-4, -5))
    assert found["part"]["score_below"] == pytest.approx(-6)
    assert (found["part"]["rise"], found["part"]["rise_in_doubt"]) == (0, pytest.approx(1))
    assert found["calibrated_on"]["long_score_below"] == {"tracks": ENOUGH, "groups": ENOUGH}
    Bounds.from_dict(found)
    very_long = calibrate(replace(given, seconds=np.where(short, 60.0, 600.0)), answers)
    assert (very_long["long_score_below"], very_long["very_long_score_below"]) == pytest.approx((-4, -5))
    assert (very_long["part"]["score_below"], very_long["very_long_part"]["score_below"]) == pytest.approx((-5, -6))
    assert very_long["calibrated_on"]["very_long_part"] == {"tracks": ENOUGH, "groups": ENOUGH}
    all_long = calibrate(replace(given, seconds=np.full(n, 60.0)), answers)
    assert (all_long["score_below"], all_long["long_score_below"]) == pytest.approx((-5, -5))
    too_short = calibrate(replace(given, seconds=np.full(n, 5.0)), answers)
    assert (too_short["song_above"], too_short["score_below"]) == (NEVER, -NEVER)


def test_few_tracks_that_are_left_early_rise_further_than_the_bounds_of_a_part_say() -> None:
    random, n = np.random.default_rng(0), 2000
    given = replace(GIVEN, **{name: np.ones(n, np.bool_) for name in ("song", "is_music", "trusted")})
    given = replace(given, whole=np.zeros((n, 1)), part=np.ones((n, 1)), seconds=np.full(n, 60.0))
    part = random.uniform(-6, 2, n)
    rose = random.exponential(np.where(part <= -3, 1.0, 0.2))
    plain, doubt = rises(given, Answers(part + rose, part, part, part), -3.0)
    assert (rose[part <= -3] > plain).mean() == pytest.approx(CHANGED, abs=0.002)
    assert (rose[part > -3] > doubt).mean() == pytest.approx(CHANGED, abs=0.002)
    assert plain > 2 * doubt


def spoken(speech: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of music with that mean probability of speech."""
    music = np.zeros((len(speech), len(MUSIC)))
    music[:, MUSIC.index("speech_mean")] = logit(speech)
    return music


def test_certain_is_what_lies_on_a_bound_or_beyond_is_music_long_enough_and_not_spoken() -> None:
    bounds = {"song_above": 2.5, "score_below": -2.0, "long_score_below": -3.0, "music_above": 0.0}
    bounds |= {"song_speech_below": 0.2, "score_spoken_below": 0.05}
    log_odds = np.array([-3.0, -2.0, -1.9, 2.4, 2.5, 9.0, 9.0, 9.0, 9.0, 9.0, -9.0, -9.0, -2.9, -3.0, -3.9, -4.0])
    music = np.array([0.0, 1, 1, 1, 1, 1, -1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    speech = spoken([0.01] * 8 + [0.19, 0.21, 0.04, 0.06] + [0.01] * 4)
    seconds = np.array([10.0] * 7 + [9.9] + [10.0] * 4 + [60.0] * 2 + [600.0] * 2)
    given = replace(GIVEN, seconds=seconds, music=speech, spoken=np.array([0.0] * 10 + [0.04, 0.06] + [0.0] * 4))
    found = is_certain(given, log_odds, music, bounds | {"very_long_score_below": -4.0})
    assert found[:8].tolist() == [True, True, False, False, True, True, False, False]
    assert found[8:].tolist() == [True, False, True, False, False, True, False, True]
    assert is_certain(given, log_odds, music, bounds)[-2:].all(), "models that were made before that was known"


def test_what_speech_keeps_from_being_certain_moves_no_bound() -> None:
    song = np.arange(N) < N // 2
    whole = np.where(song, -9.0, 9.0)
    given = replace(GIVEN, song=song, is_music=EVERYTHING)
    answers = Answers(whole, whole, whole, np.ones(N))
    for songs, scores, bound in ((0.51, 0.21, MIN_CERTAIN_LOG_ODDS), (0.49, 0.19, 9)):
        speech = spoken(np.where(song, 0.0, scores))
        found = calibrate(replace(given, music=speech, spoken=np.where(song, songs, 0.0)), answers)
        assert (found["song_above"], -found["long_score_below"]) == pytest.approx((bound, bound))
        heard_in_part = calibrate(replace(given, spoken_part=np.where(song, songs, 0.0)), answers)
        assert -heard_in_part["part"]["score_below"] == pytest.approx(bound)
        assert -heard_in_part["long_score_below"] == pytest.approx(9)


def test_coverage_is_the_certain_share_and_the_wrong_share_of_it() -> None:
    log_odds, song = np.array([-3.0, -2.0, 0.5, 2.0, 3.0]), np.array([False, True, False, True, False])
    assert coverage(log_odds, song, np.abs(log_odds) >= 2) == {"certain": 4 / 5, "wrong": 2 / 4}
    assert coverage(log_odds, song, log_odds > 9) == {"certain": 0, "wrong": 0}
    assert coverage(log_odds[:0], song[:0], song[:0]) == {"certain": 0, "wrong": 0}


def test_a_set_holds_the_features_of_whole_and_part() -> None:
    def example(seconds: float) -> Example:
        n = round(seconds / STEP)
        kinds = np.zeros((n, len(KINDS)), np.float32)
        kinds[round(6 / STEP) : round(10 / STEP)] = 0.9  # in the second window, which half of the track leaves out
        return Example(Activity(np.arange(n), kinds, n, 1.0), True, True, "recording", "Ann", 1)

    given = DecisionSet.of([example(20), example(200)])
    assert given.whole.shape == given.part.shape == given.choir.shape == (2, len(DECIDING))
    assert given.music.shape == (2, len(MUSIC))
    assert given.early.tolist() == [False, True]
    assert (given.part[:, :-1] <= given.whole[:, :-1]).all()
    np.testing.assert_allclose(given.seconds, [20, 200])
