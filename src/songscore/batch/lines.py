"""Reads the lines of a journal: answers, settings, and lines that are neither."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from songscore.results import TrackResult

LONGEST_LINE = 64_000_000
"""Bytes of the longest line that is read as one; an answer for a day of sound has 2 MB."""

Refused = Callable[[ValueError], object]

HEADER = b'{"songscore": '
ANSWER = b'{"path": '
"""First bytes of a line of settings, and of the line of an answer."""


def read_results(path: str | os.PathLike[str], refused: Refused | None = None) -> Iterator[TrackResult]:
    """The answers in a file of JSON Lines; an incomplete last line, from a run that was stopped, is skipped.

    Parameters
    ----------
    path : path
    refused : callable, optional
        Called with the error of each line that is not an answer, and reading goes on; without it, the error is raised.

    Raises
    ------
    ValueError
        A line is not an answer; the message names the file, the line, the field and its value.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(lines_of(file), 1):
            try:
                fields = fields_of(line)
                if "songscore" not in fields:
                    yield TrackResult.from_dict(fields)
            except (ValueError, RecursionError) as error:
                if is_torn(line):
                    continue
                why = ValueError(f"{os.fspath(path)}, line {number}: {error}")
                if refused is None:
                    raise why from error
                refused(why)


def fields_of(line: bytes) -> dict[str, Any]:
    """The fields of a line; `ValueError` if it is not a JSON object."""
    fields = json.loads(line.decode(), parse_constant=_refuse_constant)
    if not isinstance(fields, dict):
        raise ValueError(f"not an answer of songscore: {shown(line)}")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not an answer of songscore: {name} is not a number in JSON")


def lines_of(file: IO[bytes], end: int | None = None) -> Iterator[bytes]:
    """The lines up to a position; one that is too long comes in pieces."""
    with open(file.fileno(), "rb", closefd=False) as buffered:
        buffered.seek(0)
        read = partial(buffered.readline, LONGEST_LINE)
        while (line := read()) and (end is None or buffered.tell() <= end):
            yield line


def is_torn(line: bytes, *, first: bool = False) -> bool:
    """Whether the end of a file is a line of a journal that was cut short; a power cut may leave zeros after it."""
    rest = line.rstrip(b"\0")
    starts = [HEADER] if first else [HEADER, ANSWER]
    begins_so = any(rest[: len(start)] == start[: len(rest)] for start in starts)
    return not line.endswith(b"\n") and begins_so and not (first and not rest)


def shown(line: bytes) -> str:
    """A line as a message shows it: its first 60 bytes."""
    text = repr(line[:60].decode(errors="replace").rstrip("\n"))
    return text if len(line) <= 60 else f"{text} ..."
