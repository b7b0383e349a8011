"""Child processes that listen to files, so that a crash costs one file and not the run.

A decoder that crashes, hangs or takes all memory ends the process that it runs in. So decoders run in child processes:
`Workers` sends them requests over standard input, reads replies from standard output, and starts another child where
one was lost. A child ends with its parent, however that ends, and ignores Ctrl-C.

Where no child can be started (in a frozen program, or one that has Python inside it), files are heard in this process,
and a warning says so once.

Requests and replies are described in `songscore.batch.worker`.
"""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from importlib.metadata import version

from songscore.batch.child import KILLED, Worker, can_start
from songscore.batch.worker import Order, failure, listen_to
from songscore.model import load_model, locate

DEADLINE = 900.0
"""Seconds that a file may take; ten hours of sound take two minutes."""

STARTS = 3
"""Children that may die at their start, before the run is given up, where none has started yet."""

CRASHES, KILLS = 2, 5
"""Children that one file may cost: those that crash by themselves, and those that are killed from outside."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
"""Seconds before another child is started in the place of one that was killed or died at its start; they double."""

LOST = "its worker was killed again and again"
"""End of the message of a file that was given up because each of its workers was killed from outside."""

LOST_BY_ALL = "every worker that heard it was lost"
"""End of the message of a file with which several workers of a cluster were lost."""


class Workers:
    """Child processes that listen to files.

    `analyse` may be called from any number of threads; each call has a child of its own, and idle ones are used again.
    """

    def __init__(self) -> None:
        self._lock, self._idle, self._all, self._open = threading.Lock(), list[Worker](), set[Worker](), True
        self._busy, self._cancelled = dict[Worker, str](), set[str]()
        self._closing, self._has_started = threading.Event(), False

    def analyse(self, path: str, order: Order) -> bytes:
        """Have a child listen to a file; its reply is read by `songscore.analysis.record.Reply`.

        Raises
        ------
        BrokenExecutor
            No child has ever started.
        """
        if not can_start():
            return listen_to(path, order)
        worker = self._take_worker(order.run)
        try:
            return self._ask(worker, path, order)
        except TimeoutError:
            return failure(path, order, "timeout", f"no answer after {order.timeout:g} s")
        finally:
            self._give_back(worker)

    def _ask(self, worker: Worker, path: str, order: Order) -> bytes:
        """Ask for the reply, again if the child dies: an earlier file may have harmed it."""
        crashes = kills = starts = 0
        why = ""
        while crashes < CRASHES and kills < KILLS and self._open and order.run not in self._cancelled:
            try:
                reply = worker.ask(order.to_json(path), order.timeout)
            except ChildProcessError as error:
                starts += 1
                if not self._has_started and starts == STARTS:
                    raise BrokenExecutor(f"no worker process starts ({error})") from error
                self._pause(starts)
                continue
            self._has_started = True
            if isinstance(reply, bytes):
                return reply
            why, starts = reply, 0
            if reply == KILLED:
                kills += 1
                self._pause(kills)
            else:
                crashes += 1
        message = LOST if kills == KILLS else f"the decoder {why}"
        return failure(path, order, "unreadable", message)

    def _pause(self, failures: int) -> None:
        self._closing.wait(min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE))

    def close(self) -> None:
        """Kill the children; calls of `analyse` that wait for one get a failure."""
        with self._lock:
            self._open = False
            self._closing.set()
            for worker in self._all:
                worker.kill()
        self.dismiss()

    def cancel(self, run: str) -> None:
        """Kill the children that work for a run, and start no other file of it."""
        with self._lock:
            self._cancelled.add(run)
            for worker, of in self._busy.items():
                if of == run:
                    worker.kill()

    def dismiss(self) -> None:
        """End idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
        for worker in idle:
            worker.close()

    def forget(self) -> None:
        """Forget all children, in a forked process: they belong to the process that was forked."""
        self.__init__()  # type: ignore[misc]

    def _take_worker(self, run: str) -> Worker:
        with self._lock:
            if not self._open:
                raise RuntimeError("these workers are closed")
            worker = self._idle.pop() if self._idle else _ahead.pop() if _ahead else Worker()
            self._all.add(worker)
            self._busy[worker] = run
            return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            of = self._busy.pop(worker)
            if self._open and of not in self._cancelled:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.close()


_ahead = list[Worker]()
"""A child for the next run, if one was begun."""


def begin_ahead(model: str | os.PathLike[str]) -> None:
    """Start the child that the next run takes first, so that it loads the model while the caller does."""
    if _ahead or not can_start():
        return
    worker = Worker(model=locate(model))
    with suppress(OSError):  # the run itself reports the error
        worker.begin()
        _ahead.append(worker)


def dismiss_ahead() -> None:
    """End the child that no run has taken."""
    while _ahead:
        _ahead.pop().close()


_shared = Workers()
atexit.register(dismiss_ahead)
atexit.register(_shared.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.forget)
    os.register_at_fork(after_in_child=_ahead.clear)


def analyse_in_child(path: str, order: Order) -> bytes:
    """`Workers.analyse` with the children of this process: what an executor's threads, processes and machines run."""
    return _shared.analyse(path, order)


def cancel_run(run: str) -> None:
    """`Workers.cancel` for the children of `analyse_in_child`, in this process."""
    _shared.cancel(run)


def version_and_model(model: str) -> tuple[str, str]:
    """The version of songscore in this process, and the SHA-256 of the model of that name or path."""
    return version("songscore"), load_model(model).metadata["sha256"]


def dismiss_children() -> None:
    """`Workers.dismiss` for the children of `analyse_in_child`, in this process."""
    _shared.dismiss()
