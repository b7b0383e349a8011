"""Tells the format of a file by its bytes, not by its name, and where the sound in it begins and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal

from songscore.audio.behind import begins
from songscore.audio.flac import measured
from songscore.audio.joined import told_end
from songscore.audio.marks import SOUND, is_text, sound_end, sound_start
from songscore.audio.sizes import mended
from songscore.audio.span import read_at, size_of

Family = Literal["libsndfile", "ogg", "ffmpeg", "mpeg", "no sound", "unknown"]

_LIBSNDFILE = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b".snd", b"caff", b"Creative Voice")
_FFMPEG = (
    b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"ADIF", b"DSD ", b"FRM8", b"tBaK", b"\x0bw", b"FLV\x01", b".RMF",
    b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\0\0\x01\xba",
    b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9",
)  # fmt: skip
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_NO_SOUND = (b"<", b"{", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"GIF8", b"\x7fELF")
_CUT_SILENTLY = re.compile(rb"DSD |FRM8|caff|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL)
_HAS_SIZES = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"FRM8", b"DSD ", b"OggS")
"""Containers that say where the sound ends; there, what looks like a tag in the last bytes may be sound."""
_LINE_OF_TEXT = re.compile(rb"[\t\r\n -~]{16}")
"""A server's notice or headers may stand before the sound. Some formats of sound begin like this, too."""
_MPEG_IN_WAV = re.compile(rb"fmt ....[\x50\x55]\0", re.DOTALL)
_HEAD, _NOTICE = 4096, 1 << 16
MOST_PIECES = 1000


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the bytes of a file say before anything decodes it.

    Attributes
    ----------
    family : {"libsndfile", "ogg", "ffmpeg", "mpeg", "no sound", "unknown"}
        Which decoder to use. Behind text, a picture or unknown bytes there may be sound further on.
    start, end : int
        Where the sound is: behind tags and notices, before tags.
    next_start : int
        Where another sound file was joined to this one; the end of the file where none was.
    head : bytes
        Bytes to be read instead of the first ones, if those give a wrong length.
    is_cut : bool
        The file says that it is longer than it is. Only for formats whose decoder does not tell.
    """

    family: Family
    start: int
    end: int
    next_start: int
    head: bytes = b""
    is_cut: bool = False


def inspect(file: BinaryIO, start: int) -> Inspection:
    """Look at both ends of a file that seeks, or of what begins at `start` in it."""
    size = size_of(file)
    start = sound_start(file, start, size)
    head = read_at(file, start, _HEAD)
    family = _family(head)
    may_be_notice = family == "no sound" or (family == "unknown" and _LINE_OF_TEXT.match(head))
    if may_be_notice and (sound := SOUND.search(read_at(file, start, _NOTICE))):
        start = sound_start(file, start + sound.start(), size)
        head = read_at(file, start, _HEAD)
        family = _family(head)
    if family == "mpeg":
        return Inspection(family, start, size, size)
    with suppress(OSError):
        return _measured(file, family, start, size, has_sizes=head.startswith(_HAS_SIZES) or _is_mp4(head))
    return Inspection(family, start, size, size)


def pieces(file: BinaryIO, position: int = 0) -> Iterator[Inspection]:
    """The files that were joined end to end, from a position on; most files are one."""
    size = size_of(file)
    for _ in range(MOST_PIECES):
        piece = inspect(file, position)
        yield piece
        position = piece.next_start
        if position >= size:
            return


def _measured(file: BinaryIO, family: Family, start: int, size: int, *, has_sizes: bool) -> Inspection:
    """Find the end of the sound, and what its header should say."""
    end, is_cut = size if has_sizes else sound_end(file, start, size), False
    if read_at(file, start, 4) == b"fLaC":
        next_start, head = measured(file, start, end)
        sound = start, sound_end(file, start, next_start)
    else:
        told = told_end(file, start, end)
        next_start = told if start < told < end and begins(file, told, end) else end
        is_cut = told > end and bool(_CUT_SILENTLY.match(read_at(file, start, 12)))
        start, head = mended(file, start, next_start)
        sound = start, next_start
    return Inspection(family, *sound, size if next_start == end else next_start, head, is_cut)


def _family(head: bytes) -> Family:
    if head[8:12] == b"WAVE" and _MPEG_IN_WAV.search(head):
        return "mpeg"
    if head.startswith(_FFMPEG) or _is_mp4(head) or (head.startswith(b"RIFF") and head[8:12] == b"AVI "):
        return "ffmpeg"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(_LIBSNDFILE):
        return "libsndfile"
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":
        return "mpeg"
    return "no sound" if head.startswith(_NO_SOUND) or is_text(head) else "unknown"


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in _MP4_BOXES
