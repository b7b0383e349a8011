from __future__ import annotations

import numpy as np
import pytest
from models import heard
from numpy.typing import NDArray

from songscore.features import track_vector
from songscore.features.detector import FRAMES_PER_STEP, KINDS, STEP
from songscore.features.spectrum import N_MELS, SAMPLE_RATE, WINDOW
from songscore.features.track_vector import (
    BY_NAME,
    FEATURES,
    FIXED,
    MEANINGS,
    MOST_OF_TRACK,
    QUANTILES,
    RISING,
    SHARES,
    TOP_SECONDS,
)

ROUNDING = 1e-5
BARELY, CLEARLY = 0.05, 0.95


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def features(voice: NDArray[np.floating], feature_set: str = "features-v2", **kinds: float) -> dict[str, float]:
    return track_vector.track_vector(heard(voice, **{"speech": 0.2, "music": 0.8, **kinds}), feature_set=feature_set)


def steps(seconds: float) -> int:
    return round(seconds / STEP)


@pytest.fixture(scope="module")
def one_passage() -> dict[str, float]:
    """A minute with one passage of ten seconds that is clearly sung."""
    voice = np.full(steps(60), BARELY)
    voice[steps(20) : steps(30)] = CLEARLY
    return features(voice)


class Loud:
    """A detector that says how loud each step is."""

    def __call__(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(mel[:, 0], (0, len(mel) % FRAMES_PER_STEP))
        return np.repeat(padded.reshape(-1, FRAMES_PER_STEP).mean(axis=1)[:, None], len(KINDS), axis=1)


def test_every_feature_has_its_own_name_a_unit_and_a_meaning() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.unit and feature.meaning for feature in FEATURES)
    assert list(MEANINGS) == [feature.name for feature in FEATURES]


def test_a_curve_that_stays_at_0_9_has_that_everywhere() -> None:
    found = features(np.full(steps(60), 0.9))
    like_voice = ["voice_mean", *(f"voice_top_{s}s" for s in TOP_SECONDS), *(f"voice_q{q}" for q in QUANTILES)]
    assert {name: found[name] for name in like_voice} == pytest.approx(
        dict.fromkeys(like_voice, log_odds(0.9)), rel=1e-4
    )
    assert [found[f"voice_share_{p}"] for p in SHARES] == [1, 1, 1, 0]
    assert found["voice_longest"] == pytest.approx(np.log2(1 + 60))
    assert found["voice_spread"] == pytest.approx(0, abs=ROUNDING)
    assert found["speech_mean"] == pytest.approx(log_odds(0.2), rel=ROUNDING)
    assert found["music_mean"] == pytest.approx(log_odds(0.8), rel=ROUNDING)


def test_the_strongest_seconds_of_one_passage_are_the_passage(one_passage: dict[str, float]) -> None:
    assert one_passage["voice_top_2s"] == pytest.approx(log_odds(CLEARLY), rel=ROUNDING)
    assert one_passage["voice_top_10s"] == pytest.approx(log_odds(CLEARLY), rel=ROUNDING)
    assert one_passage["voice_top_30s"] == pytest.approx(log_odds((CLEARLY + 2 * BARELY) / 3), rel=ROUNDING)


def test_the_quantiles_of_one_passage_are_high_from_its_share_on(one_passage: dict[str, float]) -> None:
    expected = {50: BARELY, 75: BARELY, 90: CLEARLY, 95: CLEARLY, 99: CLEARLY}
    found = {q: one_passage[f"voice_q{q}"] for q in QUANTILES}
    assert found == pytest.approx({q: log_odds(p) for q, p in expected.items()}, rel=ROUNDING)


def test_the_shares_of_one_passage_are_its_share_of_the_track(one_passage: dict[str, float]) -> None:
    assert [one_passage[f"voice_share_{p}"] for p in SHARES] == pytest.approx([1 / 6] * 4)


def test_the_mean_length_and_spread_of_one_passage_are_as_computed_by_hand(one_passage: dict[str, float]) -> None:
    assert one_passage["voice_mean"] == pytest.approx(log_odds((CLEARLY + 5 * BARELY) / 6), rel=ROUNDING)
    assert one_passage["voice_longest"] == pytest.approx(np.log2(1 + 10))
    swing = log_odds(CLEARLY) - log_odds(BARELY)
    assert one_passage["voice_spread"] == pytest.approx(swing * np.sqrt(1 / 6 * 5 / 6), rel=ROUNDING)


@pytest.mark.parametrize("n_steps", [1, 2, 6])
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_the_features_of_a_few_steps_are_finite(n_steps: int, p: float) -> None:
    found = features(np.full(n_steps, p), choir=p, speech=p, music=p, other=p)
    assert list(found) == list(BY_NAME)
    assert np.isfinite(list(found.values())).all()


