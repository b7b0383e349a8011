"""Finds the music files of folders, each once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from songscore.audio import is_audio_path

NOT_SOUND, HIDDEN, LINK, CLOSED = "not sound", "hidden", "links to folders", "folders that cannot be read"
AGAIN, EXCLUDED = "named twice", "excluded"
"""Reasons why a file or folder is passed over."""


def audio_files(
    paths: Iterable[str | os.PathLike[str]], passed_over: Counter[str] | None = None, *, exclude: Sequence[str] = ()
) -> Iterator[Path]:
    """The given files, and from folders, in sorted order, all files with the suffix of a sound file.

    Inside a folder, these are passed over: hidden files and folders, folders that cannot be read, and links to folders,
    which may lead round in circles. A file that comes again, under whatever name, is passed over too.

    Parameters
    ----------
    paths : iterable of path
    passed_over : Counter, optional
        Counts what is passed over, by `NOT_SOUND`, `HIDDEN`, `LINK`, `CLOSED`, `AGAIN` and `EXCLUDED`.
    exclude : sequence of str
        Patterns as of `fnmatch`; a file, or a folder in a folder, is passed over where its name or path matches.
    """
    counts = Counter[str]() if passed_over is None else passed_over
    seen = set[str]()
    for path in _found(paths, counts, exclude):
        real = real_path(path)
        if real in seen:
            counts[AGAIN] += 1
        else:
            seen.add(real)
            yield path


def real_path(path: str | os.PathLike[str]) -> str:
    """The absolute path of a file with links resolved, so that each file has one name; or the path itself."""
    try:
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - Path.resolve costs ten times as much
        joined = os.path.join(_real_folder(folder), name)  # noqa: PTH118
        return os.path.realpath(joined) if os.path.islink(joined) else joined  # noqa: PTH114
    except (OSError, ValueError):
        return os.fspath(path)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _found(paths: Iterable[str | os.PathLike[str]], counts: Counter[str], exclude: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the folder above cannot be read
            yield from _walk(path, counts, exclude)
        elif _is_excluded(str(path), exclude):
            counts[EXCLUDED] += 1
        else:
            yield path


def _walk(top: Path, counts: Counter[str], exclude: Sequence[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(top, onerror=lambda error: counts.update([CLOSED])):
        folders[:] = sorted(_wanted(folder, folders, counts, exclude))
        counts[LINK] += sum(os.path.islink(os.path.join(folder, name)) for name in folders)  # noqa: PTH114, PTH118
        for name in sorted(_wanted(folder, names, counts, exclude)):
            if is_audio_path(name):
                yield Path(folder, name)
            else:
                counts[NOT_SOUND] += 1


def _wanted(folder: str, names: list[str], counts: Counter[str], exclude: Sequence[str]) -> Iterator[str]:
    """Names that are neither hidden nor excluded."""
    for name in names:
        if name.startswith("."):
            counts[HIDDEN] += 1
        elif _is_excluded(os.path.join(folder, name), exclude):  # noqa: PTH118
            counts[EXCLUDED] += 1
        else:
            yield name


def _is_excluded(path: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch(os.path.basename(path), pattern) or fnmatch(path, pattern) for pattern in exclude)  # noqa: PTH119
