"""The child process that reads and writes tags; it replies to each request with a `TagResult` and raises no exception.

Damaged tags may crash a decoder, keep it busy for ever, or unpack to gigabytes; in a child they harm no other file.
A child whose parent has ended removes the new file that it was writing, and ends.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from songscore.batch import serving
from songscore.results import TrackResult
from songscore.tags.replacement import discard
from songscore.tags.tagging import TagResult, Writing, relabel, tag_track, undo
from songscore.tags.undo import UndoJournal

MEMORY = 5 << 30
"""Bytes that a child may allocate, where the system can limit it: the largest file, several times."""

_journals: dict[str | None, UndoJournal] = {}


def serve() -> None:
    """Run as a child: answer requests until there are no more."""
    serving.serve(_answer, MEMORY, finish=discard)


def _answer(line: bytes) -> bytes:
    request, timeout = json.loads(line)
    serving.end_after(timeout)
    return json.dumps(asdict(perform(**request))).encode()


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
