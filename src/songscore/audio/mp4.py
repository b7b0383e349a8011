"""The packets of long and of fragmented MP4 files, so that FFmpeg needs no index of them.

FFmpeg keeps an index of all packets, and takes twice its memory while it makes it: 130 MB for ten hours. So it is given
a file of the first packets alone, which it opens as it would the whole, and the packets behind them one by one. In a
fragmented file it cannot seek, so such a file is given to it as one with a table, however short. What is unusual is
left to FFmpeg as it is. The boxes are those of ISO/IEC 14496-12.

Times are in ticks, the units of the track's clock.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from songscore.audio.decoders import DecodeError
from songscore.audio.fragments import Defaults, UnusualFragments, runs
from songscore.audio.span import Span, read_at

_FIRST = 1 << 14
"""Packets that FFmpeg finds: six minutes of AAC at 44.1 kHz, of which the index takes 2 MB."""
_BLOCK = 256
_PLAIN = {b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"co64", b"sgpd", b"sbgp"}
"""Boxes of a track whose packets are in the order of their times."""
_CODECS = (b"mp4a", b"alac")
_MOST_BOXES, _LONGEST_BOX, _LONGEST_TABLE = 1000, 1 << 24, 1 << 24
_LONGEST_PACKET, _LONGEST_DURATION, _LATEST = 1 << 24, 1 << 20, 1 << 62

_Integers = NDArray[np.int64]
_T = TypeVar("_T")


class _Unusual(Exception):
    """A file that is left to FFmpeg as it is."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    body: int
    end: int


class Packet(NamedTuple):
    """A packet with its times, of which those before the sound are negative."""

    content: bytes
    start: int
    duration: int


