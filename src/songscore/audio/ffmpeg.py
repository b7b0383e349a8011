"""FFmpeg through PyAV: AAC, ALAC, WMA, APE, WavPack and what else it knows. Imports PyAV, an optional extra."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream as AvStream
from av.container import InputContainer
from av.stream import Disposition

from songscore.audio.decoders import DecodeError, FloatArray, UnknownCodec, check_read
from songscore.audio.mp4 import PacketTable, packet_table

_ANY_TEXT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Accepts tags that are not UTF-8; from version 19 on, PyAV always does."""

_GUESSES_LENGTH = frozenset({"aac", "ac3", "dts", "eac3", "mp3"})
"""Containers without a length, for which FFmpeg guesses one from the bit rate."""

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_DIVISIBLE = frozenset({"aac", "alac"})
"""Codecs that take packets as they are in the file."""
_WARM_UP = 8192
"""Frames that are decoded before the place that is sought, since a packet may overlap with one or two before it."""
_PADDING = 16_384
"""Frames by which packets may be longer than the sound: the delay of an encoder, and the rest of the last packet."""
_SAME = 0.9
"""Least correlation of two decodings of the same sound."""

_Channels = Sequence[FloatArray]
"""The samples ``(n,)`` of each channel."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """A packet that could not be decoded."""

    n_frames: int
    reason: str


class AvDecoder:
    """The first stream of sound in a container, or the first that is marked as its default.

    Only MP4 is read by seeking, since it lists every packet, and only where the first second of a file comes out at the
    same place by seeking as by reading on. Other containers give times only in milliseconds. Of a long MP4 file, FFmpeg
    opens the beginning, and decodes packets that are found here, see `songscore.audio.mp4`.

    Parameters
    ----------
    open_bytes : callable
        Opens the bytes from their start, each time it is called. FFmpeg sees the bytes and never the name, which it
        might take for a protocol (``Alien:Covenant.m4a``).
    """

    _samples: Iterator[_Channels | _Gap]
    _rest: FloatArray | None
    _gap: _Gap | None
    _began: int | None
    _packet: int
    _first: int
    _origin = 0

    def __init__(self, open_bytes: Callable[[], io.BufferedReader]) -> None:
        self._open_bytes, self._content = open_bytes, open_bytes()
        self._table = packet_table(open_bytes(), self._content)
        self._open()
        self.claimed = _claimed(self._stream, self._container, self._table)
        self.seekable = self.claimed if self._seeks_exactly() else None

    def read(self, n_frames: int) -> FloatArray:
        parts, n = list[_Channels](), 0
        while n < n_frames and self._gap is None:
            part = next(self._samples, None) if self._rest is None else list(self._rest.T)
            self._rest = None
            if part is None:
                break
            if isinstance(part, _Gap):
                self._gap = part
            else:
                parts.append(part)
                n += len(part[0])
        if self._gap and n == 0:
            raise DecodeError(self._gap.reason)
        if n < n_frames and self._gap is None:
            check_read(self._content)
        joined = np.empty((n, self.channels), np.float32)
        for channel, planes in enumerate(zip(*parts, strict=True)):
            np.concatenate(planes, out=joined[:, channel])
        self._rest = joined[n_frames:] if n > n_frames else None
        return joined[:n_frames]

    def seek(self, frame: int) -> None:
        if frame == 0:  # opened again, so that the first frames are decoded as in a file that was just opened
            self.close()
            self._open()
            return
        tick = max(0, self._origin + (frame - _WARM_UP) // self._per_tick)
        number = self._table.at(tick) if self._table else 0
        try:
            is_in_container = self._table is None or number < self._table.n_first
            self._container.seek(tick if is_in_container else 0, stream=self._stream)
        except (av.FFmpegError, ValueError) as error:
            raise DecodeError(_reason(error)) from error
        self._start(number)
        self._samples = self._from(frame, self._samples)

    def skip(self) -> int:
        if self._gap is None:
            raise DecodeError("damaged to the end")
        n_frames, self._gap = self._gap.n_frames, None
        return n_frames

    def close(self) -> None:
        self._container.close()

    def _open(self) -> None:
        if self._table is None or not self._begins(self._table):
            self._table, self._content = None, self._open_bytes()
            self._open_container(self._content)
        codec = self._stream.codec_context
        self.rate, self.channels, self.format = codec.sample_rate, codec.channels, codec.codec.name.upper()
        self._layout = codec.layout.name
        self._start()

    def _begins(self, table: PacketTable) -> bool:
        """Open the beginning of a long file; False if it cannot be divided."""
        try:
            self._open_container(table.beginning())
        except (DecodeError, MemoryError):
            return False
        if self._stream.codec_context.codec.name in _DIVISIBLE:
            return True
        self.close()
        return False

    def _open_container(self, content: io.BufferedIOBase | io.RawIOBase) -> None:
        try:
            self._container = av.open(content, mode="r", **_ANY_TEXT)
        except (av.FFmpegError, ValueError) as error:
            raise _failure(error) from error
        try:
            self._stream = _sound(self._container.streams.audio)
        except DecodeError:
            self._container.close()
            raise

    def _start(self, number: int = 0) -> None:
        """Begin to decode at the present place in the container, or at a packet behind those that are in it."""
        self._rest = self._gap = self._began = None
        self._packet = self._first = 0
        self._samples = self._decode(self._packets(number))

    @property
    def _per_tick(self) -> int:
        """Frames in a tick of the clock of the container."""
        return int((self._stream.time_base or 0) * self.rate)

    def _seeks_exactly(self) -> bool:
        """Whether seeking gives the same samples as reading on; the decoder is at the start afterwards.

        Where FFmpeg leaves out the delay of the encoder, as a tag of iTunes tells it, the first packet that sounds is
        cut, and the clock does not begin at 0.
        """
        stream, half = self._stream, self.rate // 2
        if self._container.format.name != _MP4 or not self.claimed or self.claimed < 2 * half:
            return False
        if (stream.time_base or 0) * self.rate != self._per_tick:
            return False
        try:
            expected = self.read(2 * half)[half:]
            began = self._began
            if began and began > 0 and self._first < self._packet:
                self._origin = began
                self.claimed -= began * self._per_tick
            self.seek(half)
            same = began == self._origin and _is_same(self.read(half), expected)
        except DecodeError:
            same = False
        length = (self._table.n_packets if self._table else stream.frames) * self._packet
        self.seek(0)
        return same and abs(length - self.claimed) < _PADDING

    def _from(self, frame: int, parts: Iterator[_Channels | _Gap]) -> Iterator[_Channels | _Gap]:
        """The decoded parts, without the samples before `frame`."""
        before = None
        for part in parts:
            if isinstance(part, _Gap):
                yield part
                continue
            if before is None:
                before = frame - self._per_tick * ((self._began or 0) - self._origin)
                if before < 0:
                    raise DecodeError("seeking leads to a later place")
            if before < len(part[0]):
                yield [plane[before:] for plane in part]
            before = max(0, before - len(part[0]))

    def _packets(self, number: int) -> Iterator[av.Packet[Any]]:
        """What is in the container from its present place on, and the packets behind that, from this one on."""
        if self._table is None:
            yield from self._container.demux(self._stream)
            return
        if number < self._table.n_first:
            yield from (packet for packet in self._container.demux(self._stream) if packet.size)
        for content, start, duration in self._table.packets(max(number, self._table.n_first)):
            packet = av.Packet(content)
            packet.pts = packet.dts = start
            packet.duration, packet.time_base = duration, self._stream.time_base or Fraction(0)
            yield packet
        yield av.Packet()  # makes the codec give what it holds back

    def _decode(self, packets: Iterator[av.Packet[Any]]) -> Iterator[_Channels | _Gap]:
        kind, resampler = ("", "", 0), av.AudioResampler("flt")
        while True:
            packet = None
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                for frame in self._stream.decode(packet):
                    if self._began is None:
                        self._began, self._first = frame.pts, frame.samples
                    self._packet = max(self._packet, frame.samples)
                    planes: Any = frame.planes
                    if frame.format.name == "fltp" and frame.sample_rate == self.rate and len(planes) == self.channels:
                        # much faster than `to_ndarray`
                        yield [np.frombuffer(plane, np.float32, frame.samples) for plane in planes]
                        continue
                    before, kind = kind, (frame.format.name, frame.layout.name, frame.sample_rate)
                    if kind != before:
                        resampler = self._resampler(frame)
                    for part in resampler.resample(frame):
                        samples = part.to_ndarray().astype(np.float32, copy=False)
                        yield list(samples.reshape(-1, self.channels).T)
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError, IndexError, DecodeError) as error:
                # IndexError: a stream that begins on the way
                yield _Gap(self._length_of(packet), _reason(error))

    def _resampler(self, frame: av.AudioFrame) -> av.AudioResampler:
        """For frames of one kind; to the rate and the channels of the whole, which joined files do not keep to."""
        is_usual = frame.sample_rate == self.rate and frame.layout.nb_channels == self.channels
        return av.AudioResampler("flt") if is_usual else av.AudioResampler("flt", self._layout, self.rate)

    def _length_of(self, packet: av.Packet[Any] | None) -> int:
        """Frames of sound in a packet, as far as the container says."""
        if packet is None or not packet.duration or not packet.time_base:
            return 0
        return round(packet.duration * packet.time_base * self.rate)


def _is_same(found: FloatArray, expected: FloatArray) -> bool:
    """Whether two pieces are the same sound at the same place; AAC has noise that no two decodings share."""
    if found.shape != expected.shape:
        return False
    if np.array_equal(found, expected):
        return True
    a, b = found.mean(axis=1), expected.mean(axis=1)
    n = 2 * len(a)
    match = np.fft.irfft(np.fft.rfft(a, n) * np.fft.rfft(b, n).conj(), n)
    return bool(match.argmax() == 0 and match[0] > _SAME * np.sqrt(np.vdot(a, a) * np.vdot(b, b)))


def _sound(streams: tuple[AvStream, ...]) -> AvStream:
    if not streams:
        raise DecodeError("no sound in it")
    stream = next((one for one in streams if one.disposition & Disposition.default), streams[0])
    if stream.codec_context is None:
        raise UnknownCodec("FFmpeg has no decoder for it")
    if not stream.codec_context.sample_rate or not stream.codec_context.channels:
        raise DecodeError("no sound in it")
    return stream


def _claimed(stream: AvStream, container: InputContainer, table: PacketTable | None) -> int | None:
    """Frames by the stream; by the container where that says nothing, as in Matroska, and there is no other stream."""
    seconds = Fraction(0)
    n_ticks = table.n_ticks if table else stream.duration
    if n_ticks and stream.time_base:
        seconds = n_ticks * stream.time_base
    elif container.duration and len(container.streams) == 1:
        seconds = Fraction(container.duration, av.time_base)
    is_guess = container.format.name in _GUESSES_LENGTH
    return None if is_guess else int(seconds * stream.codec_context.sample_rate) or None


def _failure(error: Exception) -> Exception:
    """The error to raise for one of FFmpeg; `MemoryError` stays, since it says nothing about the file."""
    return MemoryError(_reason(error)) if isinstance(error, MemoryError) else DecodeError(_reason(error))


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
