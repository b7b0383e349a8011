from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.training import metrics
from songscore.training.metrics import Figure


def labels(n_scores: int, n_songs: int) -> NDArray[np.bool_]:
    return np.arange(n_scores + n_songs) >= n_scores


def calibrated(n: int, songs_per_score: float = 1.0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tracks whose probability is right for a collection of equal halves, whatever the share of songs among them."""
    random = np.random.default_rng(0)
    log_odds = random.normal(0, 2, 8 * n)
    probability = 1 / (1 + np.exp(-log_odds))
    song = random.random(8 * n) < probability
    kept = song | (random.random(8 * n) < 1 / songs_per_score)
    return song[kept], probability[kept]


def test_balanced_accuracy_is_the_mean_of_both_classes_shares() -> None:
    song = labels(4, 2)
    probability = np.array([0.1, 0.2, 0.3, 0.7, 0.6, 0.4])
    assert metrics.balanced_accuracy(song, probability) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert metrics.balanced_accuracy(song, probability, threshold=0.35) == pytest.approx((3 / 4 + 2 / 2) / 2)


def test_a_probability_at_the_threshold_is_a_song() -> None:
    assert metrics.balanced_accuracy(labels(1, 1), np.array([0.4, 0.5])) == 1
    assert metrics.balanced_accuracy(labels(1, 1), np.array([0.5, 0.6])) == 0.5


def test_the_best_balanced_accuracy_is_that_of_the_best_threshold() -> None:
    song = labels(4, 2)
    probability = np.array([0.1, 0.2, 0.3, 0.7, 0.6, 0.4])
    assert metrics.best_balanced_accuracy(song, probability) == pytest.approx(7 / 8)


def test_precision_at_a_prevalence_is_as_computed_by_hand() -> None:
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.15, 0.6, 0.7, 0.8, 0.95])
    song = labels(5, 5)
    recall, false_alarms, share = 4 / 5, 1 / 5, 0.1
    expected = share * recall / (share * recall + (1 - share) * false_alarms)
    found = metrics.precision_at_prevalence(song, probability, share, 0.75)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_perfect_answers_are_precise_at_every_prevalence(share: float) -> None:
    song = labels(10, 10)
    assert metrics.precision_at_prevalence(song, np.where(song, 0.9, 0.0), share, 0.9) == 1


def test_answers_by_chance_are_as_precise_as_the_prevalence() -> None:
    random = np.random.default_rng(0)
    found = metrics.precision_at_prevalence(labels(20_000, 20_000), random.random(40_000), 0.116, 0.9)
    assert found == pytest.approx(0.116, abs=0.003)


@pytest.mark.parametrize("songs_per_score", [1, 5])
def test_calibrated_probabilities_have_no_calibration_error(songs_per_score: float) -> None:
    song, probability = calibrated(10_000, songs_per_score)
    assert metrics.calibration_error(song, probability) < 0.015


def test_the_calibration_error_is_the_gap_of_each_bin_by_its_weight() -> None:
    song = labels(4, 4)
    probability = np.repeat([0.25, 0.75], 4)
    assert metrics.calibration_error(song, probability) == pytest.approx(0.25)
    assert metrics.calibration_error(song, 1 - probability) == pytest.approx(0.75)


def test_certain_answers_that_are_right_have_no_calibration_error() -> None:
    song = labels(3, 3)
    assert metrics.calibration_error(song, song.astype(float)) == 0


def grouped(n_groups: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.str_]]:
    """120 tracks of so many groups, each of which the probability favours or slights as a whole."""
    random = np.random.default_rng(1)
    group = np.arange(120) % n_groups
    song = (np.arange(120) // n_groups) % 2 == 0
    bias = random.normal(0, 1, n_groups)[group]
    return song, 1 / (1 + np.exp(-random.normal(np.where(song, 1, -1) + bias, 1))), group.astype(str)


@pytest.fixture(scope="module")
def many_and_few() -> tuple[dict[str, Figure], dict[str, Figure]]:
    """Figures of tracks of sixty groups and of four."""
    many, few = (metrics.figures(*grouped(n), n_draws=50) for n in (60, 4))
    return many, few


@pytest.mark.parametrize("name", ["auc", "balanced_accuracy", "brier", "precision_at_50%_recall_0.9"])
def test_the_interval_contains_the_value_and_widens_with_fewer_groups(
    many_and_few: tuple[dict[str, Figure], dict[str, Figure]], name: str
) -> None:
    many, few = (figures[name] for figures in many_and_few)
    assert many.low < many.value < many.high
    assert few.low < few.value < few.high
    assert few.high - few.low > 1.2 * (many.high - many.low)


def test_all_figures_of_perfect_answers_are_perfect_in_every_draw() -> None:
    song = labels(20, 20)
    found = metrics.figures(song, song.astype(float), np.arange(40).astype(str), n_draws=20)
    errors = {"calibration_error", "brier"}
    assert found == {name: Figure(*[0.0 if name in errors else 1.0] * 3) for name in metrics.FIGURES}


def test_the_same_seed_gives_the_same_intervals() -> None:
    tracks = grouped(10)
    assert metrics.figures(*tracks, n_draws=10, seed=3) == metrics.figures(*tracks, n_draws=10, seed=3)
    assert metrics.figures(*tracks, n_draws=10, seed=3) != metrics.figures(*tracks, n_draws=10, seed=4)


def test_draws_without_one_of_the_classes_are_passed_over() -> None:
    song, group = labels(10, 10), np.repeat(["scores", "songs"], 10)
    found = metrics.figures(song, np.linspace(0, 1, 20), group, n_draws=40)
    assert found["auc"] == Figure(1, 1, 1)


def test_a_figure_reads_as_value_and_interval() -> None:
    assert str(Figure(0.91234, 0.8, 0.95)) == "0.912 [0.800, 0.950]"
