"""Many files: which ones, and their answers as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from songscore.audio import is_audio_path
from songscore.classify import check_share, classify_track
from songscore.results import TrackResult

Progress = Callable[[TrackResult], None]

_AHEAD = 4
"""Tracks handed out per worker before the first of them is done."""


def audio_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Files named as they are; folders walked, sorted, for files with the suffix of a sound file.

    Hidden files and folders inside a folder are passed over, and so are folders that cannot be read and links to
    folders.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and is_audio_path(name):
                    yield Path(folder, name)


def classify_folder(
    folder: str | os.PathLike[str],
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    threshold: float = 0.5,
    prior: float | None = None,
    thorough: bool = False,
) -> Iterator[TrackResult]:
    """Label every audio file below a folder.

    Parameters
    ----------
    folder : path
    jobs : int, default 1
        Processes to use; with 1 everything happens in this one.
    executor : concurrent.futures.Executor, optional
        Where to run instead, and then `jobs` is not used.
    progress : callable, optional
        Called with each result before it is yielded.
    threshold, prior, thorough
        As for `classify_track`.

    Yields
    ------
    TrackResult
        As each is ready; in order of path with one job.

    Raises
    ------
    NotADirectoryError
        `folder` is not a folder.
    TypeError, ValueError
        Another argument is wrong.
    """
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{os.fspath(folder)} is not a folder; classify_track labels a file")
    results = classify_files(
        audio_files([folder]), jobs=jobs, executor=executor, threshold=threshold, prior=prior, thorough=thorough
    )
    return _watched(results, progress)


def classify_files(
    paths: Iterable[Path],
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    threshold: float = 0.5,
    prior: float | None = None,
    thorough: bool = False,
) -> Iterator[TrackResult]:
    """`classify_folder` for given files."""
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs}")
    check_share("threshold", threshold)
    if prior is not None:
        check_share("prior", prior)
    label = partial(classify_track, threshold=threshold, prior=prior, thorough=thorough)
    if executor is None and jobs == 1:
        return map(label, paths)
    return _spread(label, iter(paths), jobs, executor)


def _watched(results: Iterator[TrackResult], progress: Progress | None) -> Iterator[TrackResult]:
    for result in results:
        if progress is not None:
            progress(result)
        yield result


def _spread(
    label: Callable[[Path], TrackResult], paths: Iterator[Path], jobs: int, executor: Executor | None
) -> Iterator[TrackResult]:
    """Keep a few tracks per worker in flight, so that neither a long list nor a slow reader fills the memory."""
    with ExitStack() as stack:
        pool = executor or stack.enter_context(ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread))
        flying: set[Future[TrackResult]] = {pool.submit(label, path) for path in islice(paths, _AHEAD * jobs)}
        try:
            while flying:
                done = next(as_completed(flying))
                flying.remove(done)
                flying.update(pool.submit(label, path) for path in islice(paths, 1))
                yield done.result()
        finally:
            for future in flying:
                future.cancel()


def _one_thread() -> None:
    """Worker processes share the cores already; threads inside each would fight over them."""
    threadpool_limits(1)