class PacketTable:
    """The packets of a long or fragmented file with one track of sound; `packet_table` makes it.

    Attributes
    ----------
    n_first : int
        Packets that are in the file of the first ones.
    n_packets : int
        By the table.
    n_ticks : int
        Length of the sound by the header.
    """

    def __init__(self, tables: io.BufferedReader, file: io.BufferedReader) -> None:
        self._tables, self._file, self._size, self.n_first = tables, file, file.seek(0, io.SEEK_END), _FIRST
        self._behind = 0, 0
        """The packet behind those that were looked up last, and the bytes that stand before it in their chunk."""
        top = self._boxes(0, self._size, last=b"moov")
        moov = self._inside(top[-1])
        tracks = [box for box in moov if box.kind == b"trak"]
        track = _only([box for box in tracks if self._is_sound(box)])
        trak = self._inside(track)
        mdia = self._inside(_named(trak, b"mdia"))
        minf = self._inside(_named(mdia, b"minf"))
        stbl = self._inside(_named(minf, b"stbl"))
        if top[0].kind != b"ftyp" or not {box.kind for box in stbl} <= _PLAIN:
            raise _Unusual
        self._tkhd = self._bytes(_named(trak, b"tkhd"))
        extended = [box for box in moov if box.kind == b"mvex"]
        self._is_fragmented = bool(extended)
        if extended:
            self._read_fragments(top[-1].end, _only(extended), stbl)
        else:
            self._read_packets(stbl)
        self._ftyp, self._stsd = self._bytes(top[0]), self._bytes(_named(stbl, b"stsd"))
        if self._stsd[12:16] != b"\0\0\0\1" or self._stsd[20:24] not in _CODECS:
            raise _Unusual
        self._hdlr = self._bytes(_named(mdia, b"hdlr"))
        self._minf = [self._bytes(box) for box in minf if box.kind != b"stbl"]
        # Tags may tell the delay of an encoder, which FFmpeg takes for that of the track before them.
        self._tags = [box for box in moov if box.kind in (b"udta", b"meta") and box.start > track.end == tracks[-1].end]
        self._read_times(self._bytes(_named(moov, b"mvhd")), self._bytes(_named(mdia, b"mdhd")), trak)

    def beginning(self) -> Span:
        """A file of the first packets alone."""
        n = min(self.n_first, self._n_used)
        positions, sizes = self._places(0, n)
        start, end = int(positions.min()), min(int((positions + sizes).max()), self._size)
        counts = np.diff(np.clip(self._n_until, 0, n), prepend=0)
        durations = np.stack([counts, self._durations], axis=1)[counts > 0]
        head = b""
        for _ in range(2):  # the first time for its length, from which the positions follow
            head = self._head(durations, sizes, positions + (len(head) - start))
        return Span(self._file, start - len(head), max(start, end), head=head)

    def packets(self, first: int) -> Iterator[Packet]:
        """The packets from one on; `DecodeError` if the table is damaged."""
        for start in range(first, self._n_used, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, self._n_used))
            ticks = self._begin(np.append(numbers, numbers[-1] + 1)) - (self._delay or 0)
            durations = np.diff(np.minimum(ticks, self.n_ticks))
            rows = (*self._places(start, int(numbers[-1]) + 1), ticks, durations)
            for position, size, tick, duration in zip(*(row.tolist() for row in rows), strict=False):
                self._file.seek(position)
                content = self._file.read(min(size, _LONGEST_PACKET))
                if content:
                    yield Packet(content, tick, duration)
                elif size:  # behind the end of the file
                    return

    def at(self, tick: int) -> int:
        """The packet with this tick of the sound."""
        tick += self._delay or 0
        run = int(np.searchsorted(self._ticks_until, tick, "right"))
        if run == len(self._ticks_until):
            return self.n_packets
        return int(self._n_until[run] - 1 - (self._ticks_until[run] - 1 - tick) // self._durations[run])

    def _head(self, durations: _Integers, sizes: _Integers, positions: _Integers) -> bytes:
        tables = (
            self._stsd,
            _full_box(b"stts", 0, _words(len(durations)), durations.astype(">u4").tobytes()),
            _full_box(b"stsc", 0, _words(1, 1, 1, 1)),
            _full_box(b"stsz", 0, _words(0, len(sizes)), sizes.astype(">u4").tobytes()),
            _full_box(b"co64", 0, _words(len(sizes)), positions.astype(">u8").tobytes()),
        )
        mdia = _box(b"mdia", self._mdhd, self._hdlr, _box(b"minf", *self._minf, _box(b"stbl", *tables)))
        edits = b""
        if self._delay is not None:
            length = int(durations.prod(axis=1).sum()) - self._delay
            edit = length.to_bytes(8) + self._delay.to_bytes(8) + _words(1 << 16)
            edits = _box(b"edts", _full_box(b"elst", 1, _words(1), edit))
        tags = (self._bytes(box) for box in self._tags)
        moov = _box(b"moov", self._mvhd, _box(b"trak", self._tkhd, edits, mdia), *tags)
        return self._ftyp + moov + _words(0) + b"mdat"

    def _places(self, first: int, last: int) -> tuple[_Integers, _Integers]:
        """Positions in the file and lengths of packets."""
        sizes = self._sizes(first, last).astype(np.int64)
        chunks, behind = self._chunks(np.arange(first, last))
        number, ahead = self._behind
        if first != number or behind[0] == 0:
            ahead = int(self._sizes(first - int(behind[0]), first).sum(dtype=np.int64))
        before = ahead + np.cumsum(sizes) - sizes
        chunk_starts = np.arange(last - first) - behind
        before -= np.where(chunk_starts > 0, before[np.maximum(chunk_starts, 0)], 0)
        self._behind = last, int(before[-1] + sizes[-1])
        return self._offsets[chunks].astype(np.int64) + before, sizes

    def _sizes(self, first: int, last: int) -> NDArray[np.unsignedinteger]:
        if self._is_fragmented:
            return self._all_sizes[first:last]
        content = read_at(self._tables, self._sizes_at + 4 * first, 4 * (last - first))
        if len(content) < 4 * (last - first):
            raise DecodeError("the table of packets cannot be read")
        return np.frombuffer(content, ">u4")

    def _chunks(self, packets: _Integers) -> tuple[_Integers, _Integers]:
        """The chunk of each packet, and how many packets of the chunk stand before it."""
        run = np.searchsorted(self._n_before, packets, "right") - 1
        n_chunks, behind = np.divmod(packets - self._n_before[run], self._per_chunk[run])
        return self._first_chunks[run] + n_chunks, behind

    def _begin(self, packets: _Integers) -> _Integers:
        """Ticks at which packets begin."""
        run = np.minimum(np.searchsorted(self._n_until, packets, "right"), len(self._n_until) - 1)
        ticks: _Integers = self._ticks_until[run] - (self._n_until[run] - packets) * self._durations[run]
        return ticks

    def _read_packets(self, stbl: Sequence[_Box]) -> None:
        """Read where the packets are and how long they last; their sizes, which are many, are left in the file."""
        stsz = _named(stbl, b"stsz")
        head = read_at(self._tables, stsz.body, 12)
        self._sizes_at, self.n_packets = stsz.body + 12, int.from_bytes(head[8:])
        if any(head[4:8]) or self._sizes_at + 4 * self.n_packets > stsz.end or self.n_packets <= self.n_first:
            raise _Unusual
        offsets = _only([box for box in stbl if box.kind in (b"stco", b"co64")])
        self._offsets = self._table(offsets, ">u4" if offsets.kind == b"stco" else ">u8", 1)[:, 0]
        first_chunks, self._per_chunk, kinds = self._table(_named(stbl, b"stsc"), ">u4", 3).astype(np.int64).T
        self._first_chunks = first_chunks - 1
        n_chunks = np.diff(self._first_chunks, append=len(self._offsets))
        n_until = np.cumsum(n_chunks * self._per_chunk)
        self._n_before = n_until - n_chunks * self._per_chunk
        counts, self._durations = self._table(_named(stbl, b"stts"), ">u4", 2).astype(np.int64).T
        self._n_until, self._ticks_until = np.cumsum(counts), np.cumsum(counts * self._durations)
        is_plain = (
            self._offsets.max() < _LATEST
            and self._first_chunks[0] == 0
            and n_chunks.min() > 0
            and 0 < self._per_chunk.min() <= self._per_chunk.max() <= self.n_packets
            and (kinds == 1).all()
            and n_until[-1] == self._n_until[-1] == self.n_packets
            and counts.min() > 0
            and 0 < self._durations.min() <= self._durations.max() < _LONGEST_DURATION
        )
        if not is_plain:
            raise _Unusual

    def _read_fragments(self, start: int, mvex: _Box, stbl: Sequence[_Box]) -> None:
        """Read the same of a fragmented file, and the sizes of its packets."""
        at = 28 if self._tkhd[8] else 20
        number = self._tkhd[at : at + 4]
        trex = _only([t for t in map(self._bytes, self._inside(mvex)) if t[4:8] == b"trex" and t[12:16] == number])
        stsz = read_at(self._tables, _named(stbl, b"stsz").body, 12)
        if trex[16:20] != _words(1) or any(stsz[8:]):
            raise _Unusual
        defaults = Defaults(int.from_bytes(trex[20:24]), int.from_bytes(trex[24:28]))
        unbuffered = cast(BinaryIO, self._tables.raw)  # since little is read at many places
        place = unbuffered.tell()
        positions, counts, sizes, durations = array("q"), array("q"), array("I"), array("I")
        try:
            for run in runs(unbuffered, start, self._size, int.from_bytes(number), defaults):
                positions.append(run.position)
                counts.append(len(run.sizes))
                sizes.frombytes(run.sizes.tobytes())
                durations.frombytes(run.durations.tobytes())
        except UnusualFragments as error:
            raise _Unusual from error
        finally:
            unbuffered.seek(place)  # where the buffer expects it
        if not positions or not 0 < min(durations) <= max(durations) < _LONGEST_DURATION:
            raise _Unusual
        self.n_packets = len(sizes)
        self._offsets, self._per_chunk = np.frombuffer(positions, np.int64), np.frombuffer(counts, np.int64)
        self._first_chunks, self._n_before = np.arange(len(counts)), np.cumsum(self._per_chunk) - self._per_chunk
        self._all_sizes, of_all = np.frombuffer(sizes, np.uint32), np.frombuffer(durations, np.uint32)
        self._n_until = np.append(np.flatnonzero(of_all[1:] != of_all[:-1]) + 1, self.n_packets)
        self._durations = of_all[self._n_until - 1].astype(np.int64)
        self._ticks_until = np.cumsum(np.diff(self._n_until, prepend=0) * self._durations)

    def _read_times(self, mvhd: bytes, mdhd: bytes, trak: Sequence[_Box]) -> None:
        """Read the length and the one edit, which FFmpeg applies to whole packets at the end."""
        at, rate_at = (28 if head[8] else 20 for head in (mvhd, mdhd))
        rate = mdhd[rate_at : rate_at + 4]
        movie_ticks, ticks = int.from_bytes(mvhd[at : at + 4]), int.from_bytes(rate)
        in_all = int(self._ticks_until[-1])
        length = in_all if self._is_fragmented else int.from_bytes(mdhd[rate_at + 4 : -4])
        if max(mvhd[8], mdhd[8]) > 1 or not movie_ticks or not ticks or not 0 < length < _LATEST:
            raise _Unusual
        self._mdhd, self._mvhd = mdhd, mvhd[:at] + rate + mvhd[at + 4 :]
        self._delay, self._n_used, self.n_ticks = None, self.n_packets, min(length, in_all)
        edts = [box for box in trak if box.kind == b"edts"]
        if not edts:
            return
        elst = self._bytes(_named(self._inside(_only(edts)), b"elst"))
        width = 8 if elst[8] else 4
        edit = elst[16:]
        length = (int.from_bytes(edit[:width]) * ticks + movie_ticks // 2) // movie_ticks
        self._delay = int.from_bytes(edit[width : 2 * width])
        if self._is_fragmented and not length:  # when the header was written, nobody knew
            length = in_all - self._delay
        elif self._is_fragmented and length < in_all - self._delay:  # FFmpeg reads the fragments behind the edit, too
            raise _Unusual
        is_plain = elst[8] < 2 and elst[12:16] == _words(1) and edit[2 * width :] == _words(1 << 16)
        latest = min(ticks, int(self._begin(np.array([self.n_first]))[0]))  # from then on FFmpeg leaves out packets
        if not is_plain or not 0 < length < _LATEST or self._delay >= latest:
            raise _Unusual
        self.n_ticks = min(self.n_ticks, length)
        self._n_used = min(self.n_packets, self.at(length - 1) + 1)

    def _is_sound(self, track: _Box) -> bool:
        mdia = self._inside(_named(self._inside(track), b"mdia"))
        return read_at(self._tables, _named(mdia, b"hdlr").body + 8, 4) == b"soun"

    def _inside(self, box: _Box) -> list[_Box]:
        return self._boxes(box.body, box.end)

    def _boxes(self, start: int, end: int, last: bytes = b"") -> list[_Box]:
        """The boxes in a stretch of the file, up to the first of kind `last`."""
        boxes = list[_Box]()
        while start < end and not (boxes and boxes[-1].kind == last):
            head = read_at(self._tables, start, 16)
            n_bytes, body = int.from_bytes(head[:4]), start + 8
            if n_bytes == 1:
                n_bytes, body = int.from_bytes(head[8:]), start + 16
            behind = start + n_bytes if n_bytes else end
            if not body <= behind <= end or len(boxes) == _MOST_BOXES:
                raise _Unusual
            boxes.append(_Box(head[4:8], start, body, behind))
            start = behind
        if not boxes or (last and boxes[-1].kind != last):
            raise _Unusual
        return boxes

    def _bytes(self, box: _Box) -> bytes:
        if box.end - box.start > _LONGEST_BOX or box.body - box.start != 8 or box.end - box.body < 8:
            raise _Unusual
        return read_at(self._tables, box.start, box.end - box.start)

    def _table(self, box: _Box, kind: str, n_columns: int) -> NDArray[np.unsignedinteger]:
        n_rows = int.from_bytes(read_at(self._tables, box.body + 4, 4))
        n_bytes = n_rows * n_columns * np.dtype(kind).itemsize
        if not 0 < n_bytes <= min(_LONGEST_TABLE, box.end - box.body - 8):
            raise _Unusual
        content = read_at(self._tables, box.body + 8, n_bytes)
        if len(content) < n_bytes:
            raise _Unusual
        return np.frombuffer(content, kind).reshape(-1, n_columns)


def packet_table(tables: io.BufferedReader, file: io.BufferedReader) -> PacketTable | None:
    """The packets of a file, opened twice for tables and packets; None if it has few of them, or is unusual."""
    if read_at(tables, 4, 4) != b"ftyp":
        return None
    try:
        return PacketTable(tables, file)
    except _Unusual:
        return None


def _only(found: Sequence[_T]) -> _T:
    if len(found) != 1:
        raise _Unusual
    return found[0]


def _named(boxes: Sequence[_Box], kind: bytes) -> _Box:
    return _only([box for box in boxes if box.kind == kind])


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4) for value in values)


def _box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return _words(8 + len(inside)) + kind + inside


def _full_box(kind: bytes, version: int, *content: bytes) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *content)
