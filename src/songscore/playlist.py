"""Writes playlists: extended M3U in UTF-8 (``.m3u8``), or a list of files for FFmpeg (``.ffconcat``).

FFmpeg reads M3U only as a list of streams; for a list of files it has its ``concat`` demuxer and that demuxer's format.

A path that is not UTF-8, or that has a line break in it, cannot be written and is left out: it would name another file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from songscore._files import write_whole
from songscore.results import TrackResult, as_utf8

CONCAT = ".ffconcat"
"""Suffix of a list of files for FFmpeg."""


def write_playlist(
    results: Iterable[TrackResult], path: str | os.PathLike[str], *, absolute: bool = False
) -> list[TrackResult]:
    """Write a playlist, whole or not at all.

    Parameters
    ----------
    results : iterable of TrackResult
        The tracks, in order.
    path : path
        The playlist: a list for FFmpeg where it ends in ``.ffconcat``, extended M3U otherwise.
    absolute : bool, default False
        Write absolute paths; without it, paths relative to the folder of the playlist.

    Returns
    -------
    list of TrackResult
        Tracks that were left out because their paths cannot be written.

    Raises
    ------
    OSError
        The playlist cannot be written.
    """
    path = Path(path)
    for_ffmpeg = path.suffix.lower() == CONCAT
    left_out, lines = [], ["ffconcat version 1.0" if for_ffmpeg else "#EXTM3U"]
    for track in results:
        entry = _entry(track, path.parent, absolute)
        if entry is None:
            left_out.append(track)
        elif for_ffmpeg:
            lines.append("file '" + entry.replace("'", r"'\''") + "'")
        else:
            lines += [f"#EXTINF:{round(track.duration or -1)},{_title(track)}", entry]
    write_whole(path, "\n".join([*lines, ""]))
    return left_out


def _title(track: TrackResult) -> str:
    """The name of the file, without control characters, which a terminal would obey."""
    return "".join(c for c in Path(track.path or "").stem if c.isprintable())


def _entry(track: TrackResult, folder: Path, absolute: bool) -> str | None:
    """The path of a track as the playlist has it; None where it cannot be written."""
    if track.path is None or track.path != as_utf8(track.path) or len(track.path.splitlines()) != 1:
        return None
    if absolute:
        return str(Path(track.path).absolute())
    try:
        relative = os.path.relpath(track.path, folder)
    except ValueError:  # on another drive of Windows
        return str(Path(track.path).absolute())
    return f"./{relative}" if relative.startswith("#") else relative
