from __future__ import annotations

import itertools
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opinions import constant, other
from tiny import BOUNDS, detector_arrays, heard, linear, p, tiny

from songscore.analysis.record import Analysis
from songscore.decision import CHOIR_HEARD, SHORTEST, SHORTEST_CERTAIN, Question, is_settled, label, no_music, stays
from songscore.features.detector import CHOIR, KINDS, SPEECH, STEP, SUNG
from songscore.features.track_vector import Activity
from songscore.model import Bounds, PartBounds, TrackModel, load_model, read_model, shipped_models
from songscore.model.bounds import NO_LIMIT
from songscore.results import SCORE, SONG, TrackResult
from songscore.training.publish import write_model

SHIPPED = [load_model(name) for name in shipped_models()]

LONG_GAP = 20.0
"""Seconds, longer than a window."""

SHORT_GAP = 4.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrackModel:
    return tiny(tmp_path_factory.mktemp("model"))


def answer(activity: Activity, model: TrackModel, damage: str = "", **asked: Any) -> TrackResult:
    seconds = activity.n_steps * STEP
    return label(Analysis("a.flac", seconds, seconds, damage, activity, ""), model, Question(**asked))


# The question


@pytest.mark.parametrize("name", ["threshold", "prior"])
@pytest.mark.parametrize("value", [0, 1, -0.1, 2, float("nan"), float("inf")])
def test_a_share_outside_0_and_1_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1"):
        Question(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", "0.5"), ("threshold", None), ("prior", True), ("prior", [0.5])]
)
def test_a_share_that_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a number, not {type(value).__name__}"):
        Question(**{name: value})


@pytest.mark.parametrize("choir", ["Song", "", None, "instrumental score"])
def test_what_a_choir_makes_of_a_track_is_one_of_two(choir: Any) -> None:
    with pytest.raises(ValueError, match="choir must be one of"):
        Question(choir=choir)


@pytest.mark.parametrize(("t", "prior"), list(itertools.product([0.03, 0.5, 0.97], [0.01, 0.5, 0.8])))
def test_the_cut_is_the_threshold_in_log_odds_without_the_prior(t: float, prior: float) -> None:
    assert Question(t, prior).cut == pytest.approx(log(t / (1 - t)) - log(prior / (1 - prior)))
    assert Question(t).cut == pytest.approx(Question(t, 0.5).cut)


def test_numbers_of_numpy_are_shares() -> None:
    assert Question(np.float32(0.5), np.float64(0.5)).cut == 0


# The label and whether it is certain


@pytest.mark.parametrize(
    ("log_odds", "name", "certain"),
    [(3.1, SONG, True), (2.9, SONG, False), (-0.1, SCORE, False), (-1.9, SCORE, False), (-2.1, SCORE, True)],
)
def test_an_answer_is_certain_beyond_the_bound_of_its_label(
    model: TrackModel, log_odds: float, name: str, certain: bool
) -> None:
    track = answer(heard(sung=p(log_odds)), model)
    assert (track.label, track.certain, track.status) == (name, certain, "ok")
    assert track.song_probability == pytest.approx(p(log_odds), abs=1e-4)


@pytest.mark.parametrize(("speech", "certain"), [(0.19, True), (0.21, False)])
def test_a_song_over_which_somebody_speaks_is_not_certain(model: TrackModel, speech: float, certain: bool) -> None:
    track = answer(heard(sung=p(5), speech=speech), model)
    assert (track.label, track.certain) == (SONG, certain)
    assert is_settled(heard(sung=p(5), speech=speech, gap=LONG_GAP), model, Question()) == certain
    assert is_settled(heard(sung=p(5), speech=speech, gap=SHORT_GAP), model, Question())


@pytest.mark.parametrize(("seconds", "certain"), [(59.0, True), (61.0, False)])
def test_a_long_score_has_to_be_clearer(model: TrackModel, seconds: float, certain: bool) -> None:
    strict = other(model, bounds=Bounds.from_dict(BOUNDS | {"long_score_below": -3.0}))
    assert answer(heard(sung=p(-2.5), seconds=seconds), strict).certain is certain


