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
from itertools import pairwise

from songscore.audio.headers import MONO, Count, Kind, count_in, free_sizes_of, kind_of, sizes_of
from songscore.audio.marks import TAGS, is_text, tag_length

_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x00-\xef]", re.DOTALL)

_BLOCK, _AHEAD = 1 << 20, 1 << 16

_IN_A_ROW, _AGAIN = 4, 2
"""Number of adjoining frames that prove MPEG audio; fewer if frames of that kind were found before."""
_SEARCHED = 1 << 24
"""Bytes in which the first frame is looked for."""
_TEXT = 4096
_LONGEST_COUNT = 1441
"""Bytes of the frame with the count, which counts itself."""
_MOST_TIMES = 1000
"""Times the frames that are there, above which a count is nonsense and no sign of a file cut short."""
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
    def start(self) -> int:
        return self.offsets[0]

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
        if told := count_in(head, 0, kind):
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


def are_frames(data: bytes, *, is_end: bool) -> bool:
    """Whether frames follow each other from the first byte on; `is_end` where the file ends with these bytes."""
    return _frames_at(data, 0, is_end, None) is not None


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
    kind = kind_of(data[at : at + 4])
    if kind is None:
        return None
    sizes = sizes_of(bytes([data[at + 1] & 0xFE, data[at + 2] & 0x0C]), kind)
    if data[at : at + 3] not in sizes:
        sizes = sizes | free_sizes_of(data, at)
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
            if size is None or (data[at + 3] >= MONO) is not mono or (not data[at + 4] and count_in(data, at, kind)):
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
    if count.n_frames > _MOST_TIMES * n_frames:
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
