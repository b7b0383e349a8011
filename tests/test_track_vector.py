from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from songscore.features.detector import FRAMES_PER_STEP, KINDS, SPEECH, STEP, SUNG
from songscore.features.spectrum import N_MELS, SAMPLE_RATE, WINDOW
from songscore.features.track_vector import (
    FEATURES,
    MEANINGS,
    QUANTILES,
    SECOND,
    SHARES,
    TOP_SECONDS,
    Activity,
    join_windows,
    listen,
    listen_to_mel,
    listen_to_window,
    plainest_beside,
    plainest_speech,
    track_vector,
    voice_curve,
)

ROUNDING = 1e-5
BARELY, CLEARLY = 0.05, 0.95


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def activity(voice: NDArray[np.floating], speech: float = 0.2, music: float = 0.8) -> Activity:
    """A sound that was heard whole, with no choir and nothing other."""
    n = len(voice)
    columns = {"sung": voice, "choir": 0.0, "speech": speech, "music": music, "other": 0.0}
    kinds = np.column_stack([np.broadcast_to(columns[kind], n) for kind in KINDS]).astype(np.float32)
    return Activity(np.arange(n), kinds, n, 1.0)


def part(whole: Activity, heard: NDArray[np.bool_]) -> Activity:
    return Activity(whole.step[heard], whole.kinds[heard], whole.n_steps, whole.peak)


def steps(seconds: float) -> int:
    return round(seconds / STEP)


@pytest.fixture(scope="module")
def one_passage() -> dict[str, float]:
    """A minute with one passage of ten seconds that is clearly sung."""
    voice = np.full(steps(60), BARELY)
    voice[steps(20) : steps(30)] = CLEARLY
    return track_vector(activity(voice))


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
    found = track_vector(activity(np.full(steps(60), 0.9)))
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
    found = track_vector(activity(np.full(n_steps, p), speech=p, music=p))
    assert list(found) == [feature.name for feature in FEATURES]
    assert np.isfinite(list(found.values())).all()


def test_a_dropout_of_a_few_steps_does_not_cut_a_passage() -> None:
    voice = np.full(steps(20), CLEARLY)
    voice[100:102] = BARELY
    assert track_vector(activity(voice))["voice_longest"] == pytest.approx(np.log2(1 + 20))


voices = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=400)


@given(voices, st.booleans())
def test_the_strongest_seconds_of_a_part_never_exceed_those_of_the_whole(
    curve: list[tuple[float, bool]], choir: bool
) -> None:
    voice, heard = np.array([p for p, _ in curve]), np.array([some for _, some in curve])
    heard[0] = True
    whole = activity(np.repeat(voice, 3))
    names = [f"voice_top_{s}s" for s in TOP_SECONDS]
    of_all = track_vector(whole, names, choir=choir)
    of_part = track_vector(part(whole, np.repeat(heard, 3)), names, choir=choir)
    assert all(of_part[name] <= of_all[name] + ROUNDING for name in names)


def spoken(speech: NDArray[np.floating]) -> Activity:
    whole = activity(np.zeros(len(speech)))
    whole.kinds[:, SPEECH] = speech
    return whole


def test_gaps_are_what_was_not_heard() -> None:
    sound = activity(np.full(100, BARELY))
    first, after = part(sound, ~np.isin(np.arange(100), [0, 1, 50, 98, 99])).gaps
    assert (first.tolist(), after.tolist()) == ([0, 50, 98], [2, 51, 100])
    assert [len(edges) for edges in sound.gaps] == [0, 0]
    assert part(sound, np.zeros(100, np.bool_)).longest_gap == pytest.approx(100 * STEP)


