"""Reads one sound once, as blocks at the working rate."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Literal, Self, get_args

import numpy as np
import soxr

from songscore.audio.chain import QUALITY
from songscore.audio.decoders import DecodeError, Decoder, FloatArray
from songscore.audio.mix import ChannelOrder, MonoMix, mean_side, mid_side
from songscore.errors import UnreadableAudio

Layout = Literal["mono", "mid/side", "mean/side"]

_READ_FRAMES = 65_536
_READ_SAMPLES = 2**19
_MISSING_SHARE, _MISSING_SECONDS = 0.02, 1.0


class AudioStream:
    """A sound, open for one reading; `open_audio` makes it.

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

    def __init__(
        self, decoder: Decoder, path: str | None, rate: int, has_end_mark: bool = True, own: BinaryIO | None = None
    ) -> None:
        self._decoder, self.path, self._rate, self._has_end_mark = decoder, path, rate, has_end_mark
        self._own = own
        self.native_rate, self.channels, self.format = decoder.rate, decoder.channels, decoder.format
        # libsndfile gives the channels of Ogg in the order of Ogg, FFmpeg all in that of WAV.
        self._order: ChannelOrder = "vorbis" if decoder.format == "OGG" else "wav"
        self.damage = ""
        self._decoded = self._lost = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.close()
        if self._own is not None:
            self._own.close()

    @property
    def duration(self) -> float:
        return (self._decoded + self._lost) / self.native_rate

    @property
    def analysed(self) -> float:
        return self._decoded / self.native_rate

    @property
    def length(self) -> float | None:
        """Length in seconds, if `passage` can seek in the sound; None if it has to be read from start to end."""
        if self._decoder.seekable is None or not self._has_end_mark:
            return None
        return self._decoder.seekable / self.native_rate

    def passage(self, start: float, seconds: float) -> FloatArray:
        """A stretch of the sound in mono at the working rate, by seeking; only if `length` is not None.

        Damage makes it shorter than asked for, or empty.
        """
        n_frames = round(seconds * self.native_rate)
        try:
            self._decoder.seek(round(start * self.native_rate))
            mixed = MonoMix(self.native_rate, self._order)(self._next(n_frames))
            y = np.concatenate([np.empty(0, np.float32), *mixed])[:n_frames]
        except DecodeError:
            return np.empty(0, np.float32)
        self._decoded += len(y)
        return y if self.native_rate == self._rate else soxr.resample(y, self.native_rate, self._rate, QUALITY)

    def _next(self, n_frames: int) -> Iterator[FloatArray]:
        """Native blocks with so many frames, or a few more."""
        while n_frames > 0:
            block = self._decoder.read(min(self._block_size, n_frames))
            if not len(block):
                return
            yield block
            n_frames -= len(block)

    def rewind(self) -> None:
        """Return to the start, and forget every `passage` that was read.

        Raises
        ------
        UnreadableAudio
            The decoder cannot return to the start.
        """
        self._decoded = 0
        if self._decoder.seekable is not None:
            try:
                self._decoder.seek(0)
            except DecodeError as error:
                raise UnreadableAudio(f"{self.path or 'the file object'}: {error}") from error

    def blocks(self, seconds: float = 20.0, layout: Layout = "mono") -> Iterator[FloatArray]:
        """The sound at the working rate.

        Parameters
        ----------
        seconds : float
            Length of a block; the last is shorter. The samples do not depend on it.
        layout : {"mono", "mid/side", "mean/side"}
            Mono is the mean of two channels, with half their difference where a voice may be in antiphase, and the
            weighted mean of more, see `songscore.audio.mix`. Mid and side are half the sum and half the difference of
            the two front channels; side is zero for a mono source. Mean is that of all channels, as of
            `librosa.to_mono`.

        Yields
        ------
        (n,) or (2, n) float32

        Raises
        ------
        UnreadableAudio
            The file is damaged and nothing at all could be decoded.
        """
        size = round(seconds * self._rate)
        if size < 1:
            raise ValueError(f"blocks of {seconds} s are shorter than a sample")
        if layout not in get_args(Layout):
            raise ValueError(f"layout must be one of {get_args(Layout)}, not {layout!r}")
        native = self._native()
        mixed: dict[Layout, Iterator[FloatArray]] = {
            "mono": MonoMix(self.native_rate, self._order)(native),
            "mid/side": (mid_side(block, self._order) for block in native),
            "mean/side": (mean_side(block) for block in native),
        }
        return _in_blocks(self._resampled(mixed[layout]), size)

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
        """Native blocks, with silence in place of damaged stretches between them."""
        size, gap = self._block_size, 0
        while True:
            try:
                block = self._decoder.read(size)
            except DecodeError as error:
                self._note_damage(error)
                try:
                    gap += self._decoder.skip()
                except DecodeError:
                    break
                continue
            if not len(block):
                break
            yield from self._silence(gap, size)
            gap = 0
            self._decoded += len(block)
            yield block
        self._check_end()

    @property
    def _block_size(self) -> int:
        return max(1, min(_READ_FRAMES, _READ_SAMPLES // self.channels))

    def _silence(self, n_frames: int, size: int) -> Iterator[FloatArray]:
        self._lost += n_frames
        for start in range(0, n_frames, size):
            yield np.zeros((min(size, n_frames - start), self.channels), np.float32)

    def _note_damage(self, error: DecodeError) -> None:
        self.damage = self.damage or f"damaged at {self.duration:.1f} s ({error})"

    def _check_end(self) -> None:
        """Note what is missing at the end; raise `UnreadableAudio` where nothing was decoded."""
        claimed = self._decoder.claimed or 0
        missing = claimed - self._decoded - self._lost
        if missing > max(_MISSING_SHARE * claimed, _MISSING_SECONDS * self.native_rate):
            stop = f"stopped at {self.duration:.1f} s of {claimed / self.native_rate:.1f} s"
            self.damage = f"{stop}: {self.damage}" if self.damage else f"{stop}: the file was cut short"
            self._lost += missing
        elif not self._has_end_mark:
            self.damage = self.damage or f"no end mark after {self.duration:.1f} s: the file was cut short"
        if self.damage and not self._decoded:
            raise UnreadableAudio(f"{self.path or 'the file object'}: nothing could be decoded: {self.damage}")


def _in_blocks(parts: Iterator[FloatArray], size: int) -> Iterator[FloatArray]:
    """Parts of any length, time first, as blocks of one length, time last."""
    waiting: list[FloatArray] = []
    held = 0
    for part in parts:
        waiting.append(part)
        held += len(part)
        if held < size:
            continue
        joined = np.concatenate(waiting)
        for start in range(0, held - size + 1, size):
            yield joined[start : start + size].T
        held %= size
        waiting = [joined[len(joined) - held :]]
    if held:
        yield np.concatenate(waiting).T
