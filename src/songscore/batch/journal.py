"""The journal: answers of a run on disk, as JSON Lines in UTF-8, so that the run can be resumed.

The first line holds the settings of the run, ``{"songscore": {"journal": 2, ...}, "label": null}``: `VERSION`, the
version of songscore, threshold, prior, choir, thorough, and the model with its digest. Each other line is a
`TrackResult.to_dict`. Files may be joined, so a line of settings may stand anywhere. Files of version 1 and standard
output have none: they can be read, but not resumed. Raise `VERSION` when lines change so that an older songscore would
misread them.

A line counts once it is whole and on the disk. Where a crash, a full disk or a power cut leaves a part of the last
line, that is removed when the journal is next opened. Any other line that is not an answer is counted and skipped.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, Self

from songscore._files import new_file
from songscore.audio.identity import FileState, is_another_file
from songscore.batch.lines import HEADER, fields_of, is_torn, lines_of, shown
from songscore.batch.pool import LOST, LOST_BY_ALL
from songscore.batch.walk import real_path
from songscore.decision import Question
from songscore.model import TrackModel
from songscore.results import TrackResult, exact_path

VERSION = 2

TRY_AGAIN = ("no such file", LOST, LOST_BY_ALL)
"""Ends of messages of files that a resumed run tries again: these messages say nothing about the sound."""

UNREAD = ("unreadable", "unsupported", "timeout")
"""Statuses of files that a resumed run tries again where `retry` asks for it."""

_PATH = re.compile(rb'\{"path": ("[^"\\]*(?:\\.[^"\\]*)*"), "label": (null)?')
_FILE = re.compile(rb'"size": (\d{1,19}), "modified": "([^"\\]{1,40})", "sound_digest": (?:null|"([0-9a-f]{64})")\}\n$')
_UNANSWERED = re.compile(f'"status": "({"|".join(UNREAD)})"'.encode())
_UNLOCKED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}
"""Errors of file systems without locks, or without fsync."""


class Journal:
    """The answers of a run in a file; each is on the disk when `add` returns.

    Parameters
    ----------
    path : path
        Created where it is missing.
    settings : mapping of str to Any
        What the answers of this run depend on, see `run_settings`.
    resume : bool
        Go on with an existing journal; without it, an existing one is an error. Answers whose message ends as in
        `TRY_AGAIN` are removed, so that their files are tried again, and so are those whose files have changed.
    retry : bool
        Also remove answers that a file could not be read.

    Attributes
    ----------
    n_refused : int
        Lines that are not answers.
    n_changed : int
        Answers that were removed because their files hold another sound now.

    Raises
    ------
    FileExistsError
        There is a journal that is not empty, and `resume` is False.
    BlockingIOError
        Another run is writing to it.
    ValueError
        The file is not a journal, or its run had other settings; it is not changed.
    """

    def __init__(
        self, path: str | os.PathLike[str], settings: Mapping[str, Any], *, resume: bool = False, retry: bool = False
    ) -> None:
        self.path = Path(path)
        self.n_refused = self.n_changed = 0
        self._retry = retry
        self._done = set[str]()
        goes_on = self.path.exists() and (resume or not self.path.stat().st_size)
        self._file = self.path.open("r+b" if goes_on else "x+b", buffering=0)
        try:
            _lock(self._file.fileno(), self.path)
            self._end = self._kept(settings)
            self._file.truncate(self._end)
            self._file.seek(self._end)
            if not self._end:
                self._append({"songscore": {"journal": VERSION, **settings}, "label": None})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __contains__(self, path: str | os.PathLike[str]) -> bool:
        return real_path(path) in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, track: TrackResult) -> None:
        """Write an answer, and return when it is on the disk.

        Raises
        ------
        OSError
            It cannot be written, and the journal is as it was before; or another program replaced or changed the file.
        """
        self._append(track.to_dict())
        self._done.add(real_path(track.path or ""))

    def check(self) -> None:
        """Check that the file is still the one that was opened, with all that was written to it.

        Raises
        ------
        OSError
            It was replaced, removed, or changed in its length.
        """
        ours = os.fstat(self._file.fileno())
        try:
            there = self.path.stat()
        except FileNotFoundError:
            raise OSError(f"{self.path}: another program removed it during the run") from None
        if not os.path.samestat(ours, there):
            raise OSError(f"{self.path}: another program replaced it during the run")
        if there.st_size != self._end:
            raise OSError(f"{self.path}: another program changed it during the run")

    def _append(self, fields: Mapping[str, Any]) -> None:
        self.check()
        line = memoryview(json.dumps(fields, allow_nan=False).encode() + b"\n")
        rest = line
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            _sync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
        self._end += len(line)

    def _kept(self, settings: Mapping[str, Any]) -> int:
        """Read which files have answers; returns the end of the last whole line that is kept, in bytes."""
        end, again, size = 0, set[int](), os.fstat(self._file.fileno()).st_size
        for number, line in enumerate(lines_of(self._file), 1):
            if not line.endswith(b"\n") and end + len(line) == size:
                if not is_torn(line, first=number == 1):
                    raise _not_a_journal(self.path, "ends", line)
                break
            end += len(line)
            if line.startswith(HEADER):
                _check_settings(line, settings, self.path)
            elif number == 1:
                _refuse_first(line, self.path)
            elif not self._learn(line):
                again.add(number)
        if not again:
            return end
        self._rewrite(end, again)
        return self.path.stat().st_size

    def _learn(self, line: bytes) -> bool:
        """Note that a file has an answer; False where the file is to be tried again."""
        if _is_to_try_again(line, self._retry):
            return False
        found = _PATH.match(line)
        try:
            if found is None or not line.endswith(b"}\n"):
                raise ValueError
            path = real_path(exact_path(_text(found[1])))
        except ValueError:
            self.n_refused += 1
            return True
        if (known := _FILE.search(line)) and is_another_file(path, _file_state(known)):
            self.n_changed += 1
            return False
        self._done.add(path)
        return True

    def _rewrite(self, end: int, again: set[int]) -> None:
        """Write the journal anew, whole or not at all, without the lines of files that are to be tried again."""
        self._file.seek(0)
        target = self.path.resolve()
        with new_file(target) as new:
            for number, line in enumerate(lines_of(self._file, end), 1):
                if number not in again:
                    new.write(line)
        self._file.close()
        self._file = self.path.open("r+b", buffering=0)
        _lock(self._file.fileno(), self.path)


def run_settings(model: TrackModel, question: Question, *, thorough: bool) -> dict[str, Any]:
    """The settings that the answers of a run depend on, as the first line of its journal has them."""
    return {
        "version": version("songscore"),
        **asdict(question),
        "thorough": thorough,
        "model": model.name,
        "digest": model.metadata["sha256"],
    }


def _text(quoted: bytes) -> str:
    """The text of a JSON string; parsed only where it has escapes, since parsing takes most of the time of opening."""
    return str(json.loads(quoted)) if b"\\" in quoted else quoted[1:-1].decode()


def _not_a_journal(path: Path, does: str, line: bytes) -> ValueError:
    return ValueError(f"{path} is not a file of answers, it {does} with {shown(line)}; it was not changed")


def _refuse_first(line: bytes, path: Path) -> NoReturn:
    """Raise the error for a file that does not begin with the settings of a run."""
    try:
        TrackResult.from_dict(fields_of(line))
    except (ValueError, RecursionError):
        raise _not_a_journal(path, "begins", line) from None
    raise ValueError(
        f"{path} does not say with which settings it was made, as files of earlier versions and of standard output do"
        " not, so it cannot be resumed; label into another file"
    )


def _check_settings(line: bytes, settings: Mapping[str, Any], path: Path) -> None:
    """Raise `ValueError` where the run had other settings."""
    try:
        there = fields_of(line)["songscore"]
        if there["journal"] != VERSION:
            raise ValueError(
                f"{path} is of version {there['journal']!r}; this songscore can resume version {VERSION} only"
            )
        others = [(name, there[name], ours) for name, ours in settings.items() if there[name] != ours]
    except (KeyError, TypeError) as error:
        raise _not_a_journal(path, "begins", line) from error
    if others:
        differ = ", ".join(f"{_OPTIONS[name]} {_value(theirs)}, not {_value(ours)}" for name, theirs, ours in others)
        raise ValueError(f"{path} was made with {differ}; use the same settings, or label into another file")


_OPTIONS = {
    "version": "songscore",
    "threshold": "--threshold",
    "prior": "--prior",
    "choir": "--choir",
    "thorough": "--thorough",
    "model": "--model",
    "digest": "another model of that name, SHA-256",
}


def _value(value: object) -> str:
    return {"None": "none", "True": "yes", "False": "no"}.get(str(value), str(value))


def _is_to_try_again(line: bytes, retry: bool) -> bool:
    """Whether a line is the answer for a file that is to be tried again."""
    found = _PATH.match(line)
    if found is None or found[2] is None or not _UNANSWERED.search(line):
        return False
    try:
        fields = json.loads(line)
        return str(fields["message"]).endswith(TRY_AGAIN) or (retry and fields["status"] in UNREAD)
    except (ValueError, KeyError, RecursionError):
        return False


def _file_state(known: re.Match[bytes]) -> FileState:
    return FileState(int(known[1]), known[2].decode(errors="replace"), known[3].decode() if known[3] else None)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNLOCKED:
            raise


def _lock(descriptor: int, path: Path) -> None:
    """Keep other runs from writing while the file is open, where the file system has locks."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _UNLOCKED:
            raise BlockingIOError(error.errno, "another run is writing to this file", str(path)) from error
