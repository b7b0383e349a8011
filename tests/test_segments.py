from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songscore.features.detector import STEP
from songscore.features.segments import runs, smooth, vocal_segments

ROUNDING = 1e-5


def test_segments_follow_a_made_up_curve() -> None:
    voice = np.zeros(1000, np.float32)
    voice[250:500] = 0.9
    (segment,) = vocal_segments(voice, np.arange(1000), "sung")
    assert segment.kind == "sung"
    assert segment.start == pytest.approx(250 * STEP, abs=2 * STEP)
    assert segment.end == pytest.approx(500 * STEP, abs=2 * STEP)
    assert segment.probability == pytest.approx(0.9, abs=0.02)


def test_short_gaps_are_closed_and_short_bursts_dropped() -> None:
    voice = np.zeros(1000, np.float32)
    voice[100:200] = voice[204:300] = 0.9
    voice[600:602] = 0.9
    assert len(vocal_segments(voice, np.arange(1000), "sung")) == 1


def test_no_passage_goes_on_over_what_was_not_heard() -> None:
    voice = np.full(200, 0.9, np.float32)
    found = vocal_segments(voice, np.r_[0:100, 300:400], "choir")
    assert [(s.start, s.end) for s in found] == [(0, 100 * STEP), (300 * STEP, 400 * STEP)]
    assert {s.kind for s in found} == {"choir"}


def test_nothing_heard_has_no_passages() -> None:
    assert vocal_segments(np.empty(0, np.float32), np.empty(0, np.int64), "speech") == ()


@given(flags=st.lists(st.booleans(), max_size=40))
def test_runs_are_the_stretches_of_true(flags: list[bool]) -> None:
    found = runs(np.array(flags, bool))
    rebuilt = np.zeros(len(flags), bool)
    for first, last in found:
        rebuilt[first:last] = True
    np.testing.assert_array_equal(rebuilt, flags)
    assert (np.diff(found.ravel()) > 0).all()


def test_runs_are_first_and_one_past_last() -> None:
    flags = np.array([True, True, False, True])
    np.testing.assert_array_equal(runs(flags), [[0, 2], [3, 4]])


@pytest.mark.parametrize("n", [1, 3, 7, 100])
def test_smoothing_keeps_a_constant(n: int) -> None:
    np.testing.assert_allclose(smooth(np.full(n, 0.7, np.float32)), 0.7, rtol=ROUNDING)


def test_smoothing_spreads_an_impulse_evenly_around_its_place() -> None:
    impulse = np.zeros(21, np.float32)
    impulse[10] = 7
    expected = np.zeros(21)
    expected[7:14] = 1
    np.testing.assert_allclose(smooth(impulse, seconds=7 * STEP), expected, atol=ROUNDING)
