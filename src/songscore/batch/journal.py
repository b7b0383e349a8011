"""Answers on disk: JSON Lines, one `TrackResult.to_dict` per line, in UTF-8.

A line counts once it is whole and on the disk. What a crash, a full disk or a power cut leaves of the last line is
taken away when the journal is next opened; any other line that is no answer is an error that names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from songscore.results import TrackResult, portable_path


class Journal:
    """Answers of a run, each on the disk before the next is asked for.

    Parameters
    ----------
    path : path
        Made where it is missing.
    resume : bool
        Whether an existing journal is gone on with; without it that is an error.

    Raises
    ------
    FileExistsError
        There is a journal already, `resume` is False, and the file is not empty.
    BlockingIOError
        Another run is writing to it.
    ValueError
        A line of it is no answer.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path = Path(path)
        goes_on = self.path.exists() and (resume or not self.path.stat().st_size)
        self._file = self.path.open("r+b" if goes_on else "xb", buffering=0)
        try:
            _lock(self._file.fileno(), self.path)
            self._end = _without_torn_line(self.path)
            self._file.truncate(self._end)
            self._file.seek(self._end)
            self._done = {portable_path(track.path or "") for track in read_results(self.path)}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        return portable_path(os.fspath(path)) in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, track: TrackResult) -> None:
        """Write an answer, and return when it is on the disk.

        Raises
        ------
        OSError
            It cannot be written; the journal is then as it was before.
        """
        line = memoryview(json.dumps(track.to_dict(), allow_nan=False).encode() + b"\n")
        rest = line
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += len(line)
        self._done.add(portable_path(track.path or ""))


def read_results(path: str | os.PathLike[str]) -> Iterator[TrackResult]:
    """The answers in a file of JSON Lines; the torn last line of a run that was stopped is none.

    Raises
    ------
    ValueError
        A line is no answer; the message has the file and the line.
    """
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield TrackResult.from_dict(json.loads(line.decode()))
            except (ValueError, RecursionError) as error:
                if line.endswith(b"\n"):
                    raise ValueError(f"{os.fspath(path)}, line {number}: {error}") from error


def _without_torn_line(path: Path) -> int:
    """Length of the file up to the end of its last whole line."""
    with path.open("rb") as file:
        return sum(len(line) for line in file if line.endswith(b"\n"))


def _lock(descriptor: int, path: Path) -> None:
    """Keep others from writing as long as the file is open."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BlockingIOError(error.errno, "another run is writing to this file", str(path)) from error
