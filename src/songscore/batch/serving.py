"""What every child process does: one request in, one reply out, until its parent closes the pipe or dies.

A request is a line. A reply is the length of its content, eight bytes, and the content; the first, "ready", comes
unasked.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, NoReturn

GRACE = 10.0
"""Seconds after the timeout of a file at which a child ends by itself, where its parent has died during a native call.

Not used on Linux, where the system kills a child with its parent: so a run that was suspended for hours can go on.
"""

LENGTH = struct.Struct("<Q")


def serve(
    answer: Callable[[bytes], bytes],
    memory: int,
    *,
    prepare: Callable[[], object] = lambda: None,
    finish: Callable[[], object] = lambda: None,
) -> NoReturn:
    """Run as a child: answer requests until there are no more.

    The process may allocate `memory` bytes, where the system can limit it. `prepare` is called before the first request
    is answered, `finish` before the process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory(memory)
    _write(replies, b"ready")
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=[requests, finish], daemon=True).start()
    prepare()
    while True:
        _write(replies, answer(requests.get()))
        faulthandler.cancel_dump_traceback_later()


def end_after(timeout: float | None) -> None:
    """Have this process end where a request is not answered `GRACE` seconds after its timeout."""
    if timeout is not None:
        faulthandler.dump_traceback_later(timeout + GRACE, exit=True)


def _receive(requests: SimpleQueue[bytes], finish: Callable[[], object]) -> None:
    """Queue requests, and end the process when the parent closes its pipe or dies, even while a decoder is busy."""
    for line in sys.stdin.buffer:
        requests.put(line)
    finish()
    os._exit(0)


def _limit_memory(memory: int) -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory if most < 0 else min(memory, most), most))


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(LENGTH.pack(len(content)) + content)
    file.flush()
