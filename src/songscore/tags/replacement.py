"""A file is changed by another that takes its place, in one step and only when it is whole on disk."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from songscore.errors import TagError


def replace(target: Path, content: bytes, seen: os.stat_result, mtime_ns: int | None = None) -> None:
    """Give a file new content; mode, owner, extended attributes and, with `mtime_ns`, that time are kept.

    Other names of the file (hard links) keep the old content.

    Parameters
    ----------
    target : Path
        The file itself, no link to it.
    content : bytes
    seen : os.stat_result
        Of the moment in which the old content was read.
    mtime_ns : int, optional
        Modification time, in nanoseconds since 1970; without it, now.

    Raises
    ------
    TagError
        Somebody else has changed the file, or its owner would change.
    OSError
        The folder takes no new file, or none of this size.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".songscore-", suffix=".tmp")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            shutil.copystat(target, new)
            _keep_owner(target, new, seen)
            os.utime(new, ns=(seen.st_atime_ns, time.time_ns() if mtime_ns is None else mtime_ns))
            os.fsync(file.fileno())
        if not _same(seen, target.stat()):
            raise TagError("another program has changed it meanwhile; nothing was written")
        new.replace(target)
        _sync_folder(target.parent)
    finally:
        new.unlink(missing_ok=True)


def check_writable(target: Path, seen: os.stat_result) -> None:
    """Raise where this is no ordinary file, or a protected one."""
    if not stat.S_ISREG(seen.st_mode):
        raise TagError("not a file")
    if not seen.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise TagError("the file is read-only; make it writable first, or leave it as it is")


def _keep_owner(target: Path, new: Path, seen: os.stat_result) -> None:
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
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