@pytest.mark.parametrize(("speech", "certain"), [(0.09, True), (0.11, False)])
def test_a_score_with_a_spoken_passage_may_hide_a_rap(model: TrackModel, speech: float, certain: bool) -> None:
    for activity in (heard(sung=p(-6)), heard(sung=p(-6), gap=SHORT_GAP)):
        activity.kinds[: round(0.48 / STEP), SPEECH] = 2 * speech  # six of the twelve steps of a second
        track = answer(activity, model)
        assert (track.label, track.certain) == (SCORE, certain)
        # the plainest second of speech stays, so nothing that follows could make it certain
        assert is_settled(activity, model, Question())


@pytest.mark.parametrize("log_odds", [-5.0, -2.5, -1.0, 1.0, 2.5, 3.5, 5.0])
def test_certainty_belongs_to_the_label_whatever_is_asked(model: TrackModel, log_odds: float) -> None:
    for threshold, prior in itertools.product([0.03, 0.5, 0.97, 0.999], [0.01, 0.5, 0.99]):
        track = answer(heard(sung=p(log_odds)), model, threshold=threshold, prior=prior)
        assert (track.label == SONG) == (log_odds >= Question(threshold, prior).cut)
        assert track.certain == (log_odds >= 3 if track.label == SONG else log_odds <= -2)


def test_a_song_that_a_strict_threshold_calls_score_is_no_certain_score(model: TrackModel) -> None:
    activity = heard(sung=0.967)
    assert (answer(activity, model).label, answer(activity, model).certain) == (SONG, True)
    strict = answer(activity, model, threshold=0.97)
    assert (strict.label, strict.certain) == (SCORE, False)
    assert strict.song_probability == pytest.approx(0.967, abs=1e-4)


def test_a_prior_multiplies_the_odds(model: TrackModel) -> None:
    track = answer(heard(sung=0.6), model, prior=0.2)
    odds = 0.6 / 0.4 * 0.2 / 0.8
    assert track.song_probability == pytest.approx(odds / (1 + odds), abs=1e-4)
    assert track.label == SCORE


@pytest.mark.parametrize("sung", [p(5.0), p(-5.0)])
def test_nothing_damaged_or_short_is_certain(model: TrackModel, sung: float) -> None:
    whole = heard(sung=sung)
    assert answer(whole, model).certain
    cut = answer(whole, model, damage="stopped at 0:50")
    assert (cut.certain, cut.status, cut.message) == (False, "partial", "stopped at 0:50")
    assert answer(heard(sung=sung, seconds=SHORTEST_CERTAIN + STEP), model).certain
    assert not answer(heard(sung=sung, seconds=SHORTEST_CERTAIN - STEP), model).certain


@pytest.mark.parametrize(("music", "certain"), [(0.3, False), (0.9, True)])
def test_nothing_is_certain_of_what_is_hardly_music(model: TrackModel, music: float, certain: bool) -> None:
    activity = heard(sung=0.01, music=music)
    assert model.music(activity) > 0
    assert (answer(activity, model).label, answer(activity, model).certain) == (SCORE, certain)


@pytest.mark.parametrize(
    ("log_odds", "gap", "certain"),
    [
        (-2.5, 0, True),
        (-2.5, SHORT_GAP, False),
        (-3.1, SHORT_GAP, True),
        (-3.1, LONG_GAP, False),
        (3.1, LONG_GAP, True),
    ],
)
def test_a_score_heard_in_parts_is_certain_by_a_bound_of_its_own(
    model: TrackModel, log_odds: float, gap: float, certain: bool
) -> None:
    assert answer(heard(sung=p(log_odds), gap=gap), model).certain is certain


def test_without_bounds_of_parts_no_part_is_a_certain_score(model: TrackModel) -> None:
    partless = other(model, bounds=Bounds.from_dict(BOUNDS | {"part": None}))
    part = heard(sung=0.01, gap=SHORT_GAP)
    assert answer(part, model).certain
    assert is_settled(part, model, Question())
    assert not answer(part, partless).certain
    assert not is_settled(part, partless, Question())


