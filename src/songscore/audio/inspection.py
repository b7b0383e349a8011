"""What a file is, by its name for folder walks and by its bytes for decoding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Family = Literal["libsndfile", "ffmpeg", "not sound", "unknown"]

_LIBSNDFILE_SUFFIXES = ".wav .wave .w64 .rf64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .caf"
_FFMPEG_SUFFIXES = ".m4a .m4b .mp4 .aac .wma .ape .wv .mka .webm .tta .mpc .ac3 .dsf .alac"
AUDIO_SUFFIXES = frozenset((_LIBSNDFILE_SUFFIXES + " " + _FFMPEG_SUFFIXES).split())
"""Endings of sound files in lower case, with the dot."""

_LIBSNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
_FFMPEG_MAGIC = (
    b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"ADIF", b"DSD ", b"\x0bw", b"FLV\x01",
    b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9",
)  # fmt: skip
_NOT_SOUND = (b"<", b"{", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"GIF8", b"\x7fELF")
_MP3_COUNTS = (b"Xing", b"Info", b"VBRI")
_HEAD = 4096
_OGG_PAGE = 65_536
_OGG_LAST_PAGE = 0x04


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the bytes of a file say before anything decodes it.

    Attributes
    ----------
    family : {"libsndfile", "ffmpeg", "not sound", "unknown"}
        Who decodes it.
    empty : bool
    counts_frames : bool
        An MP3 says how long it is. Without that the decoder guesses from the size of the file.
    has_end_mark : bool
        The last page of an Ogg file says that it is the last.
    """

    family: Family
    empty: bool
    counts_frames: bool
    has_end_mark: bool


def is_audio_path(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends like that of a sound file."""
    return Path(path).suffix.lower() in AUDIO_SUFFIXES


def inspect(file: BinaryIO) -> Inspection:
    """Look at both ends of a file; leaves it at its start."""
    head = file.read(_HEAD)
    if not isinstance(head, bytes):
        raise TypeError("the file object gives text; open it in binary mode")
    inspection = Inspection(_family(head), not head, _counts_frames(file, head), _has_end_mark(file, head))
    file.seek(0)
    return inspection


def _family(head: bytes) -> Family:
    if head[4:8] == b"ftyp" or head.startswith(_FFMPEG_MAGIC):
        return "ffmpeg"
    if head.startswith(_LIBSNDFILE_MAGIC):
        return "libsndfile"
    if head.startswith(_NOT_SOUND) or _is_text(head):
        return "not sound"
    return "unknown"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\ufeff\r\n\t\f" for c in text)


def _counts_frames(file: BinaryIO, head: bytes) -> bool:
    if head.startswith(b"ID3"):
        file.seek(_id3_length(head))
        head = file.read(_HEAD)
    return any(mark in head for mark in _MP3_COUNTS)


def _id3_length(head: bytes) -> int:
    """Length of an ID3v2 tag in bytes; seven bits of each of four bytes (ID3v2.4.0, section 6.2)."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return length + 10


def _has_end_mark(file: BinaryIO, head: bytes) -> bool:
    """Whether the last page has the end-of-stream flag (RFC 3533, section 6); true where there are no pages."""
    if not head.startswith(b"OggS"):
        return True
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _OGG_PAGE))
    tail = file.read(_OGG_PAGE)
    flags = tail[tail.rfind(b"OggS") + 5 :][:1]
    return bool(flags and flags[0] & _OGG_LAST_PAGE)
