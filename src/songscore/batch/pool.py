"""Processes that listen, and may die.

A decoder that crashes, hangs or wants all memory takes the process with it that it runs in, so it never runs in that
of a long run: `Workers` asks child processes, over their standard input and output, and has another one where one was
lost. A child ends when its parent does, for whatever reason, and hears nothing of Ctrl-C.

What they say to each other stands in `songscore.batch.worker`.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from songscore.analysis.record import Failure
from songscore.batch.worker import LENGTH, Order

DEADLINE = 900.0
"""Seconds that a file may take; ten hours of sound take two minutes."""

STARTS = 3
"""Children that may die at their start before it is given up."""

_PROGRAM = "from songscore.batch.worker import serve; serve()"


class Worker:
    """A child process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._over = False

    def ask(self, path: str, order: Order) -> bytes | str:
        """The content of the reply, or why there is none.

        Raises
        ------
        TimeoutError
            It took longer than `Order.timeout` seconds.
        RuntimeError
            The child does not start.
        """
        process = self._started()
        assert process.stdin
        assert process.stdout
        with _deadline(process, order.timeout) as overdue:
            try:
                process.stdin.write(order.to_json(path))
                process.stdin.flush()
                reply = _read(process.stdout)
            except (OSError, ValueError):
                reply = None
        if overdue.is_set() or reply is None:
            why = self._buried()
            if overdue.is_set() and reply is None:
                raise TimeoutError
            return why if reply is None else reply
        return reply

    def kill(self) -> None:
        """End it now, whatever it does, or as soon as it is there."""
        self._over, process = True, self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End it, and leave nothing of it."""
        self.kill()
        self._buried()

    def _started(self) -> subprocess.Popen[bytes]:
        """The child; one that dies at its start may have been killed for no fault of its own."""
        complaints = ""
        for _ in range(STARTS):
            if self._process is None and not self._over:
                complaints = self._start()
        if self._process is None:
            raise RuntimeError(f"a worker process does not start ({complaints})")
        return self._process

    def _start(self) -> str:
        """Why it is dead already, or nothing."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=os.environ | _environment(),
        )
        assert process.stdout
        if self._over:
            process.kill()
        if _read(process.stdout) is not None:
            return ""
        self._complaints.seek(0)
        complaints = self._complaints.read().decode(errors="replace")
        return f"{self._buried()}: {complaints}".rstrip(": \n")

    def _buried(self) -> str:
        """Wait for the end of the child, and say how it died."""
        process, self._process = self._process, None
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout, self._complaints):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return _cause(process.wait())


class Workers:
    """Children that listen, as many as ask at once.

    `analyse` may be called from any number of threads; each call has a child for itself.
    """

    def __init__(self) -> None:
        self._lock, self._idle, self._all, self._open = threading.Lock(), list[Worker](), set[Worker](), True

    def analyse(self, path: str, order: Order) -> bytes:
        """What a child replies of a file, see `songscore.analysis.record.read_reply`.

        A child that dies is followed by another, once, since it may have died of what came before.
        """
        worker = self._taken()
        try:
            for _ in range(2):
                reply = worker.ask(path, order)
                if isinstance(reply, bytes) or not self._open:
                    break
        except TimeoutError:
            return Failure("timeout", f"{path}: no answer after {order.timeout:g} s").to_bytes()
        finally:
            self._given_back(worker)
        if isinstance(reply, str):
            return Failure("unreadable", f"{path}: the decoder {reply}").to_bytes()
        return reply

    def close(self) -> None:
        """Kill the children; whoever waits for one gets a failure."""
        with self._lock:
            self._open = False
            for worker in self._all:
                worker.kill()
        self.dismiss()

    def dismiss(self) -> None:
        """End the children that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
        for worker in idle:
            worker.close()

    def forget(self) -> None:
        """Start over in a forked process: the children are those of the other one."""
        self.__init__()  # type: ignore[misc]

    def _taken(self) -> Worker:
        with self._lock:
            if not self._open:
                raise RuntimeError("these workers are closed")
            worker = self._idle.pop() if self._idle else Worker()
            self._all.add(worker)
            return worker

    def _given_back(self, worker: Worker) -> None:
        with self._lock:
            if self._open:
                self._idle.append(worker)
                return
        worker.close()


_shared = Workers()
atexit.register(_shared.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.forget)


def analyse_in_child(path: str, order: Order) -> bytes:
    """`Workers.analyse` with the children of this process: what an executor's threads, processes and machines run."""
    return _shared.analyse(path, order)


def dismiss_children() -> None:
    """End the children of `analyse_in_child` that have nothing to do, in this process."""
    _shared.dismiss()


def _environment() -> dict[str, str]:
    """The parent's modules, one thread, and text in UTF-8."""
    modules = os.pathsep.join(path for path in sys.path if os.path.isabs(path))  # noqa: PTH117
    return {"PYTHONPATH": modules, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def _deadline(process: subprocess.Popen[bytes], timeout: float | None) -> Iterator[threading.Event]:
    """Kill a process that takes too long, and tell."""
    overdue = threading.Event()

    def kill() -> None:
        overdue.set()
        process.kill()

    timer = threading.Timer(timeout, kill) if timeout is not None else None
    if timer is None:
        yield overdue
        return
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()
        timer.join()


def _read(file: IO[bytes]) -> bytes | None:
    """One reply, or None where the other end is gone."""
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = file.read(length)
    return content if len(content) == length else None


def _cause(status: int) -> str:
    """How a process ended, to follow "the decoder"."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashed (signal {-status})"
