"""Opens a path, a file object or samples as a stream: chooses the decoder, or raises an error that says what helps."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from songscore.audio.behind import before_another, containers_behind, first_frame, next_sound
from songscore.audio.chain import ChainedDecoder, Opener, Part, gap, opener_of, part_of
from songscore.audio.decoders import ArrayDecoder, DecodeError, Decoder, SoundFileDecoder, UnknownCodec
from songscore.audio.inspection import MOST_PIECES, Family, Inspection, inspect
from songscore.audio.mpeg import mpeg_parts
from songscore.audio.ogg import find_links
from songscore.audio.span import open_span, read, read_at, size_of
from songscore.audio.stream import AudioStream
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio

Source = str | os.PathLike[str] | BinaryIO | tuple[NDArray[Any], int]

_LOWEST_RATE, _HIGHEST_RATE, _ANY_RATE = 2_000, 1_000_000, 48_000
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
        decoder, has_end_mark = _open_decoder(file, name)
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


def _open_decoder(file: BinaryIO, name: str) -> tuple[Decoder, bool]:
    """A decoder of the whole file, and whether it has an end mark or needs none."""
    parts, has_end_mark = _parts(file, name, 0)
    if len(parts) == 1:
        return opener_of(parts[0])(), has_end_mark
    return _chained(parts), has_end_mark


def _parts(file: BinaryIO, name: str, position: int) -> tuple[list[Part | Opener], bool]:
    """What was joined end to end, from a position on; most files are one."""
    size, parts, has_end_marks = size_of(file), list[Part | Opener](), list[bool]()
    if position >= size:
        raise UnreadableAudio(f"{name}: an empty file")
    while position < size and len(has_end_marks) < MOST_PIECES:
        piece = inspect(file, position)
        try:
            more, has_end_mark, position = _parts_of(file, name, piece)
        except AudioError as error:
            more, has_end_mark, position = [partial(_refuse, error)], True, piece.next_start
        parts += more
        has_end_marks.append(has_end_mark)
    if position < size:
        parts.append(gap(_ANY_RATE, 0, f"more than {MOST_PIECES} files joined"))
    return parts, all(has_end_marks)


def _parts_of(file: BinaryIO, name: str, piece: Inspection) -> tuple[Sequence[Part | Opener], bool, int]:
    """The parts of a piece, whether it has an end mark or needs none, and where the next piece begins."""
    start, end, family = piece.start, piece.end, piece.family
    if family == "ogg":
        links = before_another(file, find_links(partial(read_at, file), start, end))
        openers = [partial(_open_single, partial(open_span, file, link.start, link.end), name, "ogg") for link in links]
        return openers, links[-1].has_end_mark, _behind(file, links[-1].end, piece)
    if family in ("libsndfile", "ffmpeg"):
        return [_whole(file, name, piece)], not piece.is_cut, piece.next_start
    return _search(file, name, piece)


def _whole(file: BinaryIO, name: str, piece: Inspection) -> Opener:
    return partial(_open_single, partial(open_span, file, piece.start, piece.end, head=piece.head), name, piece.family)


def _search(file: BinaryIO, name: str, piece: Inspection) -> tuple[Sequence[Part | Opener], bool, int]:
    """Like `_parts_of`, for frames without a header of the whole, and for sound behind other bytes."""
    start, end, family, whole = piece.start, piece.end, piece.family, _whole(file, name, piece)
    first = None if family == "mpeg" else first_frame(file, start, end)
    if first is not None:
        stream = partial(_open_single, partial(open_span, file, first, end), name, "ffmpeg")
        if _opens(stream):
            return [stream], True, piece.next_start
    parts, last = mpeg_parts(file, start, end)
    if parts and _opens(parts[0]):
        return parts, True, _behind(file, last, piece)
    if family != "no sound" and _opens(whole):
        return [whole], True, piece.next_start
    for place in containers_behind(file, start, end):
        found, has_end_mark = _parts(file, name, place)
        if _opens(found[0]):
            return found, has_end_mark, piece.next_start
    if family == "no sound":
        raise UnreadableAudio(f"{name}: not a sound file, whatever its name")
    return [whole], True, piece.next_start


def _behind(file: BinaryIO, position: int, piece: Inspection) -> int:
    """Where another sound begins behind the last frame or page of a piece; its end where none does."""
    place = piece.end
    with suppress(OSError):
        place = next_sound(file, position, piece.end)
    return place if place < piece.end else piece.next_start


def _opens(piece: Part | Opener) -> bool:
    with suppress(AudioError, DecodeError):
        opener_of(piece)().close()
        return True
    return False


def _chained(found: Sequence[Part | Opener]) -> Decoder:
    """A decoder of joined pieces; those that cannot be decoded are gaps."""
    parts, refusals = list[Part](), list[AudioError]()
    for one in found:
        try:
            parts.append(one if isinstance(one, Part) else part_of(one))
        except AudioError as error:
            refusals.append(error)
            parts.append(gap(_ANY_RATE, 0, str(error)))
    if len(refusals) == len(found):
        raise refusals[0]
    return ChainedDecoder(parts)


def _refuse(error: AudioError) -> Decoder:
    raise error


def _open_single(open_bytes: Callable[[], io.BufferedReader], name: str, family: Family) -> Decoder:
    """A decoder by libsndfile; by FFmpeg for files that libsndfile does not know or refuses."""
    refusal = None
    if family != "ffmpeg":
        try:
            return SoundFileDecoder(open_bytes)
        except DecodeError as error:
            refusal = error
    try:
        from songscore.audio.ffmpeg import AvDecoder

        return AvDecoder(open_bytes)
    except ImportError as error:
        raise _without_ffmpeg(name, family, refusal, error) from error
    except UnknownCodec as error:
        raise UnsupportedAudio(f"{name}: {error}") from error
    except DecodeError as error:
        raise _unreadable(name, family, refusal or error) from error


def _without_ffmpeg(name: str, family: Family, refusal: DecodeError | None, error: ImportError) -> AudioError:
    if refusal is not None and not isinstance(refusal, UnknownCodec):
        return _unreadable(name, family, refusal)
    if isinstance(error, ModuleNotFoundError):
        return UnsupportedAudio(f"{name}: this format needs PyAV: pip install 'songscore[aac]'")
    return UnreadableAudio(f"{name}: PyAV is installed and could not be loaded ({error})")


def _unreadable(name: str, family: Family, refusal: DecodeError) -> UnreadableAudio:
    reason = "not a sound file" if family in ("unknown", "mpeg") else f"damaged from the start ({refusal})"
    return UnreadableAudio(f"{name}: {reason}")


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
