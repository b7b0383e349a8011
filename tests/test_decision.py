"""What is asked, whether enough was heard to answer it, and the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import BOUNDS, heard, part_of, small_model
from scipy.special import expit, logit

from songscore.analysis.record import Analysis
from songscore.decision import SHORTEST, SHORTEST_CERTAIN, Question, is_settled, label
from songscore.features.detector import STEP
from songscore.features.track_vector import Activity
from songscore.model import TrackModel, load_model
from songscore.results import TrackResult

WINDOW = 64
"""Steps of a window of the small models."""

SHIPPED = load_model()
TINY = small_model()
QUESTIONS = [
    Question(threshold, prior, choir)
    for threshold in (0.03, 0.5, 0.9, 0.97)
    for prior in (None, 0.5, 0.116, 0.03, 0.9)
    for choir in ("score", "song")
]


def steps(seconds: float) -> int:
    return round(seconds / STEP)


def answer(activity: Activity, model: TrackModel = TINY, question: Question | None = None, **how: Any) -> TrackResult:
    duration = activity.n_steps * STEP
    fields = {"path": None, "duration": duration, "analysed": len(activity.step) * STEP, "damage": "", **how}
    analysis = Analysis(activity=activity, detector=model.detector_digest, **fields)
    return label(analysis, model, question or Question())


def constant(log_odds: float, seconds: float = 60.0, **kinds: Any) -> Activity:
    """A sound with the same voice at each step, so that a small model's log-odds are those."""
    return heard(np.full(steps(seconds), expit(log_odds)), **kinds)


def every_other(activity: Activity, window: int = WINDOW) -> Activity:
    return part_of(activity, activity.step // window % 2 == 1)


@st.composite
def sounds(draw: st.DrawFn) -> Activity:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 40)) * WINDOW // 2
    kinds = random.random((n, 5)).astype(np.float32) ** draw(st.sampled_from([0.05, 0.3, 1.0, 4.0, 30.0]))
    return Activity(np.arange(n), kinds, n, 0.5)


@st.composite
def sounds_and_parts(draw: st.DrawFn) -> tuple[Activity, Activity]:
    whole = draw(sounds())
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chosen = random.random(whole.n_steps) < draw(st.sampled_from([0.05, 0.5, 0.95]))
    chosen[random.integers(whole.n_steps)] = True
    return whole, part_of(whole, chosen)


def test_the_cut_is_the_threshold_less_the_prior() -> None:
    assert Question().cut == 0
    assert Question(0.9).cut == pytest.approx(logit(0.9))
    assert Question(0.5, 0.116).cut == pytest.approx(-logit(0.116))
    assert Question(0.116, 0.116).cut == pytest.approx(0)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_label_is_that_of_the_probability_at_the_threshold(question: Question) -> None:
    for log_odds in np.linspace(-6, 6, 25) + 0.01:
        track = answer(constant(float(log_odds)), question=question)
        assert track.song_probability == pytest.approx(expit(log_odds + question.shift), abs=1e-5)
        assert (track.label == "song") == (track.song_probability >= question.threshold)


@pytest.mark.parametrize("name", ["threshold", "prior"])
@pytest.mark.parametrize("value", [0, 1, -0.1, 2, float("nan"), True, "half"])
def test_a_share_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{name} must"):
        Question(**{name: value})


