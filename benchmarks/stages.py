"""Where the time of one track goes.

    python benchmarks/stages.py FILE...

Processor time of each stage of a thorough reading, on one core, as a share of the whole and as a multiple of plain
decoding; the whole of the default reading last.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import click
import numpy as np
import soundfile
import soxr
from library import decode
from speed import cpu

from songscore import classify_track
from songscore.audio import open_audio
from songscore.audio.mix import MonoMix
from songscore.audio.stream import QUALITY
from songscore.features.spectrum import SAMPLE_RATE, mel_spectrum, mel_windows
from songscore.features.track_vector import listen_to_mel
from songscore.model import load_model

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
        "to mono, and checks of the samples": cpu(lambda: list(map(MonoMix(native_rate), blocks))),
        "resample to 16 kHz": cpu(lambda: soxr.resample(native, native_rate, SAMPLE_RATE, QUALITY)),
        "mel spectrum": cpu(lambda: mel_spectrum(y)),
        "voice detector": cpu(lambda: [model.detector(window) for window in windows]),
        "track vector and decision": cpu(lambda: model.decide(heard)),
        "whole, thorough": cpu(lambda: classify_track(path, thorough=True)),
        "whole, default": cpu(lambda: classify_track(path)),
    }


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the table.")
def main(files: tuple[Path, ...], markdown: Path | None) -> None:
    """Print a table with a column per file."""
    found = [stages(file) for file in files]
    lines = ["| stage | " + " | ".join(f"{file.suffix[1:]}, multiple of decoding" for file in files) + " |"]
    lines.append("|---" * (len(files) + 1) + "|")
    for stage in found[0]:
        lines.append(f"| {stage} | " + " | ".join(f"{times[stage] / times['decode']:.3f}" for times in found) + " |")
    text = "\n".join(lines) + "\n"
    click.echo(text)
    if markdown:
        markdown.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
