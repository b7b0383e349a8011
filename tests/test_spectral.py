from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.features import spectral
from songscore.features.spectrum import FRAME_RATE, N_MELS, SAMPLE_RATE, WINDOW, mel_frequencies, mel_spectrum

GAIN_TOLERANCE = 1e-4
ZERO = 1e-3
SECONDS = 20.48


def features(mel: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(spectral.NAMES, spectral.window_features(mel).tolist(), strict=True))


def tone(frequency: float, seconds: float = 4.0) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def noise(seconds: float = SECONDS, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)


def wobbling(rate: float, depth_db: float = 6.0) -> NDArray[np.float32]:
    """A flat spectrum whose level swings at `rate` hertz, sinusoidal in decibels."""
    swing = depth_db * np.sin(2 * np.pi * rate * np.arange(WINDOW) / FRAME_RATE)
    return np.repeat(10 ** (swing[:, None] / 10), N_MELS, axis=1).astype(np.float32)


@pytest.mark.parametrize("band", [10, 30, 50, 70])
def test_the_centroid_of_a_tone_is_its_frequency_within_a_band(band: int) -> None:
    frequencies = mel_frequencies()
    found = features(mel_spectrum(tone(frequencies[band])))["spectral_centroid"]
    assert found == pytest.approx(frequencies[band], abs=frequencies[band + 1] - frequencies[band])


def test_the_centroid_of_two_equal_bands_lies_in_their_middle() -> None:
    mel = np.zeros((20, N_MELS), np.float32)
    mel[:, [20, 60]] = 1
    assert features(mel)["spectral_centroid"] == pytest.approx(mel_frequencies()[[20, 60]].mean(), rel=ZERO)


def test_a_flat_spectrum_has_a_flatness_of_zero() -> None:
    assert features(np.ones((20, N_MELS), np.float32))["spectral_flatness"] == pytest.approx(0, abs=1e-5)


def test_the_flatness_of_exponentially_distributed_bands_is_minus_eulers_constant() -> None:
    mel = np.random.default_rng(0).exponential(size=(WINDOW, N_MELS)).astype(np.float32)
    arithmetic_bias = 10 / np.log(10) / (2 * N_MELS)
    expected = -10 / np.log(10) * np.euler_gamma + arithmetic_bias
    assert features(mel)["spectral_flatness"] == pytest.approx(expected, abs=0.05)


def test_white_noise_is_nearly_flat_and_a_tone_is_not() -> None:
    white = features(mel_spectrum(noise()))["spectral_flatness"]
    assert -10 / np.log(10) * np.euler_gamma < white < 0
    assert features(mel_spectrum(tone(1000)))["spectral_flatness"] < -20


def test_one_decibel_up_each_second_frame_and_down_again_is_half_a_decibel_of_flux() -> None:
    decibels = np.tile(np.arange(101)[:, None] % 2, N_MELS).astype(np.float32)
    assert spectral.flux(decibels) == pytest.approx(0.5)


def test_falls_are_no_flux() -> None:
    assert spectral.flux(-np.arange(50, dtype=np.float32)[:, None].repeat(N_MELS, axis=1)) == 0


def test_the_variance_of_a_swinging_cepstral_coefficient_is_that_of_the_swing() -> None:
    swing = np.sqrt(2) * np.sin(2 * np.pi * np.arange(110) / spectral.VARIANCE_FRAMES)
    basis = np.sqrt(2 / N_MELS) * np.cos(np.pi * (np.arange(N_MELS) + 0.5) * 3 / N_MELS)
    decibels = (swing[:, None] * basis).astype(np.float32)
    assert spectral.vocal_variance(decibels) == pytest.approx(1 / 5, rel=1e-4)


def test_a_change_of_loudness_alone_is_no_vocal_variance() -> None:
    assert features(wobbling(3.0))["vocal_variance"] == pytest.approx(0, abs=ZERO)


def test_a_stationary_tone_has_neither_flux_nor_vocal_variance() -> None:
    period = 40
    found = features(mel_spectrum(tone(SAMPLE_RATE / period)))
    assert found["spectral_flux"] == pytest.approx(0, abs=ZERO)
    assert found["vocal_variance"] == pytest.approx(0, abs=ZERO)


@pytest.mark.parametrize(("rate", "share"), [(0.7, 0), (1.5, 0), (3, 1), (4, 1), (7, 1), (9.5, 0), (11, 0)])
def test_swings_at_the_rate_of_syllables_and_no_others_are_syllables(rate: float, share: float) -> None:
    assert features(wobbling(rate))["syllable_modulation"] == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("rate", "low", "high"), [(0.7, 0, 0.1), (4, 0.9, 1), (11, 0, 0.1)])
def test_an_amplitude_modulated_buzz_is_judged_by_its_rate(rate: float, low: float, high: float) -> None:
    samples = np.arange(round(SECONDS * SAMPLE_RATE))
    buzz = (samples % 160 == 0) * (1 + 0.5 * np.sin(2 * np.pi * rate * samples / SAMPLE_RATE))
    found = features(mel_spectrum(buzz.astype(np.float32)))["syllable_modulation"]
    assert low <= found <= high


def test_half_of_the_flutter_of_noise_is_at_the_rate_of_syllables() -> None:
    mel = np.random.default_rng(0).exponential(size=(WINDOW, N_MELS)).astype(np.float32)
    assert features(mel)["syllable_modulation"] == pytest.approx(6 / 12, abs=0.02)


@pytest.mark.parametrize("gain", [1e-4, 0.03, 30.0, 1e4])
def test_no_feature_depends_on_the_gain(gain: float) -> None:
    y = noise(4) * np.linspace(0, 1, 4 * SAMPLE_RATE, dtype=np.float32) + tone(440)
    plain, amplified = features(mel_spectrum(y)), features(mel_spectrum(np.float32(gain) * y))
    assert amplified == pytest.approx(plain, rel=GAIN_TOLERANCE, abs=GAIN_TOLERANCE)


@pytest.mark.parametrize("frames", [0, 1, WINDOW])
def test_silence_gives_zeros(frames: int) -> None:
    np.testing.assert_array_equal(spectral.window_features(np.zeros((frames, N_MELS), np.float32)), 0)


@pytest.mark.parametrize("frames", [1, 2, spectral.VARIANCE_FRAMES - 1, spectral.VARIANCE_FRAMES])
def test_a_short_window_gives_finite_numbers(frames: int) -> None:
    assert np.isfinite(spectral.window_features(mel_spectrum(noise(2))[:frames])).all()


def test_a_single_frame_has_a_centroid_and_no_movement() -> None:
    found = features(mel_spectrum(tone(1000))[:1])
    assert found["spectral_centroid"] == pytest.approx(1000, rel=0.05)
    assert [found[name] for name in ("spectral_flux", "vocal_variance", "syllable_modulation")] == [0, 0, 0]
