"""Draw the pictures of the documentation that show voice curves over spectra.

    python -m benchmarks pictures --work build/training

A song (the README's), and beside it a narrator over a score, a choir without words over a score, and birds: what counts
as a song and what does not. The choir is rendered and the birds are of a game, as ``shipped_model`` leaves them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from shipped_model import HERE

from songscore import classify_track, plot_timeline
from songscore.audio import open_audio
from songscore.features.spectrum import SAMPLE_RATE

IMAGES = HERE.parent / "docs" / "images"
SONG = "music/songs/let-s-go-fishin-826711.opus"
SCORE = "music/instrumentals/olivier-militon-vogue-a-lame-464620.opus"
CHOIR = "rendered/choir-musescore-052-0.flac"
BIRDS = "debian/megaglest-data/usr/share/games/megaglest/tilesets/dark_forest/sounds/day.ogg"

Samples = NDArray[np.float32]


def read(path: Path, seconds: float) -> Samples:
    """The beginning of a sound at a common level, repeated where it is short."""
    with open_audio(path, rate=SAMPLE_RATE) as stream:
        y = np.concatenate(list(stream.blocks()))
    y = np.resize(y, round(seconds * SAMPLE_RATE))
    return (0.05 * y / y.std()).astype(np.float32)


def kinds(work: Path, speaker: Path) -> dict[str, Samples]:
    """Thirty seconds of each."""
    score, speech = read(work / SCORE, 30), read(speaker, 30)
    speech[: 6 * SAMPLE_RATE] = speech[24 * SAMPLE_RATE :] = 0
    return {
        "a song": read(work / SONG, 30),
        "a narrator over a score, 0:06 to 0:24": score + 1.5 * speech,
        "a choir without words over a score": score + 1.2 * read(work / CHOIR, 30),
        "birds": read(work / BIRDS, 30),
    }


def draw_kinds(sounds: dict[str, Samples], path: Path) -> None:
    """One above the other."""
    figure = plt.figure(figsize=(9, 3.6 * len(sounds)), layout="constrained")
    for part, (name, y) in zip(figure.subfigures(len(sounds), 1), sounds.items(), strict=True):
        track = classify_track(y, SAMPLE_RATE, thorough=True)
        if track.timeline is None:
            part.suptitle(f"{name}\n{track.message}", x=0.08, ha="left", fontsize="medium")
            part.subplots().specgram(y, NFFT=1024, Fs=SAMPLE_RATE, noverlap=512, cmap="magma", vmin=-120)
        else:
            plot_timeline(replace(track, path=name), part.subplots(), source=(y, SAMPLE_RATE))
    figure.savefig(path, dpi=80)


def draw_song(work: Path, path: Path) -> None:
    """A minute of a song, for the README."""
    y = read(work / SONG, 60)
    track = classify_track(y, SAMPLE_RATE, thorough=True)
    ax = plot_timeline(replace(track, path="Let's Go Fishin' by Karissa Hobbs (CC BY 3.0)"), source=(y, SAMPLE_RATE))
    ax.figure.savefig(path, dpi=110)


@click.command()
@click.option("--work", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "build" / "training")
@click.option(
    "--speaker", type=click.Path(path_type=Path, exists=True), help="Speech without music; a reader if left out."
)
def main(work: Path, speaker: Path | None) -> None:
    """Draw both pictures."""
    chosen = speaker or sorted((work / "music" / "other").glob("*libri*"))[0]
    draw_song(work, IMAGES / "timeline.png")
    draw_kinds(kinds(work, chosen), IMAGES / "kinds.png")


if __name__ == "__main__":
    main()
