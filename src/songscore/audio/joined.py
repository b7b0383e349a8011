"""Where the next file begins when several were joined end to end, by what each format says about its own length.

MPEG audio and Ogg have no such length; their frames and pages are walked, see `frames` and `ogg`.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from songscore.audio.marks import SOUND, sound_start
from songscore.audio.span import read_at

_MOST_BOXES = 100_000
_TTA_HEADER, _LONGEST_TABLE = 22, 1 << 20


def following(file: BinaryIO, start: int, end: int) -> int:
    """Where another sound file begins behind the one that begins at `start`; `end` where none does."""
    head = read_at(file, start, 24)
    if head[4:8] == b"ftyp":
        at = _mp4_end(file, start, end)
    else:
        at = start + (_tta_length(file, start) if head.startswith(b"TTA1") else length(head))
    if not start < at < end:
        return end
    mark = SOUND.match(read_at(file, sound_start(file, at, end), 16))
    return at if mark and not mark[0].startswith(b"ID3") else end


def length(head: bytes) -> int:
    """Bytes of a file by the first 24, 0 where these do not say."""
    if head.startswith((b"RIFF", b"RIFX", b"FORM")):
        size = int.from_bytes(head[4:8], "little" if head.startswith(b"RIFF") else "big")
        return 8 + size + size % 2
    if head.startswith(b"RF64"):
        return 8 + int.from_bytes(head[20:24], "little")
    if head.startswith(b"riff"):
        return int.from_bytes(head[16:24], "little")
    if head.startswith(b"DSD "):
        return int.from_bytes(head[12:20], "little")
    if head.startswith(b"FRM8"):
        return 12 + int.from_bytes(head[4:12])
    return 0


def _tta_length(file: BinaryIO, start: int) -> int:
    """Bytes of a True Audio file by its table of frames, which are 256 / 245 s long."""
    head = read_at(file, start, _TTA_HEADER)
    rate, n_samples = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    n_frames = -(-n_samples // (256 * rate // 245)) if rate else 0
    table = read_at(file, start + _TTA_HEADER, min(4 * n_frames, _LONGEST_TABLE))
    return _TTA_HEADER + len(table) + 4 + int(np.frombuffer(table[: len(table) // 4 * 4], "<u4").sum())


def _mp4_end(file: BinaryIO, start: int, end: int) -> int:
    """Where the second box with the type of the file begins, or the boxes end (ISO/IEC 14496-12, 4.2)."""
    at = start
    for _ in range(_MOST_BOXES):
        head = read_at(file, at, 16)
        size = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4])
        is_box = len(head) >= 8 and size >= 8 and at + size <= end
        if not is_box or (at > start and head[4:8] == b"ftyp"):
            return at
        at += size
    return end
