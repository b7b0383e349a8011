"""Many files: their answers as they come."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from pathlib import Path

from songscore.analysis.record import Analysis, Failure, read_reply
from songscore.batch.cache import Cache
from songscore.batch.pool import DEADLINE, Workers, analyse_in_child, dismiss_children
from songscore.batch.walk import audio_files
from songscore.batch.worker import Order
from songscore.decision import Choir, Question, label
from songscore.model import MODEL, TrackModel, load_model, locate
from songscore.results import TrackResult

Progress = Callable[[TrackResult], None]
CacheFolder = str | os.PathLike[str] | bool | None

_AHEAD = 4
"""Tracks handed out per process before the first of them is done."""

_AHEAD_OF_EXECUTOR = 512
"""The same for an executor, of which nobody knows how many machines it has."""


def classify_folder(
    folder: str | os.PathLike[str],
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    cache: CacheFolder = None,
    progress: Progress | None = None,
    timeout: float | None = DEADLINE,
    ordered: bool = False,
    threshold: float = 0.5,
    prior: float | None = None,
    choir: Choir = "score",
    thorough: bool = False,
    model: str | os.PathLike[str] = MODEL,
) -> Iterator[TrackResult]:
    """Label every audio file below a folder.

    Files are decoded in processes of their own: one that crashes the decoder, or keeps it busy for too long, is a
    result with a status, and the rest goes on.

    Parameters
    ----------
    folder : path
    jobs : int, default 1
        Processes to use.
    executor : concurrent.futures.Executor, optional
        Where to run instead, and then `jobs` is not used: threads, processes, or the machines of a Dask cluster
        (``client.get_executor()``), which must see the files under the same names.
    cache : path or bool, optional
        Folder in which to keep what was heard, so that another run needs no decoding; True for the user's own.
    progress : callable, optional
        Called with each result before it is yielded.
    timeout : float, optional
        Seconds that a file may take; None for any time.
    ordered : bool, default False
        Yield in order of path, also with several jobs.
    threshold, prior, choir, thorough, model
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
        audio_files([folder]),
        jobs=jobs,
        executor=executor,
        cache=cache,
        timeout=timeout,
        ordered=ordered,
        threshold=threshold,
        prior=prior,
        choir=choir,
        thorough=thorough,
        model=model,
    )
    return _watched(results, progress)


def classify_files(
    paths: Iterable[Path],
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    cache: CacheFolder = None,
    timeout: float | None = DEADLINE,
    ordered: bool = False,
    threshold: float = 0.5,
    prior: float | None = None,
    choir: Choir = "score",
    thorough: bool = False,
    model: str | os.PathLike[str] = MODEL,
) -> Iterator[TrackResult]:
    """`classify_folder` for given files."""
    check_run(jobs, timeout)
    chosen = load_model(model)
    order = Order(locate(model), Question(threshold, prior, choir), thorough, cache_folder(cache), timeout)
    answer = partial(_answer, model=chosen, question=order.question)
    return _answers(map(os.fspath, paths), order, answer, jobs, executor, ordered)


def check_run(jobs: int, timeout: float | None) -> None:
    """Raise `ValueError` where the settings of a run cannot be."""
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be more than 0 s, not {timeout}")


def cache_folder(cache: CacheFolder) -> str | None:
    """Where the cache of a run lies, as workers are told."""
    if cache is None or cache is False:
        return None
    return _absolute(Cache(None if cache is True else cache).folder)


def _absolute(path: str | os.PathLike[str]) -> str:
    """For processes that may be in another folder; follows no links."""
    return os.path.abspath(path)  # noqa: PTH100


def _answer(path: str, reply: bytes, *, model: TrackModel, question: Question) -> TrackResult:
    try:
        reading = read_reply(reply, path, model.detector_digest)
    except ValueError as error:
        reading = Failure("unreadable", f"{path}: the answer of a worker was lost: {error}")
    if isinstance(reading, Analysis):
        return label(reading, model, question)
    return TrackResult(path=path, status=reading.status, message=reading.message, model=model.name)


def _watched(results: Iterator[TrackResult], progress: Progress | None) -> Iterator[TrackResult]:
    for result in results:
        if progress is not None:
            progress(result)
        yield result


def _answers(
    paths: Iterator[str],
    order: Order,
    answer: Callable[[str, bytes], TrackResult],
    jobs: int,
    executor: Executor | None,
    ordered: bool,
) -> Iterator[TrackResult]:
    with closing(replies(paths, order, jobs, executor, ordered)) as found:
        for path, reply in found:
            yield answer(path, reply)


def replies(
    paths: Iterator[str], order: Order, jobs: int, executor: Executor | None, ordered: bool
) -> Generator[tuple[str, bytes]]:
    """What workers reply of files, as it comes or in the order of the files."""
    with ExitStack() as stack:
        submit: Callable[[str], Future[bytes]]
        if executor is None:
            threads = ThreadPoolExecutor(jobs)
            stack.callback(threads.shutdown, cancel_futures=True)
            workers = Workers()
            stack.callback(workers.close)
            submit, ahead = lambda path: threads.submit(workers.analyse, path, order), _AHEAD * jobs
        else:
            stack.callback(dismiss_children)
            submit, ahead = lambda path: executor.submit(analyse_in_child, _absolute(path), order), _AHEAD_OF_EXECUTOR
        yield from in_flight(submit, paths, ahead, ordered)


def in_flight(
    submit: Callable[[str], Future[bytes]], paths: Iterator[str], ahead: int, ordered: bool
) -> Iterator[tuple[str, bytes]]:
    """Keep a few in flight, so that neither a long list nor a slow reader fills the memory."""
    flying = {submit(path): path for path in islice(paths, ahead)}
    try:
        while flying:
            done = {next(iter(flying))} if ordered else wait(flying, return_when=FIRST_COMPLETED).done
            for future in [future for future in flying if future in done]:
                path = flying.pop(future)
                flying.update((submit(following), following) for following in islice(paths, 1))
                yield path, _reply(future, path, submit)
    finally:
        for future in flying:
            future.cancel()


def _reply(future: Future[bytes], path: str, submit: Callable[[str], Future[bytes]] | None) -> bytes:
    """What was heard, or that Dask has lost several machines over it; whatever else goes wrong twice is an error."""
    try:
        return future.result()
    except Exception as error:
        distributed = sys.modules.get("distributed")
        if distributed is not None and isinstance(error, distributed.KilledWorker):
            return Failure("unreadable", f"{path}: every worker that heard it was lost").to_bytes()
        if distributed is None or submit is None:
            raise
    # When a worker dies while its answer is fetched, Dask's executor may take the answer for an error.
    return _reply(submit(path), path, None)
