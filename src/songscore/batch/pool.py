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
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO

from songscore.batch.worker import LENGTH, Order, failure, listen_to
from songscore.model import load_model, locate

DEADLINE = 900.0
"""Seconds that a file may take; ten hours of sound take two minutes."""

STARTS = 3
"""Children that may die at their start, before the run is given up, where none has started yet."""

CRASHES, KILLS = 2, 5
"""Children that one file may cost: those that crash by themselves, and those that are killed from outside."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
"""Seconds before another child is started in the place of one that was killed or died at its start; they double."""

TICK = 0.25
"""Seconds between two looks at a child's time. A longer gap is time in which nothing ran, and does not count."""

LOST = "its worker was killed again and again"
"""End of the message of a file that was given up because each of its workers was killed from outside."""

LOST_BY_ALL = "every worker that heard it was lost"
"""End of the message of a file with which several workers of a cluster were lost."""

_INSIDE = "SONGSCORE_WORKER"
"""Environment variable of children. If a child has to start children, `sys.executable` was not Python.

It was a program with Python inside it, which started itself again in place of a child.
"""

_PYTHON = re.compile("(python|pypy|graalpy)", re.IGNORECASE)

_PROGRAM = "from songscore.batch.worker import serve; serve()"


class Worker:
    """A child process, started when it is first asked.

    Parameters
    ----------
    program : str, optional
        Python code that it runs; without it, the worker that listens to files.
    model : str, optional
        Name or path of a model that a worker that listens loads before it is asked.
    """

    def __init__(self, program: str | None = None, model: str | None = None) -> None:
        self._program, self._model = program, model
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._is_ready = self._is_killed = False

    def begin(self) -> None:
        """Start the child, without waiting until it has loaded what it needs."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-c", self._program or _PROGRAM, *([self._model] if self._model else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=os.environ | _environment() | {_INSIDE: "1"},
        )
        if self._is_killed:
            process.kill()

    def ask(self, request: bytes, timeout: float | None) -> bytes | str:
        """Send a request, one line, and wait for the reply.

        Returns
        -------
        bytes or str
            The content of the reply, or how the child died, in words that follow "the decoder".

        Raises
        ------
        TimeoutError
            It took longer than `timeout` seconds.
        ChildProcessError
            The child does not start.
        """
        process = self._started()
        assert process.stdin
        assert process.stdout
        with _deadline(process, timeout) as overdue:
            try:
                process.stdin.write(request)
                process.stdin.flush()
                reply = _read(process.stdout)
            except (OSError, ValueError):
                reply = None
        if overdue.is_set() or reply is None:
            why = self._reaped()
            if overdue.is_set() and reply is None:
                raise TimeoutError
            return why if reply is None else reply
        return reply

    def kill(self) -> None:
        """Kill the child now, or as soon as it has started."""
        self._is_killed, process = True, self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the child, wait for its end, and close its pipes."""
        self.kill()
        self._reaped()

    def _started(self) -> subprocess.Popen[bytes]:
        """The running child when it is ready; a new one where there is none, or it died while it was idle."""
        if self._is_ready and self._process is not None and self._process.poll() is not None:
            self._reaped()
        if self._process is None and not self._is_killed:
            self.begin()
        why = "" if self._is_ready else self._wait_until_ready()
        if self._process is None:
            raise ChildProcessError(why)
        return self._process

    def _wait_until_ready(self) -> str:
        """Wait for the first word of the child; returns why it died before it, or "" where it is ready."""
        process, stderr = self._process, self._stderr
        if process is None or stderr is None:
            return ""
        assert process.stdout
        self._is_ready = _read(process.stdout) is not None
        if self._is_ready:
            return ""
        stderr.seek(0)
        printed = stderr.read().decode(errors="replace")
        return f"{self._reaped()}: {printed}".rstrip(": \n")

    def _reaped(self) -> str:
        """Wait for the end of the child; returns how it died."""
        process, self._process, self._is_ready = self._process, None, False
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout, self._stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return _cause(process.wait())


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
        if not _can_start_here():
            return listen_to(path, order)
        worker = self._taken(order.run)
        try:
            return self._asked(worker, path, order)
        except TimeoutError:
            return failure(path, order, "timeout", f"no answer after {order.timeout:g} s")
        finally:
            self._given_back(worker)

    def _asked(self, worker: Worker, path: str, order: Order) -> bytes:
        """Ask one child after the other: one that dies may have been harmed by an earlier file."""
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
            if reply == _KILLED:
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
        """Kill the children that work for a run, and begin no other file of it."""
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

    def _taken(self, run: str) -> Worker:
        with self._lock:
            if not self._open:
                raise RuntimeError("these workers are closed")
            worker = self._idle.pop() if self._idle else _ahead.pop() if _ahead else Worker()
            self._all.add(worker)
            self._busy[worker] = run
            return worker

    def _given_back(self, worker: Worker) -> None:
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
    if _ahead or not _can_start_here():
        return
    worker = Worker(model=locate(model))
    with suppress(OSError):  # the run will say so
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


def _environment() -> dict[str, str]:
    """Environment variables of a child: where the parent finds modules, one thread, and text in UTF-8."""
    modules = os.pathsep.join(path for path in sys.path if os.path.isabs(path))  # noqa: PTH117
    return {"PYTHONPATH": modules, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _can_start_here() -> bool:
    return _can_start(sys.executable, getattr(sys, "frozen", False), _INSIDE in os.environ)


@cache
def _can_start(program: str | None, frozen: bool, inside: bool) -> bool:
    """Whether Python can be started in a child process; where not, a warning says so, once."""
    if frozen or inside:
        why = f"{program or 'this program'} is a program that has Python inside it"
    elif not program or not Path(program).exists():
        why = "no Python is found to start"
    elif not _PYTHON.match(Path(program).name):
        why = f"{program} is not Python"
    else:
        return True
    warnings.warn(
        f"files are read in this process, since {why}: a file that crashes a decoder ends the run, and there is"
        " no timeout",
        RuntimeWarning,
        stacklevel=2,
    )
    return False


@contextmanager
def _deadline(process: subprocess.Popen[bytes], timeout: float | None) -> Iterator[threading.Event]:
    """Kill a process that takes longer than `timeout` seconds, and set the event."""
    overdue, done = threading.Event(), threading.Event()
    if timeout is None:
        yield overdue
        return

    def watch(left: float) -> None:
        while left > 0:
            began = time.monotonic()
            if done.wait(min(TICK, left)):
                return
            if not _is_stopped(process.pid):
                left -= min(time.monotonic() - began, 2 * TICK)
        overdue.set()
        process.kill()

    watcher = threading.Thread(target=watch, args=[timeout], daemon=True)
    watcher.start()
    try:
        yield overdue
    finally:
        done.set()
        watcher.join()


def _is_stopped(pid: int) -> bool:
    """Whether a process is suspended, where the system tells."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:1]
    except OSError:
        return False
    return state in ([b"T"], [b"t"])


def _read(file: IO[bytes]) -> bytes | None:
    """The content of one reply; None where the child has ended."""
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = file.read(length)
    return content if len(content) == length else None


_KILLED = "crashed (SIGKILL)"


def _cause(status: int) -> str:
    """How a process ended, to follow "the decoder"."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashed (signal {-status})"
