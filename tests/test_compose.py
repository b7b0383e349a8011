"""Composed tracks: right length, right label, and a verse where one was put in."""

import numpy as np
import pytest

from songscore.features.detector import STEP
from songscore.features.track_vector import SPECTRAL, Activity
from songscore.training.decision.compose import LONGEST, SHORTEST, compose


def heard(seconds, voice):
    n = round(seconds / STEP)
    activity = np.tile(np.array([voice, 0.1, 0.9], np.float32), (n, 1))
    return Activity(np.arange(n), activity, np.zeros(len(SPECTRAL)), 1.0)


def test_scores_stay_scores_and_a_verse_makes_a_song():
    songs, scores = [heard(100, 0.95)] * 6, [heard(30, 0.02)] * 30
    tracks, song = compose(songs, scores, np.random.default_rng(0))
    vectors = [track.features for track in tracks]
    assert song.tolist() == [False] * 6 + [True] * 6
    tops = np.array([vector["voice_top_10s"] for vector in vectors])
    assert (tops[~song] < -3).all()
    assert (tops[song] > 2.9).all()


def test_a_verse_is_short_beside_the_whole():
    tracks, song = compose([heard(100, 0.95)] * 20, [heard(80, 0.02)] * 10, np.random.default_rng(0))
    vectors = [track.features for track in tracks]
    shares = np.array([vector["voice_share_50"] for vector in vectors])
    assert (shares[~song] == 0).all()
    lengths = np.array([15, 40]) / np.array([LONGEST + 15, SHORTEST + 40])
    assert (shares[song] > lengths[0] * 0.95).all()
    assert (shares[song] < lengths[1] * 1.05).all()


def test_the_verse_is_taken_from_where_the_voice_is():
    song = heard(100, 0.0)
    song.probability[600:900, 0] = 0.95
    tracks, _ = compose([song] * 5, [heard(60, 0.0)], np.random.default_rng(1))
    assert all(track.features["voice_top_2s"] > 2 for track in tracks[5:])


@pytest.mark.parametrize(("songs", "scores"), [([], []), ([heard(20, 0.9)], [])])
def test_nothing_is_composed_of_nothing(songs, scores):
    assert compose(songs, scores, np.random.default_rng(0))[0] == []