def test_a_choir_is_a_song_or_a_score() -> None:
    with pytest.raises(ValueError, match="choir must be one of"):
        Question(choir="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("part", [False, True])
def test_certain_belongs_to_the_label_at_every_threshold_and_prior(question: Question, part: bool) -> None:
    song_above = BOUNDS["song_above_with_choir" if question.choir == "song" else "song_above"]
    score_below = BOUNDS["part"]["score_below"] if part else BOUNDS["score_below"]
    labels = set()
    for favour in np.linspace(-6.5, 6.5, 53) + 0.01:
        whole = constant(float(favour))
        activity = every_other(whole) if part else whole
        log_odds = TINY.log_odds(activity)
        track = answer(activity, question=question)
        assert track.label == ("song" if log_odds >= question.cut else "instrumental score")
        assert track.certain == (log_odds >= song_above if track.label == "song" else log_odds <= score_below)
        labels.add((track.label, track.certain))
    assert ("instrumental score", True) in labels
    assert ("song", True) in labels or question.cut > 4


@given(sounds_and_parts(), st.booleans())
def test_the_log_odds_of_a_part_never_exceed_those_of_the_whole(pair: tuple[Activity, Activity], choir: bool) -> None:
    whole, part = pair
    for model in (
        SHIPPED,
        TINY,
        small_model(features=["voice_top_2s", "voice_top_10s", "length"], weight=[1, 2, -0.5]),
    ):
        assert model.log_odds(part, choir=choir) <= model.log_odds(whole, choir=choir) + 1e-9


@given(sounds_and_parts(), st.sampled_from(QUESTIONS))
def test_a_song_that_is_settled_is_as_certain_a_song_heard_whole(
    pair: tuple[Activity, Activity], question: Question
) -> None:
    whole, part = pair
    for model in (SHIPPED, TINY) if not part.is_whole else ():
        if is_settled(part, model, question) and model.log_odds(part, choir=question.counts_choir) >= question.cut:
            found, expected = answer(part, model, question), answer(whole, model, question)
            assert found.label == expected.label == "song"
            assert found.certain
            assert expected.certain


def left(sung: float, seconds: float, question: Question, model: TrackModel = TINY, **kinds: Any) -> bool:
    """Whether three minutes are left after their first seconds, with a voice like that."""
    whole = constant(sung, 180, **kinds)
    return is_settled(part_of(whole, whole.step < steps(seconds)), model, question)


def test_a_song_is_left_from_the_cut_and_from_certainty_on() -> None:
    assert left(6, 40, Question())
    assert not left(2.9, 40, Question()), "below where songs are left"
    assert not left(5, 40, Question(0.97, 0.03)), "below the cut"
    bound = BOUNDS["song_above_with_choir"]
    assert not left(bound - 0.2, 40, Question(choir="song")), "not yet certain"
    assert left(bound + 0.2, 40, Question(choir="song"))
    assert left(bound - 0.2, 40, Question())


def test_a_song_is_not_left_before_it_can_be_certain() -> None:
    clear = {"sung": 6.9, "question": Question(0.01)}
    model = small_model(bias=6.0)
    assert not left(seconds=SHORTEST_CERTAIN - 1, model=model, **clear)  # type: ignore[arg-type]
    assert left(seconds=SHORTEST_CERTAIN + 1, model=model, **clear)  # type: ignore[arg-type]


def test_silence_is_never_settled() -> None:
    for sung in (6.9, -6.9):
        whole = constant(sung, 180, peak=0.0)
        assert not is_settled(every_other(whole), TINY, Question())
        assert answer(whole).status == "silent"


def test_a_score_is_left_when_every_other_window_was_heard_and_the_rest_cannot_change_it() -> None:
    whole = constant(-6, 180)
    assert is_settled(every_other(whole), TINY, Question())
    assert not is_settled(every_other(whole), small_model(bounds=BOUNDS | {"part": None}), Question())
    assert not is_settled(every_other(whole), TINY, Question(0.001)), "the cut is nearer than what it may rise"
    assert not is_settled(every_other(constant(-1.4, 180)), TINY, Question()), "not certain"


@pytest.mark.parametrize("window", [70, 82, 128, 1012])
def test_no_part_with_a_gap_longer_than_a_window_is_settled_or_certain_but_as_a_song(window: int) -> None:
    model, steps_of_window = small_model(window=window), window // 2
    n = 40 * steps_of_window
    for gap, fits in ((steps_of_window, True), (steps_of_window + 1, False)):
        for sung in (-6.9, 6.9):
            whole = heard(np.full(n, expit(sung)))
            chosen = np.ones(n, bool)
            chosen[n // 2 : n // 2 + gap] = False
            part = part_of(whole, chosen)
            assert is_settled(part, model, Question()) is (fits or sung > 0)
            assert answer(part, model).certain is (fits or sung > 0)


@given(sounds_and_parts(), st.sampled_from(QUESTIONS))
def test_what_is_settled_has_no_long_gap_unless_it_is_a_song(
    pair: tuple[Activity, Activity], question: Question
) -> None:
    part = pair[1]
    if is_settled(part, TINY, question) and not part.is_whole:
        song = TINY.log_odds(part, choir=question.counts_choir) >= question.cut
        assert song or part.longest_gap < TINY.window_seconds + STEP / 2


@pytest.mark.parametrize(
    "how",
    [
        {"features": ["voice_top_5s", "voice_mean"]},
        {"features": ["voice_top_5s", "voice_q50"]},
        {"weight": [1.0, -0.1]},
    ],
    ids=["a mean", "a quantile", "a negative weight"],
)
def test_a_model_whose_log_odds_may_fall_leaves_nothing_early(how: dict[str, Any]) -> None:
    model = small_model(**how)
    for sung in (-6.9, 6.9):
        whole = constant(sung, 180)
        assert not is_settled(every_other(whole), model, Question())
        assert is_settled(whole, model, Question())


def test_what_was_heard_of_a_score_in_part_has_a_bound_of_its_own() -> None:
    whole = constant(-2.7, 180)
    assert answer(whole).certain
    assert not answer(every_other(whole)).certain, "a part may hold a voice in the rest"
    assert answer(every_other(constant(-3.5, 180))).certain


@pytest.mark.parametrize(
    ("activity", "how"),
    [
        (constant(6, SHORTEST_CERTAIN - 0.2), {}),
        (constant(6), {"damage": "cut short"}),
        (constant(-6), {"damage": "cut short"}),
        (constant(-6, choir=0.9), {}),
    ],
    ids=["short", "damaged song", "damaged score", "choir"],
)
def test_what_cannot_be_promised_is_not_certain(activity: Activity, how: dict[str, Any]) -> None:
    track = answer(activity, **how)
    assert track.label is not None
    assert not track.certain


def test_a_choir_is_a_song_where_it_is_asked_for() -> None:
    choir = constant(-6, choir=0.99)
    assert answer(choir).label == "instrumental score"
    sung = answer(choir, question=Question(choir="song"))
    assert (sung.label, sung.vocal_fraction) == ("song", 0)
    assert sung.voices == {"sung": 0, "choir": pytest.approx(1), "speech": 0}
    assert sung.timeline is not None
    assert sung.timeline.probability.min() > 0.9


def test_each_passage_has_the_kind_of_voice_that_is_likeliest_there() -> None:
    n = steps(40)
    sung, choir, speech = (np.zeros(n) for _ in range(3))
    sung[: n // 4], choir[n // 4 : n // 2], speech[n // 2 : 3 * n // 4] = 0.9, 0.9, 0.9
    choir[: n // 4] = 0.5
    track = answer(heard(sung, choir=choir, speech=speech))
    assert [segment.kind for segment in track.vocal_segments] == ["sung", "choir", "speech"]
    assert [segment.start for segment in track.vocal_segments] == pytest.approx([0, 10, 20], abs=0.3)
    assert track.voices == pytest.approx(dict.fromkeys(("sung", "choir", "speech"), 0.25), abs=0.02)
    assert track.vocal_fraction == track.voices["sung"]


def test_the_features_are_those_that_the_decision_weighed() -> None:
    track = answer(constant(1.0))
    assert list(track.features) == TINY.features
    assert {part.feature: part.value for part in track.contributions} == track.features
    assert sum(part.log_odds for part in track.contributions) == pytest.approx(1.0, abs=1e-4)


MUSIC_WEIGHTS = {"voice_top_10s": 0.0, "music_mean": 1.0}


@pytest.mark.parametrize(
    "model", [TINY, small_model(music=MUSIC_WEIGHTS), SHIPPED], ids=["means", "weights", "shipped"]
)
def test_what_is_no_music_is_named(model: TrackModel) -> None:
    quiet = np.full(steps(30), 0.001)
    speech = answer(heard(quiet, speech=0.95, music=0.001), model)
    assert (speech.status, speech.label, speech.message) == ("not_music", None, "speech without music")
    noise = answer(heard(quiet, other=0.95, music=0.001), model)
    assert (noise.status, noise.label) == ("not_music", None)
    assert noise.message.startswith("no music")
    assert answer(heard(quiet, music=0.97), model).label == "instrumental score"


def test_weights_for_music_decide_where_a_model_has_them() -> None:
    model = small_model(music={"other_mean": -1.0})
    assert answer(constant(-6, other=0.6), model).status == "not_music"
    assert answer(constant(-6, other=0.4), model).label == "instrumental score"
    assert not is_settled(every_other(constant(-6, 180, other=0.6)), model, Question())


def test_what_is_too_short_gets_no_label() -> None:
    track = answer(constant(6, SHORTEST - 0.2))
    assert (track.status, track.label) == ("too_short", None)
    empty = Activity(np.empty(0, np.int64), np.empty((0, 5), np.float32), 0, 0.0)
    assert answer(empty).status == "too_short"
    assert not is_settled(part_of(constant(6), np.zeros(steps(60), bool)), TINY, Question())
