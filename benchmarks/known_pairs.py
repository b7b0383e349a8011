"""Karaoke with and without its singer, where other singers of the same collection were in the training.

    python -m benchmarks known_pairs

The cross-validation leaves the whole collection out, since it is one origin. Here a detector is trained without every
other singer of it, in the time of one part of the cross-validation, and the shipped classifier decides on what that
detector hears of the singers left out. Beside its figures stand those of the cross-validation on the same singers.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
from scipy.special import expit

from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import WINDOW
from songscore.features.track_vector import listen_to_mel
from songscore.model import load_model
from songscore.training.data.corpus import dequantise
from songscore.training.detector.fit import train_detector
from songscore.training.metrics import figures

from .material.folds import read_corpus
from .material.place import Place
from .material.tracks import figures_of, read_tracks


@click.command()
def main(place: Place) -> Iterator[str]:
    """Train; a line for each figure."""
    rows, corpus = read_corpus(place)
    singers = sorted({row.group for row in rows if row.role == "pair"})
    left_out = np.isin([rows[i].group for i in corpus.row], singers[::2])
    arrays = train_detector(corpus, ~left_out, place.settings, report=lambda line: click.echo(line, err=True)).arrays()

    detector, model = VoiceDetector(arrays), load_model()
    judged = np.flatnonzero(left_out & (corpus.role != "voice"))
    heard = [listen_to_mel([dequantise(corpus.clip(i))], detector, WINDOW) for i in judged.tolist()]
    probability = expit([model.log_odds(one) for one in heard])
    known = figures(corpus.role[judged] == "song", probability, np.array([rows[i].group for i in corpus.row[judged]]))
    tracks = [row for row in read_tracks(place.tracks) if row["kind"] == "pair" and row["group"] in singers[::2]]
    unknown = figures_of(tracks)
    for name, figure in known.items():
        yield f"{name.replace('_', ' ')}: {figure}, with the collection unknown {unknown[name]}"
