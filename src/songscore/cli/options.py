"""Options that several commands share: what means the same is spelt the same."""

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
"""How the name of an output ends that is a table where no `--format` is given."""

LISTENING = ("paths", "exclude", "files_from", "null", "jobs", "progress")
"""Parameters of what is listened to, which have no part where the answers come from a file."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise click.BadParameter(f"{value} does not lie between 0 and 1, both excluded")
    return value


def _shipped() -> str:
    from songscore.model import MODEL

    return MODEL


def _at_least_one(ctx: click.Context, param: click.Parameter, value: int) -> int:
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
    callback=_at_least_one,
    help="Processes to use.  [default: all cores]",
)

quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error but errors.")

certain_only = click.option(
    "--certain-only", "--certain", is_flag=True, help="Leave out the files whose label is in the band of doubt."
)

results = click.option(
    "--from",
    "results",
    type=FILE,
    metavar="RESULTS",
    help="Take the answers from this file, of `songscore label -o FILE.jsonl`, and listen to nothing.",
)


def dry_run(text: str) -> Decorator:
    """``-n``, and what it does here."""
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
    default=_shipped,
    help="Name of a model, or path of one that `songscore train` or `adapt` wrote.  [default: the shipped one]",
)

text_or_json = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it."
)

threshold = click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    metavar="P",
    callback=_share,
    help='Song probability from which the label is "song".',
)

prior = click.option(
    "--prior",
    type=float,
    metavar="SHARE",
    callback=_share,
    help="Share of songs that you expect in the collection, if you know it.",
)

choir = click.option(
    "--choir",
    type=click.Choice(["score", "song"]),
    default="score",
    show_default=True,
    help="What voices without words make of a track.",
)


def _marks(ctx: click.Context, param: click.Parameter, path: Path | None) -> Any:
    if path is None:
        return None
    from songscore.cli.marks import marks_of

    return marks_of(path)


marks = click.option(
    "--marks",
    type=FILE,
    callback=_marks,
    help="Labels that you gave, as the report and `songscore review` save them; they outrank the model.",
)


timeout = click.option("--timeout", type=float, metavar="S", help="Seconds that a file may take.  [default: 900]")

cache = click.option(
    "--cache/--no-cache", default=True, help="Keep what was heard for the next run.  [default: --cache]"
)


def question(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--threshold``, ``--prior``, ``--choir`` and ``--model``: what is asked of each track, and of which model."""
    return threshold(prior(choir(model(command))))


def output_file(text: str, callback: Callable[..., Any] | None = None) -> Decorator:
    """-o, a file to write, with these words in --help."""
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option("-o", "--output", type=kind, callback=callback, help=text)


def output(*forms: str, default: str = "table") -> Decorator:
    """``--format`` and ``--output``."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        form = click.option(
            "--format",
            "form",
            type=click.Choice(forms),
            help=f"How to write the answers.  [default: as --output ends, or {default}]",
        )
        return form(output_file("File to write, instead of standard output.")(command))

    return with_options


def form_for(form: str | None, output: Path | None, forms: tuple[str, ...] = FORMS, default: str = "table") -> str:
    """The form that is asked for, by name or by the ending of the file's."""
    suffix = output.suffix.lower() if output else ""
    if form is not None or suffix in TABLE_SUFFIXES:
        return form or default
    if suffix[1:] not in forms:
        endings = ", ".join([f".{name}" for name in forms if name != "table"] + [".txt"])
        message = f"{output} ends in {suffix}, which is no form of answers here; use {endings}, or say --format"
        raise click.BadParameter(message, param_hint="--output")
    return suffix[1:]


def refuse_sound(output: Path) -> None:
    """Refuse the name of a sound file, which is not overwritten."""
    from songscore.audio import is_audio_path

    if is_audio_path(output):
        raise click.BadParameter(f"{output} is named like a sound file and is not overwritten", param_hint="--output")


def check_suffix(output: Path, *suffixes: str) -> None:
    """Refuse a name that does not end like what is written."""
    refuse_sound(output)
    if output.suffix.lower() not in suffixes:
        raise click.BadParameter(f"{output} must end in {' or '.join(suffixes)}", param_hint="--output")


def check_together(without: Mapping[str, Iterable[str]]) -> None:
    """Refuse options that have no part in what is asked.

    Parameters
    ----------
    without : mapping of str to iterable of str
        Parameters of the current command, each with those that do not go with it.
    """
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    spelt = {param.name: max(param.opts[:2], key=len) for param in context.command.params} | {"paths": "PATH"}
    for asked, others in without.items():
        clash = [spelt[name] for name in others if name in given]
        if asked in given and clash:
            raise click.UsageError(f"{spelt[asked]} goes without {', '.join(clash)}")


def shows_progress(progress: bool | None, form: str, output: Path | None) -> bool:
    """Whether to show progress where it was not said."""
    if progress is not None:
        return progress
    if sys.stdout is None or sys.stderr is None:
        return False
    return sys.stderr.isatty() and (form == "table" or output is not None or not sys.stdout.isatty())


def name_each(names: Iterable[str], noun: str, *, quiet: bool) -> int:
    """Print what a dry run found, each on a line, and count it; `noun` says what it is."""
    from songscore.cli.tally import count
    from songscore.cli.terminal import clean

    if sys.stdout is None:
        raise click.UsageError("standard output is closed, so that nothing can be named")
    n_names = 0
    for n_names, name in enumerate(names, 1):  # noqa: B007
        click.echo(clean(name))
    if not quiet:
        click.echo(f"dry run: {count(n_names, noun)}, and nothing is written", err=True)
    return n_names


def examples(*lines: str) -> str:
    """The end of a ``--help``: commands to try, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  songscore {line}" for line in lines)
