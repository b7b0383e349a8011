"""FLAC: how many samples there are by its frames, and where a joined stream begins (RFC 9639).

The header of every frame says where in the sound it is, so a few looks show whether one stream goes on to the end.
Positions are bytes from the start of the file.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import BinaryIO

from songscore.audio.behind import next_sound
from songscore.audio.marks import sound_start
from songscore.audio.span import read_at

_MARK = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_MARK_OR_TAG = re.compile(rb"ID3[\x02-\x04]\0|" + _MARK.pattern)
_TOTAL, _TOTAL_END = 21, 26
"""Where the number of samples is, from the mark on; of the first of these bytes, the lower half."""
_LARGEST_BLOCK, _LARGEST_FRAME = slice(10, 12), slice(15, 18)
_LOOKS = 8
_WINDOW, _BLOCK = 1 << 16, 1 << 20
_LONGEST_HEADER = 16


def measured(file: BinaryIO, start: int, end: int) -> tuple[int, bytes]:
    """Where the stream ends that begins at `start`, and its first bytes with the number of samples mended, if wrong."""
    head = read_at(file, start, _TOTAL_END)
    first, _ = frames_start(file, start + 4, end)
    known = read_at(file, first, 4)
    if len(head) < _TOTAL_END or len(known) < 4 or first >= end:
        return end, b""
    total = int.from_bytes(head[_TOTAL:]) & (1 << 36) - 1
    block = int.from_bytes(head[_LARGEST_BLOCK])
    places = [first + (end - first) * i // _LOOKS for i in range(_LOOKS)]
    looks = [_frames(read_at(file, place, min(_WINDOW, end - place)), known, block) for place in places]
    begins = [look[0][1] for look in looks if look]
    last = max(first, end - _WINDOW)
    ends = _frames(read_at(file, last, end - last), known, block)
    n_samples = ends[-1][2] if ends else 0
    is_one = len(begins) == _LOOKS and all(a <= b for a, b in pairwise([*begins, n_samples]))
    following = end if is_one and n_samples == total else _following(file, first, end)
    if following < end or n_samples <= total:
        last_frame = (
            last + ends[-1][0] if ends and following == end else _last_frame(file, first, following, known, block)
        )
        is_all = following - last_frame <= (int.from_bytes(head[_LARGEST_FRAME]) or _WINDOW)
        return following if is_all else next_sound(file, last_frame + 1, following), b""
    number = int.from_bytes(head[_TOTAL:]) + n_samples - total
    return end, head[:_TOTAL] + number.to_bytes(_TOTAL_END - _TOTAL)


def frames_start(file: BinaryIO, at: int, end: int) -> tuple[int, bool]:
    """Where the metadata blocks end of which the first is at `at`, and whether the last of them is there."""
    is_last = False
    while not is_last and at < end and len(head := read_at(file, at, 4)) == 4:
        is_last, at = bool(head[0] & 0x80), at + 4 + int.from_bytes(head[1:])
    return at, is_last


def _following(file: BinaryIO, position: int, end: int) -> int:
    """Where another stream begins, or the tag in front of it."""
    while position < end:
        data = read_at(file, position, min(_BLOCK, end - position))
        for found in _MARK_OR_TAG.finditer(data):
            begins = position + found.start()
            if _MARK.match(read_at(file, sound_start(file, begins, end), 8)):
                return begins
        position += max(1, len(data) - 7)
    return end


def _last_frame(file: BinaryIO, first: int, end: int, known: bytes, block: int) -> int:
    """Where the last frame of a stream begins, behind which other bytes may follow."""
    limit = end
    while end - first > _WINDOW:
        middle = (first + end) // 2
        frames = _frames(read_at(file, middle, min(_WINDOW, limit - middle)), known, block)
        first, end = (middle + frames[-1][0], end) if frames else (first, middle)
    frames = _frames(read_at(file, first, min(2 * _WINDOW, limit - first)), known, block)
    return first + frames[-1][0] if frames else first


def _frames(data: bytes, known: bytes, block: int) -> list[tuple[int, int, int]]:
    """Place, first sample and end of each frame in `data`; all have the rate and the sample size of a known one.

    Parameters
    ----------
    data, known : bytes
    block : int
        Samples of all frames but the last where frames are numbered and not samples.
    """
    found = list[tuple[int, int, int]]()
    for match in re.finditer(re.escape(known[:2]), data):
        header = data[match.start() : match.start() + _LONGEST_HEADER]
        if len(header) == _LONGEST_HEADER and (header[2] ^ known[2]) & 15 == (header[3] ^ known[3]) & 15 == 0:
            samples = _samples(header, block)
            found += [(match.start(), *samples)] if samples else []
    return found


def _samples(header: bytes, block: int) -> tuple[int, int] | None:
    """First sample and end of a frame, None where the checksum of its header is wrong (section 9.1)."""
    n_more = max(0, 7 - (~header[4] & 0xFF).bit_length())
    number = header[4] & (0x3F >> n_more if n_more else 0x7F)
    for byte in header[5 : 5 + n_more]:
        number = number << 6 | byte & 0x3F
    at, code = 5 + n_more, header[2] >> 4
    n_bytes = {6: 1, 7: 2}.get(code, 0)
    written = int.from_bytes(header[at : at + n_bytes]) + 1
    at += n_bytes + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if at >= len(header) or _checksum(header[:at]) != header[at]:
        return None
    size = written if n_bytes else 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
    first = number if header[1] & 1 else number * block
    return first, first + size


def _checksum(header: bytes) -> int:
    """CRC-8 with the polynomial x**8 + x**2 + x + 1."""
    rest = 0
    for byte in header:
        rest ^= byte
        for _ in range(8):
            rest = rest << 1 ^ (0x107 if rest & 0x80 else 0)
    return rest
