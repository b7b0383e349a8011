"""The one way a file is written whole or not at all, and the folders that are the user's own."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, NoReturn

LEFT_BEHIND = 86_400.0
"""Seconds after which a half-written file is one of a process that was killed, where files cannot be locked."""

_swept: set[Path] = set()
"""Folders in which this process has looked for what was left."""

_HALF_WRITTEN = re.compile(r"\.songscore-[0-9a-f]{16}\.tmp")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` once it is complete and on the disk.

    It lies in the same folder under a name of its own, so that `path` is never seen half written, and is removed where
    the work breaks off. It is locked meanwhile: one that nobody holds was left by a process that was killed, and is
    removed when a process first writes in that folder.

    Raises
    ------
    OSError
        The folder takes no new file, or none of this size; it names `path`.
    """
    if path.parent not in _swept:
        _swept.add(path.parent)
        remove_leftovers(path.parent)
    new = path.with_name(f".songscore-{token_hex(8)}.tmp")
    try:
        with _opened(new) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        _name(error, path)
    finally:
        new.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8 with its line ends as they are."""
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files that belong together: none takes its place before all are whole on the disk."""
    with ExitStack() as stack:
        for path, content in contents.items():
            file = stack.enter_context(new_file(path))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _name(error: OSError, path: Path) -> NoReturn:
    """Raise an error again, with the file that it is about where it names none."""
    if error.errno is None or error.filename is not None:
        raise error
    raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _opened(new: Path) -> BinaryIO:
    """A new file, locked; another process may have taken it for left behind before it was."""
    while True:
        file = new.open("xb")
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if new.exists():
            return file
        file.close()


def own_folder(find: Callable[..., Path]) -> Path:
    """The folder that a function of platformdirs has for songscore; below ``~`` where no home folder is known."""
    try:
        return find("songscore", appauthor=False)
    except RuntimeError:  # newer versions of platformdirs; earlier ones give a path below ~
        return Path("~", "songscore")


def has_place(path: Path) -> bool:
    """Whether a path from `own_folder` is one on the disk, and a home folder is known."""
    return path.parts[:1] != ("~",)


def remove_leftovers(folder: Path) -> None:
    """Remove half-written files of ours that a killed process left in a folder."""
    with suppress(OSError):
        for path in folder.glob(".songscore-*.tmp"):
            if _HALF_WRITTEN.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
                _remove_left(path)


def _remove_left(path: Path) -> None:
    """Remove a half-written file that no process holds, with its lock in hand, so that none takes it meanwhile."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        is_free = _is_free(handle)
        if is_free:
            path.unlink(missing_ok=True)
        is_old = is_free is None and os.fstat(handle).st_mtime < time.time() - LEFT_BEHIND
    finally:
        os.close(handle)
    if is_old:
        path.unlink(missing_ok=True)


def _is_free(handle: int) -> bool | None:
    """Lock a file, and say whether nobody else had; None where files cannot be locked."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
