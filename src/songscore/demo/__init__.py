"""A small song and a small score by synthesis, so that a fresh install can be seen working with no music at hand.

Conventions
-----------
Rendered music is float32 ``(2, n_samples)``, left and right, with its peak at 0.8. The same call gives the same
samples. Both pieces last `SECONDS`; the singer of the song is heard during `SUNG`.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songscore.demo import instruments as play
from songscore.demo.singer import sing
from songscore.results import SCORE, SONG, Label

SECONDS = 20.0
SUNG = (2.4, 18.6)
"""Seconds of the first and last sung sound of the song."""

BEAT = 0.6
"""Seconds per beat of the song, four to a bar."""

CHORDS = (
    (48, 52, 55), (48, 52, 55), (43, 50, 59), (45, 52, 60),
    (41, 53, 57), (48, 52, 55), (43, 50, 59), (48, 52, 55),
)  # fmt: skip
"""One per bar of the song, the root first."""

MELODY = """
4 W-EH-N/64/.5 DH-AH/64/.5 N-AA-IH-T/67/1 IH-Z/67/.5 AO-L/65/.5 M-AO-UW-S-T/64/.5 AO-UW/62/.5 V-ER/62/2
11 AA-IH/62/.5 W-IH-L/64/.5 S-IH-N/69/1 DH-AH/67/.5 S-AO-N/64/1 AH/62/.5 G-EH-N/64/1
16 EH-V/65/.5 R-IY/65/.5 S-T-AA-R/69/1 IH-Z/67/.5 F-AO/65/.5 L-IH-NG/64/.5 S-L-AO-UW/62/.5 L-IY/64/.5 IY/62/.5 IY/60/.5
22 K-AH-M/67/.5 AE-N-D/67/.5 HH-AO-UW-L-D/69/1 M-IY/67/.5 T-IH-L/65/.5 DH-AH/64/.5 M-AO-R/65/1 N-IH-NG/62/.5
27 AA-IH/64/.5 AH-M/62/.5 K-AH/62/.5 M-IH-NG/64/.5 HH-AO-UW-M/60/2
"""
"""When the night is almost over I will sing the song again;
every star is falling slowly, come and hold me till the morning, I am coming home."""

HARMONY = (
    (38, 50, 53, 57), (34, 46, 53, 58), (41, 48, 53, 57), (36, 48, 52, 55),
    (38, 50, 53, 57), (31, 50, 55, 58), (33, 49, 52, 57), (38, 50, 53, 57),
)  # fmt: skip
"""Chords of the score, 2.4 seconds each, the bass first."""


class _Mix:
    """Notes put together, as ``(2, n_samples)``."""

    def __init__(self, sr: int) -> None:
        self.sr = sr
        self.y = np.zeros((2, round(SECONDS * sr)))

    def add(self, note: play.Samples, start: float, gain: float, pan: float = 0.0) -> None:
        """Add a note at `start` seconds, from -1 (left) to 1 (right), with constant power."""
        first = round(start * self.sr)
        note = note[: self.y.shape[1] - first]
        angle = (pan + 1) * np.pi / 4
        self.y[:, first : first + len(note)] += gain * np.array([[np.cos(angle)], [np.sin(angle)]]) * note

    def finish(self, reverberation: float, gain: float) -> NDArray[np.float32]:
        """Put the mix into a room and bring its peak to 0.8."""
        y = self.y + gain * play.room(self.y.mean(axis=0), reverberation, self.sr)
        y *= np.clip((SECONDS - np.arange(y.shape[1]) / self.sr) / 0.5, 0, 1)
        return np.asarray(0.8 * y / np.abs(y).max(), np.float32)


def render_song(sr: int = 44_100) -> tuple[NDArray[np.float32], int]:
    """A singer over piano, bass and drums.

    Parameters
    ----------
    sr : int, default 44100
        Sample rate, in hertz.

    Returns
    -------
    y : (2, n_samples) float32
    sr : int
    """
    mix = _Mix(sr)
    for bar, chord in enumerate(CHORDS):
        _accompany(mix, 4 * bar * BEAT, chord)
    mix.add(sing(MELODY, BEAT, SECONDS, sr), 0, 1.6)
    return mix.finish(0.8, 0.25), sr


def _accompany(mix: _Mix, start: float, chord: tuple[int, ...]) -> None:
    sr, eighth = mix.sr, BEAT / 2
    for i in range(8):
        time = start + i * eighth
        mix.add(play.hat(sr), time, 0.06, 0.4)
        mix.add(play.bass(chord[0] - 12, eighth, sr), time, 0.3)
        if i % 2 == 0:
            mix.add(play.kick(sr) if i % 4 == 0 else play.snare(sr), time, 0.45)
        for j, pitch in enumerate(chord):
            mix.add(play.piano(pitch + 12, eighth, sr), time + 0.008 * j, 0.12 if i % 2 else 0.09, -0.5)


def render_score(sr: int = 44_100) -> tuple[NDArray[np.float32], int]:
    """Piano over strings and kettledrums, without a voice; the sample rate and the answer as of `render_song`."""
    mix = _Mix(sr)
    for bar, (root, *chord) in enumerate(HARMONY):
        start = 2.4 * bar
        mix.add(play.timpani(root + 12, sr), start, 0.5, 0.3)
        for pan, pitch in zip((0.6, 0.0, -0.6), chord, strict=True):
            mix.add(play.strings(pitch, 2.4, sr), start, 0.2, pan)
        for i, step in enumerate((0, 1, 2, 3, 2, 1, 3, 2)):
            pitch = (root + 12, *(p + 12 for p in chord))[step]
            mix.add(play.piano(pitch, 0.6, sr), start + 0.3 * i, 0.35, -0.3)
    return mix.finish(2.0, 0.5), sr


def write_demo(folder: Path) -> dict[Path, Label]:
    """Render both pieces into a folder, as WAV of 16 bits.

    Returns
    -------
    dict of Path to str
        The files, and what each is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces: dict[Path, Label] = {folder / "song.wav": SONG, folder / "score.wav": SCORE}
    for path, (y, sr) in zip(pieces, (render_song(), render_score()), strict=True):
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, sr, 0, "NONE", ""))
            file.writeframes((y.T * 32767).astype("<i2").tobytes())
    return pieces
