"""What a run came to, in one line at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from songscore.results import TrackResult

UNREAD = frozenset({"unreadable", "unsupported", "timeout"})
"""Statuses of a file that may well hold music. Any other without a label is an answer: there is none in it."""


class Tally:
    """Counts answers."""

    def __init__(self) -> None:
        self._met = Counter[str]()
        self.n_answers = 0

    def add(self, track: TrackResult) -> None:
        """Count an answer."""
        self.n_answers += 1
        self._met.update(_kinds(track))

    @property
    def is_complete(self) -> bool:
        """Whether every file has an answer: a label, or that it is no music."""
        return not self._met["unread"]

    def summary(self, answers: Path | None) -> str:
        """What was done, and what to do next with the doubtful tracks and the unread files.

        Parameters
        ----------
        answers : Path or None
            JSON Lines in which the answers are.
        """
        from songscore.cli.terminal import clean

        met = self._met
        parts = [f"{met['song']} songs", f"{met['instrumental score']} scores"]
        parts += [f"{met['no music']} without music"] * bool(met["no music"])
        parts += [f"{met['unread']} could not be read"] * bool(met["unread"])
        line = f"{self.n_answers} files: {', '.join(parts)}"
        if not met["doubtful"]:
            return line
        page = f"`songscore report {clean(str(answers))}`" if answers else "`songscore report` on an -o FILE.jsonl"
        return f"{line}; {met['doubtful']} labels are in doubt, {page} shows where to listen"


def _kinds(track: TrackResult) -> Iterator[str]:
    if track.label is None:
        yield "unread" if track.status in UNREAD else "no music"
        return
    yield track.label
    if not track.certain:
        yield "doubtful"
