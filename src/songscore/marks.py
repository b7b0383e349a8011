"""Labels given by a person, which outrank the model.

A mark belongs to a sound: it is known by a digest of its bytes without the tags, so a file keeps its mark when it is
moved, renamed or tagged. A mark without a digest, written by hand in a spreadsheet perhaps, belongs to its path.

``marks.csv`` is a table in UTF-8 with the columns of `COLUMNS` in any order. Only `path` and `label` are required, and
other columns are ignored. A path that is not UTF-8, that begins like a formula of a spreadsheet, or that holds control
characters is written as ``file:`` and its percent-encoded bytes.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote_from_bytes

from songscore._files import write_whole
from songscore.results import (
    SCORE,
    SONG,
    SOUND_DIGEST,
    Label,
    Status,
    TrackResult,
    exact_path,
    portable_path,
    shortened,
)
from songscore.results.fields import LONGEST

MarkLabel = Label | Literal["neither"]

NEITHER: Literal["neither"] = "neither"

COLUMNS = ("path", "label", "seconds", "said", "probability", "sound")

_LABELS: dict[str, MarkLabel] = {SONG: SONG, SCORE: SCORE, "score": SCORE, NEITHER: NEITHER}
"""What may stand in the column `label`, and what it means."""

_SAID = ("", SONG, SCORE, *get_args(Status))

_COMMANDS = re.compile(r"^[=+\-@]|[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Text that a spreadsheet would run as a formula, or a terminal obey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A label that a person gave to a track.

    Attributes
    ----------
    path : str
        Where the file was when it was marked.
    label : {"song", "instrumental score", "neither"}
        "neither" is for sound that is not music, and for music that belongs in neither class.
    seconds : float or None
        Length of the track, in seconds.
    said : str
        What the model had said: a label, the status where it gave none, or "" where that is not known.
    probability : float or None
        Song probability that the model had given, in [0, 1].
    sound : str
        Digest of the stored sound, as of `TrackResult.sound_digest`; "" where it is not known. Then the path counts.
    """

    path: str
    label: MarkLabel
    seconds: float | None = None
    said: str = ""
    probability: float | None = None
    sound: str = ""

    @classmethod
    def of(cls, track: TrackResult, label: MarkLabel) -> Mark:
        """A mark with this label for a track, and what the model had said of it."""
        by_model = track.by == "model"
        return cls(
            path=track.path or "",
            label=label,
            seconds=track.duration,
            said=(track.label or track.status) if by_model else "",
            probability=track.song_probability if by_model else None,
            sound=track.sound_digest or "",
        )


class Marks:
    """Marks, looked up by sound and by path; of several for one file, the last counts.

    Parameters
    ----------
    marks : iterable of Mark
    """

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        self._by_sound, self._by_path = dict[str, Mark](), dict[str, Mark]()
        for mark in marks:
            self.add(mark)

    def __iter__(self) -> Iterator[Mark]:
        """The marks that count: first those with a digest of the sound, then those with a path alone."""
        yield from self._by_sound.values()
        yield from (mark for mark in self._by_path.values() if not mark.sound)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, mark: Mark) -> None:
        """Add a mark; it replaces an earlier one for the same file."""
        place = _place(mark.path)
        earlier = self._by_path.pop(place, None)
        if earlier is not None and (not mark.sound or not earlier.sound):
            self._by_sound.pop(earlier.sound, None)
        self._by_path[place] = mark
        if mark.sound:
            self._by_sound.pop(mark.sound, None)
            self._by_sound[mark.sound] = mark

    def remove(self, track: TrackResult) -> None:
        """Remove the mark of a track, if it has one."""
        mark = self.of(track)
        if mark is not None:
            self._by_sound.pop(mark.sound, None)
            self._by_path.pop(_place(mark.path), None)

    def of(self, track: TrackResult) -> Mark | None:
        """The mark of a track: by its sound or, where the sound of the mark or the track is not known, by its path."""
        if mark := self._by_sound.get(track.sound_digest or ""):
            return mark
        if track.path is None or not self._by_path:
            return None
        there = self._by_path.get(_place(track.path))
        return None if there is None or (there.sound and track.sound_digest) else there

    def decide(self, track: TrackResult) -> TrackResult:
        """The answer for a track with the label of its mark; without a mark, the answer as it is.

        The label of a mark is certain, with a song probability of 1 or 0; the status is "ok", or stays "partial". A
        track marked as neither has no label and the status "not_music". What was heard of the track is kept.
        """
        mark = self.of(track)
        if mark is None:
            return track
        track = replace(track, contributions=(), by="hand")
        if mark.label == NEITHER:
            why = "marked by hand as neither song nor instrumental score"
            return replace(track, label=None, song_probability=None, certain=False, status="not_music", message=why)
        if track.status != "partial":
            track = replace(track, status="ok", message="")
        return replace(track, label=mark.label, song_probability=float(mark.label == SONG), certain=True)


