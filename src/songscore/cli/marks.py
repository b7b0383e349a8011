"""Marks read from a file, for the commands that take ``--marks``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli.answers import SHOWN

if TYPE_CHECKING:
    from songscore.marks import Marks


def marks_of(path: Path, hint: str = "--marks") -> Marks:
    """Read the marks in a file; lines that are not marks are reported on standard error.

    Raises
    ------
    click.BadParameter
        The file cannot be read, or has lines of which none is a mark.
    """
    from songscore.cli.terminal import clean
    from songscore.marks import Marks, read_marks

    refused = list[str]()
    try:
        found = read_marks(path, lambda error: refused.append(str(error)))
    except (OSError, ValueError) as error:
        raise click.BadParameter(clean(str(error)), param_hint=hint) from error
    for line in refused[:SHOWN]:
        click.echo(clean(line), err=True)
    if refused and not found:
        raise click.BadParameter(f"{path} holds no marks", param_hint=hint)
    if refused:
        lines = "1 line is not a mark and was" if len(refused) == 1 else f"{len(refused)} lines are not marks and were"
        click.echo(f"{clean(str(path))}: {lines} left out", err=True)
    return Marks(found)
