"""Sounds that resemble a voice and are none, by synthesis.

Nothing here is shared with ``songscore.training.detector.leads``, which made the leads of the training by adding
partials: most of these are a source through filters, and the choir is the demo's singer four times over.

Sounds are mono at `RATE`, float32 of peak 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, iirpeak, lfilter, sawtooth, sosfilt

from songscore.demo.singer import sing

RATE = 32_000
SECONDS = 20.0
N = round(SECONDS * RATE)
SCALES = (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 11), (0, 3, 5, 7, 10)

Curve = NDArray[np.float64]


def line(rng: Generator, low: float, high: float, beat: float, glide: float) -> tuple[Curve, Curve]:
    """A melody: pitch in MIDI note numbers with portamento of `glide` seconds, and loudness, sample by sample."""
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    notes = np.concatenate([scale + 12 * octave for octave in range(11)])
    notes = notes[(notes >= low) & (notes <= high)]
    index, pitch, loudness = len(notes) // 2, np.zeros(N), np.zeros(N)
    at = 0
    while at < N:
        n = min(N - at, round(beat * rng.choice([1, 1, 2, 3]) * RATE))
        index = int(np.clip(index + rng.choice([-3, -2, -1, 1, 2, 4]), 0, len(notes) - 1))
        pitch[at : at + n] = notes[index]
        if rng.random() > 0.12:
            loudness[at : at + n - n // 12] = rng.uniform(0.6, 1)
        at += n
    return smoothed(pitch, glide), smoothed(loudness, 0.03)


def smoothed(curve: Curve, seconds: float) -> Curve:
    """A one-pole low-pass that starts settled."""
    decay = np.exp(-1 / (seconds * RATE))
    return lfilter([1 - decay], [1, -decay], curve, zi=[decay * curve[0]])[0]


def vibrato(rng: Generator, pitch: Curve, cents: float) -> Curve:
    rate = rng.uniform(4.5, 7) + smoothed(rng.standard_normal(N) * 30, 0.3)
    return pitch + cents / 100 * np.sin(2 * np.pi * np.cumsum(rate) / RATE)


def turns(pitch: Curve) -> Curve:
    """Phase in radians."""
    return 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE


def peaks(y: Curve, centres: tuple[float, ...], q: float, floor: float) -> Curve:
    """Resonances in parallel over a share of the dry sound."""
    return floor * y + sum(lfilter(*iirpeak(centre, q, fs=RATE), y) for centre in centres)


def saw_with_formants(rng: Generator) -> Curve:
    pitch, loudness = line(rng, 48, 76, rng.uniform(0.25, 0.6), rng.uniform(0.02, 0.12))
    y = sawtooth(turns(vibrato(rng, pitch, rng.uniform(20, 80)))) * loudness
    centres = rng.uniform([350, 900, 2300], [900, 1800, 3200])
    return peaks(y, tuple(centres), rng.uniform(3, 8), 0.1)


def sine_with_formants(rng: Generator) -> Curve:
    pitch, loudness = line(rng, 55, 84, rng.uniform(0.3, 0.8), rng.uniform(0.03, 0.15))
    y = np.tanh(rng.uniform(1, 4) * np.sin(turns(vibrato(rng, pitch, rng.uniform(20, 100)))) * loudness)
    return peaks(y, tuple(rng.uniform([400, 1000], [900, 2400])), 5, 0.3)


def theremin(rng: Generator) -> Curve:
    pitch, loudness = line(rng, 57, 86, rng.uniform(0.6, 1.2), rng.uniform(0.15, 0.4))
    phase = turns(vibrato(rng, pitch, rng.uniform(30, 120)))
    return (np.sin(phase) + 0.2 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)) * smoothed(loudness, 0.1)


def wah(rng: Generator) -> Curve:
    pitch, loudness = line(rng, 45, 69, rng.uniform(0.2, 0.5), 0.005)
    y = np.tanh(3 * sawtooth(turns(pitch))) * loudness
    sweep = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.5, 4) * np.arange(N) / RATE)
    bank = [lfilter(*iirpeak(centre, 4, fs=RATE), y) for centre in (400, 700, 1100, 1600, 2200)]
    place = sweep * (len(bank) - 1)
    return sum(np.maximum(0, 1 - np.abs(place - i)) * part for i, part in enumerate(bank))


def bent_guitar(rng: Generator) -> Curve:
    """Plucked partials, the high ones gone sooner, with bends, into a distorted amplifier."""
    pitch, loudness = line(rng, 52, 76, rng.uniform(0.3, 0.7), 0.004)
    bend = smoothed(rng.choice([0, 0, -2, -1], 40).repeat(N // 40), 0.08)
    phase = turns(vibrato(rng, pitch + bend, rng.choice([0, 30, 60])))
    since = np.arange(N) - np.maximum.accumulate(np.where(np.abs(np.diff(pitch, prepend=0)) > 0.05, np.arange(N), 0))
    dull = np.exp(-since / RATE * 4)
    y = sum(k**-1.1 * dull ** (k / 3) * np.sin(k * phase) for k in range(1, 16)) * loudness
    return sosfilt(butter(2, 4500, fs=RATE, output="sos"), np.tanh(rng.uniform(1, 10) * y))


def solo_strings(rng: Generator) -> Curve:
    """A bowed string: a sawtooth with bow noise through the modes of a violin's or cello's body."""
    low, body = [(55.0, (280, 460, 700, 1100, 2600)), (38.0, (110, 200, 380, 900, 2000))][rng.integers(2)]
    pitch, loudness = line(rng, low, low + 29, rng.uniform(0.3, 0.9), rng.uniform(0.01, 0.08))
    loudness = smoothed(loudness, 0.08)
    y = sawtooth(turns(vibrato(rng, pitch, rng.uniform(10, 45))))
    return peaks((y + 0.05 * rng.standard_normal(N)) * loudness, body, 6, 0.2)


def solo_winds(rng: Generator) -> Curve:
    """Flute, clarinet, or brass whose brightness follows its loudness."""
    pitch, loudness = line(rng, 55, 84, rng.uniform(0.2, 0.7), rng.uniform(0.005, 0.05))
    phase = turns(vibrato(rng, pitch, rng.uniform(0, 35)))
    breath = sosfilt(butter(2, (500, 4000), "bandpass", fs=RATE, output="sos"), rng.standard_normal(N))
    tone = [
        lambda: np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.1 * breath,
        lambda: sosfilt(butter(2, 3000, fs=RATE, output="sos"), np.sign(np.sin(phase)) * 0.5 + 0.02 * breath),
        lambda: sum((smoothed(loudness, 0.06) * 0.9) ** k * np.sin(k * phase) for k in range(1, 14)),
    ][rng.integers(3)]
    return tone() * loudness


def whistling(rng: Generator) -> Curve:
    pitch, loudness = line(rng, 76, 96, rng.uniform(0.2, 0.6), rng.uniform(0.02, 0.1))
    pitch = vibrato(rng, pitch, rng.uniform(0, 50)) + smoothed(rng.standard_normal(N) * 3, 0.05)
    hiss = sosfilt(butter(2, (900, 5000), "bandpass", fs=RATE, output="sos"), rng.standard_normal(N))
    return (np.sin(turns(pitch)) + 0.08 * hiss) * loudness


def wordless_choir(rng: Generator) -> Curve:
    """Chords of four singers on one vowel, each with their own timing and pitch."""
    vowel, beat = rng.choice(["AA", "UW", "AO"]), rng.uniform(0.8, 1.6)
    root = rng.uniform(50, 57)
    chords = [root + rng.choice([0, 2, 5, 7, 9]) for _ in range(int(SECONDS / beat / 2))]
    y = np.zeros(N)
    for part in (0, 4, 7, 12):
        late, detune = rng.uniform(0, 0.06), rng.normal(0, 0.08)
        notes = " ".join(f"{vowel}/{chord + part + detune:.2f}/2" for chord in chords[:-1])
        y += np.roll(sing(f"0.5 {notes}", beat, SECONDS, RATE), round(late * RATE))
    return y


CONFUSERS: dict[str, Callable[[Generator], Curve]] = {
    "sawtooth with formants and vibrato": saw_with_formants,
    "sine with formants and vibrato": sine_with_formants,
    "theremin": theremin,
    "wah-wah": wah,
    "bent guitar": bent_guitar,
    "solo violin and cello": solo_strings,
    "solo flute, clarinet and brass": solo_winds,
    "whistling": whistling,
    "wordless choir": wordless_choir,
}


def confuser(name: str, seed: int) -> NDArray[np.float32]:
    y = CONFUSERS[name](np.random.default_rng(seed))
    return (y / np.abs(y).max()).astype(np.float32)
