"""Speakers made to sing, choirs made of them, and speakers who go on speaking, as the sources of their rows say.

Open recordings of singers are few, of speakers many. A detector that hears the same voices speak and sing learns what
singing is, not who sings, in which language, or through which microphone. The WORLD vocoder (Morise et al. 2016,
"WORLD: a vocoder-based high-quality speech synthesis system") takes a voice apart into pitch, spectrum and breath; the
vowels are then held for the length of a note, the pitch follows the melody, and the parts are put together again. One
vowel held by many copies of a speaker, with vocal tracts of several lengths, is a choir without words. Some speak as
before through the same vocoder, or its sound would be a sign of singing. What is random is seeded by the name of the
clip.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter1d
from scipy.signal import find_peaks

from songscore.audio import open_audio
from songscore.training.data.manifest import SUNG_SPEECH
from songscore.training.detector.leads import glide

from .joined_sounds import RATE

Floats = NDArray[np.float64]

FRAME = 0.005
"""Seconds of one frame of the vocoder."""

LONGEST_SOURCE, LONGEST_CLIP, WORDLESS = 12.0, 24.0, 20.0
"""Seconds of speech that are taken, of singing that are kept, and of a vowel that is held."""

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
LENGTHS = (0.5, 1, 1, 1, 1.5, 2, 2, 3, 4)
"""Lengths of notes in beats."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice taken apart, one row for each `FRAME`.

    Attributes
    ----------
    pitch : (n_frames,) float64
        Hertz; 0 where the vocal folds rest.
    spectrum, breath : (n_frames, n_bins) float64
        Power, and the share of it that is noise.
    """

    pitch: Floats
    spectrum: Floats
    breath: Floats

    @classmethod
    def of(cls, y: Floats) -> Voice:
        """Take a recording apart, samples at `RATE`."""
        import pyworld  # of the dependency group "sounds"

        coarse, times = pyworld.dio(y, RATE, f0_floor=70.0, f0_ceil=500.0, frame_period=1000 * FRAME)
        pitch = pyworld.stonemask(y, coarse, times, RATE)
        return cls(pitch, pyworld.cheaptrick(y, pitch, times, RATE), pyworld.d4c(y, pitch, times, RATE))

    @property
    def loudness(self) -> Floats:
        """Decibels, smoothed over 50 ms."""
        smooth: Floats = uniform_filter1d(10 * np.log10(self.spectrum.sum(axis=1) + 1e-12), 10)
        return smooth

    def sounds(self) -> Floats:
        """Put it together again."""
        import pyworld

        parts = (np.ascontiguousarray(part, np.float64) for part in (self.pitch, self.spectrum, self.breath))
        y: Floats = pyworld.synthesize(*parts, RATE, 1000 * FRAME)
        return y


def sing_all(rows: Iterable[dict[str, str]], work: Path) -> None:
    """Make every clip of the manifest that the vocoder makes and that is not there yet."""
    for row in rows:
        path = work / row["path"]
        if row["source"].startswith(("sung ", "vocoded ")) and not path.exists():
            with open_audio(work / row["parts"], rate=RATE) as stream:
                y = np.concatenate(list(stream.blocks()))[: round(LONGEST_SOURCE * RATE)]
            path.parent.mkdir(parents=True, exist_ok=True)
            make = {SUNG_SPEECH: sing, "choir": sing_without_words, "speech": speak}[row["role"]]
            sung = make(Voice.of(y.astype(np.float64)), np.random.default_rng(zlib.crc32(row["path"].encode())))
            soundfile.write(path, sung, RATE)


def sing(voice: Voice, rng: Generator) -> Floats:
    """The words of a speaker on a melody, of peak 0.9; samples at `RATE`."""
    notes = list(_notes(voice, rng))
    position = np.concatenate([place for place, _ in notes])[: round(LONGEST_CLIP / FRAME)]
    n = len(position)
    held = np.concatenate([vowel for _, vowel in notes])[:n]
    first = np.cumsum([0, *(len(place) for place, _ in notes[:-1])])
    note = np.searchsorted(first, np.arange(n), side="right") - 1
    rests = position < 0
    nearest = np.rint(np.maximum(position, 0)).astype(np.int64)
    voiced = (held | (voice.pitch[nearest] > 0)) & ~rests
    pitch = _melody(_centre(voice, rng), note, first, rng) * _kept_accent(voice, nearest, rng)
    louder = _evened(voice, nearest, note, rng) + _colour(voice.spectrum.shape[1], rng)
    spectrum = _at(np.log(voice.spectrum + 1e-16), position, 1 / rng.uniform(0.9, 1.12))
    spectrum = np.exp(spectrum + louder * np.log(10) / 10)
    breath = np.clip(_at(voice.breath, position, 1.0), 0, 1) ** rng.uniform(1, 1.6)
    spectrum[rests] = 1e-16
    return _of_peak(Voice(np.where(voiced, pitch, 0.0), spectrum, breath).sounds())


def speak(voice: Voice, rng: Generator) -> Floats:
    """The words of a speaker, spoken higher or lower by another vocal tract, of peak 0.9; samples at `RATE`."""
    position = np.arange(len(voice.pitch), dtype=np.float64)
    spectrum = np.exp(_at(np.log(voice.spectrum + 1e-16), position, 1 / rng.uniform(0.9, 1.12)))
    spectrum *= 10 ** (_colour(voice.spectrum.shape[1], rng) / 10)
    breath = np.clip(voice.breath, 0, 1) ** rng.uniform(1, 1.6)
    return _of_peak(Voice(voice.pitch * 2 ** rng.uniform(-0.25, 0.35), spectrum, breath).sounds())


def sing_without_words(voice: Voice, rng: Generator) -> Floats:
    """A vowel of a speaker held by a choir of up to sixteen, or by one singer alone; of peak 0.9, samples at `RATE`."""
    n = round(WORDLESS / FRAME)
    vowels = sorted(_syllables(voice), key=lambda syllable: syllable[1] - syllable[2])[:6]
    _, low, high, _ = vowels[rng.integers(len(vowels))]
    alone = rng.random() < 0.25
    lengths = rng.uniform(0.4, 1.2) * rng.choice([0.5, 1, 1, 2] if alone else [1, 2, 2, 4], 60) / FRAME
    first = np.concatenate([[0], np.cumsum(np.round(lengths)).astype(np.int64)])
    first = first[first < n]
    note = np.searchsorted(first, np.arange(n), side="right") - 1
    swell = _smooth(np.where(rng.random(len(first)) < 0.12, -50, rng.uniform(-9, 0, len(first)))[note], 0.3)
    if alone:
        return _of_peak(_held(voice, (low, high), _melody(_centre(voice, rng), note, first, rng), swell, rng))
    tonic, scale = rng.uniform(43, 55), np.array(SCALES[rng.integers(2)])
    root = np.clip(np.cumsum(rng.choice([-3, -2, -1, 0, 1, 3, 4], len(first))), -3, 4)
    y = np.zeros(0)
    for part in range(4):
        degree = root + np.array([0, 4, 9, 14])[part] + rng.choice([-2, 0, 0, 2], len(first)) * (part > 0)
        semitones = tonic + 12 * (degree // len(scale)) + scale[degree % len(scale)]
        for _ in range(rng.integers(1, 5)):
            late = np.roll(semitones[note], rng.integers(0, round(0.08 / FRAME)))
            pitch = _smooth(late, rng.uniform(0.02, 0.12)) + rng.normal(0, 0.08) + _smooth(rng.normal(0, 0.5, n), 0.06)
            vibrato = rng.uniform(0, 0.4) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(n) * FRAME)
            hertz = 440 * 2 ** ((pitch + vibrato - 69) / 12)
            one = _held(voice, (low, high), hertz, swell + rng.normal(0, 2), rng)
            y = one + (y if len(y) else 0)
    return _of_peak(y)


def _held(voice: Voice, vowel: tuple[int, int], hertz: Floats, gain_db: Floats, rng: Generator) -> Floats:
    """One singer, whose vocal tract is as long as that of a man or a child, on a vowel of a speaker."""
    n, (low, high) = len(hertz), vowel
    wander = _smooth(rng.normal(size=n), 0.5)
    place = np.rint((high - 1 - low) * np.clip(0.5 + 0.25 * wander / (wander.std() + 1e-9), 0.1, 0.9)).astype(np.int64)
    tract = _at(np.log(voice.spectrum[low:high] + 1e-16), np.arange(high - low), 1 / rng.uniform(0.85, 1.2))
    spectrum = np.exp(tract + _colour(tract.shape[1], rng) * np.log(10) / 10)
    breath = np.tile(voice.breath[low:high].mean(axis=0), (n, 1))
    return Voice(hertz, spectrum[place] * 10 ** (gain_db[:, None] / 10), breath).sounds()


def _of_peak(y: Floats) -> Floats:
    return np.asarray(0.9 * y / (np.abs(y).max() + 1e-9))


def _notes(voice: Voice, rng: Generator) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
    """For each syllable where its frames come from, with the vowel held, and which of them are vowel; -1 is a rest."""
    beat, until_rest = rng.uniform(0.3, 0.65) / FRAME, int(rng.integers(4, 11))
    for start, low, high, end in _syllables(voice):
        vowel = max(0.6 * (high - low), beat * rng.choice(LENGTHS) - (low - start) - (end - high))
        held = np.linspace(low, high - 1, max(2, round(vowel)))
        place = [np.arange(start, low, dtype=np.float64), held, np.arange(high, end, dtype=np.float64)]
        flags = np.repeat([False, True, False], [len(part) for part in place])
        until_rest -= 1
        if not until_rest:
            silent = np.full(round(beat * rng.choice([0, 1, 2, 4])), -1.0)
            place, flags = [*place, silent], np.append(flags, np.zeros(len(silent), np.bool_))
            until_rest = int(rng.integers(4, 11))
        yield np.concatenate(place), flags


def _syllables(voice: Voice) -> Iterator[tuple[int, int, int, int]]:
    """Frames where a syllable, its vowel, and what follows the vowel begin, and where the syllable ends."""
    loud, longest_pause = voice.loudness, round(0.3 / FRAME)
    peaks = find_peaks(np.where(voice.pitch > 0, loud, loud.min()), prominence=2.0, distance=round(0.1 / FRAME))[0]
    peaks = peaks[(voice.pitch[peaks] > 0) & (loud[peaks] > loud.max() - 25)]
    if not len(peaks):
        raise ValueError("nobody speaks")
    between = [a + int(np.argmin(loud[a:b])) for a, b in pairwise(peaks)]
    for start, peak, end in zip([0, *between], peaks, [*between, len(loud)], strict=True):
        vowel = (loud > loud[peak] - 6) & (voice.pitch > 0)
        low = peak - int(np.argmin(np.append(vowel[start : peak + 1][::-1], False)))
        high = peak + int(np.argmin(np.append(vowel[peak:end], False)))
        yield max(start, low + 1 - longest_pause), low + 1, high, min(end, high + longest_pause)


def _centre(voice: Voice, rng: Generator) -> float:
    """The middle of the melody in semitones above 1 Hz: the pitch of the speaker, or up to ten semitones above."""
    return float(12 * np.log2(np.clip(np.median(voice.pitch[voice.pitch > 0]) * 2 ** rng.uniform(0, 0.85), 90, 520)))


def _melody(centre: float, note: NDArray[np.int64], first: NDArray[np.int64], rng: Generator) -> Floats:
    """Pitch in hertz: a line that walks over a scale, with glides, scoops, delayed vibrato and a little drift."""
    n, scale = len(note), np.array(SCALES[rng.integers(len(SCALES))])
    step = np.clip(np.cumsum(rng.choice([-3, -2, -1, -1, 0, 0, 1, 1, 2, 3], len(first))), -5, 6)
    pitch = (centre + 12 * (step // len(scale)) + scale[step % len(scale)])[note]
    age = (np.arange(n) - first[note]) * FRAME
    scoops = np.where(rng.random(len(first)) < 0.25, rng.uniform(-3, 1, len(first)), 0.0)[note]
    pitch = _smooth(pitch + scoops * np.exp(-age / 0.07), rng.choice([0.02, 0.05, 0.1]))
    depth, rate = rng.choice([0, 0.1, 0.2, 0.4, 0.7]), rng.uniform(4.5, 6.8)
    drift = _smooth(rng.normal(size=n), 0.08)
    drift *= rng.uniform(0.05, 0.2) / (drift.std() + 1e-9)
    vibrato = depth * np.clip((age - 0.2) / 0.3, 0, 1) * np.sin(2 * np.pi * rate * np.arange(n) * FRAME + 3 * drift)
    return np.asarray(2 ** ((pitch + vibrato + drift) / 12))


def _kept_accent(voice: Voice, nearest: NDArray[np.int64], rng: Generator) -> Floats:
    """The fifth, at most, of how the speaker's pitch moves about its mean."""
    known = voice.pitch > 0
    steady = np.interp(np.arange(len(known)), np.flatnonzero(known), np.log(voice.pitch[known]))
    return np.asarray(np.exp(rng.uniform(0, 0.2) * (steady - steady[known].mean()))[nearest])


