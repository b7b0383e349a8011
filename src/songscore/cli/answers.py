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
"""How many lines that are not answers are named on standard error; the others are only counted."""


class Answers:
    """The answers in a file, read one by one; lines that are not answers are reported on standard error.

    Parameters
    ----------
    path : Path
        JSON Lines, as ``songscore label --format jsonl`` writes them.
    hint : str
        The argument or option that named the file, for messages.
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
            The file has lines, but none of them is an answer.
        """
        from songscore.batch.lines import read_results

        n_answers = 0
        for track in read_results(self.path, self._refuse):
            n_answers += 1
            yield self.marks.decide(track) if self.marks else track
        if self.n_refused and not n_answers:
            raise click.BadParameter(f"{self.path} holds no answers", param_hint=self.hint)
        if self.n_refused:
            n = self.n_refused
            lines = "1 line is not an answer and was" if n == 1 else f"{n} lines are not answers and were"
            click.echo(f"{self.path}: {lines} left out", err=True)

    def _refuse(self, error: ValueError) -> None:
        from songscore.cli.terminal import clean

        self.n_refused += 1
        if self.n_refused <= SHOWN:
            click.echo(clean(str(error)), err=True)
