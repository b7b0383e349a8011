from __future__ import annotations

import numpy as np
import pytest

from songscore.decision import SHORTEST_CERTAIN, may_be_certain, most, no_music


@pytest.mark.parametrize(
    ("activity", "answer"),
    [
        ((0.0, 0.9, 0.0), "speech without music"),
        ((0.6, 0.4, 0.2), "speech without music"),
        ((0.0, 0.0, 0.0), "neither music nor a voice was heard"),
    ],
)
def test_activity_without_music_is_named(activity, answer):
    assert no_music(np.tile(np.float32(activity), (100, 1))) == answer


@pytest.mark.parametrize("activity", [(0.0, 0.0, 0.9), (0.9, 0.0, 0.0), (0.5, 0.9, 0.9), (0.9, 0.9, 0.0)])
def test_activity_with_music_or_a_voice_is_judged(activity):
    assert no_music(np.tile(np.float32(activity), (100, 1))) == ""


@pytest.mark.parametrize(
    ("seconds", "music", "answer"),
    [(SHORTEST_CERTAIN, 0.4, True), (SHORTEST_CERTAIN - 0.1, 0.4, False), (SHORTEST_CERTAIN, 0.2, False)],
)
def test_nothing_short_and_no_voice_without_music_is_certain(seconds, music, answer):
    assert may_be_certain(seconds, np.tile(np.float32([0.9, 0.0, music]), (100, 1))) is answer


def test_what_is_heard_at_most_grows_slower_than_the_length() -> None:
    lengths = np.array([6, 60, 100, 351, 3516])
    shares = np.array([most(int(n)) / n for n in lengths])
    assert (shares[:2] == 1).all()
    assert (np.diff(shares[1:]) < 0).all()
    assert shares[-1] < 0.15
