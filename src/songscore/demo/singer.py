"""A singing voice by source and filter.

The source is the harmonics of a gliding pitch with vibrato, the filter five moving formants in cascade (Fant 1960;
Klatt 1980, "Software for a cascade/parallel formant synthesizer"; vowels after Peterson and Barney 1952). Consonants
are shaped noise, closures and bursts.

Conventions
-----------
A melody is text with a phrase to a line: the beat at which it starts, then syllables ``PHONES/pitch/beats``, one after
the other. Phones are those of ARPABET joined by hyphens, pitches are MIDI note numbers. The first vowel of a syllable
falls on its beat, its consonants before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Samples = NDArray[np.float64]
Formants = list[tuple[Samples, float]]
"""Frequency over time, and bandwidth, in hertz."""

CONTROL_RATE = 200
"""Control points per second."""

HIGH_FORMANTS = ((3500.0, 180.0), (4400.0, 250.0))
"""Frequency and bandwidth of the fourth and fifth formant, in hertz; they hardly move."""

TOP = 9000.0
"""Highest harmonic in hertz."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A speech sound.

    Attributes
    ----------
    formants : (f1, f2, f3)
        Resonances of the vocal tract, in hertz.
    voice, noise : float
        Gains of the harmonics and of the noise.
    band : (centre, width)
        Where the noise lies, in hertz.
    seconds : float
        Length of a consonant. A vowel lasts as long as its note lets it.
    """

    formants: tuple[float, float, float]
    voice: float = 1.0
    noise: float = 0.006
    band: tuple[float, float] = (3000.0, 3000.0)
    seconds: float = 0.0


PHONES = {
    "IY": Phone((300, 2250, 3000)),
    "IH": Phone((400, 1950, 2550)),
    "EH": Phone((540, 1800, 2480)),
    "AE": Phone((670, 1700, 2400)),
    "AA": Phone((740, 1120, 2450)),
    "AO": Phone((580, 860, 2400)),
    "AH": Phone((640, 1200, 2400)),
    "UH": Phone((450, 1030, 2250)),
    "UW": Phone((320, 900, 2250)),
    "ER": Phone((490, 1350, 1700)),
    "M": Phone((260, 1000, 2200), 0.3, 0, seconds=0.07),
    "N": Phone((260, 1500, 2500), 0.3, 0, seconds=0.07),
    "NG": Phone((260, 1900, 2600), 0.3, 0, seconds=0.07),
    "L": Phone((360, 1100, 2700), 0.5, 0, seconds=0.07),
    "R": Phone((330, 1100, 1500), 0.5, 0, seconds=0.07),
    "W": Phone((300, 650, 2200), 0.45, 0, seconds=0.08),
    "Y": Phone((270, 2250, 3000), 0.45, 0, seconds=0.06),
    "DH": Phone((300, 1500, 2500), 0.3, 0.04, (5500, 3000), 0.05),
    "V": Phone((280, 1000, 2300), 0.3, 0.05, (5000, 4000), 0.06),
    "Z": Phone((280, 1600, 2500), 0.25, 0.14, (6200, 2000), 0.08),
    "F": Phone((300, 1000, 2300), 0, 0.1, (5000, 5000), 0.09),
    "S": Phone((300, 1650, 2550), 0, 0.25, (6500, 2200), 0.11),
    "SH": Phone((300, 1850, 2450), 0, 0.25, (3600, 1800), 0.11),
    "HH": Phone((550, 1500, 2500), 0, 0.08, (1500, 2500), 0.07),
    "T": Phone((300, 1700, 2600), 0, 0.25, (4500, 4000), 0.035),
    "K": Phone((300, 1900, 2400), 0, 0.25, (2200, 1500), 0.035),
    "B": Phone((250, 900, 2200), 0.1, 0.1, (1000, 1200), 0.015),
    "D": Phone((250, 1700, 2600), 0.1, 0.15, (3800, 3000), 0.015),
    "G": Phone((250, 2000, 2300), 0.1, 0.15, (2000, 1500), 0.02),
}
CLOSURES = {name: Phone(PHONES[name].formants, PHONES[name].voice, 0, seconds=0.055) for name in "TKBDG"}
"""The silence before the burst of a stop."""


@dataclass(frozen=True, slots=True)
class Span:
    """A phone in its place, in seconds."""

    start: float
    end: float
    phone: Phone


@dataclass(frozen=True, slots=True)
class Note:
    """A syllable in its place: seconds, MIDI note number, phones."""

    start: float
    end: float
    pitch: float
    onset: list[Phone]
    vowels: list[Phone]
    coda: list[Phone]

    @property
    def attack(self) -> float:
        """When the first consonant starts."""
        return self.start - sum(phone.seconds for phone in self.onset)


def sing(melody: str, beat: float, seconds: float, sr: int) -> Samples:
    """Sing a melody.

    Parameters
    ----------
    melody : str
        As in this module's conventions.
    beat : float
        Seconds per beat.
    seconds : float
        Length of the piece.
    sr : int
        Sample rate, in hertz.

    Returns
    -------
    (n_samples,) float64
        Peak 1.
    """
    phrases = [_phrase(line, beat) for line in melody.strip().splitlines()]
    spans = [span for phrase in phrases for span in _spans(phrase)]
    n, rng = round(seconds * CONTROL_RATE), np.random.default_rng(7)
    y = _harmonics(_pitch(phrases, n, rng), _tract(spans, n), round(seconds * sr), sr)
    y = y / np.abs(y).max() + _noise(spans, round(seconds * sr), sr, rng)
    return y / np.abs(y).max()


def _phrase(line: str, beat: float) -> list[Note]:
    first, *syllables = line.split()
    notes, start = [], float(first) * beat
    for syllable in syllables:
        names, pitch, beats = syllable.split("/")
        notes.append(_note(names.split("-"), float(pitch), start, start + float(beats) * beat))
        start = notes[-1].end
    return notes


def _note(names: list[str], pitch: float, start: float, end: float) -> Note:
    vowels = [i for i, name in enumerate(names) if not PHONES[name].seconds]
    first, last = vowels[0], vowels[-1] + 1
    return Note(start, end, pitch, _phones(names[:first]), _phones(names[first:last]), _phones(names[last:]))


def _phones(names: list[str]) -> list[Phone]:
    return [phone for name in names for phone in ([CLOSURES[name]] if name in CLOSURES else []) + [PHONES[name]]]


def _spans(phrase: list[Note]) -> list[Span]:
    """The phones of a phrase, end to end: each syllable stops where the consonants of the next start."""
    ends = [note.attack for note in phrase[1:]] + [phrase[-1].end]
    return [span for note, end in zip(phrase, ends, strict=True) for span in _spell(note, end)]


def _spell(note: Note, end: float) -> list[Span]:
    coda = end - sum(phone.seconds for phone in note.coda)
    vowel = (coda - note.start) / len(note.vowels)
    phones = [*note.onset, *note.vowels, *note.coda]
    edges = (note.attack + np.cumsum([0.0, *(phone.seconds or vowel for phone in phones)])).tolist()
    return [Span(*span) for span in zip(edges[:-1], edges[1:], phones, strict=True)]


def _control(spans: list[Span], values: list[float], n: int, blur: float, *, hold: bool) -> Samples:
    """A curve of `n` control points through the values of the spans; elsewhere zero, or bridged where it holds."""
    curve = np.full(n, np.nan)
    for span, value in zip(spans, values, strict=True):
        curve[round(span.start * CONTROL_RATE) : round(span.end * CONTROL_RATE)] = value
    if hold:
        known = np.flatnonzero(~np.isnan(curve))
        curve = np.interp(np.arange(n), known, curve[known])
    return _blur(np.nan_to_num(curve), blur)


def _blur(curve: Samples, seconds: float) -> Samples:
    window = np.hanning(round(seconds * CONTROL_RATE) + 2)[1:-1]
    return np.convolve(np.pad(curve, len(window), "edge"), window / window.sum(), "same")[len(window) : -len(window)]


def _pitch(phrases: list[list[Note]], n: int, rng: np.random.Generator) -> Samples:
    """The pitch in hertz: glides between the notes, a scoop into each phrase, vibrato that grows, and a slow wander."""
    notes = [note for phrase in phrases for note in phrase]
    times = np.arange(n) / CONTROL_RATE
    starts = np.array([note.start - 0.04 for note in notes])
    index = np.clip(np.searchsorted(starts, times, "right") - 1, 0, None)
    curve = np.array([note.pitch for note in notes])[index]
    for phrase in phrases:
        since = times - phrase[0].attack
        curve -= np.where(since >= 0, 3.0 * np.exp(-np.maximum(since, 0) / 0.1), 0)
    depth = 0.7 * np.clip((times - starts[index] - 0.25) / 0.35, 0, 1)
    vibrato = depth * np.sin(2 * np.pi * 5.6 * times + 0.6 * np.sin(2 * np.pi * 0.7 * times))
    wander = 0.9 * _blur(rng.standard_normal(n), 0.3) + 0.8 * _blur(rng.standard_normal(n), 0.03)
    return np.asarray(440 * 2 ** ((_blur(curve, 0.09) + vibrato + wander - 69) / 12))


def _tract(spans: list[Span], n: int) -> tuple[Samples, Formants]:
    """Gain of the harmonics, and the formants as (frequency, bandwidth)."""
    gain = _control(spans, [span.phone.voice for span in spans], n, 0.03, hold=False)
    moving = [_control(spans, [span.phone.formants[i] for span in spans], n, 0.03, hold=True) for i in range(3)]
    fixed = [(np.full(n, frequency), bandwidth) for frequency, bandwidth in HIGH_FORMANTS]
    return gain, [*zip(moving, (70.0, 90.0, 130.0), strict=True), *fixed]


def _harmonics(pitch: Samples, tract: tuple[Samples, Formants], n_samples: int, sr: int) -> Samples:
    """The voiced sound: every harmonic of the pitch, weighted by the formants at its frequency."""
    gain, formants = tract
    control = (np.arange(len(pitch)) + 0.5) * sr / CONTROL_RATE
    samples = np.arange(n_samples)
    turn = np.exp(2j * np.pi * np.cumsum(np.interp(samples, control, pitch)) / sr)
    y, harmonic = np.zeros(n_samples), np.ones(n_samples, complex)
    for k in range(1, int(min(TOP, sr / 2.2) / pitch.max()) + 1):
        harmonic *= turn
        weight = gain * _transfer(k * pitch, formants) * k**-0.8
        y += np.interp(samples, control, weight.real) * harmonic.real
        y -= np.interp(samples, control, weight.imag) * harmonic.imag
    return y


def _transfer(frequency: Samples, formants: Formants) -> NDArray[np.complex128]:
    """Response of resonators in cascade, each 1 at zero hertz."""
    response = np.ones(len(frequency), complex)
    for centre, bandwidth in formants:
        response *= centre**2 / (centre**2 - frequency**2 + 1j * bandwidth * frequency)
    return response


def _noise(spans: list[Span], n_samples: int, sr: int, rng: np.random.Generator) -> Samples:
    """Breath, friction and bursts: noise in overlapping frames of 20 ms, each with the gain and band of its phone."""
    width = 4 * sr // CONTROL_RATE
    starts = np.arange(0, n_samples - width, sr / CONTROL_RATE).astype(int)
    gain = 2 * _control(spans, [span.phone.noise for span in spans], len(starts), 0.015, hold=False)[:, None]
    centre, spread = (
        _control(spans, [span.phone.band[i] for span in spans], len(starts), 0.01, hold=True)[:, None] for i in (0, 1)
    )
    shape = gain * np.exp(-2 * ((fft.rfftfreq(width, 1 / sr) - centre) / spread) ** 2)
    frames = fft.irfft(fft.rfft(rng.standard_normal((len(starts), width)), axis=1) * shape, width, axis=1) * np.hanning(
        width
    )
    y = np.zeros(n_samples)
    for start, frame in zip(starts, frames, strict=True):
        y[start : start + width] += frame
    return y