def test_a_very_long_score_has_bounds_of_its_own(model: TrackModel) -> None:
    strict = BOUNDS | {"very_long_score_below": -4.0, "very_long_part": BOUNDS["part"] | {"score_below": -5.0}}
    stricter = other(model, bounds=Bounds.from_dict(strict))
    for seconds, gap, log_odds, certain in (
        (590, 0, -3.9, True),
        (600, 0, -3.9, False),
        (600, 0, -4.1, True),
        (590, SHORT_GAP, -4.9, True),
        (610, SHORT_GAP, -4.9, False),
        (610, SHORT_GAP, -5.1, True),
    ):
        track = heard(sung=p(log_odds), seconds=seconds, gap=gap)
        assert answer(track, stricter).certain is certain
        assert answer(track, model).certain, "without them those of long tracks hold"


# Voices


def test_voices_without_words_count_where_they_are_asked_for(model: TrackModel) -> None:
    activity = heard(sung=0.01, choir=0.99)
    as_score, as_song = answer(activity, model), answer(activity, model, choir="song")
    assert (as_score.label, as_song.label) == (SCORE, SONG)
    assert as_song.timeline is not None
    assert as_score.timeline is not None
    np.testing.assert_allclose(as_song.timeline.probability, 0.99, atol=1e-6)
    np.testing.assert_allclose(as_score.timeline.probability, 0.01, atol=1e-6)


@pytest.mark.parametrize(("log_odds", "certain"), [(3.5, False), (4.5, True)])
def test_a_song_of_voices_without_words_has_a_bound_of_its_own(
    model: TrackModel, log_odds: float, certain: bool
) -> None:
    assert answer(heard(choir=p(log_odds)), model, choir="song").certain is certain


@pytest.mark.parametrize(("share", "certain"), [(CHOIR_HEARD - 0.05, True), (CHOIR_HEARD + 0.05, False)])
def test_a_score_with_much_choir_is_not_certain(model: TrackModel, share: float, certain: bool) -> None:
    activity, choir = heard(sung=0.01), heard(sung=0.01, choir=0.9)
    kinds = np.where(np.arange(activity.n_steps)[:, None] < share * activity.n_steps, choir.kinds, activity.kinds)
    track = answer(replace(activity, kinds=kinds), model)
    assert (track.label, track.certain) == (SCORE, certain)
    assert track.voices["choir"] == pytest.approx(share, abs=0.02)


def test_passages_have_the_kind_that_is_likeliest(model: TrackModel) -> None:
    parts = [heard(sung=0.9, choir=0.4), heard(choir=0.8, sung=0.5), heard(speech=0.9), heard()]
    kinds = np.concatenate([part.kinds for part in parts])
    track = answer(Activity(np.arange(len(kinds)), kinds, len(kinds), 0.5), model)
    assert [segment.kind for segment in track.vocal_segments] == ["sung", "choir", "speech"]
    starts = [segment.start for segment in track.vocal_segments]
    assert starts == pytest.approx([0, 60, 120], abs=0.5)
    assert track.voices == pytest.approx({"sung": 0.25, "choir": 0.25, "speech": 0.25}, abs=0.01)
    assert track.vocal_fraction == track.voices["sung"]


# Whether enough was heard


def test_what_was_heard_whole_is_settled(model: TrackModel) -> None:
    assert is_settled(heard(sung=0.5), model, Question())


def test_nothing_heard_settles_nothing(model: TrackModel) -> None:
    assert not is_settled(heard(seconds=60, gap=60), model, Question())


def test_a_part_without_music_is_not_settled(model: TrackModel) -> None:
    silent = heard(sung=0.0, music=0.0, gap=SHORT_GAP)
    assert no_music(silent, model)
    assert not is_settled(silent, model, Question())