def test_a_dropout_of_a_few_steps_does_not_cut_a_passage() -> None:
    voice = np.full(steps(20), CLEARLY)
    voice[100:102] = BARELY
    assert features(voice)["voice_longest"] == pytest.approx(np.log2(1 + 20))


@pytest.mark.parametrize("n_frames", [1, 2, 99, WINDOW, WINDOW + 1, 3 * WINDOW + 77])
def test_every_two_frames_get_one_row_of_activity_in_their_order(n_frames: int) -> None:
    mel = np.repeat(np.arange(1, n_frames + 1, dtype=np.float32)[:, None], N_MELS, axis=1)
    found = track_vector.listen_to_mel([mel], Loud(), WINDOW)
    np.testing.assert_array_equal(found.kinds, Loud()(mel)[: n_frames // FRAMES_PER_STEP])
    np.testing.assert_array_equal(found.step, np.arange(n_frames // FRAMES_PER_STEP))


def test_windows_are_joined_in_order_and_keep_their_place() -> None:
    mel = np.random.default_rng(0).random((3 * WINDOW, N_MELS)).astype(np.float32)
    whole = track_vector.listen_to_mel([mel], Loud(), WINDOW)
    outer = [track_vector.listen_to_window(mel[i : i + WINDOW], i, Loud()) for i in (2 * WINDOW, 0)]
    joined = track_vector.join_windows(outer, whole.n_steps, 1.0)
    there = np.isin(whole.step, joined.step)
    assert there.mean() == pytest.approx(2 / 3)
    np.testing.assert_array_equal(joined.kinds, whole.kinds[there])


def test_listening_to_blocks_is_listening_to_the_whole() -> None:
    y = np.random.default_rng(0).standard_normal(25 * SAMPLE_RATE).astype(np.float32)
    cut = np.split(y, [7, 5000, 5000, 300_000])
    whole, parts = (track_vector.listen(blocks, Loud(), WINDOW) for blocks in ([y], cut))
    np.testing.assert_allclose(parts.kinds, whole.kinds, rtol=1e-3)
    assert parts.peak == whole.peak == np.abs(y).max()


def test_nothing_is_heard_where_there_is_nothing() -> None:
    found = track_vector.listen([], Loud(), WINDOW)
    assert (found.kinds.shape, found.n_steps, found.peak) == ((0, len(KINDS)), 0, 0)
    assert found.is_whole


def test_the_window_is_what_is_judged_together() -> None:
    sizes = list[int]()

    class Sizes(Loud):
        def __call__(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
            sizes.append(len(mel))
            return super().__call__(mel)

    track_vector.listen_to_mel([np.ones((215, N_MELS), np.float32)], Sizes(), 60)
    assert sizes == [60, 60, 60, 35]


def test_what_was_not_heard_counts_as_silence() -> None:
    n = steps(60)
    whole = heard(np.full(n, 0.9))
    part = track_vector.Activity(whole.step[: steps(6)], whole.kinds[: steps(6)], n, 0.5)
    found = track_vector.track_vector(part)
    assert found["voice_top_5s"] == pytest.approx(log_odds(0.9), rel=ROUNDING)
    assert found["voice_top_10s"] == pytest.approx(log_odds(0.9 * steps(6) / steps(10)), rel=1e-4)
    assert found["length"] == track_vector.track_vector(whole)["length"] == pytest.approx(np.log2(60))


@pytest.mark.parametrize(("feature_set", "most"), sorted(MOST_OF_TRACK.items()))
def test_a_short_track_is_judged_by_a_share_of_itself(feature_set: str, most: float) -> None:
    n = steps(12)
    voice = np.zeros(n)
    voice[: n // 2] = CLEARLY
    found = features(voice, feature_set)
    assert found["voice_top_30s"] == pytest.approx(log_odds(CLEARLY * (n // 2) / round(most * n)), rel=1e-4)
    assert found["voice_top_2s"] == pytest.approx(log_odds(CLEARLY), rel=ROUNDING)


def test_features_that_rise_or_stay_are_features() -> None:
    assert set(BY_NAME) >= RISING | FIXED
    assert not RISING & FIXED


def test_voices_without_words_count_where_they_are_asked_for() -> None:
    choir = heard(np.full(steps(30), 0.1), choir=0.8)
    assert track_vector.track_vector(choir)["voice_mean"] == pytest.approx(log_odds(0.1), rel=1e-4)
    assert track_vector.track_vector(choir, choir=True)["voice_mean"] == pytest.approx(log_odds(0.8), rel=1e-4)


def test_the_longest_gap_counts_the_ends() -> None:
    kinds = np.zeros((3, len(KINDS)), np.float32)
    for step, n, gap in (([0, 1, 2], 3, 0), ([2, 3, 4], 5, 2), ([0, 1, 2], 7, 4), ([0, 5, 6], 7, 4)):
        assert track_vector.Activity(np.array(step), kinds, n, 1.0).longest_gap == pytest.approx(gap * STEP)
