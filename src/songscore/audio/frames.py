"""MPEG audio (MP3, MP2, MP1): where every frame is, found by the headers before anything is decoded.

A stream is a row of frames, each with a header of four bytes that gives its length (ISO/IEC 11172-3, 2.4.1; 13818-3 for
the low rates; MPEG 2.5 is an extension by Fraunhofer). Going from header to header takes a hundredth of the time of
decoding, and gives what no count in the file can be trusted for: how many samples there are, where each of them is,
where the rate or the channels change, and where frames are missing. Positions are bytes from the start of the file.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from songscore.audio.marks import TAGS, is_text, tag_length

_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by version (2 stands for 2.5 too) and layer; index 0 of a header means a free format, 15 is forbidden."""
_RATES = (44_100, 48_000, 32_000)
_HALVINGS = {3: 0, 2: 1, 0: 2}
"""Of the rates, by the two bits of the version: MPEG 1, 2 and 2.5."""
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x00-\xef]", re.DOTALL)
_MONO = 0xC0
_COUNTS = (b"Xing", b"Info")
_VBRI = 36

_BLOCK, _AHEAD = 1 << 20, 1 << 16
_LONGEST_FREE_FRAME = 8192
_IN_A_ROW, _AGAIN = 4, 2
"""Number of adjoining frames that prove MPEG audio; fewer if frames of that kind were found before."""
_SEARCHED = 1 << 24
"""Bytes in which the first frame is looked for."""
_TEXT = 4096
_LONGEST_COUNT = 1441
"""Bytes of the frame with the count, which counts itself."""
_RESERVOIR, _CHECKSUM = 511, 2
"""Bytes of earlier frames on which a frame may draw at most (main_data_begin); bytes of a checksum."""
_WARM_UP = 3
"""Earlier frames that must be decoded as well, since the overlap and the filter bank depend on them."""
_INEXACT, _INEXACT_SHARE = 2, 0.1
"""Largest error of the number of frames that fit in a gap: in frames, and as a share of the missing ones."""
_DECODER_DELAY = 529
"""Delay of a decoder of layer III in samples; the delay and the padding that encoders note do not include it."""

Read = Callable[[int, int], bytes]
"""Bytes from a position on, fewer at the end of the file."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The properties that all frames of a run share, since a decoder cannot change them on the way."""

    version: int
    layer: int
    rate: int
    mono: bool

    @property
    def n_samples(self) -> int:
        """Samples of a frame."""
        return 384 if self.layer == 1 else 576 if self.layer == 3 and self.version == 2 else 1152

    @property
    def side_end(self) -> int:
        """Where in a frame of layer III a count may stand: behind header and side information."""
        return {(1, False): 36, (1, True): 21, (2, False): 21, (2, True): 13}[self.version, self.mono]


@dataclass(frozen=True, slots=True)
class Count:
    """Numbers in the frame that an encoder puts before the sound (Xing, Info, VBRI); 0 for those that it lacks."""

    n_frames: int = 0
    n_bytes: int = 0
    delay: int = 0
    padding: int = 0
    is_gapless: bool = False


@dataclass(slots=True)
class Run:
    """Frames of one kind, each where the one before ends.

    Attributes
    ----------
    kind : Kind
    count : Count or None
        The numbers in a frame before this run.
    offsets : array of int
        Where each frame begins.
    end : int
        Where the last one ends.
    skip, cut : int
        Samples that the encoder added at the start and at the end.
    lost : int
        Frames that are missing in front of this run.
    """

    kind: Kind
    count: Count | None = None
    offsets: array[int] = field(default_factory=lambda: array("q"))
    end: int = 0
    skip: int = 0
    cut: int = 0
    lost: int = 0

    @property
    def n_frames(self) -> int:
        return len(self.offsets)

    @property
    def n_samples(self) -> int:
        return max(0, self.n_frames * self.kind.n_samples - self.skip - self.cut)

    @property
    def frame_bytes(self) -> float:
        """Mean length of a frame."""
        return (self.end - self.offsets[0]) / self.n_frames

    @property
    def frame_seconds(self) -> float:
        return self.kind.n_samples / self.kind.rate

    def entry(self, frame: int) -> int:
        """The frame from which to decode so that `frame` comes out as in the whole."""
        first, n_bytes = max(0, frame - _WARM_UP), 0
        while first > 0 and n_bytes < _RESERVOIR:
            first -= 1
            n_bytes += max(1, self.offsets[first + 1] - self.offsets[first] - self.kind.side_end - _CHECKSUM)
        return first


