"""Answers on disk: JSON Lines, one `TrackResult.to_dict` per line, in UTF-8."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from songscore.results import TrackResult


def read_results(path: str | os.PathLike[str]) -> Iterator[TrackResult]:
    """Answers from a file of JSON Lines, in the order in which they were written.

    Raises
    ------
    ValueError
        A line is not an answer; the message names it.
    """
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{os.fspath(path)}, line {number}: {error}") from error
            yield TrackResult.from_dict(fields)
