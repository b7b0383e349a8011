"""Which files of a folder are music."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from songscore.audio import is_audio_path

NOT_SOUND, HIDDEN, LINK, CLOSED = "not sound", "hidden", "links to folders", "folders that cannot be read"
"""What is passed over."""


def audio_files(paths: Iterable[str | os.PathLike[str]], passed_over: Counter[str] | None = None) -> Iterator[Path]:
    """Files named as they are; folders walked, sorted, for files with the suffix of a sound file.

    Hidden files and folders inside a folder are passed over, and so are folders that cannot be read and links to
    folders, which may lead round in circles.

    Parameters
    ----------
    paths : iterable of path
    passed_over : Counter, optional
        Counts what is left out, by `NOT_SOUND`, `HIDDEN`, `LINK` and `CLOSED`.
    """
    counts = Counter[str]() if passed_over is None else passed_over
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the folder above cannot be read
            yield from _walk(path, counts)
        else:
            yield path


def _walk(top: Path, counts: Counter[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(top, onerror=lambda error: counts.update([CLOSED])):
        visible = [name for name in folders if not name.startswith(".")]
        counts[HIDDEN] += len(folders) - len(visible)
        folders[:] = sorted(visible)
        counts[LINK] += sum(Path(folder, name).is_symlink() for name in folders)
        for name in sorted(names):
            if name.startswith("."):
                counts[HIDDEN] += 1
            elif is_audio_path(name):
                yield Path(folder, name)
            else:
                counts[NOT_SOUND] += 1
