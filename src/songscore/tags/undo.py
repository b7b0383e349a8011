"""The undo journal: how each file was before songscore changed its tags.

JSON Lines in UTF-8. A record is on disk, and was read back from there, before its file is replaced: there may be a
record without a change, but never a change without a record. A line that is not a record is ignored: it was cut off
when its process died, and its file was not replaced.

Fields: ``format``, ``path`` (as `songscore.results.portable_path`), ``time``, ``mtime_ns`` and ``before`` (SHA-256) of
the former file, ``after`` (SHA-256) of the new one, ``pieces`` (see `songscore.tags.delta`), ``tags``: names with their
former and new values, and ``sound``: SHA-256 of the stored sound, by which a file is found again that was moved and
edited.
"""

from __future__ import annotations

import errno
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
from typing import IO, Any

import platformdirs

from songscore._files import has_place, lock, own_folder
from songscore.errors import TagError
from songscore.results import portable_path
from songscore.tags.delta import Piece, join, pieces
from songscore.tags.items import Values
from songscore.tags.marks import MODEL, NAMES, Changes, Entries, difference

FORMAT = 1
"""Version of a record. Records of other versions are ignored when a journal is read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One change of one file; the fields are those of the journal."""

    path: str
    time: str
    mtime_ns: int
    before: str
    after: str
    pieces: list[Piece]
    tags: Mapping[str, tuple[Values | None, Values | None]]
    sound: str = ""


class UndoJournal:
    """A file of records.

    Parameters
    ----------
    path : path, optional
        Without it, ``tag-undo.jsonl`` in the user's folder for the state of programs.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path else own_folder(platformdirs.user_state_path) / "tag-undo.jsonl"

    def add(
        self,
        path: str,
        mtime_ns: int,
        old: bytes,
        new: bytes,
        entries: Entries,
        changes: Changes,
        sound: str = "",
    ) -> None:
        """Record how a file was; the record is on disk when this returns.

        Parameters
        ----------
        path : str
        mtime_ns : int
            Modification time of the old file, in nanoseconds since 1970.
        old, new : bytes
            The whole file before and after.
        entries : mapping
            The entries of the old file.
        changes : mapping
            New values of entries; None for one that is removed.
        sound : str
            Digest of the stored sound; "" where it is not known.

        Raises
        ------
        TagError
            The record cannot be written or read back; the journal is then as it was before.
        """
        record = Record(
            path=portable_path(path),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            mtime_ns=mtime_ns,
            before=digest(old),
            after=digest(new),
            pieces=pieces(old, new),
            tags={name: (entries.get(name), values) for name, values in changes.items()},
            sound=sound,
        )
        line = b"\n" + json.dumps({"format": FORMAT, **asdict(record)}).encode() + b"\n"
        try:
            if not has_place(self.path):
                raise OSError("there is no home folder for it; name another place with --journal FILE")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b", buffering=0) as file:
                _append(file, line, alone=lock(file.fileno()))
        except OSError as error:
            why = error.strerror or str(error)
            raise TagError(
                f"the undo journal {self.path} cannot be written ({why}); the file is left as it is"
            ) from error

    def restored(self, path: str, content: bytes) -> tuple[bytes, int] | None:
        """The content and time of a file before the first of the changes that led to its present content.

        If several files have the same content by now, the records of this path are preferred.

        Returns
        -------
        (bytes, int) or None
            Content, and modification time in nanoseconds; None where the journal does not know the present content.

        Raises
        ------
        TagError
            The journal was altered.
        """
        state, first = digest(content), len(self._records)
        while earlier := [number for number in self._by["after"].get(state, ()) if number < first]:
            first = max(earlier, key=lambda number: (self._records[number].path == portable_path(path), number))
            record = self._records[first]
            try:
                content, state = join(record.pieces, content), record.before
            except (ValueError, TypeError, zlib.error):
                state = ""
            if digest(content) != state:
                raise TagError(f"{self.path}: the record of {record.path} is damaged and cannot restore the file")
        return (content, self._records[first].mtime_ns) if first < len(self._records) else None

    def back(self, path: str, entries: Entries, sound: str = "") -> Changes:
        """The changes that give entries their former values, where they still have those that songscore wrote.

        They come from the records of this path or, where there are none, of a file with the same stored sound.
        """
        by_path = self._back(entries, self._by["path"].get(portable_path(path), []))
        return by_path or self._back(entries, self._by["sound"].get(sound, []) if sound else [])

    def _back(self, entries: Entries, numbers: list[int]) -> Changes:
        former: dict[str, Values | None] = dict(entries)
        others: set[str] = set()
        for record in (self._records[number] for number in reversed(numbers)):
            if former.get(MODEL) is None:
                break
            ours = {name for name, (_, new) in record.tags.items() if former.get(name) == new} - others
            if ours:  # otherwise the file was never replaced
                others |= record.tags.keys() - ours
                former |= {name: record.tags[name][0] for name in ours}
        return difference(entries, former)

    @cached_property
    def _records(self) -> list[Record]:
        """All records, oldest first; the file is read once."""
        return list(_read(self.path)) if self.path.exists() else []

    @cached_property
    def _by(self) -> dict[str, dict[str, list[int]]]:
        """Numbers of records, oldest first, by their `after`, `path` and `sound`."""
        numbers: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in ("after", "path", "sound")}
        for number, record in enumerate(self._records):
            for name, found in numbers.items():
                found[getattr(record, name)].append(number)
        return numbers


def _append(file: IO[bytes], line: bytes, alone: bool) -> None:
    """Write a line and read it back; after an error, remove it if no other process can have written behind it."""
    start = file.seek(0, os.SEEK_END)
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
        file.seek(start)
        if line not in file.read():
            raise OSError(errno.EIO, "it cannot be read back")
    except OSError:
        if alone:
            with suppress(OSError):
                file.truncate(start)
        raise


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> Iterator[Record]:
    with path.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                yield _record(json.loads(line))


def _record(fields: dict[str, Any]) -> Record:
    """A record whose fields are all of their types; `ValueError` or `TypeError` otherwise."""
    if fields.pop("format") != FORMAT:
        raise ValueError("a record of another version")
    tags = {name: (_values(old), _values(new)) for name, (old, new) in fields.pop("tags").items() if name in NAMES}
    record = Record(**fields, tags=tags)
    texts = record.path, record.time, record.before, record.after, record.sound
    if not all(isinstance(text, str) for text in texts) or not _is_time(record.mtime_ns):
        raise TypeError("a field of another type")
    parts: Any = record.pieces
    if not isinstance(parts, list) or not all(map(_is_piece, parts)):
        raise TypeError("pieces of another type")
    return record


def _values(texts: Any) -> Values | None:
    if texts is None:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("values of another type")
    return tuple(texts)


def _is_time(nanoseconds: Any) -> bool:
    return isinstance(nanoseconds, int) and abs(nanoseconds) < 1 << 63


def _is_piece(piece: object) -> bool:
    if isinstance(piece, str):
        return True
    return isinstance(piece, list) and len(piece) == 2 and all(isinstance(n, int) and n >= 0 for n in piece)
