"""Options that several commands share: what means the same is spelt the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMS = ("table", "csv", "json", "jsonl", "parquet")


def _share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise click.BadParameter(f"{value} does not lie between 0 and 1, both excluded")
    return value


def _shipped() -> str:
    from songscore.model import MODEL

    return MODEL


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


jobs = click.option(
    "-j", "--jobs", type=click.IntRange(1), default=_cores, help="Processes to use.  [default: all cores]"
)

quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error but errors.")

progress = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show progress on standard error.  [default: on a terminal, unless answers are printed there one by one]",
)

model = click.option(
    "--model",
    metavar="NAME|PATH",
    default=_shipped,
    help="Name of a model, or path of one that `songscore train` wrote.  [default: the shipped one]",
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


timeout = click.option("--timeout", type=float, metavar="S", help="Seconds that a file may take.  [default: 900]")

cache = click.option(
    "--cache/--no-cache", default=True, help="Keep what was heard for the next run.  [default: --cache]"
)


def question(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--threshold``, ``--prior``, ``--choir`` and ``--model``: what is asked of each track, and of which model."""
    return threshold(prior(choir(model(command))))


def output(*forms: str, default: str = "table") -> Decorator:
    """``--format`` and ``--output``."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        form = click.option(
            "--format",
            "form",
            type=click.Choice(forms),
            help=f"How to write the answers.  [default: as --output ends, or {default}]",
        )
        file = click.option(
            "-o",
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File to write instead of standard output.",
        )
        return form(file(command))

    return with_options


def form_for(form: str | None, output: Path | None, forms: tuple[str, ...] = FORMS, default: str = "table") -> str:
    """The form that is asked for, by name or by the ending of the file's."""
    ending = output.suffix[1:].lower() if output else ""
    if form is None and ending in FORMS and ending not in forms:
        raise click.UsageError(f"no answers here in the form of {ending}: {', '.join(forms)}")
    return form or (ending if ending in forms else default)


def shows_progress(progress: bool | None, form: str, output: Path | None) -> bool:
    """Whether to show progress where it was not said."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() and (form == "table" or output is not None or not sys.stdout.isatty())


def examples(*lines: str) -> str:
    """The end of a ``--help``: commands to try, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  songscore {line}" for line in lines)
