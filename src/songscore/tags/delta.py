"""One version of a file told by another: what stands in both is named, the rest is spelt out.

Tags that change move the sound behind them, and sometimes fields inside its packets. So the pieces of the one version
are looked for where the last was found, at the same distance from the start and from the end, and then near by.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence

Piece = Sequence[int] | str
"""``[start, length]`` in the version that is at hand, or bytes: deflated, in base64."""

LARGEST = 1 << 30
"""Bytes of the largest file that is tagged: its old and its new version are in memory at once."""

_ANCHOR = 32
_REACH = 2**20
_STRIDE = 2**20


def pieces(old: bytes, new: bytes) -> list[Piece]:
    """What `join` makes `old` of again, from `new`."""
    found: list[Piece] = []
    at = shift = told = 0
    while at < len(old):
        start = _find(old, at, new, shift)
        if start < 0:
            at += max(_ANCHOR, (at - told) // 16)  # in what is all new, ever longer strides
            continue
        length = _common(old, at, new, start)
        found += [*_spelt(old[told:at]), [start, length]]
        at = told = at + length
        shift = start + length - at
    return [*found, *_spelt(old[told:])]


def join(parts: Iterable[Piece], new: bytes) -> bytes:
    """The version of which `pieces` told."""
    return b"".join(_part(part, new) for part in parts)


def _part(part: Piece, new: bytes) -> bytes:
    if isinstance(part, str):
        return zlib.decompressobj().decompress(base64.b64decode(part), LARGEST)
    start, length = part
    return new[start : start + length]


def _spelt(literal: bytes) -> list[Piece]:
    return [base64.b64encode(zlib.compress(literal)).decode("ascii")] if literal else []


def _find(old: bytes, at: int, new: bytes, shift: int) -> int:
    """Where in `new` the next bytes of `old` stand, or -1."""
    anchor = old[at : at + _ANCHOR]
    for start in (at + shift, at, at + len(new) - len(old)):
        if start >= 0 and new.startswith(anchor, start):
            return start
    return new.find(anchor, max(0, at - _REACH), at + _REACH)


def _common(old: bytes, at: int, new: bytes, start: int) -> int:
    """How many bytes agree from here on."""
    length, stride = 0, _STRIDE
    while stride:
        part = old[at + length : at + length + stride]
        if part and new.startswith(part, start + length):
            length += len(part)
        else:
            stride //= 2
    return length
