"""Spectral features are what librosa's functions give for the whole array at once."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray
from sounds import sine, write

from songscore.features import spectral
from songscore.features.spectral import (
    CURVES,
    FAMILIES,
    HOP_LENGTH,
    NAMES,
    SAMPLE_RATE,
    blocks,
    spectral_curves,
    summarise,
)

LAST_DIGITS = {"rtol": 2e-5, "atol": 2e-5}
"""Sums in float32 that end in another order; of numbers around 1."""

LAST_DIGITS_DB = {"rtol": 2e-5, "atol": 2e-3}
"""The same in decibels, of spectra that reach 80 dB down."""

Sound = NDArray[np.float32]


@pytest.fixture(scope="module")
def sound() -> Sound:
    """Two channels of beats, noise that grows, silence and a fade far below the rest: ``(2, n)``, 34 s."""
    n, random = 34 * SAMPLE_RATE + 77, np.random.default_rng(0)
    seconds = np.arange(n) / SAMPLE_RATE
    beats = np.sin(2 * np.pi * 220 * seconds) * np.exp(-10 * (seconds % 0.5))
    chord = sum(np.sin(2 * np.pi * f * seconds) for f in (261.6, 329.6, 392.0)) * 0.2
    noise = random.normal(size=(2, n)) * seconds / 100
    y = (beats + chord * (seconds > 12) + noise + 1e-3 * random.normal(size=(2, n))) * 0.3
    y[:, :4000] = 0
    y[:, 20 * SAMPLE_RATE : 21 * SAMPLE_RATE] = 0
    y[:, -4 * SAMPLE_RATE :] *= np.geomspace(1, 1e-6, 4 * SAMPLE_RATE)
    return y.astype(np.float32)


@pytest.fixture(scope="module")
def curves(sound: Sound) -> dict[str, Sound]:
    return spectral_curves((sound, SAMPLE_RATE))


@pytest.fixture(scope="module")
def features(curves: dict[str, Sound]) -> dict[str, float]:
    return summarise(curves)


@pytest.fixture(scope="module")
def y(sound: Sound) -> Sound:
    """The mean of the channels at the level 1, as the module's docstring has it."""
    mean = librosa.to_mono(sound)
    return mean / np.sqrt(np.mean(mean**2, dtype=np.float64)).astype(np.float32)


def of(family: str, curves: dict[str, Sound]) -> Sound:
    (found,) = (found for found in FAMILIES if found.name == family)
    return np.stack([curves[curve] for curve in found.curves])


@pytest.mark.parametrize("family", ["spectral_centroid", "spectral_bandwidth"])
def test_shapes_of_the_spectrum(family: str, curves: dict[str, Sound], y: Sound) -> None:
    direct = getattr(librosa.feature, family)(y=y, sr=SAMPLE_RATE)
    np.testing.assert_allclose(of(family, curves), direct, **LAST_DIGITS)


def test_roll_off(curves: dict[str, Sound], y: Sound) -> None:
    """A sum that meets the 85 % to the last digit may fall on either side of a bin."""
    differences = np.abs(curves["spectral_rolloff"] - librosa.feature.spectral_rolloff(y=y, sr=SAMPLE_RATE)[0])
    assert differences.max() < 1.001 * SAMPLE_RATE / spectral.N_FFT
    assert (differences > 1e-3).mean() < 0.002


def test_flatness(curves: dict[str, Sound], y: Sound) -> None:
    direct = librosa.feature.spectral_flatness(y=y)
    np.testing.assert_allclose(of("spectral_flatness", curves), direct, **LAST_DIGITS)


def test_contrast(curves: dict[str, Sound], y: Sound) -> None:
    direct = librosa.feature.spectral_contrast(y=y, sr=SAMPLE_RATE)
    np.testing.assert_allclose(of("spectral_contrast", curves), direct, **LAST_DIGITS_DB)


