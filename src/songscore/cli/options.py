"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMS = ("table", "csv", "json", "jsonl", "parquet")

jobs = click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to use.")

progress = click.option(
    "--progress/--no-progress",
    default=None,
    help="Show progress on standard error.  [default: on a terminal, unless answers are printed there one by one]",
)


def output(*forms: str) -> Decorator:
    """``--format`` and ``--output``."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        form = click.option(
            "--format",
            "form",
            type=click.Choice(forms),
            help="How to write the answers.  [default: as --output ends, or table]",
        )
        file = click.option(
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File to write instead of standard output.",
        )
        return form(file(command))

    return with_options


def form_for(form: str | None, output: Path | None, forms: tuple[str, ...] = FORMS) -> str:
    """The form that is asked for, by name or by the ending of the file's."""
    ending = output.suffix[1:].lower() if output else ""
    if form is None and ending in FORMS and ending not in forms:
        raise click.UsageError(f"no answers here in the form of {ending}: {', '.join(forms)}")
    return form or (ending if ending in forms else "table")


def shows_progress(progress: bool | None, form: str, output: Path | None) -> bool:
    """Whether to show progress where it was not said."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() and (form == "table" or output is not None or not sys.stdout.isatty())
