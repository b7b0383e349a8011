"""Named features and curves of one track."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from sounds import Sound, sine

from songscore import AudioError, classify_track, extract_curves, extract_features
from songscore.extract import feature_names
from songscore.features.detector import KINDS
from songscore.features.spectral import CURVES, NAMES, spectral_curves
from songscore.features.track_vector import FEATURES

VOCAL = [feature.name for feature in FEATURES]


@pytest.fixture(scope="module")
def song(song: Sound) -> Sound:
    y, sr = song
    return y[:, : 8 * sr], sr


@pytest.fixture(scope="module")
def features(song: Sound) -> dict[str, float]:
    return extract_features(song)


def test_features_of_both_sets_come_by_name_vocal_first(song: Sound, features: dict[str, float]) -> None:
    assert [*features] == [*VOCAL, *NAMES] == [*feature_names()]
    assert all(type(value) is float and np.isfinite(value) for value in features.values())
    assert set(features) > set(classify_track(song).features)


@pytest.mark.parametrize(("sets", "names"), [(["vocal"], VOCAL), (("spectral",), NAMES)])
def test_a_set_alone_is_the_same_numbers(sets: Any, names: Any, song: Sound, features: dict[str, float]) -> None:
    assert extract_features(*song, sets=sets) == {name: features[name] for name in names}


class Pipe(io.RawIOBase):
    """A file object that gives its bytes once."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


def test_a_stream_that_does_not_seek_is_read_for_both_sets(song: Sound) -> None:
    y, sr = song
    wav = io.BytesIO()
    soundfile.write(wav, y.T, sr, format="WAV", subtype="FLOAT")
    assert extract_features(io.BufferedReader(Pipe(wav.getvalue()))) == extract_features(io.BytesIO(wav.getvalue()))


@pytest.mark.parametrize("sets", [["vocal"], ["spectral"]])
def test_too_little_sound_has_no_features(sets: Any) -> None:
    with pytest.raises(AudioError, match="at least 2 s are needed"):
        extract_features(np.ones(1000), 16_000, sets=sets)


@pytest.mark.parametrize("sets", ["vocal", [], ["vocal", "harmonic"]])
def test_unknown_sets_are_refused(sets: Any) -> None:
    with pytest.raises(ValueError, match="sets must be some of"):
        extract_features("a.flac", sets=sets)


def test_curves_have_one_time_axis(song: Sound) -> None:
    curves = extract_curves(song)
    assert [*curves] == ["time", *KINDS, *CURVES]
    assert {curve.shape for curve in curves.values()} == {curves["time"].shape}
    assert curves["time"][-1] == pytest.approx(song[0].shape[-1] / song[1], abs=0.03)
    np.testing.assert_array_equal(curves["rms"], spectral_curves(song)["rms"])
    timeline = classify_track(song, thorough=True).timeline
    assert timeline is not None
    at = np.searchsorted(curves["time"], timeline.times[10:-10])
    np.testing.assert_allclose(curves["sung"][at], timeline.probability[10:-10], atol=0.35)
    assert np.abs(curves["sung"][at] - timeline.probability[10:-10]).mean() < 0.05


def test_curves_of_a_set_alone() -> None:
    tone = sine(440, 3, 22_050)
    voice = extract_curves(tone, 22_050, sets=["vocal"])
    assert [*voice] == ["time", *KINDS]
    assert len(voice["time"]) == len(extract_curves(tone, 22_050, sets=["spectral"])["time"])
