from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from songscore.features import spectrum
from songscore.features.spectrum import HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE, WINDOW

GOLDEN = Path(__file__).parent / "golden" / "mel_bank.csv"
FLOAT32 = 1e-5


def tone(frequency: float, seconds: float = 1.0) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def noise(n: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("band", [8, 20, 40, 60, 79])
def test_a_pure_tone_falls_into_its_mel_band(band: int) -> None:
    mel = spectrum.mel_spectrum(tone(spectrum.mel_frequencies()[band]))
    near = mel[:, max(0, band - 2) : band + 3].sum(axis=1)
    assert (mel.argmax(axis=1) == band).all()
    assert (near > 0.99 * mel.sum(axis=1)).all()


def test_mel_bank_is_that_of_librosa() -> None:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        golden = [(int(row["bin"]), int(row["band"]), float(row["weight"])) for row in csv.DictReader(file)]
    expected = np.zeros((N_FFT // 2 + 1, N_MELS))
    for bin_, band, weight in golden:
        expected[bin_, band] = weight
    np.testing.assert_allclose(spectrum.mel_bank()[::7], expected[::7], rtol=FLOAT32, atol=1e-9)


def test_mel_filters_have_unit_area() -> None:
    area = spectrum.mel_bank().sum(axis=0) * SAMPLE_RATE / N_FFT
    wide = np.diff(spectrum.mel_frequencies(), append=np.inf) > 4 * SAMPLE_RATE / N_FFT
    np.testing.assert_allclose(area[wide], 1, rtol=0.02)


def test_mel_frequencies_are_even_in_mel_and_inside_the_range() -> None:
    frequencies = spectrum.mel_frequencies()
    steps = np.diff(2595 * np.log10(1 + frequencies / 700))
    np.testing.assert_allclose(steps, steps[0])
    assert spectrum.F_MIN < frequencies[0] < frequencies[-1] < spectrum.F_MAX


def test_power_spectrum_keeps_the_energy_of_the_windowed_frame() -> None:
    y = noise(N_FFT)
    power = spectrum.power_spectrum(y)[0].astype(np.float64)
    both_sides = (2 * power.sum() - power[0] - power[-1]) / N_FFT
    hann = np.sin(np.pi * np.arange(N_FFT) / N_FFT) ** 2
    assert both_sides == pytest.approx(np.sum((y * hann) ** 2), rel=FLOAT32)


def test_a_sine_of_a_bin_has_a_quarter_of_the_squared_frame_as_peak() -> None:
    power = spectrum.power_spectrum(tone(100 * SAMPLE_RATE / N_FFT))
    np.testing.assert_allclose(power[:, 100], (N_FFT / 4) ** 2, rtol=1e-4)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (N_FFT - 1, 0), (N_FFT, 1), (N_FFT + HOP_LENGTH - 1, 1), (N_FFT + HOP_LENGTH, 2)]
)
def test_only_whole_frames_are_made(samples: int, frames: int) -> None:
    y = noise(samples)
    assert spectrum.power_spectrum(y).shape == (frames, N_FFT // 2 + 1)
    assert spectrum.mel_spectrum(y).shape == (frames, N_MELS)


def test_spectra_are_float32() -> None:
    y = noise(2 * N_FFT)
    assert (spectrum.power_spectrum(y).dtype, spectrum.mel_spectrum(y).dtype) == (np.float32, np.float32)


def test_the_time_of_a_frame_is_the_centre_of_its_samples() -> None:
    y = np.zeros(3 * SAMPLE_RATE, np.float32)
    y[SAMPLE_RATE] = 1
    loudest = spectrum.mel_spectrum(y).sum(axis=1).argmax()
    assert spectrum.frame_times(100)[loudest] == pytest.approx(1.0, abs=HOP_LENGTH / 2 / SAMPLE_RATE)


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(0, 3 * N_FFT), max_size=12))
def test_frames_of_a_stream_are_those_of_the_whole_whatever_the_blocks(lengths: list[int]) -> None:
    y = noise(sum(lengths))
    blocks = np.split(y, np.cumsum(lengths)[:-1]) if lengths else []
    streamed = np.concatenate([np.empty((0, N_MELS)), *spectrum.mel_frames(blocks)])
    np.testing.assert_allclose(streamed, spectrum.mel_spectrum(y), rtol=1e-4, atol=1e-6)


def numbered(n: int) -> NDArray[np.float32]:
    """Frames that carry their own number."""
    return np.repeat(np.arange(n, dtype=np.float32)[:, None], N_MELS, axis=1)


def windows(lengths: list[int]) -> list[NDArray[np.float32]]:
    mel = numbered(sum(lengths))
    return list(spectrum.mel_windows(np.split(mel, np.cumsum(lengths)[:-1]) if lengths else []))


PIECES = st.lists(st.integers(0, 3 * WINDOW), max_size=6)


@settings(max_examples=60)
@given(lengths=PIECES)
def test_the_windows_are_every_frame_once_and_in_order_whatever_the_pieces(lengths: list[int]) -> None:
    found = windows(lengths)
    np.testing.assert_array_equal(np.concatenate([[], *(window[:, 0] for window in found)]), np.arange(sum(lengths)))
    assert [len(window) for window in found] == [len(window) for window in windows([sum(lengths)])]


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (1, [1]),
        (WINDOW, [WINDOW]),
        (WINDOW + WINDOW // 2 - 1, [WINDOW + WINDOW // 2 - 1]),
        (WINDOW + WINDOW // 2, [WINDOW, WINDOW // 2]),
        (3 * WINDOW + 7, [WINDOW, WINDOW, WINDOW + 7]),
    ],
)
def test_a_rest_of_less_than_half_a_window_goes_with_the_one_before(n: int, sizes: list[int]) -> None:
    assert [len(window) for window in windows([n])] == sizes
    np.testing.assert_array_equal(spectrum.window_ends(n), np.cumsum(sizes))
