"""Draw the pictures of the documentation that show voice curves over spectra.

    python -m benchmarks pictures

A song (the README's), and beside it a narrator over a score, a choir without words over a score, and birds: what counts
as a song and what does not. The choir is rendered and the birds are of a game, as ``benchmarks.training_data`` leaves
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from songscore import classify_track, plot_timeline
from songscore.audio import open_audio
from songscore.features.spectrum import SAMPLE_RATE

from .material.place import ROOT, Place

IMAGES = ROOT / "docs" / "images"
SONG = "music/songs/let-s-go-fishin-826711.opus"
SCORE = "music/instrumentals/olivier-militon-vogue-a-lame-464620.opus"
CHOIR = "rendered/choir-musescore-052-0.flac"
BIRDS = "debian/megaglest-data/usr/share/games/megaglest/tilesets/dark_forest/sounds/day.ogg"
QUICK = {
    "images": None,
    "song": "music/song-0.flac",
    "score": "music/score-0.flac",
    "choir": "music/choir-0.flac",
    "birds": "music/noise-0.flac",
    "speaker": "music/speech-0.flac",
}

Samples = NDArray[np.float32]


def read(path: Path, seconds: float) -> Samples:
    """The beginning of a sound at a common level, repeated where it is short."""
    with open_audio(path, rate=SAMPLE_RATE) as stream:
        y = np.concatenate(list(stream.blocks()))
    y = np.resize(y, round(seconds * SAMPLE_RATE))
    return (0.05 * y / y.std()).astype(np.float32)


def kinds(song: Path, score: Path, choir: Path, birds: Path, speaker: Path) -> dict[str, Samples]:
    """Thirty seconds of each."""
    over, speech = read(score, 30), read(speaker, 30)
    speech[: 6 * SAMPLE_RATE] = speech[24 * SAMPLE_RATE :] = 0
    return {
        "a song": read(song, 30),
        "a narrator over a score, 0:06 to 0:24": over + 1.5 * speech,
        "a choir without words over a score": over + 1.2 * read(choir, 30),
        "birds": read(birds, 30),
    }


def draw_kinds(sounds: dict[str, Samples], path: Path) -> None:
    """One above the other."""
    figure = plt.figure(figsize=(9, 3.6 * len(sounds)), layout="constrained")
    for part, (name, y) in zip(figure.subfigures(len(sounds), 1), sounds.items(), strict=True):
        track = classify_track(y, SAMPLE_RATE, thorough=True)
        if track.timeline is None:
            part.suptitle(f"{name}\n{track.message}", x=0.08, ha="left", fontsize="medium")
            ax = part.subplots()
            ax.specgram(y, NFFT=1024, Fs=SAMPLE_RATE, noverlap=512, cmap="magma", vmin=-120)
            ax.set(xlabel="time (s)", ylabel="frequency (Hz)")
        else:
            plot_timeline(replace(track, path=name), part.subplots(), source=(y, SAMPLE_RATE))
    figure.savefig(path, dpi=80)


def draw_song(song: Path, path: Path) -> None:
    """A minute of a song, for the README."""
    y = read(song, 60)
    track = classify_track(y, SAMPLE_RATE, thorough=True)
    ax = plot_timeline(replace(track, path="Let's Go Fishin' by Karissa Hobbs (CC BY 3.0)"), source=(y, SAMPLE_RATE))
    ax.figure.savefig(path, dpi=110)


@click.command()
@click.option("--song", default=SONG, show_default=True, help="In the folder of the work, as the others.")
@click.option("--score", default=SCORE, show_default=True)
@click.option("--choir", default=CHOIR, show_default=True)
@click.option("--birds", default=BIRDS, show_default=True)
@click.option("--speaker", help="Speech without music.  [a reader]")
@click.option("--images", type=click.Path(path_type=Path), default=IMAGES, show_default=True)
def main(
    place: Place, song: str, score: str, choir: str, birds: str, speaker: str | None, images: Path | None
) -> Iterator[str]:
    """Draw both pictures."""
    folder, work = images or place.own, place.work
    speech = work / speaker if speaker else sorted((work / "music" / "other").glob("*libri*"))[0]
    draw_song(work / song, folder / "timeline.png")
    draw_kinds(kinds(work / song, work / score, work / choir, work / birds, speech), folder / "kinds.png")
    yield f"{folder / 'timeline.png'}, {folder / 'kinds.png'}"
