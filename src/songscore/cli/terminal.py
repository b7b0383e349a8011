"""What people read: the table, the voice curve in one line, progress and complaints."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from songscore.results import SONG, TrackResult, VocalTimeline, as_utf8, clock

BLOCKS = "▁▂▃▄▅▆▇█"
UNHEARD = "·"

UNFOLDED = 10_000
"""Columns in which no path is folded."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and other strings: window titles, links
    r"|\x1b."
    r"|[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]",  # C0, C1, line breaks, changes of direction
    re.DOTALL,
)


def clean(text: str) -> str:
    """Text without anything that commands a terminal, in any encoding."""
    return as_utf8(_CONTROL.sub("", text))


@contextmanager
def answer_table(
    file: IO[str], table_of: Callable[[list[Any]], Table] | None = None
) -> Iterator[Callable[[Any], None]]:
    """A function that adds an answer; the table of all is printed when the context ends.

    It fits the terminal. Where there is none, and no COLUMNS says how wide to be, each file has one line.
    """
    answers: list[Any] = []
    try:
        yield answers.append
    finally:
        if answers:
            width = None if file.isatty() or "COLUMNS" in os.environ else UNFOLDED
            Console(file=file, width=width, highlight=False).print((table_of or _table)(answers))


def _table(tracks: list[TrackResult]) -> Table:
    folder = common_folder([track.path or "" for track in tracks])
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("File", overflow="fold")
    table.add_column("Answer", no_wrap=True)
    for title in ("P(song)", "Voice", "Length"):
        table.add_column(title, justify="right", no_wrap=True)
    for track in tracks:
        table.add_row(*_cells(track, folder))
    table.caption = Text("\n".join(_notes(tracks, folder)))
    return table


def _notes(tracks: list[TrackResult], folder: str) -> Iterator[str]:
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


def _cells(track: TrackResult, folder: str) -> tuple[Text, ...]:
    path = str(Path(track.path or "").relative_to(folder)) if folder else track.path or ""
    name, length = Text(clean(path)), Text("" if track.duration is None else clock(track.duration))
    if track.label is None:
        return name, Text(track.status, "red"), Text("by hand" if track.by == "hand" else ""), Text(), length
    marks = ("" if track.certain else "?") + ("" if track.status == "ok" else "*")
    return (
        name,
        Text(track.label + marks, "green" if track.label == SONG else "cyan"),
        Text("by hand" if track.by == "hand" else f"{track.song_probability:.3f}"),
        Text(f"{track.vocal_fraction or 0:.0%}"),
        length,
    )


def watched(
    results: Iterable[TrackResult], total: int, progress: bool, verbose: bool, *, quiet: bool = False
) -> Generator[TrackResult]:
    """Pass results on, and say on standard error how far it is and what went wrong.

    Parameters
    ----------
    results : iterable of TrackResult
    total : int
        How many there will be.
    progress : bool
        Show a bar with counts, rate and time left.
    verbose : bool
        Show each voice curve and the reasons.
    quiet : bool
        Show no complaints.
    """
    console, met = Console(stderr=True, highlight=False), Counter[str]()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    with Progress(
        *columns, console=console, transient=console.is_terminal, disable=not progress, redirect_stdout=False
    ) as bar:
        task = bar.add_task(_counts(met), total=total)
        for result in results:
            for line in () if quiet else _remarks(result, verbose):
                console.print(line, soft_wrap=True)
            met.update(_kinds(result))
            bar.update(task, advance=1, description=_counts(met))
            yield result


class _Rate(ProgressColumn):
    """Files a second, or a minute where that is easier to read."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        if rate is None:
            return Text()
        return Text(f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min")


def _kinds(track: TrackResult) -> Iterator[str]:
    if track.label is None:
        yield "failed"
        return
    yield "songs" if track.label == SONG else "scores"
    if not track.certain:
        yield "doubtful"


def _counts(met: Counter[str]) -> str:
    return ", ".join(f"{met[kind]} {kind}" for kind in ("songs", "scores", "doubtful", "failed"))


def _remarks(track: TrackResult, verbose: bool) -> Iterator[Text]:
    if track.message:
        yield Text(f"{status_of(track)}: {clean(track.message)}", "yellow")
    if verbose and track.label is not None:
        why = track.explain()
        yield Text(clean(track.path or ""), "bold")
        if track.timeline is not None:
            yield Text(f"  0:00 {sparkline(track.timeline)} {clock(track.duration or 0)}")
        yield Text(f"  {why}")
        for reason in why.contributions[:3]:
            yield Text(f"  {reason.log_odds:+6.2f}  {reason.meaning}")
        yield Text()


def status_of(track: TrackResult) -> str:
    """The status, with the file before it where the message does not name it."""
    named = track.path is None or track.path in track.message
    return track.status if named else f"{clean(track.path or '')}: {track.status}"


def sparkline(timeline: VocalTimeline, width: int = 60) -> str:
    """The voice curve as at most `width` block characters, the highest for a probability of 1, a dot for not heard."""
    if not len(timeline.times):
        return ""
    step = max(1.0, float(timeline.times[-1]) / (width - 0.5))
    curve = timeline.coarsen(step)
    blocks = {
        int(t // step): BLOCKS[min(int(p * len(BLOCKS)), len(BLOCKS) - 1)]
        for t, p in zip(curve.times, curve.probability, strict=True)
    }
    return "".join(blocks.get(i, UNHEARD) for i in range(max(blocks) + 1))
