"""Suffixes of music files: those that the installed libraries know, and some more."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import soundfile

_OF_SOUNDFILE = {
    "AIFF": "aif aiff aifc",
    "AU": "au snd",
    "IRCAM": "sf ircam",
    "MAT4": "",
    "MAT5": "",
    "MP3": "mp3 mp2 mp1 mpa",
    "MPC2K": "snd",
    "NIST": "nist sph",
    "OGG": "ogg oga ogx opus",
    "RAW": "",
    "SVX": "svx 8svx iff",
    "WAV": "wav wave",
    "WAVEX": "",
}
"""Endings of formats whose name in libsndfile is not the ending. Nearly every ``.mat`` is a table of numbers."""

_OF_FFMPEG = """
aa aac aax ac3 ac4 adx amr ape ast avi bfstm bonk brstm caf codec2 dts dtshd eac3 flac flv hca lc3 matroska mlp mov mp3
mpc oma osq qoa rka sbc shn tak truehd tta vqf wavarc
"""
"""FFmpeg's containers that hold music; it has hundreds of others for pictures, subtitles and games."""

_NOT_MUSIC = "apl avif f4v heic heif ism isma ismv mj2 mk3d mks psp vqe vql wa"
_OTHERS = """
aac ac3 adts alac amr ape asf awb dff dsf dts eac3 m2ts m4a m4b m4p m4r m4v mka mkv mov mp4 mpc mpeg mpg mpga mpp mts
oga ogv ra rm spx tak tta vob w64 weba webm wma wmv wv
"""
"""Endings that the libraries do not list, and those of formats that need an extra, so that a run names such files."""


@cache
def audio_suffixes() -> frozenset[str]:
    """Endings of music files in lower case, with the dot."""
    endings = " ".join(_OF_SOUNDFILE.get(name, name.lower()) for name in soundfile.available_formats())
    known = {*endings.split(), *_known_to_ffmpeg(), *_OTHERS.split()}
    return frozenset(f".{ending}" for ending in known - {*_NOT_MUSIC.split()})


def is_audio_path(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends like that of a sound file."""
    return Path(path).suffix.lower() in audio_suffixes()


def _known_to_ffmpeg() -> set[str]:
    """Endings of FFmpeg's containers by PyAV; none without PyAV."""
    try:
        from av.format import ContainerFormat, formats_available
    except ImportError:
        return set()
    names = formats_available.intersection(_OF_FFMPEG.split())
    return {ending for name in names for ending in ContainerFormat(name, "r").extensions}