@pytest.mark.parametrize(
    ("log_odds", "asked", "settled"),
    [
        (3.6, {}, True),
        (3.4, {}, False),
        (3.6, {"threshold": 0.97}, True),
        (3.6, {"threshold": 0.99}, False),
        (3.6, {"prior": 0.01}, False),
        (4.7, {"prior": 0.01}, True),
        (3.4, {"threshold": 0.1}, False),
    ],
)
def test_a_song_is_left_at_once_beyond_the_cut_and_where_its_probability_is_high(
    model: TrackModel, log_odds: float, asked: dict[str, Any], settled: bool
) -> None:
    assert is_settled(heard(sung=p(log_odds), gap=LONG_GAP), model, Question(**asked)) is settled


def suspecting_nothing(model: TrackModel) -> TrackModel:
    """The model, to which no gap is suspect."""
    part = replace(model.bounds.part, beside_below=NO_LIMIT)
    return other(model, bounds=replace(model.bounds, part=part))


@pytest.mark.parametrize(
    ("log_odds", "asked", "settled"),
    [
        (3.1, {}, True),
        (2.1, {}, False),
        (1.9, {}, True),
        (0.1, {}, True),
        (3.1, {"threshold": 0.9}, True),
        (2.3, {"threshold": 0.9}, False),
        (3.9, {"prior": 0.01}, False),
        (3.1, {"prior": 0.01}, False),
        (2.5, {"prior": 0.01}, True),
        (4.7, {"prior": 0.01}, True),
        (-3.1, {}, True),
        (-2.9, {}, False),
        (-2.1, {}, False),
        (-1.9, {}, True),
        (-0.9, {}, False),
        (-2.9, {"threshold": 0.9}, False),
        (-1.9, {"threshold": 0.9}, True),
        (0.9, {"threshold": 0.9}, True),
        (1.1, {"threshold": 0.9}, False),
        (1.3, {"threshold": 0.9}, False),
        (-3.1, {"threshold": 0.2}, False),
        (-3.5, {"threshold": 0.2}, True),
        (-3.5, {"prior": 0.9}, False),
        (-4.3, {"prior": 0.9}, True),
    ],
)
def test_enough_is_heard_where_neither_the_label_nor_its_certainty_can_change(
    model: TrackModel, log_odds: float, asked: dict[str, Any], settled: bool
) -> None:
    assert is_settled(heard(sung=p(log_odds), gap=SHORT_GAP), suspecting_nothing(model), Question(**asked)) is settled


@given(
    st.floats(-6, 6),
    st.floats(0, 1),
    st.floats(-6, 6),
    st.floats(2.2, 5),
    st.floats(-2.9, -2.2),
    st.floats(0, 4),
    st.booleans(),
)
def test_what_stays_has_the_same_answer_wherever_its_log_odds_may_rise_to(
    log_odds: float, risen: float, cut: float, song_above: float, score_below: float, rise: float, may_be_certain: bool
) -> None:
    part = PartBounds(score_below=-3.0, rise=rise, rise_in_doubt=rise / 2)

    def whole(log_odds: float) -> tuple[bool, bool]:
        is_song = log_odds >= cut
        return is_song, log_odds >= song_above if is_song else may_be_certain and log_odds <= score_below

    if stays(log_odds, part, cut, song_above, score_below, may_be_certain):
        plain = log_odds <= part.score_below
        later = whole(log_odds + risen * (part.rise if plain else part.rise_in_doubt))
        assert later == whole(log_odds) or (plain and not later[0])


def test_a_score_that_sounds_spoken_cannot_become_certain(model: TrackModel) -> None:
    for speech, settled in ((0.05, False), (0.15, True)):
        part = heard(sung=p(-2.5), speech=speech, gap=SHORT_GAP)
        assert is_settled(part, model, Question()) is settled
        assert not answer(part, model).certain


def test_without_a_bound_of_what_is_in_doubt_all_of_it_is_heard(model: TrackModel) -> None:
    part = {name: value for name, value in BOUNDS["part"].items() if name != "rise_in_doubt"}
    older = other(model, bounds=Bounds.from_dict(BOUNDS | {"part": part}))
    for log_odds, settled in ((-3.1, True), (-1.9, False), (0.5, False), (3.1, True)):
        assert is_settled(heard(sung=p(log_odds), gap=SHORT_GAP), older, Question()) is settled


