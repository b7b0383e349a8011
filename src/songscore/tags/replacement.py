"""Replaces a file by a new one, in one step, once the new one is whole on the disk.

The new file stands beside the old one under a hidden name, and is locked by the process that writes it. One that a
killed process left is removed when the next file in its folder is written, see `songscore._files`.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from songscore._files import hidden_beside, open_new, sweep_once
from songscore.errors import TagError

_begun: set[Path] = set()
_beginning = threading.Lock()
"""New files that this process is writing, and a lock for beginning one."""


def replace(target: Path, content: bytes, seen: os.stat_result, mtime_ns: int | None = None) -> None:
    """Give a file new content; mode, owner, extended attributes and, with `mtime_ns`, that time are kept.

    Other names of the file (hard links) keep the old content.

    Parameters
    ----------
    target : Path
        The file itself, not a link to it.
    content : bytes
    seen : os.stat_result
        State of the file when its old content was read.
    mtime_ns : int, optional
        Modification time, in nanoseconds since 1970; without it, now.

    Raises
    ------
    TagError
        Another program has changed the file meanwhile, or its owner would change.
    OSError
        The new file cannot be written in that folder.
    """
    sweep_once(target.parent)
    with _beside(target) as (new, file):
        file.write(content)
        file.flush()
        shutil.copystat(target, new)
        _keep_owner(target, new, seen)
        os.utime(new, ns=(seen.st_atime_ns, time.time_ns() if mtime_ns is None else mtime_ns))
        os.fsync(file.fileno())
        if new.stat().st_size != len(content):
            raise TagError("the new file is not whole on the disk; the old one is left as it is")
        if not _same(seen, target.stat()):
            raise TagError("another program has changed it meanwhile; nothing was written")
        if os.name == "nt":
            file.close()
        new.replace(target)
    _sync_folder(target.parent)


def check_regular(seen: os.stat_result) -> None:
    """Raise `TagError` where this is a folder, a pipe, a device or a socket."""
    if not stat.S_ISREG(seen.st_mode):
        raise TagError("not a regular file")


def check_writable(target: Path, seen: os.stat_result) -> None:
    """Raise `TagError` where the file is read-only."""
    if not seen.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise TagError("the file is read-only; make it writable first, or leave it as it is")


def discard() -> None:
    """Delete the new files that this process is writing and begin no other: call it just before the process ends."""
    _beginning.acquire()
    for new in list(_begun):
        with suppress(OSError):
            new.unlink(missing_ok=True)


@contextmanager
def _beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the same folder; it is removed in the end unless it was moved."""
    new = hidden_beside(target)
    with _beginning:
        file = open_new(new, 0o600)
        _begun.add(new)
    try:
        with file:
            yield new, file
    finally:
        new.unlink(missing_ok=True)
        _begun.discard(new)


def _keep_owner(target: Path, new: Path, seen: os.stat_result) -> None:
    """Give a new file the owner and group of the old one; `TagError` where that is not permitted."""
    made = new.stat()
    if (made.st_uid, made.st_gid) == (seen.st_uid, seen.st_gid):
        return
    try:
        os.chown(new, seen.st_uid, seen.st_gid)
        new.chmod(stat.S_IMODE(seen.st_mode))
    except PermissionError as error:
        raise TagError("the new file would have another owner or group; run as its owner") from error


def _same(seen: os.stat_result, now: os.stat_result) -> bool:
    keys = ("st_ino", "st_dev", "st_size", "st_mtime_ns")
    return all(getattr(seen, key) == getattr(now, key) for key in keys)


def _sync_folder(folder: Path) -> None:
    """Write the folder to the disk, so that the new name survives a power cut, where the file system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
