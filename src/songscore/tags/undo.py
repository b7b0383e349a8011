"""The undo journal: how each file was before songscore changed its tags.

JSON Lines in UTF-8. A record is on disk before the file is replaced, so a record without its change may be there, but
no change without its record. A line that is no record is passed over: it was cut off when its process died, and its
file was not replaced.

Fields: ``format``, ``path`` (as `songscore.results.portable_path`), ``time``, ``mtime_ns`` and ``before`` (SHA-256) of
the former file, ``after`` (SHA-256) of the new one, ``pieces`` (see `songscore.tags.delta`), and ``tags``: names with
their former and new values.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs

from songscore.errors import TagError
from songscore.results import portable_path
from songscore.tags.containers import Values
from songscore.tags.delta import Piece, join, pieces
from songscore.tags.marks import MODEL, Changes, Entries, difference

FORMAT = 1
"""Version of a record. A reader passes over those of a number that it does not know."""


@dataclass(frozen=True, slots=True)
class Record:
    """One change of one file."""

    path: str
    time: str
    mtime_ns: int
    before: str
    after: str
    pieces: list[Piece]
    tags: Mapping[str, tuple[Values | None, Values | None]]


class UndoJournal:
    """A file of records.

    Parameters
    ----------
    path : path, optional
        Without it, ``tag-undo.jsonl`` in the folder that the system has for the state of programs.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path else platformdirs.user_state_path("songscore", False) / "tag-undo.jsonl"

    def add(self, path: str, mtime_ns: int, old: bytes, new: bytes, entries: Entries, changes: Changes) -> None:
        """Put down how a file was; it is on disk when this returns."""
        record = Record(
            path=portable_path(path),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            mtime_ns=mtime_ns,
            before=digest(old),
            after=digest(new),
            pieces=pieces(old, new),
            tags={name: (entries.get(name), values) for name, values in changes.items()},
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:  # in one piece, for other processes write here too
            file.write(b"\n" + json.dumps({"format": FORMAT, **asdict(record)}).encode() + b"\n")
            os.fsync(file.fileno())

    def restored(self, path: str, content: bytes) -> tuple[bytes, int] | None:
        """The file as it was before the first of the changes that ended in this content, with its time in nanoseconds.

        Where several files became the same, those at this path go first.

        Raises
        ------
        TagError
            The journal was altered.
        """
        state, first = digest(content), len(self._records)
        while earlier := [number for number in self._by_digest.get(state, ()) if number < first]:
            first = max(earlier, key=lambda number: (self._records[number].path == portable_path(path), number))
            record = self._records[first]
            try:
                content, state = join(record.pieces, content), record.before
            except (ValueError, TypeError, zlib.error):
                state = ""
            if digest(content) != state:
                raise TagError(f"{self.path}: the record of {record.path} does not lead back to what it was")
        return (content, self._records[first].mtime_ns) if first < len(self._records) else None

    def back(self, path: str, entries: Entries) -> Changes:
        """What takes the entries back to what they were, where they still are what songscore wrote."""
        former: dict[str, Values | None] = dict(entries)
        others: set[str] = set()
        for record in reversed(self._by_path.get(portable_path(path), [])):
            if former.get(MODEL) is None:
                break
            ours = {name for name, (_, new) in record.tags.items() if former.get(name) == new} - others
            if ours:  # otherwise the file was never replaced
                others |= record.tags.keys() - ours
                former |= {name: record.tags[name][0] for name in ours}
        return difference(entries, former)

    @cached_property
    def _records(self) -> list[Record]:
        """Oldest first, as they were when they were first asked for."""
        return list(_read(self.path)) if self.path.exists() else []

    @cached_property
    def _by_digest(self) -> dict[str, list[int]]:
        numbers = defaultdict(list)
        for number, record in enumerate(self._records):
            numbers[record.after].append(number)
        return numbers

    @cached_property
    def _by_path(self) -> dict[str, list[Record]]:
        records = defaultdict(list)
        for record in self._records:
            records[record.path].append(record)
        return records


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> Iterator[Record]:
    with path.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                yield _record(json.loads(line))


def _record(fields: dict[str, Any]) -> Record:
    if fields.pop("format") != FORMAT:
        raise ValueError("a record of another version")
    tags = {name: (_values(old), _values(new)) for name, (old, new) in fields.pop("tags").items()}
    record = Record(**fields, tags=tags)
    texts = record.path, record.before, record.after
    if not all(isinstance(text, str) for text in texts) or not isinstance(record.mtime_ns, int):
        raise TypeError("a field of another type")
    return record


def _values(texts: list[str] | None) -> Values | None:
    return None if texts is None else tuple(texts)
