"""Detectors that never heard the clips they judge, and one that heard them all.

Each part of the cross-validation runs in a process of its own with one thread, so that the arrays do not depend on the
number of jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songscore.features.spectrum import FloatArray
from songscore.features.summary import Listening, listen_to_mel
from songscore.features.vocal import VoiceDetector
from songscore.training.corpus import Corpus, dequantise
from songscore.training.settings import Settings

Arrays = dict[str, FloatArray]
Heard = dict[int, Listening]
ALL = -1
"""The part that leaves nothing out."""


@dataclass(frozen=True, eq=False)
class Trained:
    """The answer of `cross_validate`.

    Attributes
    ----------
    detector : dict of str to array
        Trained on everything.
    heard : dict of int to Listening
        For each song, instrumental and speech clip, what was heard by a detector that was trained without its fold.
    """

    detector: Arrays
    heard: Heard


def cross_validate(
    corpus_folder: Path,
    fold: NDArray[np.int64],
    settings: Settings,
    jobs: int,
    report: Callable[[str], None],
) -> Trained:
    """Train without each fold in turn, and once on everything.

    Parameters
    ----------
    corpus_folder : Path
        Where `Corpus.save` wrote the clips.
    fold : (n_clips,) int
    settings : Settings
    jobs : int
        Processes; one core each.
    report : callable
        Takes lines of progress.
    """
    heard: Heard = {}
    detector: Arrays = {}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        train = partial(train_part, corpus_folder, fold, settings)
        parts = {pool.submit(train, part): part for part in [ALL, *range(int(fold.max()) + 1)]}
        for future in as_completed(parts):
            arrays, judged = future.result()
            report(f"part {parts[future]} is trained")
            heard |= judged
            if parts[future] == ALL:
                detector = arrays
    return Trained(detector, heard)


def train_part(corpus_folder: Path, fold: NDArray[np.int64], settings: Settings, part: int) -> tuple[Arrays, Heard]:
    """A detector trained without one fold, and what it makes of the songs and instrumentals there."""
    import torch

    from songscore.training.fit import train_detector

    torch.set_num_threads(1)
    corpus = Corpus.load(corpus_folder)
    log = corpus_folder / f"part{part}.log"
    log.write_text("")

    def report(line: str) -> None:
        with log.open("a") as file:
            file.write(line + "\n")

    arrays = train_detector(corpus, fold != part, settings, report=report).arrays()
    judged = np.flatnonzero((fold == part) & np.isin(corpus.role, ["song", "instrumental", "speech"]))
    return arrays, judge(corpus, judged, VoiceDetector(arrays))


def judge(corpus: Corpus, clips: NDArray[np.int64], detector: VoiceDetector) -> Heard:
    """What the detector hears in each of the given clips."""
    return {int(i): listen_to_mel([dequantise(corpus.clip(i))], detector) for i in clips}
