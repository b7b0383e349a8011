"""A child process as its parent sees it: started, asked, killed.

Requests go to its standard input, replies come from its standard output; `songscore.batch.serving` describes both.
"""

from __future__ import annotations

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
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from songscore.batch.serving import LENGTH

TICK = 0.25
"""Seconds between two looks at a child's time. A longer gap is time in which nothing ran, and does not count."""

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
        process = self._running()
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
            why = self._reap()
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
        self._reap()

    def _running(self) -> subprocess.Popen[bytes]:
        """The running child when it is ready; a new one where there is none, or it died while it was idle."""
        if self._is_ready and self._process is not None and self._process.poll() is not None:
            self._reap()
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
        return f"{self._reap()}: {printed}".rstrip(": \n")

    def _reap(self) -> str:
        """Wait for the end of the child; returns how it died."""
        process, self._process, self._is_ready = self._process, None, False
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout, self._stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return _cause(process.wait())


def _environment() -> dict[str, str]:
    """Environment variables of a child: where the parent finds modules, one thread, and text in UTF-8."""
    modules = os.pathsep.join(path for path in sys.path if os.path.isabs(path))  # noqa: PTH117
    return {"PYTHONPATH": modules, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def can_start() -> bool:
    """Whether a child can be started here; where not, a warning says so, once."""
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


KILLED = "crashed (SIGKILL)"


def _cause(status: int) -> str:
    """How a process ended, to follow "the decoder"."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashed (signal {-status})"