def find_runs(read: Read, start: int, end: int) -> tuple[list[Run], int]:
    """The runs of frames in a stretch of a file, and the number of frames that are missing behind them.

    A count in the file gives the delay, the padding, and how many frames are missing where some are. It never ends the
    sound before the last frame.
    """
    runs = list(_walk(read, start, end))
    first = 0
    for i in range(1, len(runs) + 1):
        if i == len(runs) or runs[i].count:
            missing = _compare(read, runs[first:i])
            first = i
    if not runs:
        return [], 0
    return [run for run in runs if run.n_samples], missing or _frames_in_zeros(read, runs[-1], end)


def _walk(read: Read, start: int, end: int) -> Iterator[Run]:
    position, limit, kind, count = start, min(end, start + _SEARCHED), None, None
    while found := _next_frames(read, position, limit, end, kind):
        first, kind, sizes = found
        head = read(first, 256)
        if told := _count(head, 0, kind):
            count, position = told, first + sizes[head[:3]]
            continue
        run = Run(kind, count)
        run.end = _extend(read, first, end, kind, sizes, run.offsets)
        if run.n_frames > 1:
            yield run
            count, limit = None, end
        position = run.end
        while length := tag_length(read(position, 32)):
            position += length


def _next_frames(
    read: Read, start: int, limit: int, end: int, usual: Kind | None
) -> tuple[int, Kind, dict[bytes, int]] | None:
    """The first place from `start` on where frames follow each other, their kind, and their lengths by header."""
    for position in range(start, limit, _BLOCK):
        n_bytes = min(_BLOCK + _AHEAD, end - position)
        data = read(position, n_bytes)
        for match in _SYNC.finditer(data):
            if match.start() >= _BLOCK:
                break
            frames = _frames_at(data, match.start(), position + n_bytes >= end, usual)
            if frames:
                return position + match.start(), *frames
        if len(data) < n_bytes:
            break
    return None


def _frames_at(data: bytes, at: int, is_end: bool, usual: Kind | None) -> tuple[Kind, dict[bytes, int]] | None:
    kind = _kind(data[at : at + 4])
    if kind is None:
        return None
    sizes = _sizes(bytes([data[at + 1] & 0xFE, data[at + 2] & 0x0C]), kind)
    if data[at : at + 3] not in sizes:
        sizes = sizes | _free_sizes(data, at)
    for n in range(1, _AGAIN if kind == usual else _IN_A_ROW):
        size = sizes.get(data[at : at + 3])
        if size is None:
            return None
        at += size
        if at == len(data) or data.startswith(TAGS, at) or (at > len(data) and n > 1):
            return (kind, sizes) if is_end or at < len(data) else None
    return (kind, sizes) if data[at : at + 3] in sizes else None


def _extend(read: Read, position: int, end: int, kind: Kind, sizes: dict[bytes, int], offsets: array[int]) -> int:
    """Append the offset of frame after frame; returns the end of the last whole one. Most of the time goes here."""
    mono, length_of, add = kind.mono, sizes.get, offsets.append
    while position < end:
        data = read(position, min(_BLOCK, end - position))
        is_end = position + len(data) >= end or not data
        last = len(data) - (5 if is_end else 256)
        at, size = 0, None
        while at <= last:
            size = length_of(data[at : at + 3])
            if size is None or (data[at + 3] >= _MONO) is not mono or (not data[at + 4] and _count(data, at, kind)):
                return position + at
            add(position + at)
            at += size
        if is_end and at > len(data):
            offsets.pop()
            return position + at - (size or 0)
        position += at
        if is_end:
            break
    return position


