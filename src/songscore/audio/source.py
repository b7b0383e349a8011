"""From a path, a file object or samples to a stream: what is it, who decodes it, and what to say when nobody does."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from songscore.audio.decoders import ArrayDecoder, DecodeError, Decoder, SoundFileDecoder, UnknownCodec
from songscore.audio.inspection import Inspection, inspect
from songscore.audio.stream import AudioStream
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio

Source = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]

_LOWEST_RATE, _HIGHEST_RATE = 2_000, 1_000_000


def open_audio(source: Source, *, rate: int = 16_000) -> AudioStream:
    """Open a sound for one reading.

    Parameters
    ----------
    source : path, binary file object, or (samples, sample rate)
        A file object is read from its start and stays open; one that cannot seek is read into memory first. Samples
        have the shape ``(samples,)`` or ``(channels, samples)``; integers are scaled to full scale at 1.
    rate : int
        Working rate in hertz.

    Raises
    ------
    UnreadableAudio, UnsupportedAudio
        With the file's name, what is wrong with it, and what helps.
    TypeError, ValueError
        The source is none of the above.
    """
    if isinstance(source, tuple):
        return _open_samples(source, rate)
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        _check_regular(path)
        return _open_file(path, path, _inspect_path(path), rate)
    if not hasattr(source, "read"):
        raise TypeError(f"a path, a binary file object or (y, sr) is needed, not {type(source).__name__}")
    name = getattr(source, "name", None)
    file = _seekable(source)
    return _open_file(file, name if isinstance(name, str) else None, inspect(file), rate)


def _open_samples(source: tuple[Any, ...], rate: int) -> AudioStream:
    if len(source) != 2 or isinstance(source[1], bool) or not isinstance(source[1], (int, np.integer)):
        raise TypeError("samples come as (y, sr), with sr a whole number of hertz")
    y, native_rate = source
    if not _LOWEST_RATE <= native_rate <= _HIGHEST_RATE:
        raise ValueError(_bad_rate(native_rate))
    return AudioStream(ArrayDecoder(y, int(native_rate)), None, rate)


def _open_file(file: str | BinaryIO, path: str | None, inspection: Inspection, rate: int) -> AudioStream:
    name = path or "the file object"
    if inspection.empty:
        raise UnreadableAudio(f"{name}: an empty file")
    if inspection.family == "not sound":
        raise UnreadableAudio(f"{name}: not a sound file, whatever its name")
    decoder = _decoder(file, name, inspection)
    if not _LOWEST_RATE <= decoder.rate <= _HIGHEST_RATE:
        decoder.close()
        raise UnsupportedAudio(f"{name}: {_bad_rate(decoder.rate)}")
    return AudioStream(decoder, path, rate, inspection.has_end_mark)


def _decoder(file: str | BinaryIO, name: str, inspection: Inspection) -> Decoder:
    """Ask libsndfile for what it knows; FFmpeg for the rest, and for what libsndfile refuses."""
    refusal = None
    if inspection.family != "ffmpeg":
        try:
            return SoundFileDecoder(_native_path(file), inspection.counts_frames)
        except DecodeError as error:
            refusal = error
    try:
        from songscore.audio.ffmpeg import AvDecoder

        return AvDecoder(file)
    except ImportError:
        raise _without_ffmpeg(name, inspection, refusal) from None
    except UnknownCodec as error:
        raise UnsupportedAudio(f"{name}: {error}") from error
    except DecodeError as error:
        raise _unreadable(name, inspection, refusal or error) from error


def _without_ffmpeg(name: str, inspection: Inspection, refusal: DecodeError | None) -> AudioError:
    if refusal is None or isinstance(refusal, UnknownCodec):
        return UnsupportedAudio(f"{name}: this format needs PyAV: pip install 'songscore[aac]'")
    return _unreadable(name, inspection, refusal)


def _unreadable(name: str, inspection: Inspection, refusal: DecodeError) -> UnreadableAudio:
    reason = "not a sound file" if inspection.family == "unknown" else f"damaged from the start ({refusal})"
    return UnreadableAudio(f"{name}: {reason}")


def _bad_rate(rate: int) -> str:
    return f"a sample rate of {rate} Hz; {_LOWEST_RATE} to {_HIGHEST_RATE} Hz are read"


def _check_regular(path: str) -> None:
    """A folder, a pipe or a device is refused before anything opens it and waits."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise UnreadableAudio(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableAudio(f"{path!r}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(mode):
        raise UnreadableAudio(f"{path}: a folder; classify_folder labels what is in it")
    if not stat.S_ISREG(mode):
        raise UnreadableAudio(f"{path}: not a regular file")


def _inspect_path(path: str) -> Inspection:
    try:
        with Path(path).open("rb") as file:
            return inspect(file)
    except OSError as error:
        raise UnreadableAudio(f"{path}: {error.strerror or error}") from error


def _seekable(file: BinaryIO) -> BinaryIO:
    try:
        file.seek(0)
    except (OSError, AttributeError):
        return io.BytesIO(file.read())
    return file


def _native_path(file: str | BinaryIO) -> bytes | str | BinaryIO:
    """Names that are not UTF-8 reach libsndfile as bytes; Windows has names in Unicode only."""
    return os.fsencode(file) if isinstance(file, str) and os.name != "nt" else file
