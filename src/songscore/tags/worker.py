"""The child process that reads and writes tags; it replies to each request with a `TagResult` and raises no exception.

Damaged tags may crash a decoder, keep it busy for ever, or unpack to gigabytes; in a child they harm no other file.
A child whose parent has ended removes the new file that it was writing, and ends.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from typing import IO, Any

from songscore.results import TrackResult
from songscore.tags.replacement import discard
from songscore.tags.tagging import TagResult, Writing, relabel, tag_track, undo
from songscore.tags.undo import UndoJournal

MEMORY = 5 << 30
"""Bytes that a child may allocate, where the system can limit it: the largest file, several times."""

_GRACE = 10.0
"""Seconds after the timeout of a file at which a child ends by itself."""

_LENGTH = struct.Struct("<Q")

_journals: dict[str | None, UndoJournal] = {}


def serve() -> None:
    """Run as a child: answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory()
    _reply(replies, b"ready")
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=[requests], daemon=True).start()
    while True:
        request, timeout = json.loads(requests.get())
        if timeout is not None:
            faulthandler.dump_traceback_later(timeout + _GRACE, exit=True)
        _reply(replies, json.dumps(asdict(perform(**request))).encode())
        faulthandler.cancel_dump_traceback_later()


def perform(path: str, track: dict[str, Any] | None, threshold: float | None, how: dict[str, Any]) -> TagResult:
    """Do what is asked with one file: write its label, decide again or, with neither, undo."""
    try:
        journal = _journals.setdefault(how["journal"], UndoJournal(how["journal"]))
        if track is None and threshold is None:
            return undo(path, journal)
        writing = Writing(journal=journal, keep_mtime=how["keep_mtime"]) if how["write"] else None
        if track is None:
            assert threshold is not None
            return relabel(path, threshold, writing=writing, language=how["language"])
        answer = TrackResult(path=path, **track)
        return tag_track(answer, writing=writing, language=how["language"], certain_only=how["certain_only"])
    except Exception as error:
        return TagResult(path=path, status="failed", message=f"{type(error).__name__}: {error}")


def _receive(requests: SimpleQueue[bytes]) -> None:
    """Queue requests, and end the process when the parent closes its pipe or dies, even while a decoder is busy."""
    for line in sys.stdin.buffer:
        requests.put(line)
    discard()
    os._exit(0)


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if most < 0 else min(MEMORY, most), most))


def _reply(file: IO[bytes], content: bytes) -> None:
    file.write(_LENGTH.pack(len(content)) + content)
    file.flush()
