"""The files that a command is about: paths, lists of paths, and what is left out of folders."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


def _check_paths(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[Path, ...]:
    if not all(paths):
        raise click.BadParameter("a path is empty; write . for the current folder")
    return tuple(Path(path) for path in paths)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command was given.

    Attributes
    ----------
    paths : tuple of Path
    exclude : tuple of str
        Patterns of files and folders to leave out.
    files_from : str or None
        File with further paths, "-" for standard input.
    null : bool
        Whether NUL ends each path there, and not the line.
    """

    paths: tuple[Path, ...]
    exclude: tuple[str, ...]
    files_from: str | None
    null: bool

    def find(self, *, quiet: bool = False) -> list[Path]:
        """The music files; what was passed over is told."""
        from songscore.batch.walk import audio_files
        from songscore.cli.terminal import clean

        passed_over = Counter[str]()
        asked = [*self.paths, *self._listed()]
        files = list(audio_files(asked, passed_over, exclude=self.exclude))
        if not files:
            click.echo(f"no music files in {clean(', '.join(map(str, asked[:10])))}", err=True)
        if +passed_over and not quiet:
            click.echo("passed over: " + ", ".join(f"{n} {what}" for what, n in (+passed_over).items()), err=True)
        return files

    def _listed(self) -> list[Path]:
        if self.files_from is None:
            return []
        try:
            content = sys.stdin.buffer.read() if self.files_from == "-" else Path(self.files_from).read_bytes()
        except OSError as error:
            raise click.BadParameter(f"{self.files_from}: {error.strerror}", param_hint="--files-from") from error
        names = content.split(b"\0") if self.null else content.splitlines()
        return [Path(os.fsdecode(name)) for name in names if name]


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """``[PATH...]``, ``--exclude``, ``--files-from`` and ``-0``, as one argument `inputs` of the command."""

    def gathered(
        *, paths: tuple[Path, ...], exclude: tuple[str, ...], files_from: str | None, null: bool, **others: Any
    ) -> Any:
        if not paths and files_from is None:
            raise click.UsageError("name files or folders, or a list of them with --files-from")
        return command(inputs=Inputs(paths, exclude, files_from, null), **others)

    gathered.__doc__, gathered.__name__ = command.__doc__, command.__name__
    if hasattr(command, "__click_params__"):
        gathered.__click_params__ = command.__click_params__  # type: ignore[attr-defined]
    for option in (
        click.option("-0", "null", is_flag=True, help="Names in --files-from end with NUL, as of find -print0."),
        click.option("--files-from", metavar="FILE|-", help="Read further paths from FILE, or from standard input."),
        click.option(
            "--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders of this name or path."
        ),
        click.argument("paths", nargs=-1, metavar="[PATH]...", callback=_check_paths),
    ):
        option(gathered)
    return gathered
