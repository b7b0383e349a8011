"""What a file is, by its name for folder walks and by its first bytes for decoding."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Family = Literal["libsndfile", "ffmpeg", "text", "unknown"]

_LIBSNDFILE_SUFFIXES = ".wav .wave .w64 .rf64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .caf"
_FFMPEG_SUFFIXES = ".m4a .m4b .mp4 .aac .wma .ape .wv .mka .webm .tta .mpc .ac3 .dsf .alac"
AUDIO_SUFFIXES = frozenset((_LIBSNDFILE_SUFFIXES + " " + _FFMPEG_SUFFIXES).split())

_LIBSNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
_FFMPEG_MAGIC = (
    b"wvpk", b"MAC ", b"TTA1", b"MPCK", b"MP+", b"ADIF", b"DSD ", b"\x0bw",
    b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"\xff\xf1", b"\xff\xf9",
)  # fmt: skip
_NOT_SOUND = (b"<", b"{", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"GIF8", b"\x7fELF")
HEAD = 512


def is_audio_path(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends like that of a sound file."""
    return Path(path).suffix.lower() in AUDIO_SUFFIXES


def family(head: bytes) -> Family:
    """Who decodes a file that begins with these `HEAD` bytes."""
    if head[4:8] == b"ftyp" or head.startswith(_FFMPEG_MAGIC):
        return "ffmpeg"
    if head.startswith(_LIBSNDFILE_MAGIC):
        return "libsndfile"
    if head.startswith(_NOT_SOUND) or _is_text(head):
        return "text"
    return "unknown"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\r\n\t\f" for c in text)
