"""Chooses the decoders for what is in a file: one sound, several that were joined, or sound behind other bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from songscore.audio.behind import before_another, containers_behind, first_frame, next_sound
from songscore.audio.chain import ChainedDecoder, Opener, Part, gap, opener_of, part_of
from songscore.audio.decoders import DecodeError, Decoder, SoundFileDecoder, UnknownCodec
from songscore.audio.inspection import MOST_PIECES, Family, Inspection, inspect
from songscore.audio.mpeg import mpeg_parts
from songscore.audio.ogg import find_links
from songscore.audio.span import open_span, read_at, size_of
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio

_ANY_RATE = 48_000
"""Of a gap without length."""


def open_decoder(file: BinaryIO, name: str) -> tuple[Decoder, bool]:
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
