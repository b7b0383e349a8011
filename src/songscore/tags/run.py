"""The tags of many files, read and written in child processes; results come in the order of the files.

Where a child crashes or takes too long, the result of its file says so, and another child takes its place.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from songscore._files import sweep
from songscore.batch.child import Worker
from songscore.batch.pool import DEADLINE
from songscore.results import TrackResult
from songscore.tags.tagging import TagResult

_PROGRAM = "from songscore.tags.worker import serve; serve()"
_AHEAD = 4
"""Files handed out per process before the first of them is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do with one file: write the label of `track`, decide again with `threshold` or, with neither, undo."""

    path: str
    track: TrackResult | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How tags are written; see `songscore.tags.tag_track`. Without `write`, nothing is written except by undo."""

    journal: str | None = None
    write: bool = False
    keep_mtime: bool = False
    language: bool = False
    certain_only: bool = False


def run(
    tasks: Iterable[Task | TagResult], manner: Manner, jobs: int = 1, timeout: float | None = DEADLINE
) -> Generator[TagResult]:
    """Do tasks in child processes.

    Parameters
    ----------
    tasks : iterable of Task or TagResult
        A result is passed on in its place.
    manner : Manner
    jobs : int
        Processes to use.
    timeout : float, optional
        Seconds that a file may take; None for no limit.

    Yields
    ------
    TagResult
        In the order of the tasks.

    Raises
    ------
    RuntimeError
        The children do not start.
    """
    how, threads, workers = asdict(manner), ThreadPoolExecutor(jobs), [Worker(_PROGRAM) for _ in range(jobs)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)
    in_work: deque[str] = deque()
    try:
        yield from _in_order(tasks, lambda task: threads.submit(_ask, idle, task, how, timeout), _AHEAD * jobs, in_work)
    finally:
        for worker in workers:
            worker.kill()
        threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()
        for path in in_work:  # now that no child lives and holds its new file
            _sweep_beside(path)


def _in_order(
    tasks: Iterable[Task | TagResult], submit: Callable[[Task], Future[TagResult]], ahead: int, in_work: deque[str]
) -> Iterator[TagResult]:
    """The results of tasks, `ahead` of which are handed out at a time; `in_work` has the paths of these."""
    source = iter(tasks)
    results: deque[Future[TagResult] | TagResult] = deque()
    while True:
        for task in islice(source, ahead - len(results)):
            results.append(task if isinstance(task, TagResult) else submit(task))
            in_work.append(task.path)
        if not results:
            return
        first = results[0]
        result = first if isinstance(first, TagResult) else first.result()
        results.popleft()
        in_work.popleft()
        yield result


def _ask(workers: SimpleQueue[Worker], task: Task, how: dict[str, Any], timeout: float | None) -> TagResult:
    worker = workers.get()
    try:
        return _answer(worker, task, how, timeout)
    finally:
        workers.put(worker)


def _answer(worker: Worker, task: Task, how: dict[str, Any], timeout: float | None) -> TagResult:
    """The result of a child; where it dies, another is tried, once: an earlier file may have harmed the first."""
    request = {"path": task.path, "track": _fields(task.track), "threshold": task.threshold, "how": how}
    try:
        for _ in range(2):
            reply = worker.ask(json.dumps([request, timeout]).encode() + b"\n", timeout)
            if isinstance(reply, bytes):
                return _result(json.loads(reply))
            message = f"the process that read it {reply}"
    except ChildProcessError as error:
        raise RuntimeError(f"a worker process does not start ({error})") from error
    except TimeoutError:
        message = f"no answer after {timeout:g} s"
    _sweep_beside(task.path)
    return TagResult(path=task.path, status="failed", message=f"{message}; the file is whole, and can be undone")


def _fields(track: TrackResult | None) -> dict[str, Any] | None:
    """The fields of an answer that its label in the tags is made of."""
    if track is None:
        return None
    needed = ("label", "song_probability", "certain", "status", "model", "by", "sound_digest")
    return {name: getattr(track, name) for name in needed}


def _result(fields: dict[str, Any]) -> TagResult:
    before = {name: tuple(values) for name, values in fields.pop("before").items()}
    changes = {name: None if values is None else tuple(values) for name, values in fields.pop("changes").items()}
    return TagResult(**fields, before=before, changes=changes)


def _sweep_beside(path: str) -> None:
    """Delete new files that killed children left in the folder of a file."""
    with suppress(OSError, ValueError, RuntimeError):
        sweep(Path(path).resolve().parent)
