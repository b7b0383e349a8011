"""Writing a file whole or not at all, and the folders of a user's own that songscore uses."""

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
"""Seconds after which a half-written file counts as left by a killed process, where files cannot be locked."""

_swept: set[Path] = set()
"""Folders in which this process has looked for half-written files of killed processes."""

_HALF_WRITTEN = re.compile(r"\.songscore-[0-9a-f]{16}\.tmp")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` once it is complete and on the disk.

    It lies in the same folder under a hidden name, so that `path` is never seen half written, and is removed where the
    work breaks off. It is locked meanwhile: a half-written file without a lock was left by a process that was killed,
    and is removed when a process first writes in that folder.

    Raises
    ------
    OSError
        The file cannot be written there; the error names `path`.
    """
    sweep_once(path.parent)
    new = hidden_beside(path)
    try:
        with _open_new(new) as file:
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
    """Raise an error again; one that names no file gets `path`."""
    if error.errno is None or error.filename is not None:
        raise error
    raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _open_new(new: Path) -> BinaryIO:
    """A new file, locked; made again where another process took it for a leftover and removed it before the lock."""
    while True:
        file = new.open("xb")
        lock(file.fileno())
        if new.exists():
            return file
        file.close()


def hidden_beside(path: Path) -> Path:
    """A name for a new file in the same folder, by which it is known as a half-written one."""
    return path.with_name(f".songscore-{token_hex(8)}.tmp")


def lock(handle: int) -> None:
    """Lock a file until it is closed, where files can be locked."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)


def own_folder(find: Callable[..., Path]) -> Path:
    """The folder that a function of platformdirs gives songscore; below ``~`` where the user has no home folder."""
    try:
        return find("songscore", appauthor=False)
    except RuntimeError:  # newer versions of platformdirs; earlier ones give a path below ~
        return Path("~", "songscore")


def has_place(path: Path) -> bool:
    """Whether a path from `own_folder` can be used: there is a home folder."""
    return path.parts[:1] != ("~",)


def sweep_once(folder: Path) -> None:
    """`sweep` a folder, the first time that this process writes in it."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove half-written files of songscore that killed processes left in a folder."""
    with suppress(OSError):
        for path in folder.glob(".songscore-*.tmp"):
            if _HALF_WRITTEN.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
                _remove_left(path)


def _remove_left(path: Path) -> None:
    """Remove a half-written file that no process holds; it is locked first, so that no other process removes it too."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        is_free = _is_free(handle)
        if is_free:
            path.unlink(missing_ok=True)
        is_old = is_free is None and os.fstat(handle).st_ctime < time.time() - LEFT_BEHIND
    finally:
        os.close(handle)
    if is_old:
        path.unlink(missing_ok=True)


def _is_free(handle: int) -> bool | None:
    """Lock a file; False where another process holds it, None where files cannot be locked."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
