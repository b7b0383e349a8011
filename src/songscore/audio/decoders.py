"""Decoders behind one small interface: a rate, a number of channels, and blocks of frames until there are none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_UNKNOWN_LENGTH = 2**48
"""libsndfile answers 2**63 - 1 frames for an Ogg stream without an end mark."""


class DecodeError(Exception):
    """The decoder cannot go on from here."""


class Decoder(Protocol):
    """What a stream needs of a decoder.

    Attributes
    ----------
    rate : int
    channels : int
    format : str
    claimed : int or None
        Frames that the header promises; None where it does not know. Never allocate by it.
    """

    rate: int
    channels: int
    format: str
    claimed: int | None

    def read(self, n_frames: int) -> FloatArray:
        """Up to `n_frames` more frames ``(n, channels)``, none at the end; raises `DecodeError`."""

    def seek(self, frame: int) -> None:
        """Go on at another frame; raises `DecodeError`."""

    def close(self) -> None:
        """Give the file back."""


class SoundFileDecoder:
    """libsndfile: WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, AU, CAF and more."""

    def __init__(self, file: bytes | BinaryIO) -> None:
        self._source = file
        with _quiet_stderr(), _translated():
            self._file = soundfile.SoundFile(file)
        self.rate, self.channels = self._file.samplerate, self._file.channels
        self.format = self._file.format
        self.claimed = self._file.frames if 0 < self._file.frames < _UNKNOWN_LENGTH else None
        self._quiet = _quiet_stderr if self.format in {"MPEG", "MP3"} else _as_is

    def read(self, n_frames: int) -> FloatArray:
        with self._quiet(), _translated():
            block: FloatArray = self._file.read(n_frames, dtype="float32", always_2d=True)
        return block

    def seek(self, frame: int) -> None:
        """Open the file again first: a FLAC decoder that lost its way never finds back."""
        with self._quiet(), _translated():
            self._file.close()
            if not isinstance(self._source, bytes):
                self._source.seek(0)
            self._file = soundfile.SoundFile(self._source)
            self._file.seek(frame)

    def close(self) -> None:
        self._file.close()


class ArrayDecoder:
    """Samples that are in memory already, ``(samples,)`` or ``(channels, samples)``."""

    format = "array"

    def __init__(self, y: NDArray[Any], rate: int) -> None:
        y = np.asarray(y)
        if y.ndim not in (1, 2):
            raise ValueError(f"samples must have the shape (samples,) or (channels, samples), not {y.shape}")
        if y.dtype.kind not in "fiu":
            raise TypeError(f"samples must be real numbers, not {y.dtype}")
        self._y = np.atleast_2d(y)
        self.rate, self.channels, self.claimed = rate, len(self._y), self._y.shape[1]
        if not 1 <= self.channels <= 64:
            raise ValueError(f"{self.channels} channels: the shape is (channels, samples); transpose the array")
        self._scale = np.float32(1 if y.dtype.kind == "f" else 1 / np.iinfo(y.dtype).max)
        self._position = 0

    def read(self, n_frames: int) -> FloatArray:
        block = self._y[:, self._position : self._position + n_frames].T
        self._position += len(block)
        with np.errstate(over="ignore"):
            return block.astype(np.float32) * self._scale

    def seek(self, frame: int) -> None:
        self._position = frame

    def close(self) -> None:
        pass


class AvDecoder:
    """FFmpeg through PyAV: AAC, ALAC, WMA, APE, WavPack and what else it knows."""

    def __init__(self, file: str | BinaryIO) -> None:
        import av

        self._error = av.error.FFmpegError
        self._container: Any
        try:
            self._container = av.open(f"file:{file}" if isinstance(file, str) else file, metadata_errors="ignore")
        except (self._error, ValueError) as error:
            raise DecodeError(getattr(error, "strerror", None) or str(error)) from error
        if not self._container.streams.audio:
            self._container.close()
            raise DecodeError("no sound in it")
        stream = self._container.streams.audio[0]
        self.rate, self.channels = stream.codec_context.sample_rate, stream.codec_context.channels
        self.format = str(stream.codec_context.name).upper()
        seconds = stream.duration * stream.time_base if stream.duration else None
        self.claimed = int(seconds * self.rate) if seconds else None
        self._resampler = av.AudioResampler(format="flt")
        self._packed = self._frames(stream)
        self._rest = np.empty((0, self.channels), np.float32)

    def _frames(self, stream: Any) -> Iterator[FloatArray]:
        for frame in self._container.decode(stream):
            frame.pts = None
            for part in self._resampler.resample(frame):
                yield np.asarray(part.to_ndarray(), np.float32).reshape(-1, self.channels)

    def read(self, n_frames: int) -> FloatArray:
        parts, n = [self._rest], len(self._rest)
        try:
            while n < n_frames:
                parts.append(next(self._packed))
                n += len(parts[-1])
        except StopIteration:
            pass
        except (self._error, ValueError) as error:
            self._packed = iter(())
            if n == 0:
                raise DecodeError(str(error)) from error
        joined = np.concatenate(parts)
        self._rest = joined[n_frames:]
        return joined[:n_frames]

    def seek(self, frame: int) -> None:
        raise DecodeError("damaged")

    def close(self) -> None:
        self._container.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise DecodeError(getattr(error, "error_string", None) or str(error)) from error


@contextmanager
def _as_is() -> Iterator[None]:
    yield


_stderr_lock = threading.Lock()
_stderr_users = 0
_stderr_kept: int | None = None


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep what mpg123, inside libsndfile, writes to the process's standard error from the user's screen.

    Nested and parallel uses share one redirection; it ends with the last of them.
    """
    _change_stderr(+1, _hide_stderr)
    try:
        yield
    finally:
        _change_stderr(-1, _show_stderr)


def _change_stderr(step: int, act: Callable[[], None]) -> None:
    global _stderr_users
    with _stderr_lock:
        _stderr_users += step
        if _stderr_users == (1 if step > 0 else 0):
            act()


def _hide_stderr() -> None:
    global _stderr_kept
    try:
        _stderr_kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _show_stderr() -> None:
    global _stderr_kept
    if _stderr_kept is not None:
        os.dup2(_stderr_kept, 2)
        os.close(_stderr_kept)
        _stderr_kept = None
