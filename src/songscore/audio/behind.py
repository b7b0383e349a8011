"""Sound that begins somewhere behind bytes of another kind: a notice, a picture, the rest of a frame.

Containers are found by how they begin; streams without a header of their own by frames that follow each other, each
with its length: ADTS and LATM (ISO/IEC 14496-3), AC-3 and E-AC-3 (ETSI TS 102 366), transport streams (13818-1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import BinaryIO, Protocol, TypeVar

from songscore.audio.frames import are_frames
from songscore.audio.marks import CONTAINER, SOUND, sound_start
from songscore.audio.span import read_at

_SYNC = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|\x56[\xe0-\xff]|\x0bw|G(?=[\0-\x7f].{186}G)", re.DOTALL)
_START = re.compile(SOUND.pattern + rb"|\xff[\xe0-\xff]|" + _SYNC.pattern, re.DOTALL)
_SEARCHED, _AHEAD = 1 << 24, 1 << 16
_IN_A_ROW = 6
_MOST = 4
_SURE = 4
"""Bytes of a container's mark from which on it is not found by chance."""
_AC3_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48_000, 44_100, 32_000)
_AC3_SAMPLES = 1536
_EAC3 = 10
_TS_PACKET = 188


class _Stretch(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


_S = TypeVar("_S", bound=_Stretch)


def first_frame(file: BinaryIO, start: int, end: int) -> int | None:
    """Where the frames of a stream without a header begin, None where there are none."""
    data = read_at(file, start, min(_SEARCHED, end - start))
    return next((start + found.start() for found in _SYNC.finditer(data) if _follow(data, found.start())), None)


def containers_behind(file: BinaryIO, start: int, end: int) -> list[int]:
    """Where containers seem to begin behind `start`; a few places."""
    data = read_at(file, start, min(_SEARCHED, end - start))
    marks = [start + found.start() for found in SOUND.finditer(data) if found.start() and len(found[0]) >= _SURE]
    return marks[:_MOST]


def begins(file: BinaryIO, start: int, end: int) -> bool:
    """Whether another sound begins here or behind the tags that begin here."""
    at = sound_start(file, start, end)
    data = read_at(file, at, min(_AHEAD, max(0, end - at)))
    return bool(CONTAINER.match(data)) or _follow(data, 0) or are_frames(data, is_end=at + len(data) >= end)


def before_another(file: BinaryIO, found: Sequence[_S]) -> Sequence[_S]:
    """Stretches of one kind of sound, without those in front of which another kind stands."""
    for n, (one, after) in enumerate(pairwise(found), 1):
        if begins(file, one.end, after.start):
            return found[:n]
    return found


def next_sound(file: BinaryIO, start: int, end: int) -> int:
    """Where the first sound begins at `start` or in the few bytes behind it; `end` where none does."""
    data = read_at(file, start, min(_AHEAD, max(0, end - start)))
    places = (start + found.start() for found in _START.finditer(data))
    return next((place for place in places if begins(file, place, end)), end)


def _follow(data: bytes, at: int) -> bool:
    """Whether frames of one kind follow each other from here on."""
    kind = data[at : at + 1]
    for _ in range(_IN_A_ROW):
        head = data[at : at + 7]
        if len(head) < 7 or head[:1] != kind or not _SYNC.match(data, at):
            return False
        length = _length(head)
        if length <= len(head):
            return False
        at += length
    return True


def _length(head: bytes) -> int:
    """Bytes of a frame by its header, 0 where that is none."""
    if head[0] == 0xFF:
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[0] == 0x56:
        return ((head[1] & 0x1F) << 8 | head[2]) + 3
    if head[0] == 0x47:
        return _TS_PACKET
    if head[5] >> 3 > _EAC3:
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, size = head[4] >> 6, head[4] & 63
    if rate >= len(_AC3_RATES) or size // 2 >= len(_AC3_KILOBITS):
        return 0
    words = _AC3_KILOBITS[size // 2] * 1000 * _AC3_SAMPLES // (16 * _AC3_RATES[rate])
    return 2 * (words + (size & 1 if rate == 1 else 0))
