"""Answers read from a file, for the commands that take RESULTS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from songscore.marks import Marks
    from songscore.results import TrackResult

SHOWN = 3
"""Lines that are not answers and named on standard error; the others are counted."""


class Answers:
    """The answers in a file. A line that is none is named on standard error, and all of them are counted at the end.

    Parameters
    ----------
    path : Path
        JSON Lines, as of ``songscore label --format jsonl``.
    hint : str
        What the user calls the file.
    marks : Marks, optional
        Labels given by a person, which outrank those in the file.

    Attributes
    ----------
    n_refused : int
        Lines that were no answers.
    """

    def __init__(self, path: Path, hint: str = "RESULTS", marks: Marks | None = None) -> None:
        self.path, self.hint, self.marks, self.n_refused = path, hint, marks, 0

    def __iter__(self) -> Iterator[TrackResult]:
        """Read the file.

        Raises
        ------
        click.BadParameter
            No line of it is an answer.
        """
        from songscore.batch.lines import read_results

        n_answers = 0
        for track in read_results(self.path, self._refuse):
            n_answers += 1
            yield self.marks.decide(track) if self.marks else track
        if self.n_refused and not n_answers:
            raise click.BadParameter(f"{self.path} holds no answers", param_hint=self.hint)
        if self.n_refused:
            lines = "1 line is not an answer" if self.n_refused == 1 else f"{self.n_refused} lines are not answers"
            click.echo(f"{self.path}: {lines} and left out", err=True)

    def _refuse(self, error: ValueError) -> None:
        from songscore.cli.terminal import clean

        self.n_refused += 1
        if self.n_refused <= SHOWN:
            click.echo(clean(str(error)), err=True)