@lru_cache(256)
def _kind(header: bytes) -> Kind | None:
    """The kind of frame that a header belongs to; None if it is not a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer, rate = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3), header[2] >> 2 & 3
    if version not in _HALVINGS or layer == 4 or rate == 3 or header[2] >= 0xF0:
        return None
    return Kind(1 if version == 3 else 2, layer, _RATES[rate] >> _HALVINGS[version], header[3] >= _MONO)


@lru_cache(64)
def _sizes(header: bytes, kind: Kind) -> dict[bytes, int]:
    """Length of a frame in bytes, by the first three bytes of its header; frames of a free format are not in it.

    Parameters
    ----------
    header : bytes
        The second byte of a frame of this kind without the bit for a checksum, and the bits of the rate in the third.
    """
    sizes, unit = {}, 4 if kind.layer == 1 else 1
    for index, kilobits in enumerate(_BITRATES[kind.version, kind.layer], 1):
        length = kilobits * 1000 * kind.n_samples // 8 // kind.rate // unit
        for bits in range(8):
            padding, private, checked = bits >> 2, bits >> 1 & 1, bits & 1
            third = index << 4 | header[1] | padding << 1 | private
            sizes[bytes([0xFF, header[0] | checked, third])] = (length + padding) * unit
    return sizes


def _free_sizes(data: bytes, at: int) -> dict[bytes, int]:
    """Lengths in a free format: any bit rate, always the same, told only by where the next header is."""
    header = data[at : at + 3]
    unit = 4 if header[1] >> 1 & 3 == 3 else 1
    if header[2] >= 0x10:
        return {}
    twins = {header[:2] + bytes([header[2] & 0xFC | low]): low >> 1 for low in range(4)}
    for match in re.finditer(re.escape(header[:2]), data[at + 24 : at + _LONGEST_FREE_FRAME]):
        length = 24 + match.start()
        other = data[at + length : at + length + 3]
        if other not in twins:
            continue
        plain = length - twins[header] * unit
        sizes = {twin: plain + padding * unit for twin, padding in twins.items()}
        if data[at + length + sizes[other] :][:3] in twins:
            return sizes
    return {}


def _count(data: bytes, at: int, kind: Kind) -> Count | None:
    """The count in the frame that begins here; None if it holds sound."""
    if kind.layer != 3:
        return None
    if data.startswith(b"VBRI", at + _VBRI):
        return Count(int.from_bytes(data[at + 50 : at + 54]), int.from_bytes(data[at + 46 : at + 50]))
    for mark in (at + kind.side_end, at + kind.side_end + 2):
        if data.startswith(_COUNTS, mark):
            return _xing(data[mark : mark + 148])
    return None


def _xing(tag: bytes) -> Count:
    flags, at, values = tag[7], 8, []
    for flag, length in ((1, 4), (2, 4), (4, 100), (8, 4)):
        present = flags & flag
        values.append(int.from_bytes(tag[at : at + 4]) if present else 0)
        at += length if present else 0
    extension = tag[at : at + 24].ljust(24, b"\0")
    delay, padding = extension[21] << 4 | extension[22] >> 4, (extension[22] & 0xF) << 8 | extension[23]
    return Count(values[0], values[1], delay, padding, bool(values[0] and extension[:9].strip(b"\0")))


def _compare(read: Read, runs: list[Run]) -> int:
    """Set `lost`, `skip` and `cut` of the runs behind one count; returns how many frames are missing behind them."""
    count, found = runs[0].count, sum(run.n_frames for run in runs)
    missing = _missing(count, found, sum(run.end - run.offsets[0] for run in runs))
    left = missing
    for before, run in pairwise(runs):
        lost = _frames_between(read, before, run.offsets[0])
        run.lost = lost if left is None else min(lost, left)
        left = None if left is None else left - run.lost
    if left and left <= max(_INEXACT, _INEXACT_SHARE * (missing or 0)) and runs[-1].lost:
        runs[-1].lost += left
        left = 0
    if count and count.is_gapless:
        runs[0].skip = count.delay + _DECODER_DELAY
        runs[-1].cut = max(0, count.padding - _DECODER_DELAY) if left == 0 and found <= count.n_frames else 0
    return left or 0


def _missing(count: Count | None, n_frames: int, n_bytes: int) -> int | None:
    """Frames that the count includes and the file lacks; None without a count, or if its size shows it to be wrong."""
    is_whole = count and 0 < count.n_bytes <= n_bytes + _LONGEST_COUNT
    if not count or not count.n_frames or (is_whole and n_frames < count.n_frames):
        return None
    return max(0, count.n_frames - n_frames)


def _frames_between(read: Read, run: Run, end: int) -> int:
    """Frames that fit in what is between a run and the next; none in tags and text."""
    start = run.end
    while start < end and (length := tag_length(read(start, 32))):
        start += length
    if start >= end or is_text(read(start, min(_TEXT, end - start))):
        return 0
    return round((end - start) / run.frame_bytes)


def _frames_in_zeros(read: Read, run: Run, end: int) -> int:
    """Number of frames that fit in the zeros behind the sound, which an unfinished download leaves."""
    n_zeros, position = 0, run.end
    while position < end:
        data = read(position, min(_BLOCK, end - position))
        stripped = data.lstrip(b"\0")
        n_zeros += len(data) - len(stripped)
        position += len(data)
        if stripped or not data:
            break
    return round(n_zeros / run.frame_bytes)
