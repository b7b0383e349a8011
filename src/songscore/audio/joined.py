"""Where a sound file ends by what its format says about its own length, and the next begins if several were joined.

MPEG audio and Ogg have no such length; their frames and pages are walked, see `frames` and `ogg`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from songscore.audio.behind import begins
from songscore.audio.marks import CONTAINER
from songscore.audio.span import read_at

_MOST_BOXES = 100_000
_TTA_HEADER, _LONGEST_TABLE = 22, 1 << 20
_FLASH_TAGS = b"\x08", b"\x09", b"\x12"
"""Sound, pictures and data."""
_MATROSKA_HEADER, _MATROSKA = b"\x1aE\xdf\xa3", (b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\xec", b"\xbf")


def told_end(file: BinaryIO, start: int, end: int) -> int:
    """Where the sound file that begins at `start` ends by its own numbers; `start` where it has none."""
    head = read_at(file, start, 24)
    if head.startswith(b"TTA1"):
        return start + _tta_length(file, start)
    length_of, at = _box_length(head), start
    if length_of is None:
        return start + _length(head)
    for _ in range(_MOST_BOXES):
        size = length_of(head)
        is_next = at > start and (CONTAINER.match(head) or (at + size > end and begins(file, at, end)))
        if size <= 0 or is_next:
            break
        at += size
        if at >= end:
            break
        head = read_at(file, at, 24)
    return at


def _length(head: bytes) -> int:
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
    if head.startswith(b".snd"):
        return int.from_bytes(head[4:8]) + int.from_bytes(head[8:12])
    return 0


def _tta_length(file: BinaryIO, start: int) -> int:
    """Bytes of a True Audio file by its table of frames, which are 256 / 245 s long."""
    head = read_at(file, start, _TTA_HEADER)
    rate, n_samples = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    n_frames = -(-n_samples // (256 * rate // 245)) if rate else 0
    table = read_at(file, start + _TTA_HEADER, min(4 * n_frames, _LONGEST_TABLE))
    return _TTA_HEADER + len(table) + 4 + int(np.frombuffer(table[: len(table) // 4 * 4], "<u4").sum())


def _box_length(head: bytes) -> Callable[[bytes], int] | None:
    """For a file that is a row of boxes: what gives the length of one by its first bytes, 0 where these are none."""
    if head[4:8] == b"ftyp":
        return _mp4_box
    if head.startswith(b"FLV\1"):
        return _flash_tag
    return {b"caff": _caf_chunk, _MATROSKA_HEADER: _matroska_element, b"0&\xb2u": _asf_object}.get(head[:4])


def _mp4_box(head: bytes) -> int:
    """ISO/IEC 14496-12, 4.2."""
    size = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4])
    return size if size >= 8 else 0


def _caf_chunk(head: bytes) -> int:
    if head.startswith(b"caff"):
        return 8
    size = int.from_bytes(head[4:12], signed=True)
    return 12 + size if head[:4].isalpha() and size >= 0 else 0


def _matroska_element(head: bytes) -> int:
    """RFC 8794, section 4; 0 for a length that is unknown."""
    if not head.startswith(_MATROSKA):
        return 0
    n_id = 9 - head[0].bit_length()
    n_size = 9 - int.from_bytes(head[n_id : n_id + 1]).bit_length()
    unknown = (1 << 7 * n_size) - 1
    size = int.from_bytes(head[n_id : n_id + n_size]) & unknown
    return 0 if size == unknown else n_id + n_size + size


def _flash_tag(head: bytes) -> int:
    """Adobe Flash Video File Format Specification 10.1, annex E; each tag is followed by its length."""
    if head.startswith(b"FLV\1"):
        return int.from_bytes(head[5:9]) + 4
    return 11 + int.from_bytes(head[1:4]) + 4 if head.startswith(_FLASH_TAGS) else 0


def _asf_object(head: bytes) -> int:
    return int.from_bytes(head[16:24], "little")
