"""The music files that a command works on: paths, lists of paths, and patterns of what to leave out."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

STDIN = Path("-")
"""How standard input is named. A file of this name is ``./-``."""


def _check_paths(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[Path, ...]:
    if not all(paths):
        raise click.BadParameter("a path is empty; write . for the current folder")
    if "-" in paths and (ctx.command.name != "label" or len(paths) > 1):
        raise click.BadParameter(
            "sound on standard input (-) needs `songscore label -` and no other PATH; --files-from - reads a list there"
        )
    return tuple(Path(path) if path == "-" or Path(path) != STDIN else Path(path).absolute() for path in paths)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files and folders that the user named for a command.

    Attributes
    ----------
    named : tuple of Path
        Paths on the command line.
    listed : tuple of Path or None
        Paths in the file of ``--files-from``; None without that option.
    exclude : tuple of str
        Patterns of files and folders to leave out.
    """

    named: tuple[Path, ...]
    listed: tuple[Path, ...] | None
    exclude: tuple[str, ...]

    @property
    def is_given(self) -> bool:
        """Whether there are paths, or a list of them that may be empty."""
        return bool(self.named) or self.listed is not None

    @property
    def is_stdin(self) -> bool:
        """Whether the sound is on standard input."""
        return self.named == (STDIN,)

    def find(self, *, quiet: bool = False) -> list[Path]:
        """Find the music files, and report on standard error how many others were passed over.

        Raises
        ------
        click.UsageError
            Nothing was named.
        """
        from songscore.batch.walk import audio_files
        from songscore.cli.terminal import clean

        if not self.is_given:
            raise click.UsageError("name files or folders, or a list of them with --files-from")
        passed_over = Counter[str]()
        asked = [*self.named, *(self.listed or ())]
        files = list(audio_files(asked, passed_over, exclude=self.exclude))
        if not files:
            click.echo(f"no music files in {clean(', '.join(map(str, asked[:10])))}", err=True)
        if +passed_over and not quiet:
            click.echo("passed over: " + ", ".join(f"{n} {what}" for what, n in (+passed_over).items()), err=True)
        return files


def _read_list(source: str, null: bool) -> tuple[Path, ...]:
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{source}: {error.strerror}", param_hint="--files-from") from error
    names = content.split(b"\0") if null else content.splitlines()
    return tuple(Path(os.fsdecode(name)) for name in names if name)


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``[PATH...]``, ``--exclude``, ``--files-from`` and ``-0``, as one argument `inputs` of the command."""

    @wraps(command)
    def gathered(
        *, paths: tuple[Path, ...], exclude: tuple[str, ...], files_from: str | None, null: bool, **others: Any
    ) -> Any:
        listed = None if files_from is None else _read_list(files_from, null)
        return command(inputs=Inputs(paths, listed, exclude), **others)

    for option in (
        click.option("-0", "null", is_flag=True, help="Names in --files-from end with NUL, as of find -print0."),
        click.option(
            "--files-from",
            type=click.Path(allow_dash=True),
            metavar="FILE|-",
            help="Read further paths from FILE, or from standard input.",
        ),
        click.option(
            "--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders of this name or path."
        ),
        click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]...", callback=_check_paths),
    ):
        option(gathered)
    return gathered
