"""The tags of a file in any container: entries are read, set and removed; everything else is listed item by item.

An entry is a name and its values, a tuple of strings; names are matched case-insensitively. It becomes a ``TXXX`` frame
in ID3 (MP3, AIFF, WAV), a freeform atom in MP4, and stays as it is in Vorbis comments (FLAC, Ogg Vorbis, Opus) and
APE. ``LANGUAGE`` has a frame of its own in ID3, ``TLAN``.

New entries are put among the bytes of the old tag, which are copied as they are: the version of ID3 stays, and so do
frames that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from songscore.errors import TagError
from songscore.tags.chunks import Chunks
from songscore.tags.flac import Flac
from songscore.tags.id3 import Id3
from songscore.tags.items import Changes, Content, Item, Values
from songscore.tags.mp4 import Mp4
from songscore.tags.mpeg import Mpeg
from songscore.tags.ogg import Ogg


class _Container(Protocol):
    @property
    def items(self) -> Sequence[Item]: ...

    def with_entries(self, changes: Changes) -> bytes: ...


class Tags:
    """The tags of one file.

    Parameters
    ----------
    content : bytes-like
        The whole file, see `songscore.tags.items.Content`.

    Raises
    ------
    TagError
        The container takes no entries, or its headers contradict each other.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._container = _container_of(content)

    @property
    def in_ape(self) -> bool:
        """Whether entries stand in an APE tag."""
        return isinstance(self._container, Mpeg) and self._container.in_ape

    def entries(self, names: Iterable[str]) -> dict[str, Values]:
        """The entries of these names that the file has."""
        found: dict[str, Values] = {}
        wanted = set(names)
        for item in self._container.items:
            if item.name in wanted:
                found[item.name] = found.get(item.name, ()) + item.values
        return found

    def others(self, names: Iterable[str]) -> list[Item]:
        """All items but the entries of these names."""
        ours = set(names)
        return [item for item in self._container.items if item.name not in ours]

    def with_entries(self, changes: Changes) -> bytes:
        """The content of the file with these entries set or, for None, removed.

        Raises
        ------
        TagError
            They would not fit.
        """
        return self._container.with_entries(changes)


_KINDS: tuple[tuple[bytes, Callable[[Content], _Container]], ...] = (
    (b"fLaC", Flac),
    (b"OggS", Ogg),
    (b"wvpk", lambda content: Mpeg(content, ape=True)),
    (b"MAC ", lambda content: Mpeg(content, ape=True)),
    (b"MPCK", lambda content: Mpeg(content, ape=True)),
    (b"MP+", lambda content: Mpeg(content, ape=True)),
    (b"OFR ", lambda content: Mpeg(content, ape=True)),
    (b"TTA1", Mpeg),
)
"""First bytes of files that hold tags, and what reads them."""


def _container_of(content: Content) -> _Container:
    head = content[:16]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Chunks(content)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Chunks(content)
    if head[4:8] == b"ftyp":
        return Mp4(content)
    start = Id3(content).end if head.startswith(b"ID3") else 0
    begins = content[start : start + 4]
    for magic, kind in _KINDS:
        if begins.startswith(magic) and (not start or kind is not Ogg):
            return kind(content)
    if _is_mpeg(content, start):
        return Mpeg(content)
    raise TagError("the tags cannot be read: this is not an MP3, FLAC, Ogg, MP4, WAV, AIFF, APE, WavPack or Musepack")


def _is_mpeg(content: Content, start: int) -> bool:
    """Whether a frame of MPEG sound, layer I to III, begins near here."""
    near = content[start : start + (1 << 16)]
    return any(
        first == 0xFF and second & 0xE0 == 0xE0 and second & 0x06 and second & 0x18 != 0x08
        for first, second in pairwise(near)
    )
