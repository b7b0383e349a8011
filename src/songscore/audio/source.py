"""Opens a path, a file object or samples as a stream, or raises an error that says what helps."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from songscore.audio.decoders import ArrayDecoder
from songscore.audio.opening import open_decoder
from songscore.audio.span import read, size_of
from songscore.audio.stream import AudioStream
from songscore.errors import UnreadableAudio, UnsupportedAudio

Source = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]

_LOWEST_RATE, _HIGHEST_RATE = 2_000, 1_000_000
_IN_MEMORY, _LONGEST_COPY, _COPIED = 1 << 24, 1 << 33, 1 << 20
"""Numbers of bytes of a source that does not seek: most that are kept in memory, most that are copied, read at once."""


def open_audio(source: Source, *, rate: int = 16_000) -> AudioStream:
    """Open a sound for one reading.

    Parameters
    ----------
    source : path, binary file object, or (samples, sample rate)
        A file object is read from its start and stays open; one that cannot seek is copied first, into a temporary file
        if it is long. Samples have the shape ``(samples,)`` or ``(channels, samples)``; integers are scaled to full
        scale at 1.
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
        file = _open_path(path)
        return _open_file(file, path, rate, own=file)
    if not hasattr(source, "read"):
        raise TypeError(f"a path, a binary file object or (y, sr) is needed, not {type(source).__name__}")
    name = getattr(source, "name", None)
    seekable = _seekable(source)
    own = None if seekable is source else seekable
    return _open_file(seekable, name if isinstance(name, str) else None, rate, own=own)


def as_source(source: Source | NDArray[Any], sr: int | None) -> Source:
    """A source from what a public function was called with: an array and its sample rate, or a source alone.

    Raises
    ------
    TypeError
        An array without a sample rate, or a sample rate without an array.
    """
    if isinstance(source, np.ndarray):
        if sr is None:
            raise TypeError("an array needs its sample rate: classify_track(y, sr)")
        return source, sr
    if sr is not None:
        raise TypeError("sr is for arrays only; a file knows its own sample rate")
    return source


def path_of(source: Source) -> str | None:
    """The name of a file, or of a file object that has one."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else None


@contextmanager
def rereadable(source: Source) -> Iterator[Source]:
    """The source for several readings: a file object that does not seek is copied, as `open_audio` would."""
    if isinstance(source, (str, os.PathLike, tuple)) or not hasattr(source, "read"):
        yield source
        return
    file = _seekable(source)
    try:
        yield file
    finally:
        if file is not source:
            file.close()


def _open_samples(source: tuple[Any, ...], rate: int) -> AudioStream:
    if len(source) != 2 or isinstance(source[1], bool) or not isinstance(source[1], (int, np.integer)):
        raise TypeError("samples come as (y, sr), with sr a whole number of hertz")
    y, native_rate = source
    if not _LOWEST_RATE <= native_rate <= _HIGHEST_RATE:
        raise ValueError(_bad_rate(native_rate))
    return AudioStream(ArrayDecoder(y, int(native_rate)), None, rate)


def _open_file(file: BinaryIO, path: str | None, rate: int, own: BinaryIO | None) -> AudioStream:
    name = path or "the file object"
    try:
        decoder, has_end_mark = open_decoder(file, name)
        if not _LOWEST_RATE <= decoder.rate <= _HIGHEST_RATE:
            decoder.close()
            raise UnsupportedAudio(f"{name}: {_bad_rate(decoder.rate)}")
    except OSError as error:
        _close(own)
        raise UnreadableAudio(f"{name}: {error.strerror or error}") from error
    except BaseException:
        _close(own)
        raise
    return AudioStream(decoder, path, rate, has_end_mark, own)


def _close(file: BinaryIO | None) -> None:
    if file is not None:
        file.close()


def _bad_rate(rate: int) -> str:
    return f"a sample rate of {rate} Hz; {_LOWEST_RATE} to {_HIGHEST_RATE} Hz are read"


def _open_path(path: str) -> BinaryIO:
    """Open a regular file; refuse a folder, a pipe or a device, which might block when it is opened."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableAudio(f"{path}: a folder; classify_folder labels what is in it")
        if not stat.S_ISREG(mode):
            raise UnreadableAudio(f"{path}: not a regular file")
        return Path(path).open("rb", buffering=0)
    except FileNotFoundError:
        raise UnreadableAudio(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableAudio(f"{path!r}: {getattr(error, 'strerror', None) or error}") from error


def _seekable(file: BinaryIO) -> BinaryIO:
    """The file itself if it seeks, else a copy: in memory while it is small, then on disk."""
    with suppress(OSError, ValueError):
        if not hasattr(file, "seekable") or file.seekable():
            read(file, 0, 0)
            size_of(file)
            return file
    return _copy(file)


def _copy(file: BinaryIO) -> BinaryIO:
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    n_bytes = 0
    try:
        with suppress(OSError):
            read(file, 0, 0)  # back to the start, where only the way to the end failed
        while content := read(file, _COPIED):
            n_bytes += len(content)
            if n_bytes > _LONGEST_COPY:
                raise OSError(f"it does not seek and gives more than {_LONGEST_COPY >> 30} GiB")
            copy.write(content)
    except OSError as error:
        copy.close()
        raise UnreadableAudio(f"the file object: {error.strerror or error}") from error
    return cast(BinaryIO, copy)
