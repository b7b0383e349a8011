"""The one way a file is written whole or not at all, and the folders that are the user's own."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

LEFT_BEHIND = 86_400.0
"""Seconds after which a half-written file is one of a process that was killed."""

_HALF_WRITTEN = re.compile(r"\.songscore-[0-9a-f]{16}\.tmp")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` once it is complete and on the disk.

    It lies in the same folder under a name of its own, so that `path` is never seen half written, and is removed where
    the work breaks off.

    Raises
    ------
    OSError
        The folder takes no new file, or none of this size.
    """
    new = path.with_name(f".songscore-{token_hex(8)}.tmp")
    try:
        with new.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8 with its line ends as they are."""
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


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
            state = path.lstat()
            is_ours = _HALF_WRITTEN.fullmatch(path.name) and stat.S_ISREG(state.st_mode)
            if is_ours and state.st_mtime < time.time() - LEFT_BEHIND:
                path.unlink(missing_ok=True)
