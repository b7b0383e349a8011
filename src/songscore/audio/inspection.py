"""Tells the format of a file by its bytes, not by its name, and where the sound in it begins and ends."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal

from songscore.audio.marks import is_text, tag_length, trailing_length
from songscore.audio.sizes import header_with_size
from songscore.audio.span import read_at

Family = Literal["libsndfile", "ogg", "ffmpeg", "mpeg", "text", "not sound", "unknown"]

_LIBSNDFILE = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b".snd", b"caff")
_FFMPEG = (
    b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"ADIF", b"DSD ", b"FRM8", b"tBaK", b"\x0bw", b"FLV\x01", b".RMF",
    b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\0\0\x01\xba",
    b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9",
)  # fmt: skip
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_NOT_SOUND = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"GIF8", b"\x7fELF")
_MARKUP = (b"<", b"{")
_HAS_SIZES = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"FRM8", b"DSD ", b"OggS")
"""Containers that say where the sound ends; there, what looks like a tag in the last bytes may be sound."""
_SOUND_BEHIND_TEXT = re.compile(
    rb"fLaC|OggS\0[\x02\x06]|(?:RIFF|RF64)....WAVE|FORM....AIF[FC]|....ftyp|ID3[\x02-\x04]\0"
    rb"|riff\x2e\x91\xcf\x11|caff\0\x01|\.snd\0\0|wvpk|TTA1|MAC |MPCK|MP\+|ADIF|FRM8|DSD \x1c|tBaK|FLV\x01"
    rb"|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|\x7f\xfe\x80\x01",
    re.DOTALL,
)
_LINE_OF_TEXT = re.compile(rb"[\t\r\n -~]{16}")
"""A server's notice or headers may stand before the sound. Some formats of sound begin like this, too."""
_MPEG_IN_WAV = re.compile(rb"fmt ....[\x50\x55]\0", re.DOTALL)
_HEAD, _NOTICE = 4096, 1 << 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the bytes of a file say before anything decodes it.

    Attributes
    ----------
    family : {"libsndfile", "ogg", "ffmpeg", "mpeg", "text", "not sound", "unknown"}
        Which decoder to use. Text and unknown files may hold MPEG audio further on.
    start, end : int
        Where the sound is: behind tags and notices, before tags.
    head : bytes
        Bytes to be read instead of the first ones, if those give a wrong length.
    """

    family: Family
    start: int
    end: int
    head: bytes = b""


def inspect(file: BinaryIO) -> Inspection:
    """Look at both ends of a file that seeks."""
    size = file.seek(0, os.SEEK_END)
    start = _sound_start(file, size)
    head = read_at(file, start, _HEAD)
    family = _family(head)
    may_be_text = family == "text" or (family == "unknown" and _LINE_OF_TEXT.match(head))
    if may_be_text and (sound := _SOUND_BEHIND_TEXT.search(read_at(file, start, _NOTICE))):
        start = _sound_start(file, size, start + sound.start())
        head = read_at(file, start, _HEAD)
        family = _family(head)
    has_sizes = head.startswith(_HAS_SIZES) or _is_mp4(head) or family == "mpeg"
    end = size
    if not has_sizes:
        with suppress(OSError):
            end = sound_end(file, start, size)
    return Inspection(family, start, end, header_with_size(file, start, end))


def _sound_start(file: BinaryIO, size: int, start: int = 0) -> int:
    """Where the tags in front of the sound end; a tag that would be longer than the file does not count."""
    while (length := tag_length(read_at(file, start, 32))) and start + length < size:
        start += length
    return start


def sound_end(file: BinaryIO, start: int, end: int) -> int:
    """Where the tags behind the sound begin."""
    while length := trailing_length(read_at(file, max(start, end - 128), min(128, end - start))):
        if end - length <= start:
            break
        end -= length
    return end


def _family(head: bytes) -> Family:
    if head[8:12] == b"WAVE" and _MPEG_IN_WAV.search(head):
        return "mpeg"
    if head.startswith(_NOT_SOUND):
        return "not sound"
    if head.startswith(_FFMPEG) or _is_mp4(head):
        return "ffmpeg"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(_LIBSNDFILE):
        return "libsndfile"
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":
        return "mpeg"
    return "text" if head.startswith(_MARKUP) or is_text(head) else "unknown"


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in _MP4_BOXES
