"""Decodes MPEG audio with a table of its frames, which tells how many samples there are and where each one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

from songscore.audio.behind import before_another
from songscore.audio.chain import Part, gap
from songscore.audio.decoders import DecodeError, FloatArray, SoundFileDecoder
from songscore.audio.frames import Run, find_runs
from songscore.audio.span import open_span, read_at

FORMAT = "MP3"
_DISCARDED = 65_536
_CUT_FRAME = 0.1
"""Seconds without frames that do not count as damage: a frame that was cut where two files were joined."""
_FEW_SHARE, _FEW_SECONDS = 0.02, 1.0


def mpeg_parts(file: BinaryIO, start: int, end: int) -> tuple[list[Part], int]:
    """The MPEG audio in a stretch of a file, and where the last frame ends; no parts where there is none."""
    reader = _Reader(file)
    found, missing = find_runs(reader, start, end)
    if not found:
        return [], end
    runs = before_another(file, found)
    missing = missing if len(runs) == len(found) else 0
    if reader.failure:
        missing = round((end - runs[-1].end) / runs[-1].frame_bytes)
    return list(_parts(file, runs, missing, reader.failure or "the file was cut short")), runs[-1].end


def _parts(file: BinaryIO, runs: Sequence[Run], missing: int, reason: str) -> Iterator[Part]:
    seconds = sum(run.n_samples / run.kind.rate for run in runs)
    few = max(_FEW_SHARE * seconds, _FEW_SECONDS)
    lost = [run.lost * run.frame_seconds for run in runs]
    ignored = _CUT_FRAME if sum(gap for gap in lost if gap < _CUT_FRAME) < few else 0
    for run, seconds_lost in zip(runs, lost, strict=True):
        if seconds_lost > ignored:
            yield gap(run.kind.rate, run.lost * run.kind.n_samples, "frames are missing")
        channels = 1 if run.kind.mono else 2
        yield Part(run.kind.rate, channels, run.n_samples, partial(MpegDecoder, file, run), FORMAT)
    last = runs[-1]
    if missing * last.frame_seconds > few:
        yield gap(last.kind.rate, missing * last.kind.n_samples, reason)


class _Reader:
    """Reads bytes of a file for `find_runs`; gives none where the file cannot be read, and `failure` says why."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure = ""

    def __call__(self, start: int, n_bytes: int) -> bytes:
        try:
            return read_at(self._file, start, n_bytes)
        except OSError as error:
            self.failure = error.strerror or str(error)
            return b""


class MpegDecoder(SoundFileDecoder):
    """One run of frames; libsndfile decodes, and the table says where a sample is.

    Delay and padding are left out as by libmpg123; if the count that they come with is wrong, the padding is kept.
    """

    def __init__(self, file: BinaryIO, run: Run) -> None:
        self._run, self._entry, self._left = run, 0, 0
        super().__init__(lambda: open_span(file, run.offsets[self._entry], run.end, endless=True))
        self.format = FORMAT
        self.claimed = self.seekable = self._end = run.n_samples
        self._approach(0)

    def seek(self, frame: int) -> None:
        self._reopen(frame)
        self._position = frame

    def _reopen(self, frame: int) -> None:
        run = self._run
        self._entry = run.entry(min((frame + run.skip) // run.kind.n_samples, run.n_frames - 2))
        super()._reopen(0)
        self._approach(frame)

    def _approach(self, frame: int) -> None:
        """Decode and drop the samples between the frame at which decoding begins and sample `frame`."""
        before = self._run.skip + frame - self._entry * self._run.kind.n_samples
        self._left = self._run.n_samples - frame + before
        while before > 0:
            n = len(self._read(min(before, _DISCARDED)))
            if not n:
                raise DecodeError("the decoder finds no more frames")
            before -= n

    def _read(self, n_frames: int) -> FloatArray:
        block = super()._read(max(0, min(n_frames, self._left)))
        self._left -= len(block)
        if not len(block) and self._left > self._run.kind.n_samples:
            raise DecodeError("the decoder finds no more frames")
        return block