def test_what_is_plainest_beside_a_gap_lasts_a_second_on_the_clearer_side() -> None:
    second = steps(1)
    curve = np.full(20 * second, 0.125)
    curve[4 * second : 5 * second] = 1.0
    curve[7 * second : 8 * second : 2] = 1.0
    heard = np.ones(len(curve), np.bool_)
    heard[[*range(5 * second, 7 * second), *range(18 * second, 20 * second)]] = False
    some = part(activity(curve), heard)
    first, after = some.gaps

    def beside(width: float, first: NDArray[np.int64] = first, after: NDArray[np.int64] = after) -> list[float]:
        return plainest_beside(some, some.kinds[:, SUNG], first, after, round(width * second)).tolist()

    assert beside(1) == [1.0, 0.125]
    assert beside(2) == [1.0, 0.125]
    assert beside(1, first + second // 2) == pytest.approx([0.5625, 0.0625]), "what was not heard counts as silence"
    assert beside(14) == [1.0, 1.0]
    assert beside(1, np.array([0, 4 * second]), np.array([7 * second, 7 * second])) == pytest.approx([0.5625] * 2)
    assert beside(5, np.array([0]), np.array([len(curve)])) == [0.0]


def test_the_plainest_speech_is_in_a_row() -> None:
    n, minute = steps(SECOND), np.full(steps(60), 0.125)
    passage, scattered = minute.copy(), minute.copy()
    passage[-n:] = 0.5
    scattered[:: steps(1)] = 1.0
    assert plainest_speech(spoken(minute)) == pytest.approx(0.125)
    assert plainest_speech(spoken(passage)) == pytest.approx(0.5)
    assert plainest_speech(spoken(scattered)) == pytest.approx(0.125 + 0.875 / steps(1), rel=0.2)
    assert plainest_speech(spoken(minute[: n // 2])) == pytest.approx(0.125)
    assert plainest_speech(spoken(minute[:1])) == pytest.approx(0.125)


@given(voices)
def test_the_plainest_speech_of_a_part_never_exceeds_that_of_the_whole(curve: list[tuple[float, bool]]) -> None:
    whole = spoken(np.repeat([p for p, _ in curve], 3))
    heard = part(whole, np.repeat([some for _, some in curve], 3))
    assert plainest_speech(heard) <= plainest_speech(whole) + ROUNDING


def test_what_was_not_heard_counts_as_silence_among_the_strongest_seconds() -> None:
    whole = activity(np.full(steps(60), 0.8))
    heard = part(whole, whole.step < steps(2.5))
    found = track_vector(heard, ["voice_top_2s", "voice_top_5s", "voice_top_10s"])
    assert found["voice_top_2s"] == pytest.approx(log_odds(0.8), rel=1e-4)
    assert found["voice_top_5s"] == pytest.approx(log_odds(0.8 * steps(2.5) / steps(5)), rel=1e-3)
    assert found["voice_top_10s"] == pytest.approx(log_odds(0.2), rel=1e-2)


@pytest.mark.parametrize(("feature_set", "share"), [("features-v2", 0.6), ("features-v1", 1.0)])
def test_the_strongest_seconds_are_at_most_a_share_of_the_track(feature_set: str, share: float) -> None:
    n, most = 100, round(100 * share)
    for n_sung in (most - 10, most):
        voice = np.where(np.arange(n) < n_sung, CLEARLY, 0.0)
        found = track_vector(activity(voice), ["voice_top_30s"], feature_set=feature_set)
        assert found["voice_top_30s"] == pytest.approx(log_odds(CLEARLY * n_sung / most), rel=ROUNDING)


def test_voices_without_words_are_a_voice_only_where_asked_for() -> None:
    kinds = np.array([[0.1, 0.7, 0, 1, 0], [0.6, 0.2, 0, 1, 0]], np.float32)
    np.testing.assert_array_equal(voice_curve(kinds), kinds[:, 0])
    np.testing.assert_array_equal(voice_curve(kinds, choir=True), np.float32([0.7, 0.6]))


@pytest.mark.parametrize(
    ("heard", "n_steps", "gap"),
    [([], 10, 10), ([0, 1, 2], 3, 0), ([3, 4], 5, 3), ([0, 1], 6, 4), ([0, 5, 7], 8, 4)],
)
def test_the_longest_gap_is_the_longest_stretch_unheard_ends_included(heard: list[int], n_steps: int, gap: int) -> None:
    some = Activity(np.array(heard, np.int64), np.zeros((len(heard), len(KINDS)), np.float32), n_steps, 1.0)
    assert some.longest_gap == pytest.approx(gap * STEP)
    assert some.is_whole == (gap == 0)


@pytest.mark.parametrize("window", [WINDOW, 256])
@pytest.mark.parametrize("n_frames", [1, 2, 99, WINDOW, WINDOW + 1, 3 * WINDOW + 77])
def test_every_two_frames_get_one_row_in_their_order(n_frames: int, window: int) -> None:
    mel = np.repeat(np.arange(1, n_frames + 1, dtype=np.float32)[:, None], N_MELS, axis=1)
    heard = listen_to_mel([mel], Loud(), window)
    np.testing.assert_array_equal(heard.kinds, Loud()(mel)[: n_frames // FRAMES_PER_STEP])
    np.testing.assert_array_equal(heard.step, np.arange(n_frames // FRAMES_PER_STEP))
    assert heard.is_whole


def test_windows_are_joined_in_order_and_keep_their_place() -> None:
    mel = np.random.default_rng(0).random((3 * WINDOW, N_MELS)).astype(np.float32)
    whole = listen_to_mel([mel], Loud(), WINDOW)
    outer = [listen_to_window(mel[i : i + WINDOW], i, Loud()) for i in (2 * WINDOW, 0)]
    joined = join_windows(outer, whole.n_steps, 1.0)
    there = np.isin(whole.step, joined.step)
    assert there.mean() == pytest.approx(2 / 3)
    np.testing.assert_array_equal(joined.kinds, whole.kinds[there])
    assert joined.longest_gap == pytest.approx(WINDOW / FRAMES_PER_STEP * STEP)


def test_listening_to_blocks_is_listening_to_the_whole() -> None:
    y = np.random.default_rng(0).standard_normal(25 * SAMPLE_RATE).astype(np.float32)
    whole, parts = (listen(blocks, Loud(), WINDOW) for blocks in ([y], np.split(y, [7, 5000, 5000, 300_000])))
    np.testing.assert_allclose(parts.kinds, whole.kinds, rtol=1e-3)
    assert parts.peak == whole.peak == np.abs(y).max()


def test_the_track_vector_is_what_was_asked_for_in_that_order() -> None:
    heard = activity(np.full(100, 0.5))
    assert list(track_vector(heard)) == [feature.name for feature in FEATURES]
    assert list(track_vector(heard, ["length", "voice_mean"])) == ["length", "voice_mean"]
    assert track_vector(heard, ["length"])["length"] == pytest.approx(np.log2(100 * STEP))


def test_nothing_is_heard_where_there_is_nothing() -> None:
    heard = listen([], Loud(), WINDOW)
    assert (heard.kinds.shape, heard.n_steps, heard.peak) == ((0, len(KINDS)), 0, 0)
    assert heard.is_whole
