"""One sound, read once, from any source, as blocks at the working rate."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from songscore.audio.decoders import ArrayDecoder, AvDecoder, DecodeError, Decoder, FloatArray, SoundFileDecoder
from songscore.audio.sniff import HEAD, family
from songscore.errors import UnreadableAudio, UnsupportedAudio

Source = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]
Layout = Literal["mono", "mid/side"]

QUALITY = "MQ"
_READ_FRAMES = 65_536
_READ_SAMPLES = 2**19
_LOWEST_RATE, _HIGHEST_RATE = 2_000, 1_000_000
_CANCELLED = 1e-3
_LOUDEST = np.float32(1e9)
_FINE_FRAMES = 4_096
_MISSING_SHARE, _MISSING_SECONDS = 0.02, 1.0


class AudioStream:
    """A sound, open for one reading.

    Attributes
    ----------
    path : str or None
        The file, if the source has a name.
    native_rate, channels, format
        Of the source; `format` as the decoder calls it.
    duration : float
        Seconds, those lost to damage included. Final after `blocks` has ended.
    analysed : float
        Seconds that were really decoded. Final after `blocks` has ended.
    damage : str
        What was wrong, "" for a whole file. Final after `blocks` has ended.
    """

    def __init__(self, decoder: Decoder, path: str | None, rate: int) -> None:
        self._decoder, self.path, self._rate = decoder, path, rate
        self.native_rate, self.channels, self.format = decoder.rate, decoder.channels, decoder.format
        self.damage = ""
        self._decoded = self._lost = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.close()

    @property
    def duration(self) -> float:
        return (self._decoded + self._lost) / self.native_rate

    @property
    def analysed(self) -> float:
        return self._decoded / self.native_rate

    def blocks(self, seconds: float = 20.0, layout: Layout = "mono") -> Iterator[FloatArray]:
        """The sound at the working rate.

        Parameters
        ----------
        seconds : float
            Length of a block; the last is shorter.
        layout : {"mono", "mid/side"}
            Mono is the mean of the channels or, where they cancel, the loudest of them. Mid and side are half the sum
            and half the difference of the first two channels; side is zero for a mono source.

        Yields
        ------
        (n,) or (2, n) float32

        Raises
        ------
        UnreadableAudio
            Nothing at all could be decoded.
        """
        mix = _mono if layout == "mono" else _mid_side
        parts: list[FloatArray] = []
        size, held = round(seconds * self._rate), 0
        for part in self._resampled(mix(block) for block in self._native()):
            parts.append(part)
            held += len(part)
            while held >= size:
                joined = np.concatenate(parts)
                yield joined[:size].T
                parts, held = [joined[size:]], held - size
        if held:
            yield np.concatenate(parts).T

    def _resampled(self, blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
        if self.native_rate == self._rate:
            yield from blocks
            return
        stream = None
        for block in blocks:
            if stream is None:
                n_channels = 1 if block.ndim == 1 else block.shape[1]
                stream = soxr.ResampleStream(self.native_rate, self._rate, n_channels, "float32", QUALITY)
            yield stream.resample_chunk(block)
        if stream is not None:
            yield stream.resample_chunk(block[:0], last=True)

    def _native(self) -> Iterator[FloatArray]:
        """Finite native blocks; where sound goes on behind a damaged place, silence stands for the gap.

        A block with damage in it is read again in small pieces, up to the damage; the skips behind it double.
        """
        n = max(1, min(_READ_FRAMES, _READ_SAMPLES // self.channels))
        gap = 0
        while True:
            block, error = self._read(n)
            if len(block):
                yield from self._silence(gap, n)
                gap = 0
                self._decoded += len(block)
                yield _finite(block)
                continue
            if error:
                self._note_damage(error)
            if error and n > _FINE_FRAMES:
                n = _FINE_FRAMES
            else:
                gap = 2 * gap + self.native_rate
            if not (error or self._missing() > 0) or not self._seek(gap):
                break
        if self.damage and not self._decoded:
            raise UnreadableAudio(f"{_name(self.path)}: nothing could be decoded: {self.damage}")
        self._compare_with_claim()

    def _read(self, n: int) -> tuple[FloatArray, DecodeError | None]:
        try:
            return self._decoder.read(n), None
        except DecodeError as error:
            return np.empty((0, self.channels), np.float32), error

    def _silence(self, gap: int, n: int) -> Iterator[FloatArray]:
        self._lost += gap
        for first in range(0, gap, n):
            yield np.zeros((min(n, gap - first), self.channels), np.float32)

    def _note_damage(self, error: DecodeError) -> None:
        self.damage = self.damage or f"damaged at {self.duration:.1f} s: {_sentence(error)}"

    def _seek(self, gap: int) -> bool:
        """Go to a place behind all that was decoded; False where there is none."""
        position = self._decoded + self._lost + gap
        if self._decoder.claimed is None or position >= self._decoder.claimed:
            return False
        try:
            self._decoder.seek(position)
        except DecodeError:
            return False
        return True

    def _missing(self) -> int:
        """Frames that the header promised and nobody saw, if they are too many for an encoder's padding."""
        claimed = self._decoder.claimed or 0
        missing = claimed - self._decoded - self._lost
        return missing if missing > max(_MISSING_SHARE * claimed, _MISSING_SECONDS * self.native_rate) else 0

    def _compare_with_claim(self) -> None:
        missing, claimed = self._missing(), self._decoder.claimed
        if missing and claimed:
            where = f"stopped at {self.duration:.1f} s of {claimed / self.native_rate:.1f} s"
            self.damage = f"{self.damage}; {where}" if self.damage else where
            self._lost += missing
        elif claimed is None and self.format == "OGG" and not self.damage:
            self.damage = "no end mark: the file was cut short"


