"""``songscore label``: files and folders in, answers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.results import TrackResult

    Answer = Callable[[list[Path]], Generator[TrackResult]]


def _check_paths(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[Path, ...]:
    if not all(paths):
        raise click.BadParameter("a path is empty; write . for the current folder")
    return tuple(Path(path) for path in paths)


@click.command()
@click.argument("paths", nargs=-1, required=True, callback=_check_paths)
@options.output(*options.FORMS)
@click.option("--resume", is_flag=True, help="Go on with an --output that was not finished.")
@options.jobs
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Dask scheduler whose workers do the work, instead of --jobs."
)
@click.option("--ordered", is_flag=True, help="Answer in the order of the files, also with several processes.")
@click.option("--timeout", type=float, metavar="S", help="Seconds that a file may take.  [default: 900]")
@click.option("--cache/--no-cache", default=True, help="Keep what was heard for the next run.  [default: --cache]")
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help='Song probability from which the label is "song".'
)
@click.option("--prior", type=float, help="Share of songs that you expect in the collection, if you know it.")
@click.option(
    "--thorough", is_flag=True, help="Listen to everything, also where the label would not change: exact timelines."
)
@click.option("--verbose", is_flag=True, help="Show each voice curve and the reasons on standard error.")
@options.progress
@click.pass_context
def label(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    form: str | None,
    output: Path | None,
    resume: bool,
    scheduler: str | None,
    verbose: bool,
    progress: bool | None,
    timeout: float | None,
    **how: Any,
) -> None:
    """Label music files, and every music file below folders.

    The table is printed at the end; the other formats are written as answers come, in order of path unless there are
    several processes.

    JSON and Parquet have every field; CSV has one line per file, in UTF-8, without the control characters of a file
    name, and with an apostrophe before text that a spreadsheet would run as a formula (it starts with = + - @). A path
    whose bytes are not UTF-8 is written as file: and percent-encoded.

    With --output, each answer is on the disk before it counts: in FILE itself for JSON Lines, beside it in FILE.journal
    for other forms, which are made of that at the end. What was stopped, by Ctrl-C, a crash or a full disk, goes on
    with --resume; files that have an answer are not read again.
    """
    form = options.form_for(form, output)
    progress = options.shows_progress(progress, form, output)
    if resume and output is None:
        raise click.UsageError("--resume needs the --output to go on with")
    if timeout is not None:
        how["timeout"] = timeout
    files = _files(paths)
    with ExitStack() as stack:
        if scheduler is not None:
            how["executor"] = stack.enter_context(_dask(scheduler))
        answer = partial(_answers, how=how, progress=progress, verbose=verbose)
        if output is None or (output.exists() and not output.is_file()):
            missed = _straight(files, answer, form, output)
        else:
            missed = _journalled(files, answer, form, output, resume)
    ctx.exit(1 if missed or not files else 0)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The files to label; what was passed over is told."""
    from songscore.batch.walk import audio_files
    from songscore.cli.terminal import clean

    passed_over = Counter[str]()
    files = list(audio_files(paths, passed_over))
    if not files:
        click.echo(f"no music files in {clean(', '.join(map(str, paths)))}", err=True)
    if +passed_over:
        click.echo("passed over: " + ", ".join(f"{n} {what}" for what, n in (+passed_over).items()), err=True)
    return files


def _answers(files: list[Path], *, how: dict[str, Any], progress: bool, verbose: bool) -> Generator[TrackResult]:
    from songscore.batch.run import classify_files
    from songscore.cli.terminal import watched

    try:
        results = classify_files(files, **how)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    yield from watched(results, len(files), progress, verbose)


def _straight(files: list[Path], answer: Answer, form: str, output: Path | None) -> int:
    """Write answers as they come; the number without a label."""
    from songscore.cli.formats import writing

    missed = 0
    with writing(form, output) as write, closing(answer(files)) as answers:
        for track in answers:
            write(track)
            missed += track.label is None
    return missed


def _journalled(files: list[Path], answer: Answer, form: str, output: Path, resume: bool) -> int:
    """The same by way of a journal."""
    from songscore.batch.journal import Journal, read_results
    from songscore.cli.formats import check_output, writing
    from songscore.cli.terminal import clean

    check_output(form, output)
    path = output if form == "jsonl" else output.with_name(f"{output.name}.journal")
    try:
        journal = Journal(path, resume=resume)
    except FileExistsError:
        message = f"{path} exists; --resume goes on with it, or remove it first"
        raise click.BadParameter(message, param_hint="--output") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        message = f"cannot write to {path}: {error.strerror}"
        raise click.BadParameter(message, param_hint="--output") from error
    try:
        with journal, closing(answer([file for file in files if file not in journal])) as answers:
            for track in answers:
                journal.add(track)
    except BaseException:
        click.echo(f"{len(journal)} answers are in {clean(str(path))}; --resume goes on", err=True)
        raise
    missed = 0
    with ExitStack() as stack:
        write = stack.enter_context(writing(form, output)) if form != "jsonl" else None
        for track in read_results(path):
            missed += track.label is None
            if write:
                write(track)
    if form != "jsonl":
        path.unlink()
    return missed


@contextmanager
def _dask(scheduler: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise click.UsageError("--scheduler needs Dask: pip install 'songscore[dask]'") from None
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no Dask scheduler at {scheduler}: {error}") from error
    with client:
        yield client.get_executor()
