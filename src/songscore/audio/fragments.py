"""The packets of fragmented MP4 files, as video sites give them and recorders write them (ISO/IEC 14496-12, 8.8).

Such a file has no table of packets: each fragment lists its own. So it has to be walked once, box by box.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from songscore.audio.span import read_at

_LONGEST_BOX, _MOST_BOXES = 1 << 24, 1 << 20
_MOST_PACKETS = 1 << 23
"""Fifty hours of AAC at 44.1 kHz."""
_LARGEST_FILE = 1 << 62
_BASE, _DESCRIPTION, _DURATION, _SIZE = 0x1, 0x2, 0x8, 0x10
_FROM_FRAGMENT = 0x20000
_OFFSET, _FIRST_FLAGS, _DURATIONS, _SIZES, _FLAGS, _SHIFTS = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800


class UnusualFragments(Exception):
    """Fragments that are left to FFmpeg."""


class Run(NamedTuple):
    """Packets that lie one behind the other.

    Attributes
    ----------
    position : int
        Of the first, in the file.
    sizes, durations : (n_packets,) uint32
        In bytes, and in ticks.
    """

    position: int
    sizes: NDArray[np.uint32]
    durations: NDArray[np.uint32]


class Defaults(NamedTuple):
    """What holds for packets of which a fragment does not say it."""

    duration: int
    size: int


def runs(file: BinaryIO, start: int, end: int, track: int, defaults: Defaults) -> Iterator[Run]:
    """The runs of packets of one track, in the order of their times.

    Parameters
    ----------
    file : binary file object
        Without a buffer: little is read at many places.
    start, end : int
        The part of the file behind the header.
    track : int
        Number of the track.
    defaults : Defaults

    Raises
    ------
    UnusualFragments
        A fragment is cut off, out of order or not of a kind that is read here.
    """
    ticks = n_packets = n_boxes = 0
    while start < end:
        head, n_boxes = read_at(file, start, 16), n_boxes + 1
        length = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4])
        if not 8 <= length <= end - start or n_boxes > _MOST_BOXES:
            raise UnusualFragments
        if head[4:8] in (b"moof", b"sidx") and length > _LONGEST_BOX:
            raise UnusualFragments
        if head[4:8] == b"sidx" and start + length + _indexed(read_at(file, start, length)) > end:
            raise UnusualFragments
        if head[4:8] == b"moof":
            for run in _runs_of(read_at(file, start, length), start, track, ticks, defaults):
                ticks += int(run.durations.sum(dtype=np.int64))
                n_packets += len(run.sizes)
                if n_packets > _MOST_PACKETS:
                    raise UnusualFragments
                yield run
        start += length


def _runs_of(fragment: bytes, position: int, track: int, ticks: int, defaults: Defaults) -> Iterator[Run]:
    """The runs of a fragment that stands at a place in the file and begins at a time."""
    for n, (kind, at, end) in enumerate(_boxes(fragment, 8, len(fragment))):
        if kind != b"traf":
            continue
        inside = list(_boxes(fragment, at, end))
        if not inside or inside[0][0] != b"tfhd":
            raise UnusualFragments
        head = _Fields(fragment, *inside[0][1:])
        if head.word() != track:
            continue
        if n > 1 and not head.flags & (_BASE | _FROM_FRAGMENT):  # positions count from the end of the track before
            raise UnusualFragments
        base = head.double() if head.flags & _BASE else position
        if head.flags & _DESCRIPTION and head.word() != 1:
            raise UnusualFragments
        duration = head.word() if head.flags & _DURATION else defaults.duration
        size = head.word() if head.flags & _SIZE else defaults.size
        for kind, at, end in inside[1:]:
            fields = _Fields(fragment, at, end)
            if kind == b"tfdt" and (fields.double() if fields.version else fields.word()) != ticks:
                raise UnusualFragments
            if kind == b"trun":
                yield _run(fields, base, Defaults(duration, size))


def _indexed(index: bytes) -> int:
    """Bytes behind an index of segments up to the end of the last that it lists."""
    fields = _Fields(index, 8, len(index))
    fields.double()
    ahead = (fields.double(), fields.double())[1] if fields.version else (fields.word(), fields.word())[1]
    sizes = fields.table(fields.word() & 0xFFFF, 3)[:, 0] & 0x7FFF_FFFF
    return ahead + int(sizes.sum(dtype=np.int64))


def _run(fields: _Fields, base: int, defaults: Defaults) -> Run:
    n_packets = fields.word()
    if not 0 < n_packets <= _MOST_PACKETS or not fields.flags & _OFFSET or fields.flags & _SHIFTS:
        raise UnusualFragments
    position = base + fields.signed()
    if not 0 <= position < _LARGEST_FILE:
        raise UnusualFragments
    if fields.flags & _FIRST_FLAGS:
        fields.word()
    columns = [flag for flag in (_DURATIONS, _SIZES, _FLAGS) if fields.flags & flag]
    table = fields.table(n_packets, len(columns))
    given = dict(zip(columns, table.T, strict=True))
    sizes = given.get(_SIZES, np.full(n_packets, defaults.size, np.uint32))
    return Run(position, sizes, given.get(_DURATIONS, np.full(n_packets, defaults.duration, np.uint32)))


class _Fields:
    """The fields of a box with a version and flags, one after the other."""

    def __init__(self, content: bytes, at: int, end: int) -> None:
        self._content, self._at, self._end = content, at, end
        self.version, self.flags = divmod(self.word(), 1 << 24)

    def word(self) -> int:
        return int.from_bytes(self._take(4))

    def signed(self) -> int:
        return int.from_bytes(self._take(4), signed=True)

    def double(self) -> int:
        return int.from_bytes(self._take(8))

    def table(self, n_rows: int, n_columns: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._take(4 * n_rows * n_columns), ">u4").reshape(n_rows, n_columns).astype(np.uint32)

    def _take(self, n_bytes: int) -> bytes:
        if self._at + n_bytes > self._end:
            raise UnusualFragments
        self._at += n_bytes
        return self._content[self._at - n_bytes : self._at]


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and end of the boxes in a stretch."""
    while at < end:
        last = at + int.from_bytes(content[at : at + 4])
        if not at + 8 <= last <= end:
            raise UnusualFragments
        yield content[at + 4 : at + 8], at + 8, last
        at = last
