"""Headers of MPEG audio: the kind and the length of a frame, and the counts that encoders leave (see `frames`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

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
MONO = 0xC0
_COUNTS = (b"Xing", b"Info")
_VBRI = 36
_LONGEST_FREE_FRAME = 8192


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


@lru_cache(256)
def kind_of(header: bytes) -> Kind | None:
    """The kind of frame that a header belongs to; None if it is not a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer, rate = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3), header[2] >> 2 & 3
    if version not in _HALVINGS or layer == 4 or rate == 3 or header[2] >= 0xF0:
        return None
    return Kind(1 if version == 3 else 2, layer, _RATES[rate] >> _HALVINGS[version], header[3] >= MONO)


@lru_cache(64)
def sizes_of(header: bytes, kind: Kind) -> dict[bytes, int]:
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


def free_sizes_of(data: bytes, at: int) -> dict[bytes, int]:
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


def count_in(data: bytes, at: int, kind: Kind) -> Count | None:
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
