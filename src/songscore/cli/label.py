"""``songscore label``: files and folders in, answers out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from songscore.cli import options
from songscore.cli.inputs import STDIN, Inputs, inputs

if TYPE_CHECKING:
    from songscore.batch.journal import Journal
    from songscore.cli.tally import Tally
    from songscore.results import TrackResult

    Answer = Callable[[list[Path]], Generator[TrackResult]]

EXAMPLES = options.examples(
    'label "01 Main Title.flac"',
    "label ~/Music -o answers.csv",
    "label ~/Music -o run.jsonl --resume  # go on with a run",
    "label ~/Music -n --exclude '*/Podcasts'  # name the files",
    "label --files-from list.txt --prior 0.1  # paths in a file",
    "label - < track.flac  # sound on standard input",
)


@click.command(epilog=EXAMPLES)
@options.output(*options.FORMS)
@click.option("--resume", is_flag=True, help="Go on with an --output that was not finished.")
@click.option("--retry", is_flag=True, help="With --resume, also try again the files that could not be read.")
@options.jobs
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Dask scheduler whose workers do the work, instead of --jobs."
)
@click.option(
    "--ordered/--unordered",
    default=None,
    help="Answer in the order of the files, or as each is ready.  [default: ordered; with --output, unordered]",
)
@options.timeout
@options.cache
@options.question
@options.marks
@click.option(
    "--thorough", is_flag=True, help="Hear every track whole, even if its label is clear earlier, for exact timelines."
)
@options.dry_run("Name the files that would be labelled, and do nothing.")
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
    retry: bool,
    scheduler: str | None,
    dry_run: bool,
    verbose: bool,
    progress: bool | None,
    quiet: bool,
    timeout: float | None,
    ordered: bool | None,
    **how: Any,
) -> None:
    """Label music files, and all music below folders.

    With - for PATH, label the sound on standard input.

    The table is printed at the end; the other formats are written as answers come.

    JSON and Parquet have every field; CSV has one line per file, in UTF-8, without the control characters of a file
    name, and with an apostrophe before text that a spreadsheet would run as a formula (it starts with = + - @). A path
    that is not UTF-8 is written as file: and its percent-encoded bytes.

    With --output, every answer is saved to disk at once: for JSON Lines in FILE itself, whose first line holds the
    settings of the run, and for other formats in FILE.journal beside it, from which FILE is made at the end. After
    Ctrl-C, a crash or a full disk, --resume continues the run. It passes over files that have an answer, unless they
    were not found, no worker was left for them, or their sound has changed. With --retry, it also tries again all files
    that could not be read.

    The exit status is 0 where every file has an answer (a label, or that it is not music), 1 where some could not be
    read, 2 for wrong usage.
    """
    form = options.form_for(form, output)
    if resume and output is None:
        raise click.UsageError("--resume needs the --output to go on with")
    if retry and not resume:
        raise click.UsageError("--retry goes with --resume")
    if timeout is not None:
        how["timeout"] = timeout
    how["ordered"] = output is None if ordered is None else ordered
    context = click.get_current_context()
    if inputs.is_stdin:
        if resume or dry_run or timeout is not None or scheduler is not None or inputs.listed is not None:
            others = "--resume, --dry-run, --timeout, --scheduler and --files-from"
            raise click.UsageError(f"standard input (-) goes without {others}")
        tally = _unjournalled([STDIN], partial(_standard_input, how=how, verbose=verbose, quiet=quiet), form, output)
        _close(tally, form, output, quiet)
    if inputs.is_given and scheduler is None and not dry_run:
        from songscore.batch.pool import begin_ahead

        begin_ahead(how["model"])
    files = inputs.find(quiet=quiet)
    if dry_run:
        context.exit(0 if options.name_each(map(str, files), "file", quiet=quiet) else 1)
    progress = not quiet and options.shows_progress(progress, form, output)
    with ExitStack() as stack:
        if scheduler is not None:
            how["executor"] = stack.enter_context(_dask(scheduler))
        answer = partial(_answers, how=how, progress=progress, verbose=verbose, quiet=quiet)
        if output is None or (output.exists() and not output.is_file()):
            tally = _unjournalled(files, answer, form, output)
        else:
            tally = _journalled(files, answer, form, output, how, resume=resume, retry=retry, quiet=quiet)
    _close(tally, form, output, quiet)


def _close(tally: Tally, form: str, output: Path | None, quiet: bool) -> NoReturn:
    """Print the closing lines, and exit with the status."""
    if tally.n_answers and not quiet:
        click.echo(tally.summary(output, answers=output if form == "jsonl" else None), err=True)
    click.get_current_context().exit(0 if tally.n_answers and tally.is_complete else 1)


def _standard_input(_: list[Path], *, how: Mapping[str, Any], verbose: bool, quiet: bool) -> Generator[TrackResult]:
    """Label the sound on standard input."""
    from songscore.classify import classify_track
    from songscore.cli.terminal import watched

    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("no sound on standard input: songscore label - < FILE, or name the FILE instead")
    asked = {name: how[name] for name in ("threshold", "prior", "choir", "model", "thorough")}
    track = classify_track(sys.stdin.buffer, **asked)
    message = track.message.replace("<stdin>", "standard input").replace("the file object", "standard input")
    yield from watched([replace(track, path=str(STDIN), message=message)], 1, False, verbose, quiet=quiet)


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


def _unjournalled(files: list[Path], answer: Answer, form: str, output: Path | None) -> Tally:
    """Label files and write each answer at once."""
    from songscore.cli.formats import writing
    from songscore.cli.tally import Tally

    tally = Tally()
    with writing(form, output) as write, closing(answer(files)) as answers:
        for track in tally.counting(answers):
            write(track)
    return tally


def _journalled(
    files: list[Path],
    answer: Answer,
    form: str,
    output: Path,
    how: Mapping[str, Any],
    *,
    resume: bool,
    retry: bool,
    quiet: bool,
) -> Tally:
    """Label the files that the journal has no answer for, then write all of its answers to `output`."""
    from songscore.cli.answers import Answers
    from songscore.cli.formats import check_output, writing
    from songscore.cli.tally import Tally, count, shown

    check_output(form, output)
    path = output if form == "jsonl" else output.with_name(f"{output.name}.journal")
    journal = _journal(path, how, resume=resume, retry=retry)
    if journal.n_changed and not quiet:
        one = journal.n_changed == 1
        click.echo(
            f"the sound of {count(journal.n_changed, 'file')} has changed since the last run;"
            f" {'it is' if one else 'they are'} heard again",
            err=True,
        )
    try:
        with journal, closing(answer([file for file in files if file not in journal])) as answers:
            for track in answers:
                journal.add(track)
            journal.check()
    except BaseException:
        click.echo(f"{count(len(journal), 'answer')} in {shown(path)}; --resume goes on", err=True)
        raise
    tally = Tally()
    with ExitStack() as stack:
        write = stack.enter_context(writing(form, output)) if form != "jsonl" else None
        for track in tally.counting(Answers(path, "--output", how["marks"])):
            if write:
                write(track)
    if tally.n_answers < len(journal):
        raise click.ClickException(f"{path} has {tally.n_answers} answers of {len(journal)}; the others were lost")
    if form != "jsonl":
        path.unlink()
    return tally


def _journal(path: Path, how: Mapping[str, Any], *, resume: bool, retry: bool) -> Journal:
    from songscore.batch.journal import Journal, run_settings
    from songscore.decision import Question
    from songscore.model import load_model

    question = Question(how["threshold"], how["prior"], how["choir"])
    asked = run_settings(load_model(how["model"]), question, thorough=how["thorough"])
    try:
        return Journal(path, asked, resume=resume, retry=retry)
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
    logging.disable()  # Dask logs a hundred lines when it loses its scheduler
    try:
        client = Client(scheduler, timeout="8s")
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no Dask scheduler at {scheduler}: {error}") from error
    try:
        with client:
            yield client.get_executor()
    finally:
        logging.disable(logging.NOTSET)
