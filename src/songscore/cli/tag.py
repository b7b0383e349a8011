"""``songscore tag``: labels into the tags of the files, and out again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.results import TrackResult
    from songscore.tags import TagResult

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_WITHOUT = {
    "results": ("relabel", "undo", "paths", "threshold", "prior"),
    "relabel": ("undo", "prior", "certain_only"),
    "undo": ("threshold", "prior", "certain_only", "language", "keep_mtime"),
}
"""What has no part in a way of tagging."""

_SPELT = {"results": "--from", "paths": "PATH", "certain_only": "--certain-only", "keep_mtime": "--keep-mtime"}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path(exists=True, path_type=Path))
@click.option("--from", "results", type=_FILE, metavar="RESULTS", help="Take the labels from this file, not from PATH.")
@click.option("--relabel", is_flag=True, help="Decide again from the probability in the tags, without listening.")
@click.option("--undo", is_flag=True, help="Take the files back to what they were; needs no --write.")
@click.option("--write", is_flag=True, help="Write; without it you only see what would be written.")
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help='Song probability from which the label is "song".'
)
@click.option("--prior", type=float, help="Share of songs that you expect in the collection, if you know it.")
@click.option("--certain-only", is_flag=True, help="Leave files alone whose label is in the band of doubt.")
@click.option("--language", is_flag=True, help="Also write zxx (no words) into the language of instrumental score.")
@click.option("--keep-mtime", is_flag=True, help="Keep the modification time of the files.")
@options.jobs
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), help="The undo journal.  [default: in your home]"
)
@click.pass_context
def tag(
    ctx: click.Context,
    paths: tuple[Path, ...],
    results: Path | None,
    relabel: bool,
    undo: bool,
    write: bool,
    threshold: float,
    prior: float | None,
    certain_only: bool,
    language: bool,
    keep_mtime: bool,
    jobs: int,
    journal: Path | None,
) -> None:
    """Write labels into the tags of music files.

    Nothing is written without --write. Labels come from listening to PATH, files and folders; from RESULTS, the JSON
    Lines of `songscore label --format jsonl`; or, with --relabel, from the probability that is in the tags already.

    A mark INSTRUMENTAL that songscore did not write is kept, and its file left alone. The sound stays what it is: each
    file is checked before it takes the place of the old one. --undo brings back the old ones, byte for byte where
    nobody has changed them since.
    """
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    _check_usage(given)
    from songscore.batch.journal import read_results
    from songscore.batch.walk import audio_files
    from songscore.tags import UndoJournal, Writing, tag_track
    from songscore.tags import relabel as decide_again
    from songscore.tags import undo as take_back

    records = UndoJournal(journal)
    writing = Writing(journal=records, keep_mtime=keep_mtime) if write else None
    work: Iterator[TagResult]
    if undo:
        work = (take_back(path, records) for path in audio_files(paths))
    elif relabel:
        work = (decide_again(path, threshold, writing=writing, language=language) for path in audio_files(paths))
    else:
        tracks = read_results(results) if results else _heard(paths, jobs, threshold, prior)
        one = partial(tag_track, writing=writing, language=language, certain_only=certain_only)
        work = _spread(one, tracks, jobs) if write else map(one, tracks)
    try:
        met = Counter(_show(result) for result in work)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(_summary(met, write or undo), err=True)
    ctx.exit(1 if met["failed"] or not met else 0)


def _check_usage(given: set[str]) -> None:
    for mode, others in _WITHOUT.items():
        clash = [_SPELT.get(name, f"--{name}") for name in others if mode in given and name in given]
        if clash:
            raise click.UsageError(f"{_SPELT.get(mode, f'--{mode}')} goes without {', '.join(clash)}")
    if not given & {"paths", "results"}:
        raise click.UsageError("name files or folders, or a file of answers with --from")
    if find_spec("mutagen") is None:
        raise click.UsageError("tags need mutagen: pip install 'songscore[tags]'")


def _heard(paths: tuple[Path, ...], jobs: int, threshold: float, prior: float | None) -> Iterator[TrackResult]:
    from songscore.batch.run import classify_files
    from songscore.batch.walk import audio_files
    from songscore.cli.terminal import watched

    files = list(audio_files(paths))
    progress = sys.stderr.isatty() and not sys.stdout.isatty()
    results = classify_files(files, jobs=jobs, cache=True, threshold=threshold, prior=prior)
    with closing(watched(results, len(files), progress, verbose=False)) as tracks:
        yield from tracks


def _spread(one: Callable[[TrackResult], TagResult], tracks: Iterator[TrackResult], jobs: int) -> Iterator[TagResult]:
    """Check and write in several processes, a few files at a time."""
    if jobs == 1:
        yield from map(one, tracks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        while some := list(islice(tracks, 8 * jobs)):
            yield from pool.map(one, some)


def _show(result: TagResult) -> str:
    """Print what happened to a file, or would; the answer is its status."""
    from songscore.cli.terminal import clean

    for line, colour in _lines(result):
        click.secho(clean(line), fg=colour, err=result.status == "failed")
    return result.status


def _lines(result: TagResult) -> Iterator[tuple[str, str | None]]:
    if result.status != "changed":
        yield f"{result.path}: {result.status}{', ' * bool(result.message)}{result.message}", None
        return
    yield result.path, None
    for name, values in result.changes.items():
        former = result.before.get(name)
        if former is not None:
            yield f"  - {name}={'; '.join(former)}", "red"
        if values is not None:
            yield f"  + {name}={'; '.join(values)}", "green"


def _summary(met: Counter[str], written: bool) -> str:
    if not met:
        return "no music files"
    changed = "changed" if written else "would change"
    counts = ", ".join(f"{n} {changed if status == 'changed' else status}" for status, n in met.items())
    return counts if written or not met["changed"] else f"{counts}; nothing was written, --write does it"
