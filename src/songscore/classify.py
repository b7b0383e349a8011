"""One track in, one answer out: the thin public layer over analysis and decision."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import Any

from numpy.typing import NDArray

from songscore.analysis.sampling import analyse
from songscore.audio import Source, as_source, path_of
from songscore.audio.identity import FileState, file_state
from songscore.decision import Choir, Question, label
from songscore.errors import AudioError
from songscore.model import MODEL, load_model
from songscore.results import TrackResult


def classify_track(
    source: Source | NDArray[Any],
    sr: int | None = None,
    *,
    threshold: float = 0.5,
    prior: float | None = None,
    choir: Choir = "score",
    thorough: bool = False,
    model: str | os.PathLike[str] = MODEL,
) -> TrackResult:
    """Say whether a track is a song or instrumental score.

    Parameters
    ----------
    source : path, binary file object, array, or (array, sample rate)
        An array has the shape ``(samples,)`` or ``(channels, samples)``; its sample rate is the second argument, or
        comes with it in a tuple.
    sr : int, optional
        Sample rate of an array, in hertz.
    threshold : float, default 0.5
        Song probability from which the label is "song", in (0, 1).
    prior : float, optional
        Share of songs in the collection, in (0, 1), where it is known. Without it both answers are equally expected.
    choir : {"score", "song"}, default "score"
        Label of a track whose only voices sing no words, such as a choir on "ah".
    thorough : bool, default False
        Listen to the whole track. Without it, listening to a track of a minute or more stops as soon as the rest could
        change neither the label nor `certain`; the timeline and the passages then cover only what was heard.
    model : str or path, default "track-v2"
        Name of a model that comes with songscore, or the path of another.

    Returns
    -------
    TrackResult
        There is one for a file that cannot be read, too: its `label` is None, and `status` and `message` say why.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong. What is wrong with a file never raises: the result says it.
    ModelError
        A file of the model is missing or was altered.
    """
    source = as_source(source, sr)
    question = Question(threshold, prior, choir)
    chosen = load_model(model)
    file = file_state(source) if isinstance(source, (str, os.PathLike)) else None
    try:
        analysis = analyse(source, chosen, question, thorough=thorough)
    except AudioError as error:
        answer = TrackResult(path=path_of(source), status=error.status, message=str(error), model=chosen.name)
    else:
        answer = label(analysis, chosen, question)
    return about(answer, file)


def about(answer: TrackResult, file: FileState | None) -> TrackResult:
    """The answer, with the size, time and sound digest of its file."""
    return answer if file is None else replace(answer, **asdict(file))
