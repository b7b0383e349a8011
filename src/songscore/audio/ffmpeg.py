"""FFmpeg through PyAV: AAC, ALAC, WMA, APE, WavPack and what else it knows. Imports PyAV, an optional extra."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream as AvStream

from songscore.audio.decoders import DecodeError, FloatArray, UnknownCodec, check_read

_ANY_TEXT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Tags that are not UTF-8 are no errors; from 19 on PyAV has no other way."""

_GUESSES_LENGTH = frozenset({"aac", "ac3", "dts", "eac3", "mp3"})
"""Containers without a length, for which FFmpeg guesses one from the bit rate."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """A packet that could not be decoded."""

    n_frames: int
    reason: str


class AvDecoder:
    """The first stream of sound in a container.

    Parameters
    ----------
    content : buffered reader
        FFmpeg sees the bytes and never the name, which it might take for a protocol (``Alien:Covenant.m4a``).
    """

    def __init__(self, content: io.BufferedReader) -> None:
        self._content = content
        try:
            self._container = av.open(content, mode="r", **_ANY_TEXT)
        except (av.FFmpegError, ValueError) as error:
            raise _failure(error) from error
        try:
            self._stream = _sound(self._container.streams.audio)
        except DecodeError:
            self._container.close()
            raise
        codec = self._stream.codec_context
        self.rate, self.channels, self.format = codec.sample_rate, codec.channels, codec.codec.name.upper()
        self.claimed = _claimed(self._stream, self._container.format.name)
        self.seekable: int | None = None
        self._samples = self._decode()
        self._rest = np.empty((0, self.channels), np.float32)
        self._gap: _Gap | None = None

    def read(self, n_frames: int) -> FloatArray:
        parts, n = [self._rest], len(self._rest)
        while n < n_frames and self._gap is None:
            part = next(self._samples, None)
            if part is None:
                break
            if isinstance(part, _Gap):
                self._gap = part
            else:
                parts.append(part)
                n += len(part)
        if self._gap and n == 0:
            raise DecodeError(self._gap.reason)
        if n < n_frames and self._gap is None:
            check_read(self._content)
        joined = np.concatenate(parts)
        self._rest = joined[n_frames:]
        return joined[:n_frames]

    def seek(self, frame: int) -> None:
        raise DecodeError("FFmpeg is read from start to end")

    def skip(self) -> int:
        n_frames, self._gap = self._gap.n_frames if self._gap else 0, None
        return n_frames

    def close(self) -> None:
        self._container.close()

    def _decode(self) -> Iterator[FloatArray | _Gap]:
        resampler = av.AudioResampler(format="flt")
        packets = self._container.demux(self._stream)
        while True:
            length = 0
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                length = round((packet.duration or 0) * (packet.time_base or 0) * self.rate)
                for frame in packet.decode():
                    for part in resampler.resample(frame):
                        samples = part.to_ndarray().astype(np.float32, copy=False)
                        yield samples.reshape(-1, self.channels)
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError) as error:
                yield _Gap(length, _reason(error))


def _sound(streams: tuple[AvStream, ...]) -> AvStream:
    if not streams:
        raise DecodeError("no sound in it")
    stream = streams[0]
    if stream.codec_context is None:
        raise UnknownCodec("FFmpeg has no decoder for it")
    if not stream.codec_context.sample_rate or not stream.codec_context.channels:
        raise DecodeError("no sound in it")
    return stream


def _claimed(stream: AvStream, container: str) -> int | None:
    if container in _GUESSES_LENGTH or not stream.duration or not stream.time_base:
        return None
    return int(stream.duration * stream.time_base * stream.codec_context.sample_rate)


def _failure(error: Exception) -> Exception:
    """Too little memory says nothing about the file."""
    return MemoryError(_reason(error)) if isinstance(error, MemoryError) else DecodeError(_reason(error))


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
