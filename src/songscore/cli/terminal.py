"""Progress, errors and voice curves on standard error, while a command works."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from rich.table import Column
from rich.text import Text

from songscore.cli.tally import Tally
from songscore.results import TrackResult, VocalTimeline, as_utf8, clock

BLOCKS = "▁▂▃▄▅▆▇█"
UNHEARD = "·"

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and other strings: window titles, links
    r"|\x1b."
    r"|[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]",  # C0, C1, line breaks, changes of direction
    re.DOTALL,
)


def clean(text: str) -> str:
    """Text without control characters and escape sequences, which could command a terminal."""
    return as_utf8(_CONTROL.sub("", text))


def watched(
    results: Iterable[TrackResult], total: int, progress: bool, verbose: bool, *, quiet: bool = False
) -> Generator[TrackResult]:
    """Yield results unchanged, and show progress and errors; parameters as for `watching`."""
    with watching(total, progress, verbose, quiet=quiet) as see:
        for result in results:
            see(result)
            yield result


def heard(files: Sequence[Path], how: Mapping[str, Any], progress: bool, quiet: bool) -> Iterator[TrackResult]:
    """Label files, with the cache, and show progress and errors on standard error."""
    from songscore.batch.run import classify_files

    yield from watched(classify_files(files, cache=True, **how), len(files), progress, False, quiet=quiet)


@contextmanager
def watching(
    total: int | None, progress: bool, verbose: bool, *, quiet: bool = False
) -> Iterator[Callable[[TrackResult], None]]:
    """Yield a function to be called with each result, which shows progress and errors on standard error.

    Parameters
    ----------
    total : int or None
        Number of results, if it is known.
    progress : bool
        Show a bar with counts, rate and time left.
    verbose : bool
        Show each voice curve and the reasons.
    quiet : bool
        Show no errors.
    """
    console, tally = Console(stderr=True, highlight=False), Tally()
    with progress_bar(console, shown=progress) as bar:
        task = bar.add_task("", total=total)

        def see(result: TrackResult) -> None:
            for line in () if quiet else _remarks(result, verbose):
                console.print(line, soft_wrap=True)
            tally.add(result)
            bar.update(task, advance=1, description=tally.counts(doubt=True))

        yield see


def progress_bar(console: Console, *, shown: bool) -> Progress:
    """A bar with counts, rate, time left, and a description; on a terminal it disappears at the end."""
    counts = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    return Progress(
        *(BarColumn(12), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(compact=True), counts),
        console=console,
        transient=console.is_terminal,
        disable=not shown,
        redirect_stdout=False,
        expand=True,
    )


class _Rate(ProgressColumn):
    """A column with the number of files per second, or per minute if that is less than one."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        if rate is None:
            return Text()
        return Text(f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min")


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
    """The status of a track, after its path unless the message names the path anyway."""
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
