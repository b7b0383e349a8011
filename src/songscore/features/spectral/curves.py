"""The spectral curves of a sound, which is read once for its level and once for its spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from songscore.audio import Source, open_audio
from songscore.features.spectral.blocks import blocks
from songscore.features.spectral.definitions import Level, block_curves, mel_power, track_curves
from songscore.features.spectral.families import FAMILIES
from songscore.features.spectral.frames import SAMPLE_RATE, FloatArray, columns_of
from songscore.features.spectral.importing import load_librosa

TOP_DB = 80.0
"""Decibels from the loudest mel band of the track to the floor, as of `librosa.power_to_db`."""


def spectral_curves(source: Source) -> dict[str, FloatArray]:
    """The curves `CURVES` of a sound, each of the shape ``(n_frames,)``, at `frame_times`.

    Parameters
    ----------
    source : path, seekable binary file object, or (samples, sample rate)
        It is read twice.

    Raises
    ------
    AudioError
        The sound cannot be read.
    ImportError
        librosa is missing.
    """
    load_librosa()
    level = _level(_read(source))
    parts: list[dict[str, FloatArray]] = []
    last = None
    for block in blocks(_read(source)):
        found, last = block_curves(block, level, last)
        parts.append(found)
    joined = {name: np.concatenate([part.pop(name) for part in parts], axis=1) for name in list(parts[0])}
    by_family = track_curves(joined)
    return {
        curve: by_family[family.name][row]
        for family in FAMILIES
        if family.statistics
        for row, curve in enumerate(family.curves)
    }


def mel_spectrum(source: Source, most: int) -> tuple[FloatArray, int]:
    """The mel power spectrum of `librosa.feature.melspectrogram`, averaged over frames to at most `most` columns.

    Returns
    -------
    (128, n_columns) float32, int
        The spectrum, at the level of the source, and the frames of a column.
    """
    load_librosa()
    parts = [mel_power(block.own[0]) for block in blocks(_read(source))]
    mel = np.concatenate(parts, axis=1)
    width = -(-mel.shape[1] // most)
    return columns_of(mel, width), width


def _read(source: Source) -> Iterator[FloatArray]:
    with open_audio(source, rate=SAMPLE_RATE) as stream:
        yield from stream.blocks(layout="mean/side")


def _level(pieces: Iterable[FloatArray]) -> Level:
    import librosa

    energy, n_samples = 0.0, 0

    def counted() -> Iterator[FloatArray]:
        nonlocal energy, n_samples
        for piece in pieces:
            energy += float(np.square(piece[0], dtype=np.float64).sum())
            n_samples += piece.shape[1]
            yield piece

    loudest = max(float(mel_power(block.own[0]).max()) for block in blocks(counted()))
    gain = np.float32(np.sqrt(n_samples / energy)) if energy > 0 else np.float32(1)
    return Level(gain, float(librosa.power_to_db(loudest * float(gain) ** 2)) - TOP_DB)
