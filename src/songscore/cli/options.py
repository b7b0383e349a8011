"""Options that several commands share, so that each is spelt and explained the same everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMS = ("table", "csv", "json", "jsonl", "parquet")

TABLE_SUFFIXES = ("", ".txt")
"""Suffixes of an output that is written as a table if no `--format` is given."""

LISTENING = ("paths", "exclude", "files_from", "null", "jobs", "progress")
"""Parameters for listening to files, which cannot be used when the answers come from a file."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _check_share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise click.BadParameter(f"{value} is not between 0 and 1 (both excluded)")
    return value


def _shipped_model() -> str:
    from songscore.model import MODEL

    return MODEL


def _check_jobs(ctx: click.Context, param: click.Parameter, value: int) -> int:
    if value < 1:
        raise click.BadParameter(f"{value} is less than 1")
    return value


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


jobs = click.option(
    "-j",
    "--jobs",
    type=int,
    metavar="N",
    default=_cores,
    callback=_check_jobs,
    help="Processes to use.  [default: all cores]",
)

quiet = click.option("-q", "--quiet", is_flag=True, help="Print only errors on standard error.")

certain_only = click.option(
    "--certain-only", "--certain", is_flag=True, help="Leave out the files whose label is in doubt."
)

results = click.option(
    "--from",
    "results",
    type=FILE,
    metavar="RESULTS",
    help="Take the answers from this file, which `songscore label -o FILE.jsonl` wrote, and listen to nothing.",
)


def dry_run(text: str) -> Decorator:
    """The option ``-n``, with `text` as its help."""
    return click.option("-n", "--dry-run", is_flag=True, help=text)


progress = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show progress on standard error.  [default: on a terminal, unless answers are printed there one by one]",
)

model = click.option(
    "--model",
    type=click.Path(),
    metavar="NAME|PATH",
    default=_shipped_model,
    help="Name of a model, or path of one that `songscore train` or `adapt` wrote.  [default: the shipped one]",
)

text_or_json = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)

threshold = click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    metavar="P",
    callback=_check_share,
    help='Song probability from which the label is "song".',
)

prior = click.option(
    "--prior",
    type=float,
    metavar="SHARE",
    callback=_check_share,
    help="Share of songs that you expect in the collection, if you know it.",
)

choir = click.option(
    "--choir",
    type=click.Choice(["score", "song"]),
    default="score",
    show_default=True,
    help="What to call a track whose voices sing no words.",
)


def _read_marks(ctx: click.Context, param: click.Parameter, path: Path | None) -> Any:
    if path is None:
        return None
    from songscore.cli.marks import marks_of

    return marks_of(path)


marks = click.option(
    "--marks",
    type=FILE,
    callback=_read_marks,
    help="File of labels that you gave in the report or in `songscore review`; they outrank the model.",
)


timeout = click.option("--timeout", type=float, metavar="S", help="Seconds that a file may take.  [default: 900]")

cache = click.option(
    "--cache/--no-cache", default=True, help="Keep what was heard for the next run.  [default: --cache]"
)


def question(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--threshold``, ``--prior``, ``--choir`` and ``--model``, which settle what counts as a song."""
    return threshold(prior(choir(model(command))))


def output_file(text: str, callback: Callable[..., Any] | None = None) -> Decorator:
    """The option ``-o``, a file to write, with `text` as its help."""
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option("-o", "--output", type=kind, callback=callback, help=text)


def output(*forms: str, default: str = "table") -> Decorator:
    """The options ``--format``, one of `forms`, and ``--output``."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        form = click.option(
            "--format",
            "form",
            type=click.Choice(forms),
            help=f"Format of the answers.  [default: by the suffix of --output, or {default}]",
        )
        return form(output_file("File to write, instead of standard output.")(command))

    return with_options


def form_for(form: str | None, output: Path | None, forms: tuple[str, ...] = FORMS, default: str = "table") -> str:
    """The output format: `form` if ``--format`` gave one, otherwise the one that the suffix of `output` names."""
    suffix = output.suffix.lower() if output else ""
    if form is not None or suffix in TABLE_SUFFIXES:
        return form or default
    if suffix[1:] not in forms:
        endings = ", ".join([f".{name}" for name in forms if name != "table"] + [".txt"])
        message = f"{output} ends in {suffix}, which is not a format of this command; use {endings}, or add --format"
        raise click.BadParameter(message, param_hint="--output")
    return suffix[1:]


def refuse_sound(output: Path) -> None:
    """Raise a usage error if `output` is named like a sound file."""
    from songscore.audio import is_audio_path

    if is_audio_path(output):
        raise click.BadParameter(f"{output} is named like a sound file and is not overwritten", param_hint="--output")


def check_suffix(output: Path, *suffixes: str) -> None:
    """Raise a usage error if `output` ends in none of the `suffixes`, or like a sound file."""
    refuse_sound(output)
    if output.suffix.lower() not in suffixes:
        raise click.BadParameter(f"{output} must end in {' or '.join(suffixes)}", param_hint="--output")


def check_together(without: Mapping[str, Iterable[str]]) -> None:
    """Raise a usage error if the user gave options that cannot be combined.

    Parameters
    ----------
    without : mapping of str to iterable of str
        Parameters of the current command, each with those that cannot be used together with it.
    """
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    spelt = {param.name: max(param.opts[:2], key=len) for param in context.command.params} | {"paths": "PATH"}
    for asked, others in without.items():
        clash = [spelt[name] for name in others if name in given]
        if asked in given and clash:
            raise click.UsageError(f"{spelt[asked]} goes without {', '.join(clash)}")


def shows_progress(progress: bool | None, form: str, output: Path | None) -> bool:
    """Whether to show progress: as the user chose, or else on a terminal to which no answers are printed one by one."""
    if progress is not None:
        return progress
    if sys.stdout is None or sys.stderr is None:
        return False
    return sys.stderr.isatty() and (form == "table" or output is not None or not sys.stdout.isatty())


def name_each(names: Iterable[str], noun: str, *, quiet: bool) -> int:
    """Print the names that a dry run found, one a line, and return their number; `noun` says what they name."""
    from songscore.cli.tally import count
    from songscore.cli.terminal import clean

    if sys.stdout is None:
        raise click.UsageError("standard output is closed, so that no names can be printed")
    n_names = 0
    for n_names, name in enumerate(names, 1):  # noqa: B007
        click.echo(clean(name))
    if not quiet:
        click.echo(f"dry run: {count(n_names, noun)}, and nothing is written", err=True)
    return n_names


def examples(*lines: str) -> str:
    """The end of a ``--help``: example commands, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  songscore {line}" for line in lines)
