"""Keeps decoders from printing to the C library's ``stderr``.

mpg123, inside libsndfile, prints remarks about files. Pointing C's variable ``stderr`` at a small piece of memory
costs no system call and touches neither file descriptor 2 nor `sys.stderr`: Python, other threads and child processes
keep theirs. Where the variable cannot be changed (Windows, musl), the remarks are printed.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MEMORY = 4096


class _Silence:
    """Redirects ``stderr`` for nested and parallel uses together, until the last of them ends."""

    def __init__(self, variable: ctypes.c_void_p, nowhere: int) -> None:
        self._variable, self._nowhere, self._stream = variable, nowhere, variable.value
        self._lock, self._users = threading.Lock(), 0
        os.register_at_fork(after_in_child=self._start_over)

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._stream, self._variable.value = self._variable.value, self._nowhere
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._variable.value = self._stream

    def _start_over(self) -> None:
        """Undo the redirection in a forked child, whose only thread is not decoding."""
        self._variable.value = self._stream
        self._lock, self._users = threading.Lock(), 0


def _find_silence() -> _Silence | None:
    name = {"darwin": "__stderrp", "linux": "stderr"}.get(sys.platform)
    if name is None or (sys.platform == "linux" and "CS_GNU_LIBC_VERSION" not in os.confstr_names):
        return None
    try:
        c = ctypes.CDLL(None)
        variable, c.fmemopen.restype = ctypes.c_void_p.in_dll(c, name), ctypes.c_void_p
        nowhere = c.fmemopen(None, ctypes.c_size_t(_MEMORY), b"w")
    except (OSError, ValueError, AttributeError):
        return None
    return _Silence(variable, nowhere) if nowhere else None


_silence = _find_silence()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop everything that C code prints to its ``stderr`` in this context."""
    if _silence is None:
        yield
        return
    with _silence:
        yield
