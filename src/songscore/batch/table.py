"""Computes the features of many files, and yields them in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from songscore.analysis.record import Failure
from songscore.batch.measure import read_features
from songscore.batch.pool import DEADLINE
from songscore.batch.run import CacheFolder, cache_folder, check_run, replies
from songscore.batch.worker import Order
from songscore.decision import Question
from songscore.extract import SETS, SetName, check_librosa, check_sets
from songscore.model import MODEL, load_model, locate
from songscore.results import Status


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """The features of one file, or why there are none.

    Attributes
    ----------
    path : str
    features : mapping of str to float
        Those of the sets that were asked for; empty unless `status` is "ok".
    status : str
        As for a `songscore.TrackResult`.
    message : str
        What happened, in words, where `status` is not "ok".
    """

    path: str
    features: Mapping[str, float] = field(default_factory=dict)
    status: Status = "ok"
    message: str = ""


def features_of_files(
    paths: Iterable[str | os.PathLike[str]],
    *,
    sets: Sequence[SetName] = SETS,
    jobs: int = 1,
    cache: CacheFolder = None,
    timeout: float | None = DEADLINE,
    model: str | os.PathLike[str] = MODEL,
) -> Iterator[FeatureRow]:
    """Features of files, in order, computed in processes of their own as by `songscore.classify_folder`.

    Parameters
    ----------
    paths : iterable of path
    sets, model
        As for `songscore.extract_features`.
    jobs, cache, timeout
        As for `songscore.classify_folder`.

    Raises
    ------
    ImportError
        Spectral features are asked for and librosa is not installed.
    ValueError
        Another argument is wrong.
    """
    check_run(jobs, timeout)
    check_sets(sets)
    if "spectral" in sets:
        check_librosa()
    digest = load_model(model).metadata["sha256"]
    order = Order(locate(model), Question(), True, cache_folder(cache), timeout, digest, sets=tuple(sets))
    return _rows((os.fspath(path) for path in paths), order, jobs)


def _rows(paths: Iterator[str], order: Order, jobs: int) -> Iterator[FeatureRow]:
    with closing(replies(paths, order, jobs, None, ordered=True)) as found:
        for path, reply in found:
            yield _row(path, reply, order)


def _row(path: str, reply: bytes, order: Order) -> FeatureRow:
    try:
        found = read_features(reply, order.digest, order.sets)
    except ValueError as error:
        return FeatureRow(path, {}, "unreadable", f"{path}: the answer of a worker cannot be used: {error}")
    if isinstance(found, Failure):
        return FeatureRow(path, {}, found.status, found.message)
    return FeatureRow(path, found.values)
