"""The cache: what was heard in files, and features that take long to compute, kept for the next run.

There is one record for each sound, under the user's cache folder or ``SONGSCORE_CACHE_DIR``. Its name is a digest of
the content of the file and of all that the record depends on besides: versions and the voice detector. So another
threshold, prior or classifier needs no decoding, and where anything differs that would change a number, no record is
found. Spectral features have a folder of their own beside it. Records are written whole or not at all and checked when
they are read, so any number of processes may share a cache. Where it grows too large, the least recently used are
removed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path

from songscore._files import has_place, own_folder, write_whole
from songscore.analysis.record import FORMAT, Analysis
from songscore.analysis.sampling import analyse
from songscore.decision import Question
from songscore.model import TrackModel

LIMIT = 2_000_000_000
"""Bytes on disk; 30,000 tracks of four minutes take a quarter of it."""

_LARGEST = 64_000_000
"""Bytes of the largest record that is read: a sound of three days."""

_FOLDER = re.compile("[0-9a-f]{2}")
_ENTRY = re.compile(r"[0-9a-f]{38}|\.songscore-[0-9a-f]{16}\.tmp")
"""Names of folders of records, and of records and half-written ones; nothing else is removed."""

_HEARD, _FEATURES = "heard", "features"
"""Folders of what was heard, and of spectral features."""

_T = TypeVar("_T")

_TRIM_EVERY = 1000
"""New records after which the size of the cache is looked at."""

_TRIMMED = 0.9
"""Share of the limit down to which a cache that is too large is trimmed."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds.

    Attributes
    ----------
    folder : Path
    tracks : int
        Records of what was heard.
    features : int
        Records of spectral features.
    size, limit : int
        Bytes of all records, and how many there may be.
    """

    folder: Path
    tracks: int
    features: int
    size: int
    limit: int


class Cache:
    """A folder of records.

    Parameters
    ----------
    folder : path, optional
        By default ``SONGSCORE_CACHE_DIR``, or the user's cache folder.
    limit : int
        Bytes that it may grow to.

    Raises
    ------
    FileNotFoundError
        The user has no home folder, and no other place is named.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, limit: int = LIMIT) -> None:
        chosen = folder or os.environ.get("SONGSCORE_CACHE_DIR") or own_folder(user_cache_path)
        self.folder, self.limit, self._added = Path(chosen), limit, 0
        if not has_place(self.folder):
            why = "there is no home folder for the cache; set SONGSCORE_CACHE_DIR to another folder"
            raise FileNotFoundError(errno.ENOENT, why, str(self.folder))

    def analyse(self, path: str, model: TrackModel, question: Question, *, thorough: bool = False) -> Analysis:
        """What is heard in a file, as by `songscore.analysis.sampling.analyse`, with the record of an earlier run.

        A record made for another question is used where it answers this one; otherwise listening goes on from it. An
        unusable cache is bypassed silently.

        Raises
        ------
        AudioError
            The sound cannot be read.
        """
        return self._kept(
            path,
            _HEARD,
            f"{FORMAT} {version('songscore')} {model.detector_digest}",
            make=lambda found: analyse(path, model, question, thorough=thorough, earlier=found),
            to_bytes=Analysis.to_bytes,
            from_bytes=lambda content: Analysis.from_bytes(content, path, model.detector_digest),
        )

    def features(
        self, path: str, names: Sequence[str], feature_set: str, make: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        """The features `names` of a file, from the record of an earlier run or else from `make`.

        `feature_set` names all that the numbers depend on besides the content of the file and the version of songscore.
        An unusable cache is bypassed silently.
        """
        return self._kept(
            path,
            _FEATURES,
            f"{version('songscore')} {feature_set}",
            make=lambda found: make() if found is None else found,
            to_bytes=lambda found: json.dumps(found, allow_nan=False).encode(),
            from_bytes=partial(_named_numbers, names=names),
        )

    def _kept(
        self,
        path: str,
        folder: str,
        way: str,
        *,
        make: Callable[[_T | None], _T],
        to_bytes: Callable[[_T], bytes],
        from_bytes: Callable[[bytes], _T],
    ) -> _T:
        """What `make` returns, given the stored record or None; stored unless the file changed meanwhile.

        `way` is all that the record depends on besides the content of the file.
        """
        before = _state(path)
        entry = self._entry(path, folder, way) if before else None
        found = self._read(entry, from_bytes) if entry else None
        made = make(found)
        if entry and made is not found and _state(path) == before:
            self._write(entry, to_bytes(made))
        return made

    def info(self) -> CacheInfo:
        """What the cache holds.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        heard, features = ([size for _, size, _ in self._entries(folder)] for folder in (_HEARD, _FEATURES))
        return CacheInfo(self.folder, len(heard), len(features), sum(heard) + sum(features), self.limit)

    def clear(self) -> None:
        """Remove every record, and nothing else that may lie in the folder or behind a link.

        Raises
        ------
        OSError
            The folder cannot be read, or a record cannot be removed.
        """
        for kind in (_HEARD, _FEATURES):
            for _, _, path in self._entries(kind):
                path.unlink(missing_ok=True)
            for folder in [*_folders(self.folder / kind), self.folder / kind]:
                with suppress(OSError):
                    folder.rmdir()

    def trim(self) -> None:
        """Where the cache is over its limit, remove the least recently used records."""
        entries = sorted([*self._entries(_HEARD), *self._entries(_FEATURES)])
        excess = sum(size for _, size, _ in entries) - self.limit
        if excess <= 0:
            return
        excess += round((1 - _TRIMMED) * self.limit)
        for _, size, path in entries:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def _entry(self, path: str, folder: str, way: str) -> Path | None:
        try:
            with Path(path).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(way.encode(), digest_size=20)).hexdigest()
        except OSError:
            return None
        return self.folder / folder / digest[:2] / digest[2:]

    def _read(self, entry: Path, from_bytes: Callable[[bytes], _T]) -> _T | None:
        try:
            state = entry.lstat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
                return None
            found = from_bytes(entry.read_bytes())
            os.utime(entry)
        except (OSError, ValueError):
            return None
        return found

    def _write(self, entry: Path, content: bytes) -> None:
        with suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            write_whole(entry, content)
            self._added += 1
            if self._added % _TRIM_EVERY == 1:
                self.trim()

    def _entries(self, kind: str) -> Iterator[tuple[float, int, Path]]:
        """Time of last use, size and path of each record, and of half-written ones that killed processes left."""
        for folder in _folders(self.folder / kind):
            for path in folder.iterdir():
                with suppress(OSError):
                    state = path.lstat()
                    if stat.S_ISREG(state.st_mode) and _ENTRY.fullmatch(path.name):
                        yield state.st_mtime, state.st_size, path


def _named_numbers(content: bytes, names: Sequence[str]) -> dict[str, float]:
    """The features in a record; `ValueError` where it holds anything else."""
    try:
        found = json.loads(content)
    except RecursionError as error:
        raise ValueError("not a record of features") from error
    if not (isinstance(found, dict) and [*found] == [*names] and all(type(x) is float for x in found.values())):
        raise ValueError("not a record of features")
    if not all(map(math.isfinite, found.values())):
        raise ValueError("features that are not finite numbers")
    return found


def _folders(kind: Path) -> list[Path]:
    """The folders of records; links are left alone, since they may lead anywhere."""
    if kind.is_symlink():
        return []
    try:
        with os.scandir(kind) as found:
            return [Path(item) for item in found if _FOLDER.fullmatch(item.name) and item.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _state(path: str) -> tuple[int, int, int] | None:
    """Size, time and inode of a regular file, one of which changes with it; None for anything else."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (state.st_size, state.st_mtime_ns, state.st_ino) if stat.S_ISREG(state.st_mode) else None
