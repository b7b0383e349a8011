from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.features import track_vector
from songscore.features.detector import ACTIVITIES, FRAMES_PER_STEP, STEP
from songscore.features.spectral import window_features
from songscore.features.spectrum import FRAME_RATE, N_MELS, SAMPLE_RATE, WINDOW, mel_spectrum
from songscore.features.track_vector import FEATURES, MEANINGS, QUANTILES, SHARES, SPECTRAL, TOP_SECONDS, VOCAL

ROUNDING = 1e-5
BARELY, CLEARLY = 0.05, 0.95


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def activity(voice: NDArray[np.floating], speech: float = 0.2, music: float = 0.8) -> NDArray[np.float32]:
    return np.column_stack([voice, np.full(len(voice), speech), np.full(len(voice), music)]).astype(np.float32)


def steps(seconds: float) -> int:
    return round(seconds / STEP)


@pytest.fixture(scope="module")
def one_passage() -> dict[str, float]:
    """A minute with one passage of ten seconds that is clearly sung."""
    voice = np.full(steps(60), BARELY)
    voice[steps(20) : steps(30)] = CLEARLY
    return track_vector.vocal_features(activity(voice))


class Loud:
    """A detector that says how loud each step is."""

    def __call__(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(mel[:, 0], (0, len(mel) % FRAMES_PER_STEP))
        return np.repeat(padded.reshape(-1, FRAMES_PER_STEP).mean(axis=1)[:, None], len(ACTIVITIES), axis=1)


def test_every_feature_has_its_own_name_a_unit_and_a_meaning() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.unit and feature.meaning for feature in FEATURES)
    assert list(MEANINGS) == [feature.name for feature in FEATURES]


def test_a_curve_that_stays_at_0_9_has_that_everywhere() -> None:
    found = track_vector.vocal_features(activity(np.full(steps(60), 0.9)))
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
    found = track_vector.vocal_features(activity(np.full(n_steps, p), speech=p, music=p))
    assert list(found) == [feature.name for feature in VOCAL]
    assert np.isfinite(list(found.values())).all()


def test_a_dropout_of_a_few_steps_does_not_cut_a_passage() -> None:
    voice = np.full(steps(20), CLEARLY)
    voice[100:102] = BARELY
    assert track_vector.vocal_features(activity(voice))["voice_longest"] == pytest.approx(np.log2(1 + 20))


@pytest.mark.parametrize("n_frames", [1, 2, 99, WINDOW, WINDOW + 1, 3 * WINDOW + 77])
def test_every_two_frames_get_one_row_of_activity_in_their_order(n_frames: int) -> None:
    mel = np.repeat(np.arange(1, n_frames + 1, dtype=np.float32)[:, None], N_MELS, axis=1)
    heard = track_vector.listen_to_mel([mel], Loud())
    np.testing.assert_array_equal(heard.probability, Loud()(mel)[: n_frames // FRAMES_PER_STEP])
    np.testing.assert_array_equal(heard.step, np.arange(n_frames // FRAMES_PER_STEP))


def test_windows_are_joined_in_order_and_keep_their_place() -> None:
    mel = np.random.default_rng(0).random((3 * WINDOW, N_MELS)).astype(np.float32)
    whole = track_vector.listen_to_mel([mel], Loud())
    outer = [track_vector.listen_to_window(mel[i : i + WINDOW], i, Loud()) for i in (2 * WINDOW, 0)]
    joined = track_vector.join_windows(outer, 1.0)
    there = np.isin(whole.step, joined.step)
    assert there.mean() == pytest.approx(2 / 3)
    np.testing.assert_array_equal(joined.probability, whole.probability[there])


def test_spectral_features_are_means_over_windows_by_their_length() -> None:
    y = np.random.default_rng(0).standard_normal(17 * SAMPLE_RATE).astype(np.float32)
    mel = mel_spectrum(y)
    rest = len(mel) - WINDOW
    expected = (WINDOW * window_features(mel[:WINDOW]) + rest * window_features(mel[WINDOW:])) / len(mel)
    np.testing.assert_allclose(track_vector.listen_to_mel([mel], Loud()).spectral, expected)


def test_listening_to_blocks_is_listening_to_the_whole() -> None:
    y = np.random.default_rng(0).standard_normal(25 * SAMPLE_RATE).astype(np.float32)
    whole, parts = track_vector.listen([y], Loud()), track_vector.listen(np.split(y, [7, 5000, 5000, 300_000]), Loud())
    np.testing.assert_allclose(parts.probability, whole.probability, rtol=1e-3)
    np.testing.assert_allclose(parts.spectral, whole.spectral, rtol=1e-4)
    assert parts.peak == whole.peak == np.abs(y).max()


def test_the_track_vector_is_every_feature_in_order() -> None:
    n = round(4 * FRAME_RATE)
    heard = track_vector.listen_to_mel([np.random.default_rng(0).random((n, N_MELS)).astype(np.float32)], Loud())
    assert list(heard.features) == [feature.name for feature in FEATURES]
    assert [heard.features[feature.name] for feature in SPECTRAL] == heard.spectral.tolist()


def test_nothing_is_heard_where_there_is_nothing() -> None:
    heard = track_vector.listen([], Loud())
    assert (heard.probability.shape, heard.peak) == ((0, len(ACTIVITIES)), 0)
    np.testing.assert_array_equal(heard.spectral, 0)