def test_mfcc_and_deltas(curves: dict[str, Sound], y: Sound) -> None:
    direct = librosa.feature.mfcc(y=y, sr=SAMPLE_RATE, n_mfcc=20)
    np.testing.assert_allclose(of("mfcc", curves), direct, **LAST_DIGITS_DB)
    np.testing.assert_allclose(of("mfcc_delta", curves), librosa.feature.delta(direct), **LAST_DIGITS_DB)


def test_onset_strength_tempo_and_pulse(curves: dict[str, Sound], features: dict[str, float], y: Sound) -> None:
    direct = librosa.onset.onset_strength(y=y, sr=SAMPLE_RATE)
    np.testing.assert_allclose(curves["onset_strength"], direct, **LAST_DIGITS_DB)
    assert features["tempo"] == pytest.approx(librosa.feature.tempo(y=y, sr=SAMPLE_RATE)[0])
    window = int(librosa.time_to_frames(8.0, sr=SAMPLE_RATE))
    tempogram = librosa.feature.tempogram(
        onset_envelope=direct - direct.mean(), sr=SAMPLE_RATE, win_length=window, norm=None
    ).mean(axis=1)
    bpm = librosa.tempo_frequencies(window, sr=SAMPLE_RATE)
    clarity = tempogram[(bpm >= 40) & (bpm <= 240)].max() / tempogram[0]
    assert features["pulse_clarity"] == pytest.approx(clarity, rel=1e-4)


def test_zero_crossings_and_rms(curves: dict[str, Sound], y: Sound) -> None:
    np.testing.assert_array_equal(
        curves["zero_crossing_rate"], librosa.feature.zero_crossing_rate(y)[0].astype(np.float32)
    )
    np.testing.assert_allclose(curves["rms"], librosa.feature.rms(y=y)[0], **LAST_DIGITS)


def test_chroma_and_tonnetz(curves: dict[str, Sound], y: Sound) -> None:
    chroma = librosa.feature.chroma_stft(y=y, sr=SAMPLE_RATE, tuning=0.0)
    np.testing.assert_allclose(of("chroma", curves), chroma, **LAST_DIGITS)
    np.testing.assert_allclose(of("tonnetz", curves), librosa.feature.tonnetz(chroma=chroma), **LAST_DIGITS)


def test_harmonic_and_percussive_shares(curves: dict[str, Sound], y: Sound) -> None:
    magnitude = np.abs(librosa.stft(y))
    energy = np.sum(magnitude**2, axis=0)
    for name, part in zip(("harmonic_share", "percussive_share"), librosa.decompose.hpss(magnitude), strict=True):
        direct = np.sum(part**2, axis=0) / np.where(energy > 0, energy, 1)
        np.testing.assert_allclose(curves[name], direct, **LAST_DIGITS)


def test_frames_are_at_librosas_times(curves: dict[str, Sound]) -> None:
    times = librosa.times_like(curves["rms"], sr=SAMPLE_RATE)
    np.testing.assert_allclose(spectral.frame_times(len(times)), times)
    assert spectral.n_frames(34.004) == len(times)


def test_statistics_are_those_of_the_curve(curves: dict[str, Sound], features: dict[str, float]) -> None:
    centroid = curves["spectral_centroid"].astype(np.float64)
    assert features["spectral_centroid_mean"] == pytest.approx(centroid.mean())
    assert features["spectral_centroid_std"] == pytest.approx(centroid.std())
    assert features["spectral_centroid_q10"] == pytest.approx(np.quantile(centroid, 0.1))
    assert tuple(features) == NAMES
    assert set(curves) == set(CURVES)


@pytest.mark.parametrize("gain", [1e-4, 3.0, 1000.0])
def test_no_feature_depends_on_the_level(gain: float, sound: Sound, features: dict[str, float]) -> None:
    other = summarise(spectral_curves((sound * np.float32(gain), SAMPLE_RATE)))
    scale = {name: max(abs(value), 1.0) for name, value in features.items()}
    assert max(abs(other[name] - value) / scale[name] for name, value in features.items()) < 1e-4