MarkSource = str | os.PathLike[str] | Mapping[str, str] | Iterable[Mark] | Marks | None


def as_marks(source: MarkSource) -> Marks:
    """Marks from any argument `marks` of a public function: a file, marks, or a mapping of path to label.

    Raises
    ------
    ValueError
        As for `read_marks`; or a label in a mapping is not "song", "instrumental score" or "neither".
    """
    if isinstance(source, Marks):
        return source
    if isinstance(source, (str, os.PathLike)):
        return Marks(read_marks(source))
    if isinstance(source, Mapping):
        return Marks(_mark({"path": portable_path(os.fspath(p)), "label": label}) for p, label in source.items())
    return Marks(source or ())


def read_marks(path: str | os.PathLike[str], refused: Callable[[ValueError], object] | None = None) -> list[Mark]:
    """The marks in a file.

    Parameters
    ----------
    path : path
        A table as described at the head of this module.
    refused : callable, optional
        Called with the error of each line that is not a mark, and reading goes on; without it, the error is raised.

    Returns
    -------
    list of Mark
        In the order of the lines.

    Raises
    ------
    ValueError
        A line is not a mark: the message names the file, the line, the field and its value. Or the file has no columns
        `path` and `label`.
    """
    marks = []
    name = os.fspath(path)
    with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file, restval="", restkey="")
        _check_columns(rows, name)
        while True:
            try:
                marks.append(_mark(next(rows)))
            except StopIteration:
                return marks
            except (ValueError, csv.Error) as error:
                number = rows.line_num + isinstance(error, csv.Error)  # which is raised before its line is counted
                why = ValueError(f"{name}, line {number}: {error}")
                if refused is None:
                    raise why from error
                refused(why)


def write_marks(marks: Iterable[Mark], path: str | os.PathLike[str]) -> None:
    """Write marks to a file, whole or not at all.

    Parameters
    ----------
    marks : iterable of Mark
    path : path
        A file that is there is replaced; behind a link, the file that it leads to.

    Raises
    ------
    OSError
        The file cannot be written; what was there stays.
    """
    write_whole(Path(path).resolve(), f"{','.join(COLUMNS)}\n{csv_lines(marks)}")


def csv_lines(marks: Iterable[Mark]) -> str:
    """Marks as they stand in a file, below its first line."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for mark in marks:
        seconds = "" if mark.seconds is None else f"{mark.seconds:.2f}"
        probability = "" if mark.probability is None else f"{mark.probability:.4f}"
        rows.writerow([written_path(mark.path), mark.label, seconds, mark.said, probability, mark.sound])
    return text.getvalue()


def written_path(path: str) -> str:
    """A path as it stands in ``marks.csv``; `songscore.results.exact_path` takes it back."""
    return "file:" + quote_from_bytes(os.fsencode(path)) if _COMMANDS.search(path) else portable_path(path)


def _check_columns(rows: csv.DictReader[str], name: str) -> None:
    """Raise `ValueError` where there are no columns for paths and labels."""
    try:
        columns = rows.fieldnames or ()
    except csv.Error as error:
        raise ValueError(f"{name}, line 1: {error}") from error
    missing = [column for column in ("path", "label") if column not in columns]
    if missing:
        raise ValueError(f"{name}, line 1: no column {' and none '.join(missing)}; marks have {', '.join(COLUMNS)}")


def _mark(fields: Mapping[str, str]) -> Mark:
    """A mark from the cells of a row, each checked."""
    path, label, sound, said = (fields.get(name, "") for name in ("path", "label", "sound", "said"))
    if not path or "\0" in path:
        raise _wrong("path", path, "the path of a file")
    if label not in _LABELS:
        raise _wrong("label", label, " or ".join(f'"{name}"' for name in (SONG, SCORE, NEITHER)))
    if sound and not SOUND_DIGEST.fullmatch(sound):
        raise _wrong("sound", sound, "a digest of 64 hexadecimal digits")
    if said not in _SAID:
        raise _wrong("said", said, "a label or a status")
    return Mark(
        path=exact_path(path),
        label=_LABELS[label],
        seconds=_number(fields, "seconds", LONGEST, "seconds"),
        said=said,
        probability=_number(fields, "probability", 1, "a number from 0 to 1"),
        sound=sound,
    )


def _number(fields: Mapping[str, str], name: str, highest: float, words: str) -> float | None:
    """The number in a cell; None where the cell is empty. `words` say in an error what is needed."""
    text = fields.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise _wrong(name, text, words) from None
    if not 0 <= value <= highest:
        raise _wrong(name, text, words)
    return value


def _wrong(name: str, value: str, needed: str) -> ValueError:
    return ValueError(f"{name} is {shortened(value)}; {needed} is needed")


def _place(path: str) -> str:
    """The absolute path of a file with links resolved, so that each file has one name."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path
