"""Processes that listen, and may die.

A decoder that crashes, hangs or wants all memory takes the process with it that it runs in, so it never runs in that
of a long run: `Workers` asks child processes, over their standard input and output, and has another one where one was
lost. A child ends when its parent does, for whatever reason, and hears nothing of Ctrl-C.

A request is a line of JSON. A reply is the length of its content, eight bytes, and the content, which
`songscore.heard.read_reply` reads.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, Any

from songscore.heard import Refusal
from songscore.listener import listen_to
from songscore.model import load_model

DEADLINE = 900.0
"""Seconds that a file may take; ten hours of sound take two minutes."""

MEMORY = 2 << 30
"""Bytes that a child may allocate, where the system can tell it so."""

GRACE = 10.0
"""Seconds after its time that a child ends by itself, should its parent be gone while a decoder lets no Python run."""

STARTS = 3
"""Children that may die at their start before it is given up."""

_LENGTH = struct.Struct("<Q")
_PROGRAM = "from songscore.workers import serve; serve()"


class Worker:
    """A child process, started when it is first asked.

    Parameters
    ----------
    program : str, optional
        What it runs, in Python; without it, one that listens.
    """

    def __init__(self, program: str | None = None) -> None:
        self._program = program or _PROGRAM
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._over = False

    def ask(self, request: dict[str, Any], timeout: float | None) -> bytes | str:
        """The content of the reply, or why there is none.

        Raises
        ------
        TimeoutError
            It took longer than `timeout` seconds.
        RuntimeError
            The child does not start.
        """
        process = self._started()
        assert process.stdin
        assert process.stdout
        with _deadline(process, timeout) as overdue:
            try:
                process.stdin.write(json.dumps([request, timeout]).encode() + b"\n")
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
            [sys.executable, "-P", "-c", self._program],
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

    `hear` may be called from any number of threads; each call has a child for itself.
    """

    def __init__(self) -> None:
        self._lock, self._idle, self._all, self._open = threading.Lock(), list[Worker](), set[Worker](), True

    def hear(self, path: str, thorough: bool, cache: str | None, timeout: float | None) -> bytes:
        """What a child replies of a file, see `songscore.heard.read_reply`.

        A child that dies is followed by another, once, since it may have died of what came before.
        """
        request = {"path": path, "thorough": thorough, "cache": cache}
        worker = self._taken()
        try:
            for _ in range(2):
                reply = worker.ask(request, timeout)
                if isinstance(reply, bytes) or not self._open:
                    break
        except TimeoutError:
            return Refusal("timeout", f"{path}: no answer after {timeout:g} s").to_bytes()
        finally:
            self._given_back(worker)
        if isinstance(reply, str):
            return Refusal("unreadable", f"{path}: the decoder {reply}").to_bytes()
        return reply

    def close(self) -> None:
        """Kill the children; whoever waits for one gets a refusal."""
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


def hear_in_child(path: str, thorough: bool, cache: str | None, timeout: float | None) -> bytes:
    """`Workers.hear` with the children of this process: what an executor's threads, processes and machines run."""
    return _shared.hear(path, thorough, cache, timeout)


def dismiss_children() -> None:
    """End the children of `hear_in_child` that have nothing to do, in this process."""
    _shared.dismiss()


def serve() -> None:
    """Be a child: answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory()
    load_model()
    _write(replies, b"ready")
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=[requests], daemon=True).start()
    while True:
        request, timeout = json.loads(requests.get())
        if timeout is not None:
            faulthandler.dump_traceback_later(timeout + GRACE, exit=True)
        _write(replies, listen_to(**request))
        faulthandler.cancel_dump_traceback_later()


def _receive(requests: SimpleQueue[bytes]) -> None:
    """Hand requests over, and end the process with its parent, even while a decoder is busy."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if most < 0 else min(MEMORY, most), most))


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


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(_LENGTH.pack(len(content)) + content)
    file.flush()


def _read(file: IO[bytes]) -> bytes | None:
    """One reply, or None where the other end is gone."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
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
