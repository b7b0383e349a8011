"""Join short sounds of a package to clips of about twenty seconds, as the manifest's column ``parts`` names them.

The pieces are decoded to mono at 16 kHz, brought within 12 dB of each other, and put one after the other with a pause
between. What is random is seeded by the name of the clip, so the same clip comes out again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

from songscore.audio import open_audio
from songscore.errors import AudioError

RATE = 16_000
LONGEST = 12.0
"""Seconds taken of one piece."""

LEVEL, SPREAD_DB, SILENT = 0.05, 6.0, 1e-5


def join_all(rows: Iterable[dict[str, str]], work: Path) -> None:
    """Make every clip of the manifest that is joined and is not there yet."""
    for row in rows:
        path = work / row["path"]
        if row["source"].startswith("joined ") and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(zlib.crc32(row["path"].encode()))
            pieces = [part for name in row["parts"].split("|") for part in _piece(work / name, rng)]
            soundfile.write(path, np.concatenate(pieces), RATE)


def _piece(path: Path, rng: Generator) -> Iterator[NDArray[np.float32]]:
    """A sound and the pause behind it; nothing where it cannot be read or is silent."""
    try:
        with open_audio(path, rate=RATE) as stream:
            y = np.concatenate(list(stream.blocks()))[: round(LONGEST * RATE)]
    except AudioError:
        return
    level = np.sqrt((y**2).mean())
    if level >= SILENT:
        y = y * (LEVEL * 10 ** (rng.uniform(-SPREAD_DB, SPREAD_DB) / 20) / level)
        yield (y / max(1.0, np.abs(y).max() / 0.98)).astype(np.float32)
        yield np.zeros(int(rng.uniform(0.1, 0.7) * RATE), np.float32)