@pytest.mark.parametrize("log_odds", [-6.0, -3.1, 0.0, 3.4])
def test_a_gap_longer_than_a_window_leaves_everything_open_but_a_song(model: TrackModel, log_odds: float) -> None:
    assert SHORT_GAP < model.window_seconds < LONG_GAP
    assert not is_settled(heard(sung=p(log_odds), gap=LONG_GAP), model, Question())


@pytest.mark.parametrize(
    ("kind", "level", "choir", "settled"),
    [
        (SUNG, 0.45, "score", True),
        (SUNG, 0.55, "score", False),
        (CHOIR, 0.55, "score", True),
        (CHOIR, 0.55, "song", False),
        (SPEECH, 0.45, "score", True),
        (SPEECH, 0.55, "score", False),
    ],
)
@pytest.mark.parametrize("side", [-1, 1])
def test_no_gap_is_left_beside_what_plainly_sounds_sung_or_spoken_for_a_second(
    model: TrackModel, kind: int, level: float, choir: Any, settled: bool, side: int
) -> None:
    bounds = Bounds.from_dict(BOUNDS | {"score_spoken_below": 0.9})
    minded = other(model, bounds=bounds, decision=constant(-6.0), features=[])
    activity = heard(sung=0.02, gap=SHORT_GAP)
    (first,), _ = activity.gaps
    second = slice(first - 30, first - 15) if side < 0 else slice(first + 15, first + 30)  # rows lack the gap
    activity.kinds[second, kind] = level
    assert is_settled(activity, minded, Question(choir=choir)) is settled
    assert answer(activity, minded, choir=choir).certain is settled


def test_a_part_is_settled_by_voices_without_words_where_they_count(model: TrackModel) -> None:
    part = heard(sung=0.01, choir=0.99, gap=LONG_GAP)
    assert is_settled(part, model, Question(choir="song"))
    assert not is_settled(part, model, Question())


def test_a_song_that_is_settled_stays_one_whatever_the_rest_is(model: TrackModel) -> None:
    part = heard(sung=p(3.6), gap=LONG_GAP)
    whole = heard(sung=0.0)
    whole.kinds[part.step, SUNG] = p(3.6)
    assert is_settled(part, model, Question())
    assert answer(part, model).label == answer(whole, model).label == SONG


# No answer


@pytest.mark.parametrize(
    ("activity", "message"),
    [
        ({"speech": 0.9, "music": 0.0}, "speech without music"),
        ({"speech": 0.1, "music": 0.0, "other": 0.9}, "no music: noise, ambience or effects"),
        ({"music": 0.0}, "no music: noise, ambience or effects"),
    ],
)
def test_what_is_no_music_is_named(model: TrackModel, activity: dict[str, float], message: str) -> None:
    track = answer(heard(**activity), model)
    assert (track.label, track.song_probability, track.certain) == (None, None, False)
    assert (track.status, track.message) == ("not_music", message)


@pytest.mark.parametrize("activity", [{"music": 0.9}, {"sung": 0.9, "music": 0.0}, {"speech": 0.9, "music": 0.9}])
def test_music_and_voices_are_judged(model: TrackModel, activity: dict[str, float]) -> None:
    assert no_music(heard(**activity), model) == ""
    assert answer(heard(**activity), model).label is not None


def test_silence_and_too_little_sound_have_no_label(model: TrackModel) -> None:
    silent = answer(replace(heard(), peak=0.0), model)
    short = answer(heard(seconds=SHORTEST - 2 * STEP), model)
    assert (silent.status, silent.label) == ("silent", None)
    assert (short.status, short.label) == ("too_short", None)
    assert "at least 2 s are needed" in short.message


def beginning(activity: Activity, seconds: float) -> Activity:
    n = round(seconds / STEP)
    return Activity(activity.step[:n], activity.kinds[:n], activity.n_steps, activity.peak)


