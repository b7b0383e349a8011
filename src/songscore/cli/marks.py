"""Marks read from a file, for the commands that take ``--marks``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli.answers import SHOWN

if TYPE_CHECKING:
    from songscore.marks import Marks


def marks_of(path: Path, hint: str = "--marks") -> Marks:
    """The marks in a file. A line that is none is named on standard error, and all of them are counted.

    Raises
    ------
    click.BadParameter
        The file holds lines, and none of them is a mark.
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
        lines = "1 line is not a mark" if len(refused) == 1 else f"{len(refused)} lines are not marks"
        click.echo(f"{clean(str(path))}: {lines} and left out", err=True)
    return Marks(found)
