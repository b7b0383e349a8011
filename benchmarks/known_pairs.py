"""Karaoke with and without its singer, where other singers of the same collection were in the training.

    python benchmarks/known_pairs.py --work build/training

The cross-validation leaves the whole collection out, since it is one origin. Here a detector is trained without every
other singer of it, in the time of one part of the cross-validation, and the shipped classifier decides on what that
detector hears of the singers left out. Beside its figures stand those of the cross-validation on the same singers.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from accuracy import TRACKS, figures_of, read_tracks
from shipped_model import HERE, MANIFEST

from songscore.features.detector import VoiceDetector
from songscore.features.track_vector import listen_to_mel
from songscore.model import load_model
from songscore.training.data.corpus import build_corpus, dequantise
from songscore.training.data.manifest import read_manifest
from songscore.training.detector.fit import train_detector
from songscore.training.detector.settings import Settings
from songscore.training.metrics import figures


@click.command()
@click.option("--work", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "build" / "training")
def main(work: Path) -> None:
    """Train, and print the figures."""
    rows = read_manifest(MANIFEST, work)
    corpus = build_corpus(rows, work / "cache" / "spectra")
    singers = sorted({row.group for row in rows if row.role == "pair"})
    left_out = np.isin([rows[i].group for i in corpus.row], singers[::2])
    arrays = train_detector(corpus, ~left_out, Settings(), report=lambda line: click.echo(line, err=True)).arrays()

    detector, model = VoiceDetector(arrays), load_model()
    judged = np.flatnonzero(left_out & (corpus.role != "voice"))
    heard = [listen_to_mel([dequantise(corpus.clip(i))], detector) for i in judged.tolist()]
    probability = np.array([model.decide(one.features).probability for one in heard])
    known = figures(corpus.role[judged] == "song", probability, np.array([rows[i].group for i in corpus.row[judged]]))
    tracks = [row for row in read_tracks(TRACKS) if row["kind"] == "pair" and row["group"] in singers[::2]]
    unknown = figures_of(tracks)
    for name, figure in known.items():
        click.echo(f"{name.replace('_', ' ')}: {figure}, with the collection unknown {unknown[name]}")


if __name__ == "__main__":
    main()
