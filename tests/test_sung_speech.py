"""Speech that is made to sing: the vowels are held and the pitch follows a melody. The vocoder is not ours to test."""

import numpy as np
import pytest
from benchmarks.training_data.sung_speech import FRAME, Voice, _melody, _notes, _syllables, speak


def speaker(n_syllables: int) -> Voice:
    """One who says a vowel of 150 ms between consonants of 100 ms, again and again, at 120 Hz."""
    vowel, consonant = round(0.15 / FRAME), round(0.1 / FRAME)
    voiced = np.tile(np.repeat([0.0, 1.0, 0.0], [consonant // 2, vowel, consonant // 2]), n_syllables)
    spectrum = np.where(voiced > 0, 1.0, 1e-3)[:, None] * np.ones(513)
    return Voice(120 * voiced, spectrum, np.zeros_like(spectrum))


def test_every_vowel_is_a_syllable() -> None:
    voice = speaker(8)
    found = list(_syllables(voice))
    assert len(found) == 8
    for start, low, high, end in found:
        assert start <= low < high <= end
        assert voice.pitch[low:high].all()
    assert [end for *_, end in found[:-1]] == [start for start, *_ in found[1:]]


def test_vowels_are_held_and_consonants_are_not() -> None:
    voice = speaker(20)
    position, held = (np.concatenate(parts) for parts in zip(*_notes(voice, np.random.default_rng(1)), strict=True))
    assert held.sum() > 1.5 * (voice.pitch > 0).sum()
    consonants = position[~held & (position >= 0)]
    assert (np.diff(consonants) >= 0).all()
    assert len(consonants) <= len(voice.pitch)


def test_held_notes_lie_on_a_scale_but_for_a_little_drift() -> None:
    first, note = np.arange(0, 2000, 200), np.repeat(np.arange(10), 200)
    lines = [_melody(69.0, note, first, np.random.default_rng(seed)) for seed in range(20)]
    held = 12 * np.log2(lines).reshape(20, 10, 200)[:, :, 100:].mean(axis=2)
    assert np.abs(held - np.rint(held)).mean() < 0.1
    assert np.ptp(held, axis=1).max() < 25


def test_who_goes_on_speaking_keeps_time_and_melody(monkeypatch: pytest.MonkeyPatch) -> None:
    voice = speaker(8)
    voice.pitch[: len(voice.pitch) // 2] *= 1.5
    monkeypatch.setattr(Voice, "sounds", lambda spoken: spoken.pitch)
    np.testing.assert_allclose(speak(voice, np.random.default_rng(1)), 0.9 * voice.pitch / voice.pitch.max())
