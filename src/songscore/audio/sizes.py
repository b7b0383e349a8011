"""WAV, RF64, CAF and AU files that do not say how long their sound is.

A program that writes into a pipe cannot go back to fill in the size, so the header holds 0 or the largest number. The
sound then lasts to the end of the file. libsndfile knows this for some formats and values; for the others it is given
the header with the size filled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from songscore.audio.span import read_at

_LONGEST_HEADER = 1 << 20
_MOST_CHUNKS = 100


@dataclass(frozen=True, slots=True)
class _Field:
    """Position, width and byte order of the size of the sound in a header, and where the sound begins."""

    at: int
    width: int
    order: Literal["little", "big"]
    sound: int


def header_with_size(file: BinaryIO, start: int, end: int) -> bytes:
    """The header up to the size of the sound, with the right size; empty if the header is right already."""
    head = read_at(file, start, 64)
    field = _size_field(file, start, end, head)
    if field is None or field.sound >= end - start or field.at > _LONGEST_HEADER:
        return b""
    header = read_at(file, start, field.at + field.width)
    size, largest = int.from_bytes(header[field.at :], field.order), 256**field.width - 1
    if size not in (0, largest) or (size == 0 and _is_chunk(file, start + field.sound, end, field.order)):
        return b""
    return header[: field.at] + min(end - start - field.sound, largest).to_bytes(field.width, field.order)


def _size_field(file: BinaryIO, start: int, end: int, head: bytes) -> _Field | None:
    kind = head[:4]
    if kind == b".snd":
        return _Field(8, 4, "big", int.from_bytes(head[4:8], "big"))
    if kind == b"caff":
        for at, name in _chunks(file, start, end, 8, 8, "big"):
            if name == b"data":
                return _Field(at + 4, 8, "big", at + 12)
    if kind in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        order: Literal["little", "big"] = "big" if kind == b"RIFX" else "little"
        for at, name in _chunks(file, start, end, 12, 4, order):
            if name == b"data":
                return _Field(28, 8, order, at + 8) if kind == b"RF64" else _Field(at + 4, 4, order, at + 8)
    return None


def _chunks(
    file: BinaryIO, start: int, end: int, at: int, width: int, order: Literal["little", "big"]
) -> Iterator[tuple[int, bytes]]:
    """Places and names of the chunks of a file, counted from `start`."""
    for _ in range(_MOST_CHUNKS):
        head = read_at(file, start + at, 4 + width)
        if len(head) < 4 + width:
            return
        yield at, head[:4]
        size = int.from_bytes(head[4:], order)
        at += 4 + width + size + (size % 2 if width == 4 else 0)
        if start + at >= end:
            return


def _is_chunk(file: BinaryIO, at: int, end: int, order: Literal["little", "big"]) -> bool:
    """Whether another chunk begins here, so that a size of 0 is right."""
    head = read_at(file, at, 8)
    return head[:4].isascii() and head[:4].isalnum() and int.from_bytes(head[4:], order) <= end - at - 8
