"""Reads several pieces of sound as one: joined files, chained Ogg streams, and the pieces between damaged stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np
import soxr

from songscore.audio.decoders import DecodeError, Decoder, FloatArray

QUALITY = "MQ"
"""soxr, from 44.1 to 16 kHz: flat to 7.3 kHz, aliases below -110 dB. LQ loses the top kilohertz and saves little."""


Opener = Callable[[], Decoder]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece with its own decoder.

    Attributes
    ----------
    rate : int
    channels : int
        0 for a gap.
    n_frames : int or None
        None if the length is not known before the piece is read.
    open : callable
        Returns a decoder at the start of the piece, or raises `DecodeError`.
    format : str
    """

    rate: int
    channels: int
    n_frames: int | None
    open: Opener
    format: str


def gap(rate: int, n_frames: int, reason: str) -> Part:
    """A piece of known length that cannot be decoded, for this reason."""
    return Part(rate, 0, n_frames, partial(_refuse, reason), "")


def opener_of(piece: Part | Opener) -> Opener:
    """What opens a piece that may not have been looked at."""
    return piece.open if isinstance(piece, Part) else piece


def part_of(open_decoder: Opener) -> Part:
    """A piece as its decoder describes it."""
    decoder = open_decoder()
    decoder.close()
    return Part(decoder.rate, decoder.channels, decoder.seekable, open_decoder, decoder.format)


def _refuse(reason: str) -> Decoder:
    raise DecodeError(reason)


class ChainedDecoder:
    """A decoder of pieces one after the other, at the rate of the longest of them.

    Blocks have the channels of the piece that they come from; `channels` are those of the longest.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        longest = max(parts, key=lambda part: (bool(part.channels), (part.n_frames or 0) / part.rate))
        self.rate, self.channels, self.format = longest.rate, longest.channels, longest.format
        known = all(part.n_frames is not None for part in parts)
        self._starts = list(accumulate((self._here(part, part.n_frames or 0) for part in parts), initial=0))
        self.claimed = self.seekable = self._starts[-1] if known else None
        self._decoder: Decoder | None = None
        self._resampler: soxr.ResampleStream | None = None
        self._index = self._position = 0

    def read(self, n_frames: int) -> FloatArray:
        while self._index < len(self._parts):
            part = self._parts[self._index]
            block = self._open().read(max(1, n_frames * part.rate // self.rate))
            self._position += len(block)
            at_our_rate = self._resampled(block)
            if len(at_our_rate):
                return at_our_rate
            if not len(block):
                self._enter(self._index + 1)
        return np.empty((0, self.channels), np.float32)

    def skip(self) -> int:
        part = self._parts[self._index]
        try:
            if self._decoder is None:
                raise DecodeError("nothing was opened")
            n_frames = self._decoder.skip()
            self._position += n_frames
        except DecodeError:
            if self._index + 1 >= len(self._parts):
                raise DecodeError("damaged to the end") from None
            n_frames = max(0, (part.n_frames or 0) - self._position)
            self._enter(self._index + 1)
        return self._here(part, n_frames)

    def seek(self, frame: int) -> None:
        self._enter(min(bisect_right(self._starts, frame), len(self._parts)) - 1)
        part = self._parts[self._index]
        self._position = round((frame - self._starts[self._index]) * part.rate / self.rate)
        if self._position:
            self._open().seek(self._position)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _enter(self, index: int) -> None:
        self.close()
        self._index, self._position, self._resampler = index, 0, None

    def _open(self) -> Decoder:
        part = self._parts[self._index]
        if self._decoder is None:
            self._decoder = part.open()
            if part.rate != self.rate:
                self._resampler = soxr.ResampleStream(part.rate, self.rate, part.channels, "float32", QUALITY)
        return self._decoder

    def _resampled(self, block: FloatArray) -> FloatArray:
        if self._resampler is None:
            return block
        if len(block):
            return self._resampler.resample_chunk(block)
        rest = self._resampler.resample_chunk(block, last=True)
        self._resampler = None
        return rest

    def _here(self, part: Part, n_frames: int) -> int:
        """Frames of a piece, counted at the rate of the whole."""
        return round(n_frames * self.rate / part.rate)