def test_blocks_of_any_length_give_the_same(
    sound: Sound, curves: dict[str, Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "AT_ONCE", 100)
    other = spectral_curves((sound, SAMPLE_RATE))
    for name, curve in curves.items():
        np.testing.assert_allclose(other[name], curve, **LAST_DIGITS_DB)


@pytest.mark.parametrize(
    ("left", "right", "width"),
    [(1.0, 1.0, 0.0), (1.0, 0.0, 0.5), (1.0, -0.999, 1.0)],
)
def test_stereo_width(left: float, right: float, width: float) -> None:
    tone = sine(440, 2, SAMPLE_RATE)
    curves = spectral_curves((np.stack([left * tone, np.float32(right) * tone]), SAMPLE_RATE))
    np.testing.assert_allclose(curves["stereo_width"], width, atol=1e-3)


def test_one_channel_has_no_width_and_a_tone_is_harmonic_and_in_its_pitch_class() -> None:
    features = summarise(spectral_curves((sine(440, 5, SAMPLE_RATE), SAMPLE_RATE)))
    assert features["stereo_width_mean"] == 0
    assert features["harmonic_share_q50"] > 0.95
    assert features["chroma_A_mean"] > 0.95 > 0.5 > features["chroma_D#_mean"]
    assert features["spectral_centroid_q50"] == pytest.approx(440, rel=0.05)


def test_clicks_have_their_tempo_and_a_clear_pulse() -> None:
    clicks = np.zeros(30 * SAMPLE_RATE, np.float32)
    for beat in range(60):
        clicks[beat * SAMPLE_RATE // 2 : beat * SAMPLE_RATE // 2 + 200] = 0.5
    clear = summarise(spectral_curves((clicks, SAMPLE_RATE)))
    assert clear["tempo"] == pytest.approx(120, rel=0.03)
    assert clear["percussive_share_q90"] > 0.9
    noise = np.random.default_rng(0).normal(size=30 * SAMPLE_RATE).astype(np.float32)
    unclear = summarise(spectral_curves((noise, SAMPLE_RATE)))
    assert clear["pulse_clarity"] > 0.5 > 0.3 > unclear["pulse_clarity"]


@pytest.mark.parametrize("n_samples", [1, 100, HOP_LENGTH, 5000])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_short_sounds_and_silence_are_numbers(n_samples: int, level: float) -> None:
    features = summarise(spectral_curves((np.full(n_samples, level, np.float32), SAMPLE_RATE)))
    assert all(map(np.isfinite, features.values()))


def test_other_rates_are_resampled(tmp_path: Path, sound: Sound, curves: dict[str, Sound]) -> None:
    path = write(tmp_path / "a.wav", sound.T, SAMPLE_RATE, subtype="FLOAT")
    assert spectral_curves(path)["rms"] == pytest.approx(curves["rms"])
    tone = spectral_curves((sine(440, 3, 48_000), 48_000))
    assert np.median(tone["spectral_centroid"]) == pytest.approx(440, rel=0.05)
    assert len(tone["rms"]) == spectral.n_frames(3.0)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_spectrum(tmp_path: Path) -> None:
    minute = 0.1 * np.random.default_rng(0).standard_normal(60 * SAMPLE_RATE).astype(np.float32)
    peaks = []
    for minutes in (1, 6):
        path = write(tmp_path / f"{minutes}.wav", np.tile(minute, minutes), SAMPLE_RATE)
        tracemalloc.start()
        spectral_curves(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    bytes_a_second = (peaks[1] - peaks[0]) / 300
    assert bytes_a_second < 40_000  # the spectrum alone would take 350,000


@pytest.mark.processes
def test_where_librosa_is_missing_the_message_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['librosa'] = None\n"
        "from songscore.features.spectral import load_librosa\n"
        "try: load_librosa()\n"
        "except ImportError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "spectral features need librosa" in answer.stdout
    assert "pip install librosa" in answer.stdout
