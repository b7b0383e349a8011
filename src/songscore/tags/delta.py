"""A binary delta: copied ranges and literal bytes that rebuild the old file from the new one.

Changed tags move the sound behind them, and sometimes fields inside its packets. So each range of the old file is
looked for where the last one was found, at the same distance from the start and from the end, and then near by.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence

Piece = Sequence[int] | str
"""``[start, length]`` of a range of the new file, or literal bytes: deflated, in base64."""

LARGEST = 1 << 30
"""Bytes of the largest file that is tagged: its old and its new version are in memory at once."""

_ANCHOR = 32
_REACH = 2**20
_STRIDE = 2**20


def pieces(old: bytes, new: bytes) -> list[Piece]:
    """The pieces from which `join` rebuilds `old` with the help of `new`."""
    found: list[Piece] = []
    at = shift = done = 0
    while at < len(old):
        start = _find(old, at, new, shift)
        if start < 0:
            at += max(_ANCHOR, (at - done) // 16)  # ever longer strides through bytes that `new` does not have
            continue
        length = _common(old, at, new, start)
        found += [*_literal(old[done:at]), [start, length]]
        at = done = at + length
        shift = start + length - at
    return [*found, *_literal(old[done:])]


def join(parts: Iterable[Piece], new: bytes) -> bytes:
    """The old file, from the pieces that `pieces` made of it and the new file."""
    return b"".join(_part(part, new) for part in parts)


def _part(part: Piece, new: bytes) -> bytes:
    if isinstance(part, str):
        return zlib.decompressobj().decompress(base64.b64decode(part), LARGEST)
    start, length = part
    return new[start : start + length]


def _literal(content: bytes) -> list[Piece]:
    return [base64.b64encode(zlib.compress(content)).decode("ascii")] if content else []


def _find(old: bytes, at: int, new: bytes, shift: int) -> int:
    """Where the bytes of `old` from `at` on stand in `new`; -1 where they are not found."""
    anchor = old[at : at + _ANCHOR]
    for start in (at + shift, at, at + len(new) - len(old)):
        if start >= 0 and new.startswith(anchor, start):
            return start
    return new.find(anchor, max(0, at - _REACH), at + _REACH)


def _common(old: bytes, at: int, new: bytes, start: int) -> int:
    """How many bytes of `old` from `at` on agree with those of `new` from `start` on."""
    length, stride = 0, _STRIDE
    while stride:
        part = old[at + length : at + length + stride]
        if part and new.startswith(part, start + length):
            length += len(part)
        else:
            stride //= 2
    return length
