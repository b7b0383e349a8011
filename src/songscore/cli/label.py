"""``songscore label``: files and folders in, answers out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options
from songscore.cli.inputs import Inputs, inputs
from songscore.cli.tally import Tally

if TYPE_CHECKING:
    from songscore.batch.journal import Journal
    from songscore.results import TrackResult

    Answer = Callable[[list[Path]], Generator[TrackResult]]

EXAMPLES = options.examples(
    'label "01 Main Title.flac"',
    "label ~/Music -o answers.csv",
    "label ~/Music -o run.jsonl --resume        go on with a run that was stopped",
    "label ~/Music -n --exclude '*/Podcasts'    name the files and do nothing",
    "label --files-from list.txt --prior 0.1    the paths in a file; one in ten is a song",
)


@click.command(epilog=EXAMPLES)
@options.output(*options.FORMS)
@click.option("--resume", is_flag=True, help="Go on with an --output that was not finished.")
@options.jobs
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Dask scheduler whose workers do the work, instead of --jobs."
)
@click.option(
    "--ordered/--unordered",
    default=None,
    help="Answer in the order of the files, or as each is ready.  [default: ordered, but for --output]",
)
@options.timeout
@options.cache
@options.question
@click.option(
    "--thorough", is_flag=True, help="Listen to everything, also where the label would not change: exact timelines."
)
@click.option("-n", "--dry-run", is_flag=True, help="Name the files that would be labelled, and do nothing.")
@click.option("--verbose", is_flag=True, help="Show each voice curve and the reasons on standard error.")
@options.progress
@options.quiet
@inputs
def label(
    *,
    inputs: Inputs,
    form: str | None,
    output: Path | None,
    resume: bool,
    scheduler: str | None,
    dry_run: bool,
    verbose: bool,
    progress: bool | None,
    quiet: bool,
    timeout: float | None,
    ordered: bool | None,
    **how: Any,
) -> None:
    """Label music files, and every music file below folders.

    The table is printed at the end; the other formats are written as answers come.

    JSON and Parquet have every field; CSV has one line per file, in UTF-8, without the control characters of a file
    name, and with an apostrophe before text that a spreadsheet would run as a formula (it starts with = + - @). A path
    whose bytes are not UTF-8 is written as file: and percent-encoded.

    With --output, each answer is on the disk before it counts: in FILE itself for JSON Lines, whose first line says
    what was asked, and beside it in FILE.journal for other forms, which are made of that at the end. What was stopped,
    by Ctrl-C, a crash or a full disk, goes on with --resume. Files that have an answer are not read again, unless they
    were not found or no worker was left for them.

    The exit status is 0 where every file has an answer (a label, or that it is no music), 1 where some could not be
    read, 2 for wrong usage.
    """
    form = options.form_for(form, output)
    if resume and output is None:
        raise click.UsageError("--resume needs the --output to go on with")
    if timeout is not None:
        how["timeout"] = timeout
    how["ordered"] = output is None if ordered is None else ordered
    files = inputs.find(quiet=quiet)
    context = click.get_current_context()
    if dry_run:
        _name(files)
        context.exit(0 if files else 1)
    progress = not quiet and options.shows_progress(progress, form, output)
    with ExitStack() as stack:
        if scheduler is not None:
            how["executor"] = stack.enter_context(_dask(scheduler))
        answer = partial(_answers, how=how, progress=progress, verbose=verbose, quiet=quiet)
        if output is None or (output.exists() and not output.is_file()):
            tally = _straight(files, answer, form, output)
        else:
            tally = _journalled(files, answer, form, output, resume, how)
    if files and not quiet:
        click.echo(tally.summary(output if form == "jsonl" else None), err=True)
    context.exit(0 if files and tally.is_complete else 1)


def _name(files: list[Path]) -> None:
    from songscore.cli.terminal import clean

    for file in files:
        click.echo(clean(str(file)))


def _answers(
    files: list[Path], *, how: dict[str, Any], progress: bool, verbose: bool, quiet: bool
) -> Generator[TrackResult]:
    from songscore.batch.run import classify_files
    from songscore.cli.terminal import watched

    try:
        results = classify_files(files, **how)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    yield from watched(results, len(files), progress, verbose, quiet=quiet)


def _straight(files: list[Path], answer: Answer, form: str, output: Path | None) -> Tally:
    """Write answers as they come."""
    from songscore.cli.formats import writing

    tally = Tally()
    with writing(form, output) as write, closing(answer(files)) as answers:
        for track in answers:
            write(track)
            tally.add(track)
    return tally


def _journalled(
    files: list[Path], answer: Answer, form: str, output: Path, resume: bool, how: Mapping[str, Any]
) -> Tally:
    """The same by way of a journal."""
    from songscore.cli.answers import Answers
    from songscore.cli.formats import check_output, writing
    from songscore.cli.terminal import clean

    check_output(form, output)
    path = output if form == "jsonl" else output.with_name(f"{output.name}.journal")
    journal = _journal(path, resume, how)
    try:
        with journal, closing(answer([file for file in files if file not in journal])) as answers:
            for track in answers:
                journal.add(track)
            journal.check()
    except BaseException:
        click.echo(f"{len(journal)} answers are in {clean(str(path))}; --resume goes on", err=True)
        raise
    tally = Tally()
    with ExitStack() as stack:
        write = stack.enter_context(writing(form, output)) if form != "jsonl" else None
        for track in Answers(path, "--output"):
            tally.add(track)
            if write:
                write(track)
    if tally.n_answers < len(journal):
        raise click.ClickException(f"{path} has {tally.n_answers} answers of {len(journal)}; the others were lost")
    if form != "jsonl":
        path.unlink()
    return tally


def _journal(path: Path, resume: bool, how: Mapping[str, Any]) -> Journal:
    from songscore.batch.journal import Journal, what_is_asked
    from songscore.decision import Question
    from songscore.model import load_model

    question = Question(how["threshold"], how["prior"], how["choir"])
    asked = what_is_asked(load_model(how["model"]), question, thorough=how["thorough"])
    try:
        return Journal(path, asked, resume=resume)
    except FileExistsError:
        message = f"{path} exists; --resume goes on with it, or remove it first"
        raise click.BadParameter(message, param_hint="--output") from None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--resume") from error
    except OSError as error:
        message = f"cannot write to {path}: {error.strerror}"
        raise click.BadParameter(message, param_hint="--output") from error


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