def test_a_song_is_not_left_before_as_much_was_heard_as_may_be_certain(model: TrackModel) -> None:
    song = heard(sung=p(6.0), seconds=120)
    for seconds, settled in ((SHORTEST_CERTAIN - 1, False), (SHORTEST_CERTAIN + 1, True)):
        assert is_settled(beginning(song, seconds), model, Question()) is settled


def test_a_song_is_not_left_before_it_is_certain_where_voices_without_words_count(model: TrackModel) -> None:
    part = beginning(heard(choir=p(3.7), seconds=120), 30)
    assert BOUNDS["song_left_above"] < 3.7 < BOUNDS["song_above_with_choir"]
    assert not is_settled(part, model, Question(choir="song"))


def test_silence_is_never_settled(model: TrackModel) -> None:
    for sung in (p(6.0), p(-6.0)):
        part = replace(heard(sung=sung, gap=SHORT_GAP), peak=0.0)
        assert answer(part, model).status == "silent"
        assert not is_settled(part, model, Question())
        assert is_settled(replace(part, peak=0.5), model, Question())


def test_a_part_that_is_hardly_music_is_not_settled(model: TrackModel) -> None:
    part = heard(sung=p(-6.0), music=0.6, gap=SHORT_GAP)
    assert 0 < model.music(part) < BOUNDS["music_above"]
    assert not is_settled(part, model, Question())


@pytest.mark.parametrize("window", [70, 1020])
def test_a_gap_of_just_a_window_is_none_too_long_whatever_its_length(model: TrackModel, window: int) -> None:
    model = other(model, window=window)
    for steps, short in ((window // 2, True), (window // 2 + 1, False)):
        part = heard(sung=p(-6.0), seconds=200, gap=steps * STEP)
        assert is_settled(part, model, Question()) is short
        assert answer(part, model).certain is short


def deciding_by(folder: Path, names: list[str], *weights: float) -> TrackModel:
    write_model(
        folder,
        "other",
        detector_arrays(),
        decision=linear(names, *weights),
        music=linear(["music_mean"], 1.0, bias=6.0),
        examples=np.zeros((1, len(names))),
        about={"bounds": BOUNDS},
        card="",
    )
    return read_model(folder, "other")


@pytest.mark.parametrize(
    ("names", "weights", "rises"),
    [
        (["voice_top_2s", "voice_top_30s", "length"], (1.0, 0.2, -0.01), True),
        (["voice_top_5s", "voice_mean"], (1.0, 0.5), False),
        (["voice_top_5s", "voice_top_30s"], (1.5, -0.1), False),
    ],
)
def test_a_model_whose_log_odds_may_fall_leaves_nothing_early(
    tmp_path: Path, names: list[str], weights: tuple[float, ...], rises: bool
) -> None:
    model = deciding_by(tmp_path, names, *weights)
    for sung in (p(6.0), p(-6.0)):
        assert is_settled(heard(sung=sung, seconds=120, gap=SHORT_GAP), model, Question()) is rises
        assert is_settled(heard(sung=sung, seconds=120), model, Question())


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3, 1.0, 4.0, 30.0]), st.sampled_from([0.05, 0.5, 0.95]))
def test_the_log_odds_of_a_part_never_exceed_those_of_the_whole(seed: int, power: float, share: float) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(30, 1500))
    kinds = random.random((n, len(KINDS))).astype(np.float32) ** np.float32(power)
    whole = Activity(np.arange(n), kinds, n, 0.5)
    chosen = random.random(n) < share
    chosen[random.integers(n)] = True
    part = Activity(whole.step[chosen], kinds[chosen], n, 0.5)
    for shipped in SHIPPED:
        assert shipped.rises
        for choir in (False, True):
            assert shipped.log_odds(part, choir=choir) <= shipped.log_odds(whole, choir=choir) + 1e-9


def test_noise_is_not_called_speech_by_a_model_that_knows_no_other_sounds() -> None:
    quiet = heard(speech=0.05, music=0.01)
    assert answer(quiet, load_model("track-v1")).message.startswith("no music")
    spoken = heard(speech=0.9, music=0.01)
    assert answer(spoken, load_model("track-v1")).message == "speech without music"
