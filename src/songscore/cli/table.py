"""Tables for people: as wide as the terminal, with the files of each release together."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from songscore.cli.tally import Tally, count
from songscore.cli.terminal import clean
from songscore.release import release_folder
from songscore.results import SONG, TrackResult, clock

WIDEST = 10_000
"""Width in columns of a table in which no path is to be shortened."""

_NARROWEST = 12
"""Least width in columns to which a path is shortened."""


class Shortened:
    """One line of text, whose middle is left out where the whole does not fit."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text, self.style = clean(text), style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The text, shortened to the width that the table gives it."""
        yield Text(shortened(self.text, options.max_width), self.style, no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The least and the greatest width of the text, in columns."""
        width = cell_len(self.text)
        return Measurement(min(width, _NARROWEST), width)


def shortened(text: str, width: int) -> str:
    """The text in at most `width` columns, with an ellipsis in its middle; more is kept of its end."""
    if cell_len(text) <= width:
        return text
    head, tail = "", ""
    for letter in text:
        if cell_len(head + letter) > (width - 1) // 3:
            break
        head += letter
    for letter in reversed(text):
        if cell_len(head + letter + tail) > width - 1:
            break
        tail = letter + tail
    return f"{head}…{tail}"


def answer_table(
    file: IO[str], table_of: Callable[[list[Any]], Table] | None = None
) -> Iterator[Callable[[Any], None]]:
    """Yield a function that adds an answer; a table of all answers is printed when the generator ends.

    The table fits the terminal. Without a terminal, and without the variable COLUMNS, no path is shortened.
    """
    answers: list[Any] = []
    try:
        yield answers.append
    finally:
        if answers:
            width = None if file.isatty() or "COLUMNS" in os.environ else WIDEST
            Console(file=file, width=width, highlight=False).print((table_of or _table)(answers))


def new_table(first: str, *numbers: str) -> Table:
    """A table without lines: a path, an answer, and columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left", caption_style="dim")
    table.add_column(first)
    table.add_column("Answer", no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _table(tracks: list[TrackResult]) -> Table:
    tracks = sorted(tracks, key=lambda track: track.path or "")
    folder = common_folder([track.path or "" for track in tracks])
    table = new_table("File", "P(song)", "Voice", "Length")
    releases = _by_release(tracks, folder)
    for release, members in releases.items():
        is_headed = len(releases) > 1 and release != Path(folder)
        if is_headed:
            table.add_row(*_total(within(str(release), folder), members, "bold"))
        for track in members:
            path = within(track.path or "", str(release) if is_headed else folder)
            table.add_row(*_cells(track, f"  {path}" if is_headed else path))
    if len(tracks) > 1:
        table.add_row()
        table.add_row(*_total(count(len(tracks), "file"), tracks, "bold"))
    table.caption = Text("\n".join(_notes(tracks, folder)))
    return table


def _by_release(tracks: Sequence[TrackResult], folder: str) -> dict[Path, list[TrackResult]]:
    """Tracks by the folder of their release; those that lie in `folder` itself come first."""
    top = Path(folder)
    releases: dict[Path, list[TrackResult]] = defaultdict(list, {top: []})
    for track in tracks:
        releases[release_folder(Path(track.path or ""), top)].append(track)
    return {release: members for release, members in releases.items() if members}


def _notes(tracks: Sequence[TrackResult], folder: str) -> Iterator[str]:
    if folder:
        yield f"in {clean(folder)}"
    if any(track.label is not None and not track.certain for track in tracks):
        yield "? in the band of doubt: listen and decide"
    if any(track.label is not None and track.status != "ok" for track in tracks):
        yield "* only a part of the file could be read"


def common_folder(paths: list[str]) -> str:
    """The folder that holds all of several files, or ""."""
    if len(paths) < 2:
        return ""
    try:
        return os.path.commonpath([Path(path).parent for path in paths])
    except ValueError:
        return ""


def within(path: str, folder: str) -> str:
    """The path relative to a folder that holds it; the path itself if `folder` is ""."""
    return str(Path(path).relative_to(folder)) if folder else path


def _total(name: str, tracks: Sequence[TrackResult], style: str) -> tuple[Shortened | Text, ...]:
    tally = Tally()
    for track in tracks:
        tally.add(track)
    return Shortened(name, style), Text(tally.labels(), style), Text(), Text(), Text(_long(tally.length), style)


def _long(seconds: float) -> str:
    """A duration as minutes and seconds, or from an hour on as hours, minutes and seconds."""
    minutes = int(seconds) // 60
    return clock(seconds) if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{int(seconds) % 60:02d}"


def _cells(track: TrackResult, name: str) -> tuple[Shortened | Text, ...]:
    path, length = Shortened(name), Text("" if track.duration is None else clock(track.duration))
    by_hand = "by hand" if track.by == "hand" else ""
    if track.label is None:
        return path, Text(track.status.replace("_", " "), "red"), Text(by_hand), Text(), length
    marks = ("" if track.certain else "?") + ("" if track.status == "ok" else "*")
    return (
        path,
        Text(track.label + marks, "green" if track.label == SONG else "cyan"),
        Text(by_hand or f"{track.song_probability:.3f}"),
        Text(f"{track.vocal_fraction or 0:.0%}"),
        length,
    )
