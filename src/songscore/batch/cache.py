"""What was heard in files, kept for the next run.

One file per sound, under the user's cache folder or ``SONGSCORE_CACHE_DIR``. Its name is a digest of the content of
the sound, the feature set, the voice detector and the way of listening; so another threshold, prior or classifier needs
no decoding, and whatever changes a number finds nothing. Files appear whole, by renaming, and are read as what
strangers wrote: any number of processes may share a folder. The least recently used go first where it grows too large.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from songscore._files import has_place, own_folder, write_whole
from songscore.analysis.record import FORMAT, Analysis
from songscore.analysis.sampling import analyse
from songscore.decision import Question
from songscore.model import TrackModel

LIMIT = 2_000_000_000
"""Bytes on disk; 30,000 tracks of four minutes take a quarter of it."""

_LARGEST = 64_000_000
"""Bytes of an entry: a sound of three days."""

_FOLDER = re.compile("[0-9a-f]{2}")
_ENTRY = re.compile(r"[0-9a-f]{38}|\.songscore-[0-9a-f]{16}\.tmp")
"""What records, the folders they lie in, and half-written ones are called; nothing else is removed."""

_TRIM_EVERY = 1000
_TRIMMED = 0.9


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """How much there is.

    Attributes
    ----------
    folder : Path
    tracks : int
    size, limit : int
        Bytes.
    """

    folder: Path
    tracks: int
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
            why = "there is no home folder for the cache; SONGSCORE_CACHE_DIR names another"
            raise FileNotFoundError(errno.ENOENT, why, str(self.folder))

    def analyse(self, path: str, model: TrackModel, question: Question, *, thorough: bool = False) -> Analysis:
        """`songscore.analysis.sampling.analyse`, from here where it was heard before.

        What was heard for another question is used where it answers this one; otherwise listening goes on from there.
        An unusable cache is bypassed silently.

        Raises
        ------
        AudioError
            The sound cannot be read.
        """
        before = _state(path)
        entry = self._entry(path, model) if before else None
        found = self._read(entry, path, model) if entry else None
        analysis = analyse(path, model, question, thorough=thorough, earlier=found)
        if entry and analysis is not found and _state(path) == before:
            self._write(entry, analysis.to_bytes())
        return analysis

    def info(self) -> CacheInfo:
        """Count what is there.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        sizes = [size for _, size, _ in self._entries()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.limit)

    def clear(self) -> None:
        """Remove every record, and nothing else that may lie in the folder or behind a link.

        Raises
        ------
        OSError
            The folder cannot be read, or a record not be removed.
        """
        for _, _, path in self._entries():
            path.unlink(missing_ok=True)
        for folder in [*_folders(self.folder / "heard"), self.folder / "heard"]:
            with suppress(OSError):
                folder.rmdir()

    def trim(self) -> None:
        """Remove the least recently used until there is room."""
        entries = sorted(self._entries())
        excess = sum(size for _, size, _ in entries) - self.limit
        if excess <= 0:
            return
        excess += round((1 - _TRIMMED) * self.limit)
        for _, size, path in entries:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def _entry(self, path: str, model: TrackModel) -> Path | None:
        way = f"{FORMAT} {version('songscore')} {model.detector_digest}"
        try:
            with Path(path).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(way.encode(), digest_size=20)).hexdigest()
        except OSError:
            return None
        return self.folder / "heard" / digest[:2] / digest[2:]

    def _read(self, entry: Path, path: str, model: TrackModel) -> Analysis | None:
        try:
            state = entry.lstat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
                return None
            analysis = Analysis.from_bytes(entry.read_bytes(), path, model.detector_digest)
            os.utime(entry)
        except (OSError, ValueError):
            return None
        return analysis

    def _write(self, entry: Path, content: bytes) -> None:
        with suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            write_whole(entry, content)
            self._added += 1
            if self._added % _TRIM_EVERY == 1:
                self.trim()

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """When each was last used, its size, and itself; half-written ones of processes that died among them."""
        for folder in _folders(self.folder / "heard"):
            for path in folder.iterdir():
                with suppress(OSError):
                    state = path.lstat()
                    if stat.S_ISREG(state.st_mode) and _ENTRY.fullmatch(path.name):
                        yield state.st_mtime, state.st_size, path


def _folders(heard: Path) -> list[Path]:
    """The folders in which records lie. A link is none: what is behind it may be anything."""
    if heard.is_symlink():
        return []
    try:
        with os.scandir(heard) as found:
            return [Path(item) for item in found if _FOLDER.fullmatch(item.name) and item.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _state(path: str) -> tuple[int, int, int] | None:
    """What changes when a regular file does; None for anything else."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (state.st_size, state.st_mtime_ns, state.st_ino) if stat.S_ISREG(state.st_mode) else None
