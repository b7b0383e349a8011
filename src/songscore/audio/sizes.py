"""WAV, RF64, CAF and AU files with a header that is wrong about their sound.

A program that writes into a pipe cannot go back to fill in the size, so the header holds 0 or the largest number; one
that writes more than 4 GiB fills in what is left of the size above that. The sound then lasts to the end of the file.
libsndfile knows this for some formats and values; for the others it is given the header with the size filled in.
Other programs leave out the byte that makes the length of a chunk even; then it is given a header without that chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from songscore.audio.marks import is_text
from songscore.audio.span import read_at

_LONGEST_HEADER = 1 << 20
_MOST_CHUNKS = 100
_NAME = re.compile(rb"[A-Za-z0-9_ ]{4}")
_FILLER = 4096
_UNEXPLAINED = 0.02
"""Share of a file behind the sound from which on it is no longer taken for something else."""


@dataclass(frozen=True, slots=True)
class _Field:
    """Position, width and byte order of the size of the sound in a header, and where the sound begins."""

    at: int
    width: int
    order: Literal["little", "big"]
    sound: int
    unpadded: bytes = b""
    """The chunk with the format, and the name of the sound's, where one before has an odd length and no padding."""


def mended(file: BinaryIO, start: int, end: int) -> tuple[int, bytes]:
    """Where the file should begin, and its header as it should be; empty where it is right already."""
    kind, head = read_at(file, start, 4), b""
    field = _size_field(file, start, end)
    if field is None or field.sound >= end - start or field.at > _LONGEST_HEADER:
        return start, head
    rest, largest = end - start - field.sound, 256**field.width - 1
    size = int.from_bytes(read_at(file, start + field.at, field.width), field.order)
    behind = b"" if size == largest else read_at(file, start + field.sound + size, _FILLER)
    is_wrong = size in (0, largest) or (rest - size > _UNEXPLAINED * rest and behind.strip(b"\0"))
    if is_wrong and (size == largest or not _is_no_sound(behind, rest - size, field.order)):
        size = min(rest, largest)
        head = read_at(file, start, field.at) + size.to_bytes(field.width, field.order)
    if field.unpadded:
        chunk = field.unpadded + size.to_bytes(4, field.order)
        head = kind + (4 + len(chunk) + size).to_bytes(4, field.order) + b"WAVE" + chunk
        start += field.sound - len(head)
    return start, head


def _size_field(file: BinaryIO, start: int, end: int) -> _Field | None:
    head = read_at(file, start, 12)
    kind = head[:4]
    if kind == b".snd":
        return _Field(8, 4, "big", int.from_bytes(head[4:8], "big"))
    if kind == b"caff":
        for at, name, _ in _chunks(file, start, end, 8, 8, "big"):
            if name == b"data":
                return _Field(at + 4, 8, "big", at + 12)
    if kind in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
        order: Literal["little", "big"] = "big" if kind == b"RIFX" else "little"
        chunks, behind, is_padded, form = _chunks(file, start, end, 12, 4, order), 12, True, b""
        for at, name, size in chunks:
            is_padded &= at == behind
            behind = at + 8 + size + size % 2
            if name == b"fmt ":
                form = read_at(file, start + at, 8 + size)
            elif name == b"data" and kind == b"RF64":
                return _Field(28, 8, order, at + 8)
            elif name == b"data":
                return _Field(at + 4, 4, order, at + 8, b"" if is_padded or not form else form + name)
    return None


def _chunks(
    file: BinaryIO, start: int, end: int, at: int, width: int, order: Literal["little", "big"]
) -> Iterator[tuple[int, bytes, int]]:
    """Places, names and lengths of the chunks of a file, counted from `start`."""
    for _ in range(_MOST_CHUNKS):
        head = read_at(file, start + at, 4 + width)
        if len(head) < 4 + width:
            return
        size = int.from_bytes(head[4:], order)
        yield at, head[:4], size
        at += 4 + width + size
        if start + at >= end:
            return
        if width == 4 and size % 2 and not read_at(file, start + at, 1).isalpha():
            at += 1


def _is_no_sound(content: bytes, n_left: int, order: Literal["little", "big"]) -> bool:
    """Whether another chunk begins here or behind one byte of padding, or a text."""
    heads = content[:8], content[1:9]
    is_chunk = (_NAME.match(head) and int.from_bytes(head[4:], order) <= n_left - 8 for head in heads)
    return any(is_chunk) or is_text(content)
