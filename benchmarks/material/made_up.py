"""A small corpus by synthesis, laid out like the labelled music, and a detector that was trained on it for a moment.

It tells whether a benchmark runs, and nothing else: three updates teach a detector nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from songscore.demo import MELODY, SUNG, render_score, render_song
from songscore.demo.singer import sing
from songscore.results import SCORE, SONG
from songscore.training.detector.settings import Settings

from .place import Place

RATE = 16_000
SETTINGS = Settings(steps=3, batch=20, frames=32, channels=(4, 4, 4, 4), width=8, n_leads=2)
N_RECORDED, N_OTHERS, N_ALONE = 9, 2, 3
"""Recordings of each label, generated pieces of each, and sounds of every other kind."""

LONG, SHORT = 22.0, 6.0
"""Seconds; speed is measured on recordings of twenty and more."""

N_LONG = 2

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """A file: where it stands, and what ``music.csv`` and the manifest say of it."""

    path: str
    label: str
    role: str
    kind: str
    group: str
    y: Samples

    @property
    def origin(self) -> str:
        return "karaoke" if self.role == "pair" else f"origin of {self.group}"


def make(place: Place) -> None:
    """Write the corpus, train on it, and put the models of its cross-validation together, unless that was done."""
    from songscore.training import train

    from .folds import fold_models

    if place.tracks.exists():
        return
    place.work.mkdir(parents=True, exist_ok=True)
    written = list(sounds())
    for sound in written:
        path = place.work / sound.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound.y / np.abs(sound.y).max(), RATE)
    _write_lists(place, written)
    train(place.manifest, place.work, root=place.work, cache=place.work / "cache", settings=SETTINGS)
    fold_models(place)


def sounds() -> Iterator[Sound]:
    """Every file of the corpus, each of an artist of its own."""
    for i in range(N_RECORDED):
        seconds = LONG if i < N_LONG else SHORT
        yield Sound(f"music/song-{i}.flac", SONG, "song", "recording", f"singer {i}", song(i, seconds))
        yield Sound(f"music/score-{i}.flac", SCORE, "instrumental", "recording", f"composer {i}", score(i, seconds))
    for i in range(N_OTHERS):
        yield Sound(f"music/made-{i}.flac", SONG, "song", "generated", f"machine {i}", song(i + 20, SHORT))
        yield Sound(f"music/score-made-{i}.flac", SCORE, "instrumental", "generated", f"tool {i}", score(i + 20, SHORT))
    for i in range(N_ALONE):
        pair = np.stack([score(i + 30, SHORT), voice(i + 30, SHORT)], axis=1)
        hiss = np.random.default_rng(i).standard_normal(round(SHORT * RATE))
        yield Sound(f"music/pair-{i}.flac", SONG, "pair", "pair", f"amateur {i}", pair)
        yield Sound(f"music/voice-{i}.flac", SONG, "voice", "vocals", f"voice {i}", voice(i, SHORT))
        yield Sound(f"music/speech-{i}.flac", "", "speech", "speech", f"speaker {i}", voice(i + 10, SHORT) ** 3)
        yield Sound(f"music/choir-{i}.flac", SCORE, "choir", "wordless choir", f"choir {i}", score(i, SHORT) ** 3)
        yield Sound(f"music/noise-{i}.flac", "", "other", "other", f"noise {i}", hiss)


@cache
def _pieces() -> tuple[Samples, Samples, Samples]:
    """The demo's song and score in mono, and its singer alone."""
    song, score = (
        piece[:, round(SUNG[0] * RATE) :].mean(axis=0) for piece, _ in (render_song(RATE), render_score(RATE))
    )
    return song, score, sing(MELODY, 0.6, 20.0, RATE)[round(SUNG[0] * RATE) :]


def song(seed: int, seconds: float) -> Samples:
    return _played(_pieces()[0], seed, seconds)


def score(seed: int, seconds: float) -> Samples:
    return _played(_pieces()[1], seed, seconds)


def voice(seed: int, seconds: float) -> Samples:
    return _played(_pieces()[2], seed, seconds)


def _played(piece: Samples, seed: int, seconds: float) -> Samples:
    """At another speed and with another noise, from another moment on."""
    rng = np.random.default_rng(seed)
    y = soxr.resample(piece, RATE, RATE * rng.uniform(0.8, 1.25))
    y = np.resize(np.roll(y, rng.integers(4 * RATE)), round(seconds * RATE))
    return y + 1e-4 * rng.standard_normal(len(y))


def _write_lists(place: Place, written: list[Sound]) -> None:
    """The manifest, ``music.csv``, and where the voice of a song is."""
    about = [{"origin": sound.origin} | _without(sound, "y") for sound in written]
    _write(place.manifest, about)
    music = [
        {
            **_without(sound, "y", "path", "role"),
            "file": sound.path.removeprefix("music/"),
            "origin": sound.origin,
            "title": "",
            "artist": sound.group,
            "evidence": "made up",
            "duration_s": len(sound.y) / RATE,
        }
        for sound in written
    ]
    _write(place.data / "music.csv", music)
    sung = {"file": "song-0.flac", "source": "synthesis", "start_s": 0.0, "end_s": 12.0}
    _write(place.data / "vocal_segments.csv", [sung])


def _without(sound: Sound, *left_out: str) -> dict[str, object]:
    return {field.name: getattr(sound, field.name) for field in fields(sound) if field.name not in left_out}


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
