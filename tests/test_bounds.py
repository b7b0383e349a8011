from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.training.decision.bounds import (
    ERROR_RATE,
    MIN_CERTAIN_LOG_ODDS,
    NEVER,
    DecisionSet,
    certainty_bounds,
    coverage,
    cross_validated_log_odds,
    fit_decision,
    is_certain,
)

ENOUGH = 99
"""Tracks of a class from which one per cent can be promised: the bound is then their most extreme score."""


def labels(n_scores: int, n_songs: int) -> NDArray[np.bool_]:
    return np.arange(n_scores + n_songs) >= n_scores


def test_no_more_than_the_stated_share_of_new_tracks_is_certain_of_the_other_class() -> None:
    random = np.random.default_rng(0)
    n, repetitions = 250, 400
    song = labels(n, n)
    wrong = np.zeros(2)
    for _ in range(repetitions):
        bounds = certainty_bounds(random.normal(np.where(song, 2, -2), 2), song)
        new_score, new_song = random.normal(-2, 2, 200), random.normal(2, 2, 200)
        wrong += (new_score > bounds["song_above"]).mean(), (new_song < bounds["score_below"]).mean()
    sampling = 3 * np.sqrt(ERROR_RATE / n / repetitions)
    assert (wrong / repetitions <= ERROR_RATE + sampling).all()
    assert (wrong / repetitions > ERROR_RATE / 2).all()


@pytest.mark.parametrize(("n", "bound"), [(ENOUGH - 1, NEVER), (ENOUGH, ENOUGH), (199, 198)])
def test_the_bound_is_the_score_of_the_conformal_rank(n: int, bound: float) -> None:
    scores = np.arange(1.0, n + 1)
    found = certainty_bounds(np.concatenate([scores, -scores]), labels(n, n))
    assert found == {"song_above": bound, "score_below": -bound, "error_rate": ERROR_RATE}


def test_each_bound_rests_on_the_tracks_of_the_other_class() -> None:
    log_odds = np.concatenate([np.full(ENOUGH, 3.0), np.full(ENOUGH, -5.0)])
    found = certainty_bounds(log_odds, labels(ENOUGH, ENOUGH))
    assert (found["song_above"], found["score_below"]) == (3, -5)


def test_with_too_few_tracks_nothing_is_ever_certain() -> None:
    log_odds = np.array([-50.0, -40.0, 40.0, 50.0])
    bounds = certainty_bounds(log_odds, labels(2, 2))
    assert (bounds["song_above"], bounds["score_below"]) == (NEVER, -NEVER)
    assert coverage(log_odds, labels(2, 2), bounds) == {"certain": 0, "wrong": 0}


def test_classes_far_apart_do_not_make_a_doubtful_label_certain() -> None:
    log_odds = np.concatenate([np.full(ENOUGH, -8.0), np.full(ENOUGH, 8.0)])
    bounds = certainty_bounds(log_odds, labels(ENOUGH, ENOUGH))
    assert (bounds["song_above"], bounds["score_below"]) == (MIN_CERTAIN_LOG_ODDS, -MIN_CERTAIN_LOG_ODDS)


def test_a_larger_error_rate_needs_fewer_tracks_and_gives_lower_bounds() -> None:
    log_odds = np.concatenate([np.linspace(-12, 6, 50), np.linspace(-6, 12, 50)])
    strict, lenient = (certainty_bounds(log_odds, labels(50, 50), rate) for rate in (0.02, 0.2))
    assert MIN_CERTAIN_LOG_ODDS <= lenient["song_above"] < strict["song_above"] < NEVER
    assert -NEVER < strict["score_below"] < lenient["score_below"] <= -MIN_CERTAIN_LOG_ODDS


def test_what_lies_on_a_bound_or_beyond_is_certain() -> None:
    log_odds = np.array([-3.0, -2.0, -1.9, 0.0, 2.4, 2.5, 9.0])
    found = is_certain(log_odds, {"song_above": 2.5, "score_below": -2.0})
    assert found.tolist() == [True, True, False, False, False, True, True]


