"""``songscore tag``: writes labels into the tags of files, or takes them out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options
from songscore.cli.answers import Answers
from songscore.cli.inputs import Inputs, inputs

if TYPE_CHECKING:
    from songscore.results import TrackResult
    from songscore.tags import TagResult
    from songscore.tags.run import Task

_QUESTION = ("threshold", "prior", "choir", "model")

_WITHOUT = {
    "dry_run": ("write", "undo"),
    "results": ("relabel", "undo", "paths", "exclude", "files_from", "null", "progress", *_QUESTION),
    "relabel": ("undo", "prior", "choir", "model", "certain_only", "progress", "marks"),
    "undo": (*_QUESTION, "marks", "write", "certain_only", "language", "keep_mtime", "progress"),
}
"""Parameters that cannot be used together with each of these."""

EXAMPLES = options.examples(
    "tag ~/Music  # show what would be written",
    "tag ~/Music --write",
    "tag --from run.jsonl --write  # of a run",
    "tag ~/Music --relabel --threshold 0.7 --write",
    "tag ~/Music --undo",
)


@click.command(epilog=EXAMPLES)
@options.results
@click.option("--relabel", is_flag=True, help="Decide again from the probability in the tags, without listening.")
@click.option("--undo", is_flag=True, help="Restore the files as they were before; needs no --write.")
@click.option("--write", is_flag=True, help="Write; without it you only see what would be written.")
@options.dry_run("Show what would be written, and write nothing; the default.")
@options.question
@options.marks
@options.certain_only
@click.option("--language", is_flag=True, help="Also set the language of instrumental score to zxx (no words).")
@click.option("--keep-mtime", is_flag=True, help="Keep the modification time of the files.")
@options.jobs
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), help="The undo journal.  [default: in your home]"
)
@options.progress
@options.quiet
@inputs
def tag(
    *,
    inputs: Inputs,
    results: Path | None,
    relabel: bool,
    undo: bool,
    write: bool,
    dry_run: bool,
    certain_only: bool,
    language: bool,
    keep_mtime: bool,
    jobs: int,
    journal: Path | None,
    progress: bool | None,
    quiet: bool,
    **asked: Any,
) -> None:
    """Write labels into the tags of music files.

    Nothing is written without --write. Labels come from listening to PATH, files and folders; from RESULTS, the answers
    of `songscore label -o FILE.jsonl`; or, with --relabel, from the probability that is in the tags already.

    A file with a tag INSTRUMENTAL that songscore did not write is left alone, and so is a file without music. The sound
    does not change: each new file is checked before it replaces the old one. --undo restores the old files, byte for
    byte where nobody has changed them since.

    The exit status is 0 where every file was tagged or left alone on purpose, 1 where some could not be, 2 for wrong
    usage.
    """
    options.check_together(_WITHOUT)
    _check_usage(inputs, results)
    from songscore.cli.terminal import heard
    from songscore.tags.run import Manner, Task, run

    answers = None if results is None else Answers(results, "--from", asked["marks"])
    tasks: Iterator[Task | TagResult]
    try:
        if answers is not None:
            tasks = map(_task, answers)
        elif undo or relabel:
            threshold = asked["threshold"] if relabel else None
            tasks = (Task(path=str(path), threshold=threshold) for path in inputs.find(quiet=quiet))
        else:
            progress = not quiet and options.shows_progress(progress, "jsonl", None)
            tasks = map(_task, heard(inputs.find(quiet=quiet), {"jobs": jobs, **asked}, progress, quiet))
        manner = Manner(
            journal=None if journal is None else str(journal.absolute()),
            write=write,
            keep_mtime=keep_mtime,
            language=language,
            certain_only=certain_only,
        )
        with closing(run(tasks, manner, jobs)) as work:
            met = Counter(_show(result) for result in work)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    if met and not quiet:
        click.echo(_summary(met, written=write, undone=undo), err=True)
    refused = answers.n_refused if answers else 0
    click.get_current_context().exit(1 if met["failed"] or refused or not met else 0)


def _check_usage(inputs: Inputs, results: Path | None) -> None:
    if results is None and not inputs.is_given:
        raise click.UsageError("name files or folders, or a file of answers with --from")
    if find_spec("mutagen") is None:
        raise click.UsageError("tags need mutagen: pip install 'songscore[tags]'")


def _task(track: TrackResult) -> Task | TagResult:
    from songscore.release import UNREAD
    from songscore.tags import TagResult
    from songscore.tags.run import Task

    if track.path is None:
        return TagResult(path="(no path)", status="failed", message="an answer about samples in memory has no file")
    if track.label is None and track.status not in UNREAD:
        return TagResult(path=track.path, status="kept", message=f"no label: {track.status}")
    return Task(path=track.path, track=track)


def _show(result: TagResult) -> str:
    """Print what was or would be changed in the tags of a file, and return its status."""
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


def _summary(met: Counter[str], *, written: bool, undone: bool) -> str:
    changed = "changed" if written or undone else "would change"
    counts = ", ".join(f"{n} {changed if status == 'changed' else status}" for status, n in met.items())
    if undone or not met["changed"]:
        return counts
    return f"{counts}; " + (
        "songscore tag --undo PATH restores them" if written else "nothing was written; add --write to write it"
    )
