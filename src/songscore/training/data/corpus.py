"""The sounds for training, as one array of mel spectra in memory.

A clip's mel power is kept as ``uint8``: half decibels, 255 at the clip's loudest cell. Clips have an even number of
frames, so that step ``s`` of the detector is the frames ``2 s`` and ``2 s + 1``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore._files import new_file
from songscore.audio import Layout, open_audio
from songscore.errors import AudioError
from songscore.features.detector import FRAMES_PER_STEP
from songscore.features.spectrum import SAMPLE_RATE, FloatArray, mel_spectrum
from songscore.training.data.manifest import SUNG_SPEECH, Row
from songscore.training.data.teacher import teach

MEL = "mel-v1"
"""Version of the cache entries of files, which hold a spectrum and the teacher's answers."""

MAX_SECONDS = 180

SOUNDING = frozenset({"voice", SUNG_SPEECH, "speech", "choir"})
"""Roles of clips that hold a single sound, so that its level tells in which frames it sounds."""

_MIN_FRAMES = 50

Codes = NDArray[np.uint8]


def quantise(mel: FloatArray) -> Codes:
    """Half decibels below the loudest cell, 255 at the top, clipped at 127.5 dB below it."""
    db = 10 * np.log10(np.maximum(mel, np.float32(1e-30)))
    return np.clip(np.round((db - db.max(initial=-300.0)) * 2) + 255, 0, 255).astype(np.uint8)


def dequantise(codes: Codes) -> FloatArray:
    """Mel power with the loudest possible cell at 1."""
    return (10 ** ((codes.astype(np.float32) - 255) / 20)).astype(np.float32)


def voice_activity(codes: Codes, depth_db: float = 30.0) -> NDArray[np.bool_]:
    """Frames of a voice alone in which it sounds: less than `depth_db` below its 95th percentile."""
    loudness = 10 * np.log10(dequantise(codes).mean(axis=1) + 1e-13)
    return np.asarray(loudness > np.percentile(loudness, 95) - depth_db)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One sound in one role.

    Attributes
    ----------
    row : int
        Its line of the manifest; the three clips of a pair share one.
    role : str
        One of `songscore.training.data.manifest.ROLES`, or a part of a pair: "song", "instrumental", "voice".
    mel : (n_frames, N_MELS) uint8
    teacher : (n_frames // 2, 3) uint8
        The teacher's probabilities of singing, speech and music, times 255.
    """

    row: int
    role: str
    mel: Codes
    teacher: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips end to end.

    Attributes
    ----------
    mel : (n_frames, N_MELS) uint8
    teacher : (n_frames // 2, 3) uint8
    active : (n_frames,) bool
        Where a voice alone sounds, singing or speaking; False in other clips.
    start : (n_clips + 1,) int64
        First frame of each clip, all even.
    role : (n_clips,) str
    row : (n_clips,) int64
    weight : (n_clips,) float32
        Relative frequency of the clip among those of its role.
    """

    mel: Codes
    teacher: NDArray[np.uint8]
    active: NDArray[np.bool_]
    start: NDArray[np.int64]
    role: NDArray[np.str_]
    row: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.role)

    def clip(self, index: int) -> Codes:
        """Mel codes of one clip, shape ``(n_frames, N_MELS)``."""
        return self.mel[self.start[index] : self.start[index + 1]]

    def teaching(self, index: int) -> NDArray[np.uint8]:
        """The teacher's answers to one clip, shape ``(n_frames // 2, 3)``."""
        return self.teacher[self.start[index] // FRAMES_PER_STEP : self.start[index + 1] // FRAMES_PER_STEP]

    def save(self, folder: Path) -> None:
        """Write the arrays for other processes to load."""
        for item in fields(self):
            np.save(folder / f"{item.name}.npy", getattr(self, item.name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Read what `save` wrote."""
        return cls(**{item.name: np.load(folder / f"{item.name}.npy", allow_pickle=False) for item in fields(cls)})

    @classmethod
    def of(cls, clips: Sequence[Clip], rows: Sequence[Row]) -> Corpus:
        """Join clips, each with a weight in proportion to the square root of its length."""
        lengths = np.array([len(clip.mel) for clip in clips])
        weights = np.array([rows[clip.row].weight for clip in clips])
        silent = [np.zeros(n, np.bool_) for n in lengths]
        return cls(
            mel=np.concatenate([clip.mel for clip in clips]),
            teacher=np.concatenate([clip.teacher for clip in clips]),
            active=np.concatenate(
                [voice_activity(c.mel) if c.role in SOUNDING else s for c, s in zip(clips, silent, strict=True)]
            ),
            start=np.concatenate([[0], np.cumsum(lengths)]),
            role=np.array([clip.role for clip in clips]),
            row=np.array([clip.row for clip in clips]),
            weight=(weights * np.sqrt(np.minimum(lengths, 3000))).astype(np.float32),
        )


def build_corpus(
    rows: Sequence[Row], cache_folder: Path, jobs: int = 1, report: Callable[[str], None] = lambda _: None
) -> Corpus:
    """Compute the clips of every row, or read them from the cache; unreadable files are reported and left out."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        answers = pool.map(partial(_cached, cache_folder), rows, chunksize=4)
        for index, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            if isinstance(answer, str):
                report(f"left out {row.name}: {answer}")
                continue
            clips.extend(Clip(index, *part) for part in answer if len(part[1]) >= _MIN_FRAMES)
    return Corpus.of(clips, rows)


Part = tuple[str, Codes, NDArray[np.uint8]]


def _cached(folder: Path, row: Row) -> list[Part] | str:
    try:
        status = row.path.stat()
        key = f"{MEL} {row.path.resolve()} {row.role} {status.st_size} {status.st_mtime_ns}"
        entry = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
        if not entry.exists():
            _store(entry, _parts(row))
        with np.load(entry, allow_pickle=False) as stored:
            roles = [name.removesuffix(".mel") for name in stored if name.endswith(".mel")]
            return [(role, stored[f"{role}.mel"], stored[f"{role}.teacher"]) for role in roles]
    except (AudioError, OSError) as error:
        return str(error)


def _store(entry: Path, parts: list[Part]) -> None:
    arrays: dict[str, Any] = {}
    for role, mel, teacher in parts:
        arrays |= {f"{role}.mel": mel, f"{role}.teacher": teacher}
    with new_file(entry) as file:
        np.savez(file, **arrays)


def _parts(row: Row) -> list[Part]:
    layout: Layout = "mid/side" if row.role == "pair" else "mono"
    with open_audio(row.path, rate=SAMPLE_RATE) as stream:
        blocks = list(islice(stream.blocks(seconds=20, layout=layout), MAX_SECONDS // 20))
    y = np.concatenate(blocks, axis=-1)
    if row.role != "pair":
        return [_part(row.role, y)]
    accompaniment, voice = y[0] + y[1], y[0] - y[1]
    return [_part("instrumental", accompaniment), _part("voice", voice), _part("song", accompaniment + voice)]


def _part(role: str, y: FloatArray) -> Part:
    codes = quantise(mel_spectrum(y))
    n_steps = len(codes) // FRAMES_PER_STEP
    return role, codes[: n_steps * FRAMES_PER_STEP], teach(y, n_steps)