def _evened(voice: Voice, nearest: NDArray[np.int64], note: NDArray[np.int64], rng: Generator) -> Floats:
    """Gain of each frame in decibels, by which the syllables become more alike in level, shape ``(n_frames, 1)``."""
    loud = voice.loudness[nearest]
    peak = np.array([loud[note == k].max() for k in range(note[-1] + 1)])
    gain = (np.median(peak) - peak) * rng.uniform(0.5, 0.9) + rng.normal(0, 2, len(peak))
    return _smooth(gain[note], 0.03)[:, None]


def _colour(n_bins: int, rng: Generator) -> Floats:
    """Gain of each bin in decibels: a loud voice is brighter, and trained ones ring at 3 kHz."""
    octaves = np.log2(np.maximum(np.linspace(0, RATE / 2, n_bins), 100) / 500)
    ring = rng.choice([0, 0, 4, 8]) * np.exp(-(((octaves - np.log2(2900 / 500)) / 0.35) ** 2))
    return np.asarray(rng.uniform(0, 4) * np.clip(octaves, 0, 3) + ring)


def _at(rows: Floats, position: Floats, squeeze: float) -> Floats:
    """Rows interpolated at a position, their bins moved by a factor: a longer or shorter vocal tract."""
    bins = np.minimum(np.arange(rows.shape[1]) * squeeze, rows.shape[1] - 1)
    grid = np.meshgrid(np.maximum(position, 0), bins, indexing="ij")
    found: Floats = map_coordinates(rows, grid, order=1, mode="nearest")
    return found


def _smooth(curve: Floats, seconds: float) -> Floats:
    """Moved average with a Hann window of that half width."""
    return glide(curve, round(seconds / FRAME))
