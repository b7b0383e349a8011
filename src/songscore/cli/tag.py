"""``songscore tag``: labels into the tags of the files, and out again."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.marks import Marks
    from songscore.results import TrackResult
    from songscore.tags import TagResult
    from songscore.tags.run import Task

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_WITHOUT = {
    "results": ("relabel", "undo", "paths", "threshold", "prior"),
    "relabel": ("undo", "prior", "certain_only", "marks"),
    "undo": ("threshold", "prior", "certain_only", "language", "keep_mtime", "marks"),
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
@options.marks
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
    marks: Marks | None,
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
    from songscore.batch.walk import audio_files
    from songscore.decision import Question
    from songscore.tags.run import Manner, Task, run

    tasks: Iterator[Task | TagResult]
    try:
        if undo:
            tasks = (Task(path=str(path)) for path in audio_files(paths))
        elif relabel:
            Question(threshold)
            tasks = (Task(path=str(path), threshold=threshold) for path in audio_files(paths))
        else:
            tasks = _labelled(results, marks) if results else map(_task, _heard(paths, jobs, threshold, prior, marks))
        manner = Manner(
            journal=None if journal is None else str(journal.absolute()),
            write=write,
            keep_mtime=keep_mtime,
            language=language,
            certain_only=certain_only,
        )
        with closing(run(tasks, manner, jobs)) as work:
            met = Counter(_show(result) for result in work)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
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


def _heard(
    paths: tuple[Path, ...], jobs: int, threshold: float, prior: float | None, marks: Marks | None
) -> Iterator[TrackResult]:
    from songscore.batch.run import classify_files
    from songscore.batch.walk import audio_files
    from songscore.cli.terminal import watched

    files = list(audio_files(paths))
    progress = sys.stderr.isatty() and not sys.stdout.isatty()
    results = classify_files(files, jobs=jobs, cache=True, threshold=threshold, prior=prior, marks=marks)
    with closing(watched(results, len(files), progress, verbose=False)) as tracks:
        yield from tracks


def _labelled(results: Path, marks: Marks | None) -> Iterator[Task | TagResult]:
    """The answers of a file; a line that is none costs itself, unless there is no other."""
    from songscore.results import TrackResult
    from songscore.tags import TagResult

    answers, bad = 0, list[str]()
    with results.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                track = TrackResult.from_dict(json.loads(line.decode()))
                answers += 1
                yield _task(marks.decide(track) if marks else track)
            except (ValueError, RecursionError) as error:
                bad.append(f"{results}, line {number}: {error}")
                if answers:
                    yield TagResult(path=f"{results}, line {number}", status="failed", message=str(error))
    if bad and not answers:
        raise ValueError(bad[0])


def _task(track: TrackResult) -> Task | TagResult:
    from songscore.tags import TagResult
    from songscore.tags.run import Task

    if track.path is None:
        return TagResult(path="(no path)", status="failed", message="an answer about samples in memory has no file")
    return Task(path=track.path, track=track)


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