def test_coverage_is_the_share_beyond_the_bounds_and_the_wrong_share_of_it() -> None:
    log_odds = np.array([-3.0, -2.0, 0.5, 2.0, 3.0])
    song = np.array([False, True, False, True, False])
    found = coverage(log_odds, song, {"song_above": 2.0, "score_below": -2.0})
    assert found == {"certain": 4 / 5, "wrong": 2 / 4}


def decision_set(
    x: NDArray[np.float64],
    song: NDArray[np.bool_],
    trusted: NDArray[np.bool_] | None = None,
    kind: NDArray[np.str_] | None = None,
) -> DecisionSet:
    n = len(song)
    return DecisionSet(
        features=x,
        song=song,
        fold=np.arange(n) // 2 % 3,
        kind=np.full(n, "recording") if kind is None else kind,
        trusted=np.ones(n, np.bool_) if trusted is None else trusted,
    )


def random_set() -> DecisionSet:
    song = np.arange(60) % 2 == 0
    return decision_set(np.random.default_rng(0).normal(song[:, None], 1, (60, 2)), song)


def test_each_fold_is_judged_by_the_others() -> None:
    given = random_set()
    found = cross_validated_log_odds(given)
    for part in range(3):
        there = given.fold == part
        expected = fit_decision(given, ~there).decision_function(given.features[there])
        np.testing.assert_array_equal(found[there], expected)


def test_what_is_judged_does_not_change_its_judge() -> None:
    given = random_set()
    altered = given.features.copy()
    altered[0] = 1000
    rest = (given.fold == given.fold[0]) & (np.arange(60) > 0)
    np.testing.assert_array_equal(
        cross_validated_log_odds(replace(given, features=altered))[rest], cross_validated_log_odds(given)[rest]
    )


def test_the_decision_favours_songs() -> None:
    song = labels(20, 20)
    decision = fit_decision(decision_set(song[:, None].astype(float), song), np.ones(40, np.bool_))
    assert decision.decision_function([[1.0]])[0] > 0 > decision.decision_function([[0.0]])[0]


def test_what_is_not_trusted_moves_no_other_answer() -> None:
    given = replace(random_set(), trusted=np.arange(60) >= 4)
    wrong = replace(given, song=given.song ^ ~given.trusted)
    np.testing.assert_array_equal(cross_validated_log_odds(wrong), cross_validated_log_odds(given))


def test_a_kind_counts_the_same_however_many_tracks_it_has() -> None:
    random = np.random.default_rng(0)
    song = np.arange(80) % 2 == 0
    kind = np.where(np.arange(80) < 40, "recording", "pair")
    x = random.normal(song[:, None], 1, (80, 2)) + (kind == "pair")[:, None]
    repeated = np.r_[np.arange(80), np.tile(np.arange(40), 3)]
    few, many = (decision_set(x[i], song[i], kind=kind[i]) for i in (np.arange(80), repeated))
    once, often = (fit_decision(given, np.ones(len(given.song), np.bool_)) for given in (few, many))
    # more tracks weaken the penalty and nothing else
    angle = once.weight_ @ often.weight_ / np.linalg.norm(once.weight_) / np.linalg.norm(often.weight_)
    assert angle > 0.999
    np.testing.assert_allclose(once.mean_, often.mean_)


def test_a_kind_of_one_class_counts_by_its_tracks() -> None:
    song = np.arange(60) % 2 == 0
    x = np.random.default_rng(0).normal(song[:, None], 1, (60, 2))
    kind = np.where((np.arange(60) == 59), "wordless choir", "recording")
    alone = fit_decision(decision_set(x, song, kind=kind), np.ones(60, np.bool_))
    together = fit_decision(decision_set(x, song), np.ones(60, np.bool_))
    np.testing.assert_allclose(alone.weight_, together.weight_, atol=0.05)
