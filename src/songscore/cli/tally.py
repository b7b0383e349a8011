"""Counts of answers, and the closing lines about them on standard error."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from songscore.release import UNREAD
from songscore.results import SONG, TrackResult


class Tally:
    """Counts answers.

    Attributes
    ----------
    n_answers : int
    length : float
        Of all tracks together, in seconds.
    """

    def __init__(self) -> None:
        self._met = Counter[str]()
        self.n_answers, self.length = 0, 0.0

    def add(self, track: TrackResult) -> None:
        """Count an answer."""
        self.n_answers += 1
        self.length += track.duration or 0.0
        self._met.update(_kinds(track))

    def counting(self, tracks: Iterable[TrackResult]) -> Iterator[TrackResult]:
        """Yield the answers unchanged, and count them."""
        for track in tracks:
            self.add(track)
            yield track

    @property
    def is_complete(self) -> bool:
        """Whether every file has an answer: a label, or that it is not music."""
        return not self._met["unread"]

    @property
    def n_doubtful(self) -> int:
        """Number of labels in doubt."""
        return self._met["doubtful"]

    def labels(self) -> str:
        """How many of each label, as in ``3 songs, 1 score``."""
        return f"{count(self._met['song'], 'song')}, {count(self._met['score'], 'score')}"

    def counts(self, *, doubt: bool = False) -> str:
        """Like `labels`, with the files that have no label and, with `doubt`, the labels in doubt."""
        without = {"unread": "could not be read", "no music": "without music"}
        named = {"doubtful": "in doubt", **without} if doubt else without
        return ", ".join(
            [self.labels(), *(f"{self._met[kind]} {text}" for kind, text in named.items() if self._met[kind])]
        )

    def summary(self, output: Path | None, *, answers: Path | None) -> str:
        """The closing lines: counts, the file that was written, and how to review the doubtful tracks.

        Parameters
        ----------
        output : Path or None
            The file that was written.
        answers : Path or None
            The file of JSON Lines that holds the answers, if there is one.
        """
        line = f"{count(self.n_answers, 'file')}: {self.counts()}{placed(output)}"
        if not self.n_doubtful:
            return line
        return f"{line}\n{self.n_doubtful} in doubt: {how_to_hear(answers)}"


def _kinds(track: TrackResult) -> Iterator[str]:
    if track.label is None:
        yield "unread" if track.status in UNREAD else "no music"
        return
    yield "song" if track.label == SONG else "score"
    if not track.certain:
        yield "doubtful"


def count(number: int, noun: str) -> str:
    """A number with its noun, whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def how_to_hear(answers: Path | None) -> str:
    """The command with which to review doubtful tracks, given the file of JSON Lines that holds them, if any."""
    if answers is None:
        return "label with -o FILE.jsonl, then songscore report FILE.jsonl"
    return f"songscore report {shown(answers)}"


def placed(output: Path | None) -> str:
    """The words ``; in FILE`` that end a line about what was written; "" for standard output."""
    return "" if output is None else f"; in {shown(output)}"


def shown(path: Path | str) -> str:
    """A path quoted for a shell, without control characters."""
    from songscore.cli.terminal import clean

    return clean(shlex.quote(str(path)))
