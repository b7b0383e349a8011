"""The items of a tag, as they stand in the file.

A tag is cut into items by its own headers: frames, comments, atoms, chunks. An item that holds text under a name that a
user can choose, as songscore's entries do, has `name` and `values`; all others are bytes to be kept. Items are copied,
never decoded and encoded again, and no more memory is allocated than the file has bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

Values = tuple[str, ...]
Changes = Mapping[str, Values | None]

LANGUAGE = "LANGUAGE"
"""The one entry that has a frame of its own in ID3."""


class Content(Protocol):
    """Bytes in memory or in a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> bytes: ...


class FileContent:
    """A file of which only the requested bytes are read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: BinaryIO = Path(path).open("rb")  # noqa: SIM115 - closed by __exit__
        self._size = self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice, /) -> bytes:
        start, stop, _ = where.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))


@dataclass(frozen=True, slots=True)
class Item:
    """A frame, comment, atom or chunk.

    Attributes
    ----------
    what : str
        Name for messages, such as ``ID3 frame TIT2``.
    raw : bytes
        All of it, header included, as it stands in the file.
    name : str
        In capitals, where the item holds text under a name that a user can choose; otherwise empty.
    values : tuple of str
        The text.
    """

    what: str
    raw: bytes
    name: str = ""
    values: Values = ()

    def unnamed(self) -> Item:
        """The item as one of a tag that songscore does not write to."""
        return Item(self.what, self.raw)


def kept_bytes(items: Iterable[Item], changes: Changes) -> list[bytes]:
    """The bytes of the items that stay as they are."""
    return [item.raw for item in items if item.name not in changes]


def new_entries(changes: Changes) -> list[tuple[str, Values]]:
    """The changes that set a value."""
    return [(name, values) for name, values in changes.items() if values is not None]
