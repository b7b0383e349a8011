"""Where the time of one track goes.

    python -m benchmarks stages FILE... --markdown docs/figures/stages.md

Processor time of each stage of a thorough reading, on one core, as a share of the whole and as a multiple of plain
decoding; the whole of the default reading last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr

from songscore import classify_track
from songscore.audio import open_audio
from songscore.audio.mix import MonoMix
from songscore.audio.stream import QUALITY
from songscore.features.spectrum import SAMPLE_RATE, mel_spectrum, mel_windows
from songscore.features.track_vector import listen_to_mel
from songscore.model import load_model

from .material.clock import cpu
from .material.library import decode
from .material.place import Place

BLOCK = 65_536
"""Frames that songscore takes from the decoder at once."""


def stages(path: Path) -> dict[str, float]:
    """Seconds of each stage."""
    model = load_model()
    with open_audio(path, rate=SAMPLE_RATE) as stream:
        native_rate = stream.native_rate
        y = np.concatenate(list(stream.blocks()))
    with open_audio(path, rate=native_rate) as stream:
        native = np.concatenate(list(stream.blocks()))
    with soundfile.SoundFile(path) as file:
        blocks = list(file.blocks(BLOCK, dtype="float32", always_2d=True))
    mel = mel_spectrum(y)
    windows = list(mel_windows([mel], model.window))
    heard = listen_to_mel([mel], model.detector, model.window)

    decoding = cpu(lambda: decode(path))
    return {
        "open and inspect": cpu(lambda: open_audio(path).__exit__(None, None, None)),
        "decode": decoding,
        "to mono, and checks of the samples": cpu(lambda: deque(MonoMix(native_rate)(blocks), 0)),
        "resample to 16 kHz": cpu(lambda: soxr.resample(native, native_rate, SAMPLE_RATE, QUALITY)),
        "mel spectrum": cpu(lambda: mel_spectrum(y)),
        "voice detector": cpu(lambda: [model.detector(window) for window in windows]),
        "track vector and decision": cpu(lambda: model.decide(heard)),
        "whole, thorough": cpu(lambda: classify_track(path, thorough=True)),
        "whole, default": cpu(lambda: classify_track(path)),
    }


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
def main(place: Place, files: tuple[Path, ...]) -> Iterator[str]:
    """A column for each file; a song and a score of the labelled music where none is named."""
    files = files or place.examples()
    found = [stages(file) for file in files]
    yield "| stage | " + " | ".join(f"{file.suffix[1:]}, multiple of decoding" for file in files) + " |"
    yield "|---" * (len(files) + 1) + "|"
    for stage in found[0]:
        yield f"| {stage} | " + " | ".join(f"{times[stage] / times['decode']:.3f}" for times in found) + " |"
