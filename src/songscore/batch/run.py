"""Labels many files, and yields their answers as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

from songscore.analysis.record import Analysis, Failure, Reply
from songscore.batch.cache import Cache
from songscore.batch.elsewhere import Elsewhere
from songscore.batch.pool import DEADLINE, Workers, begin_ahead, dismiss_ahead, dismiss_children
from songscore.batch.walk import audio_files
from songscore.batch.worker import Order
from songscore.classify import about
from songscore.decision import Choir, Question, label
from songscore.marks import MarkSource, as_marks
from songscore.model import MODEL, TrackModel, load_model, locate
from songscore.results import TrackResult

Progress = Callable[[TrackResult], None]
Answer = TypeVar("Answer")
Replied = Callable[[str, Future[bytes]], bytes | Future[bytes]]
CacheFolder = str | os.PathLike[str] | bool | None

_AHEAD = 4
"""Tracks handed out per process before the first of them is done."""

_AHEAD_OF_EXECUTOR = 512
"""Tracks handed out to an executor, whose size is not known, before the first of them is done."""

_CHECK_EVERY = 2.0
"""Seconds without a reply after which the executor is asked whether it still works."""


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
    marks: MarkSource = None,
) -> Iterator[TrackResult]:
    """Label every audio file below a folder.

    Files are decoded in processes of their own: a file that crashes the decoder, or keeps it busy for too long, gives a
    result that says so in `status`, and the run goes on.

    Parameters
    ----------
    folder : path
    jobs : int, default 1
        Processes to use.
    executor : concurrent.futures.Executor, optional
        Runs the work in place of `jobs` processes: threads, processes, or the machines of a Dask cluster
        (``client.get_executor()``), which must see the files under the same names.
    cache : path or bool, optional
        Cache folder, so that another run needs no decoding; True for the user's own cache.
    progress : callable, optional
        Called with each result before it is yielded.
    timeout : float, optional
        Seconds that a file may take; None for no limit.
    ordered : bool, default False
        Yield in order of path, also with several jobs.
    threshold, prior, choir, thorough, model
        As for `classify_track`.
    marks : path, iterable of Mark, or mapping of path to label, optional
        Labels given by a person, or the file that holds them. They outrank the model; the `by` of such an answer is
        "hand".

    Yields
    ------
    TrackResult
        One for each file, as soon as it is ready; in order of path with one job.

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
        marks=marks,
    )
    return watched(results, progress)


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
    marks: MarkSource = None,
) -> Iterator[TrackResult]:
    """`classify_folder` for given files."""
    check_run(jobs, timeout)
    if executor is None:
        begin_ahead(model)
    chosen, marked, question = load_model(model), as_marks(marks), Question(threshold, prior, choir)
    order = Order(locate(model), question, thorough, cache_folder(cache), timeout, chosen.metadata["sha256"])
    answer = partial(_answer, model=chosen, question=question)
    answers = _answers(map(os.fspath, paths), order, answer, jobs, executor, ordered, chosen.detector_digest)
    return map(marked.decide, answers) if marked else answers


def analyse_files(
    paths: Iterable[str],
    *,
    jobs: int = 1,
    cache: CacheFolder = None,
    model: str | os.PathLike[str] = MODEL,
) -> Iterator[tuple[str, Analysis | Failure]]:
    """Each path, in order, with what was heard in the whole file; parameters as for `classify_folder`."""
    chosen = load_model(model)
    order = Order(locate(model), Question(), True, cache_folder(cache), DEADLINE, chosen.metadata["sha256"])

    def answer(path: str, reply: bytes) -> tuple[str, Analysis | Failure]:
        return path, _read_reply(path, reply, chosen).reading

    return _answers(iter(paths), order, answer, jobs, None, True, chosen.detector_digest)


def check_run(jobs: int, timeout: float | None) -> None:
    """Raise `ValueError` where `jobs` or `timeout` is out of range."""
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be more than 0 s, not {timeout}")


