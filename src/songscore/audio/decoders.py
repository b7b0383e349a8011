"""Decoders behind one small interface: a rate, a number of channels, and blocks of frames until there are none."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from songscore.audio.stderr import quiet_stderr

FloatArray = NDArray[np.float32]

_UNKNOWN_LENGTH = 2**48
"""libsndfile answers 2**63 - 1 frames for some Ogg streams without an end mark."""
_SIZES = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
"""The note of libsndfile about a header that gives more bytes of sound than the file has."""
_UNKNOWN_SIZE = 0x7FFF_0000
"""Programs that write the header before the sound put the largest possible size into it, or a little less."""
_SHORT_READ = 4096
_MOST_CHANNELS = 64
_UNSUPPORTED_ENCODING = 4


class DecodeError(Exception):
    """The decoder cannot go on from here."""


class UnknownCodec(DecodeError):
    """The file is intact, but this decoder does not know its kind of sound."""


class Decoder(Protocol):
    """The methods and attributes of every decoder.

    Attributes
    ----------
    rate : int
        Frames per second.
    channels : int
    format : str
    claimed : int or None
        Number of frames by the header, which may be wrong, so allocate nothing by it; None if the header has none.
    seekable : int or None
        Number of frames, if `seek` is quick and exact; otherwise None.
    """

    rate: int
    channels: int
    format: str
    claimed: int | None
    seekable: int | None

    def read(self, n_frames: int) -> FloatArray:
        """Up to `n_frames` more frames ``(n, channels)``, none at the end; raises `DecodeError` at damage."""

    def skip(self) -> int:
        """Move on past the damage, and return the number of frames left out; raise `DecodeError` if nothing follows."""

    def seek(self, frame: int) -> None:
        """Go on from this frame, or raise `DecodeError`; only for decoders whose `seekable` is not None."""

    def close(self) -> None:
        """Close the decoder."""


class _SoundFile(soundfile.SoundFile):
    """A sound file that does not seek between reads; soundfile does, at a tenth of the cost of decoding MP3."""

    def seekable(self) -> bool:
        return False

    def can_seek(self) -> bool:
        return bool(super().seekable())


class SoundFileDecoder:
    """libsndfile: WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, AU, CAF and more.

    Parameters
    ----------
    open_bytes : callable
        Opens the bytes from their start, each time it is called.
    """

    def __init__(self, open_bytes: Callable[[], io.BufferedReader]) -> None:
        self._open_bytes = open_bytes
        self._open()
        if self._file.format == "RAW":
            self._file.close()
            raise DecodeError("nothing but the name of the file suggests sound")
        self.rate, self.channels, self.format = self._file.samplerate, self._file.channels, self._file.format
        self._end = self._file.frames if 0 < self._file.frames < _UNKNOWN_LENGTH else 0
        self.claimed = _promised(self._file, self._end) or None
        self.seekable = self._end if self.claimed == self._end and self._file.can_seek() else None
        self._position, self._stride = 0, int(self.rate)

    def read(self, n_frames: int) -> FloatArray:
        if self._end:  # what stands behind the last frame is damage to libFLAC
            n_frames = min(n_frames, max(0, self._end - self._position))
        try:
            block = self._read(n_frames)
        except DecodeError as damage:
            block = self._read_up_to(damage, min(n_frames, _SHORT_READ))
        if len(block):
            self._position += len(block)
            self._stride = int(self.rate)
        return block

    def skip(self) -> int:
        while self._position + self._stride < self._end:
            step = self._stride
            self._stride *= 2
            try:
                self._reopen(self._position + step)
            except DecodeError:
                continue
            self._position += step
            return step
        raise DecodeError("damaged to the end")

    def seek(self, frame: int) -> None:
        try:
            with _native_call():
                self._file.seek(frame)
        except DecodeError:
            self._reopen(frame)
        self._position = frame

    def close(self) -> None:
        self._file.close()

    def _read(self, n_frames: int) -> FloatArray:
        try:
            with _native_call():
                block: FloatArray = self._file.read(n_frames, dtype="float32", always_2d=True)
        except DecodeError:
            check_read(self._bytes)
            raise
        if len(block) < n_frames:
            check_read(self._bytes)
        return block

    def _read_up_to(self, damage: DecodeError, n_frames: int) -> FloatArray:
        """The undamaged beginning of a block that could not be read as a whole."""
        try:
            self._reopen(self._position)
            return self._read(n_frames)
        except DecodeError:
            raise damage from None

    def _reopen(self, frame: int) -> None:
        """Seek with a new decoder: one that has met damage may refuse every seek from then on."""
        self._file.close()
        self._open()
        if frame:
            with _native_call():
                self._file.seek(frame)

    def _open(self) -> None:
        self._bytes = self._open_bytes()
        with _native_call():
            self._file = _SoundFile(self._bytes)


def _promised(file: soundfile.SoundFile, n_frames: int) -> int:
    """Frames by the header; for WAV, AIFF, AU and W64, libsndfile itself counts those that the file has."""
    sizes = _SIZES.search(file.extra_info)
    promised, present = (int(size) for size in sizes.groups()) if sizes else (0, 0)
    return n_frames * promised // present if 0 < present < promised < _UNKNOWN_SIZE else n_frames


class ArrayDecoder:
    """Samples that are in memory already, ``(samples,)`` or ``(channels, samples)``."""

    format = "array"

    def __init__(self, y: NDArray[Any], rate: int) -> None:
        y = np.asarray(y)
        if y.ndim not in (1, 2):
            raise ValueError(f"samples must have the shape (samples,) or (channels, samples), not {y.shape}")
        if y.dtype.kind not in "fi":
            raise TypeError(f"samples must be floating point or signed integers, not {y.dtype}")
        self._y = np.atleast_2d(y)
        self.rate, self.channels = rate, len(self._y)
        self.claimed: int | None = self._y.shape[1]
        self.seekable = self.claimed
        if not 1 <= self.channels <= _MOST_CHANNELS:
            raise ValueError(f"{self.channels} channels: the shape is (channels, samples); transpose the array")
        self._scale = np.float32(1 if y.dtype.kind == "f" else 1 / np.iinfo(y.dtype).max)
        self._position = 0

    def read(self, n_frames: int) -> FloatArray:
        block = self._y[:, self._position : self._position + n_frames].T
        self._position += len(block)
        with np.errstate(over="ignore"):
            return block.astype(np.float32) * self._scale

    def skip(self) -> int:
        raise DecodeError("damaged to the end")

    def seek(self, frame: int) -> None:
        self._position = frame

    def close(self) -> None:
        pass


def check_read(content: io.BufferedReader) -> None:
    """Raise `DecodeError` if reading ended with an error of the file, and not at its end."""
    failure = getattr(content.raw, "failure", "")
    if failure:
        raise DecodeError(failure)


@contextmanager
def _native_call() -> Iterator[None]:
    """A call of libsndfile that prints nothing, and raises `DecodeError` for any of its errors."""
    try:
        with quiet_stderr():
            yield
    except soundfile.LibsndfileError as error:
        unknown = error.code == _UNSUPPORTED_ENCODING
        raise (UnknownCodec if unknown else DecodeError)(_sentence(error.error_string)) from error
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise DecodeError(str(error)) from error


def _sentence(message: str) -> str:
    return message.removeprefix("Error : ").strip().rstrip(".")
