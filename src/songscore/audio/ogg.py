"""Finds the links of a chained Ogg file by the headers of its pages (RFC 3533)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from songscore.audio.frames import Read

_MAGIC = b"OggS"
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_HEADER, _LONGEST_PAGE = 27, 65_307
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Link:
    """A piece of an Ogg file that could be a file of its own.

    Attributes
    ----------
    start, end : int
        Positions in bytes.
    has_end_mark : bool
        Whether the last page is marked as the last.
    """

    start: int
    end: int
    has_end_mark: bool


def find_links(read: Read, start: int, end: int) -> list[Link]:
    """The links of the chain in a stretch of a file; most files have one."""
    links = list[Link]()
    begins, is_last, in_headers, page_end = start, False, True, end
    for position, length, flags in _pages(read, start, end):
        is_first = bool(flags & _FIRST_PAGE)
        if is_first and not in_headers:
            links.append(Link(begins, page_end, is_last))
            begins = position
        in_headers, is_last, page_end = is_first, bool(flags & _LAST_PAGE), position + length
    return [*links, Link(begins, page_end, is_last)]


def _pages(read: Read, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Where each page begins, its length and its flags."""
    while position < end:
        data = read(position, min(_BLOCK, end - position))
        is_end = position + len(data) >= end or not data
        last = len(data) - (_HEADER if is_end else _LONGEST_PAGE)
        at = 0
        while at <= last:
            if not data.startswith(_MAGIC, at):
                found = data.find(_MAGIC, at)
                at = found if found >= 0 else max(at + 1, len(data) - len(_MAGIC) + 1)
                continue
            n_segments = data[at + 26]
            length = _HEADER + n_segments + sum(data[at + _HEADER : at + _HEADER + n_segments])
            if is_end and at + length > len(data):
                return
            yield position + at, length, data[at + 5]
            at += length
        if is_end:
            return
        position += at