def cache_folder(cache: CacheFolder) -> str | None:
    """The absolute path of the cache folder, for workers; None for no cache."""
    if cache is None or cache is False:
        return None
    with suppress(FileNotFoundError):  # without a home folder, the user has no cache
        return _absolute(Cache(None if cache is True else cache).folder)
    return None


def _absolute(path: str | os.PathLike[str]) -> str:
    """The absolute path, for processes that may run in another folder; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100


def _answer(path: str, reply: bytes, *, model: TrackModel, question: Question) -> TrackResult:
    heard = _read_reply(path, reply, model)
    if isinstance(heard.reading, Analysis):
        return about(label(heard.reading, model, question), heard.file)
    failure = heard.reading
    return about(TrackResult(path=path, status=failure.status, message=failure.message, model=model.name), heard.file)


def _read_reply(path: str, reply: bytes, model: TrackModel) -> Reply:
    try:
        return Reply.from_bytes(reply, path, model.metadata["sha256"], model.detector_digest)
    except ValueError as error:
        lost = Failure("unreadable", f"{path}: the answer of a worker cannot be used: {error}")
        return Reply(lost, None)


def watched(results: Iterator[TrackResult], progress: Progress | None) -> Iterator[TrackResult]:
    """Yield results unchanged, each after `progress` was called with it."""
    for result in results:
        if progress is not None:
            progress(result)
        yield result


def _answers(
    paths: Iterator[str],
    order: Order,
    answer: Callable[[str, bytes], Answer],
    jobs: int,
    executor: Executor | None,
    ordered: bool,
    detector: str,
) -> Iterator[Answer]:
    with closing(replies(paths, order, jobs, executor, ordered, detector)) as found:
        for path, reply in found:
            yield answer(path, reply)


def replies(
    paths: Iterator[str], order: Order, jobs: int, executor: Executor | None, ordered: bool, detector: str = ""
) -> Generator[tuple[str, bytes]]:
    """Each path with the reply of a worker, as replies come or in the order of the files."""
    with ExitStack() as stack:
        if executor is None:
            threads = ThreadPoolExecutor(jobs)
            stack.callback(threads.shutdown, cancel_futures=True)
            workers = Workers()
            stack.callback(workers.close)
            stack.callback(dismiss_ahead)
            work = in_flight(lambda path: threads.submit(workers.analyse, path, order), paths, _AHEAD * jobs, ordered)
        else:
            stack.callback(dismiss_children)
            elsewhere = stack.enter_context(Elsewhere(executor, order, detector))
            work = in_flight(elsewhere.submit, paths, _AHEAD_OF_EXECUTOR, ordered, elsewhere.replied, elsewhere.check)
        with closing(work):
            yield from work


def in_flight(
    submit: Callable[[str], Future[bytes]],
    paths: Iterator[str],
    ahead: int,
    ordered: bool,
    replied: Replied = lambda path, future: future.result(),
    check: Callable[[], object] = lambda: None,
) -> Generator[tuple[str, bytes]]:
    """Have a few files heard at a time, so that neither a long list nor a slow reader fills the memory.

    Parameters
    ----------
    submit : callable
        Starts to listen to a file.
    paths : iterator of str
    ahead : int
        Files handed out before the first of them is done.
    ordered : bool
        Whether to keep the order of the paths.
    replied : callable
        Gives the reply in a future that is done, or another future to wait for in its place.
    check : callable
        Called now and then while no reply comes; may raise.

    Yields
    ------
    str, bytes
        A path and its reply.
    """
    numbers = count()
    flying = {next(numbers): (path, submit(path)) for path in islice(paths, ahead)}
    try:
        while flying:
            awaited = [future for _, future in islice(flying.values(), 1 if ordered else None)]
            done = wait(awaited, _CHECK_EVERY, FIRST_COMPLETED).done
            if not done:
                check()
            for number in [number for number, (_, future) in flying.items() if future in done]:
                path, future = flying[number]
                reply = replied(path, future)
                if isinstance(reply, Future):
                    flying[number] = path, reply
                    continue
                del flying[number]
                flying.update((next(numbers), (following, submit(following))) for following in islice(paths, 1))
                yield path, reply
    finally:
        for _, future in flying.values():
            future.cancel()