def open_audio(source: Source, *, rate: int = 16_000) -> AudioStream:
    """Open a sound for one reading.

    Parameters
    ----------
    source : path, seekable binary file object, or (samples, sample rate)
        Samples have the shape ``(samples,)`` or ``(channels, samples)``; integers are scaled to full scale at 1.
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
        return _open_array(source, rate)
    if isinstance(source, (str, os.PathLike)):
        file = os.fspath(source)
        _check_regular(file)
        return _checked(_open_bytes(file, file), file, rate)
    if not hasattr(source, "read"):
        raise TypeError(f"a path, a binary file object or (y, sr) is needed, not {type(source).__name__}")
    if isinstance(source, io.TextIOBase):
        raise TypeError("a binary file object is needed: open the file in the mode 'rb'")
    name = getattr(source, "name", None)
    path = name if isinstance(name, str) else None
    return _checked(_open_bytes(_seekable(source), path), path, rate)


def _open_array(source: tuple[NDArray[Any], int], rate: int) -> AudioStream:
    y, native_rate = source
    if isinstance(native_rate, bool) or not isinstance(native_rate, (int, np.integer)):
        raise TypeError("samples come as (y, sr), with sr a whole number of hertz")
    if not _LOWEST_RATE <= native_rate <= _HIGHEST_RATE:
        raise ValueError(f"a sample rate of {native_rate} Hz; {_LOWEST_RATE} to {_HIGHEST_RATE} are read")
    return AudioStream(ArrayDecoder(y, int(native_rate)), None, rate)


def _checked(decoder: Decoder, path: str | None, rate: int) -> AudioStream:
    if not _LOWEST_RATE <= decoder.rate <= _HIGHEST_RATE:
        decoder.close()
        raise UnsupportedAudio(
            f"{_name(path)}: a sample rate of {decoder.rate} Hz; {_LOWEST_RATE} to {_HIGHEST_RATE} are read"
        )
    return AudioStream(decoder, path, rate)


def _check_regular(path: str) -> None:
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


def _seekable(file: BinaryIO) -> BinaryIO:
    try:
        file.seek(0)
    except (OSError, AttributeError):
        return io.BytesIO(file.read())
    return file


def _open_bytes(source: str | BinaryIO, path: str | None) -> Decoder:
    kind = family(_head(source, path))
    if kind == "text":
        raise UnreadableAudio(f"{_name(path)}: not a sound file")
    if kind != "ffmpeg":
        try:
            return SoundFileDecoder(os.fsencode(source) if isinstance(source, str) else source)
        except DecodeError as error:
            reason = "not a sound file that can be read" if kind == "unknown" else _sentence(error)
            raise UnreadableAudio(f"{_name(path)}: {reason}") from error
    try:
        return AvDecoder(source)
    except ImportError:
        raise UnsupportedAudio(f"{_name(path)}: this format needs PyAV: pip install 'songscore[aac]'") from None
    except DecodeError as error:
        raise UnreadableAudio(f"{_name(path)}: {_sentence(error)}") from error


def _head(source: str | BinaryIO, path: str | None) -> bytes:
    try:
        if isinstance(source, str):
            with Path(source).open("rb") as file:
                head = file.read(HEAD)
        else:
            head = source.read(HEAD)
            source.seek(0)
    except OSError as error:
        raise UnreadableAudio(f"{_name(path)}: {error.strerror or error}") from error
    if not head:
        raise UnreadableAudio(f"{_name(path)}: an empty file")
    return head


def _mono(block: FloatArray) -> FloatArray:
    n_channels = block.shape[1]
    if n_channels == 1:
        return block[:, 0]
    mixed: FloatArray = block @ np.full(n_channels, 1 / n_channels, np.float32)
    if np.vdot(mixed, mixed) * n_channels >= _CANCELLED * np.vdot(block, block):
        return mixed
    return np.ascontiguousarray(block[:, np.argmax(np.einsum("ij,ij->j", block, block))])


def _mid_side(block: FloatArray) -> FloatArray:
    if block.shape[1] == 1:
        return np.concatenate([block, np.zeros_like(block)], axis=1)
    return block[:, :2] @ np.array([[0.5, 0.5], [0.5, -0.5]], np.float32)


def _finite(block: FloatArray) -> FloatArray:
    """The block, with zeros for what is no number and a bound on what is too large to square."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.vdot(block, block)):
            return block
    return np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LOUDEST, _LOUDEST)


def _name(path: str | None) -> str:
    return path or "the stream"


def _sentence(error: DecodeError) -> str:
    return str(error).removeprefix("Error : ").strip().rstrip(".")
