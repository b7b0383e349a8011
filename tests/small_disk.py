"""A file system of a few kilobytes, and a way to fill it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096


class Disk:
    """A mounted folder, most of which a file can take."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"

    def fill(self, left: int) -> None:
        """Take all space but so many bytes, in pages."""
        self.empty()
        free = os.statvfs(self.folder).f_bavail * PAGE
        self._filler.write_bytes(bytes(max(0, free - left)))

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def contents(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path != self._filler and path.is_file()
        }


@contextmanager
def mounted(folder: Path, size: str = "64k") -> Iterator[Disk]:
    """A new file system on a new folder, gone in the end.

    Raises
    ------
    PermissionError
        This user may not mount.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"no right to mount: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
