"""Writes a label to the tags of a file, and undoes it.

A file is never changed in place. The new file is made in memory and has to pass the checks of `songscore.tags.checks`:
the new entries can be read back, every other item of its tags is there byte for byte, and the sound decodes to the same
samples. Then the undo journal is written to disk, and at last the new file takes the place of the old one in one step.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec

from songscore.audio.identity import sound_digest
from songscore.decision import Question
from songscore.errors import SongscoreError, TagError
from songscore.model.track_model import LONGEST_NAME
from songscore.results import SCORE, SONG, TrackResult
from songscore.tags.checks import check
from songscore.tags.containers import Tags
from songscore.tags.delta import LARGEST
from songscore.tags.items import FileContent, Values
from songscore.tags.marks import (
    BY_HAND,
    INSTRUMENTAL,
    MODEL,
    NAMES,
    Changes,
    Entries,
    changes,
    decided_again,
    difference,
    from_mark,
    made_by_hand,
    wanted,
)
from songscore.tags.replacement import check_regular, check_writable, replace
from songscore.tags.undo import UndoJournal

Wanted = Callable[[Entries], Mapping[str, Values]]
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResult:
    """What happened or would happen to the tags of one file.

    Attributes
    ----------
    path : str
    status : {"changed", "unchanged", "kept", "failed"}
        "kept" for a file that is left alone on purpose, as its `message` explains.
    before : mapping of str to tuple of str
        The entries of `songscore.tags.marks.NAMES` that the file had.
    changes : mapping of str to tuple of str or None
        New values of entries; None for one that is removed.
    message : str
        The reason, where `status` is "kept" or "failed".
    """

    path: str
    status: Literal["changed", "unchanged", "kept", "failed"]
    before: Entries = field(default_factory=dict)
    changes: Changes = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How tags are written.

    Attributes
    ----------
    journal : UndoJournal
        Records how each file was, so that `undo` can restore it.
    keep_mtime : bool
        Keep the modification time of the file.
    """

    journal: UndoJournal = field(default_factory=UndoJournal)
    keep_mtime: bool = False


def _without_errors(work: Callable[Concatenate[str, P], TagResult]) -> Callable[Concatenate[str, P], TagResult]:
    """Wrap work on a path, so that it returns a failed result instead of raising an error."""

    @wraps(work)
    def answered(path: str, /, *args: P.args, **kwargs: P.kwargs) -> TagResult:
        try:
            return work(path, *args, **kwargs)
        except OSError as error:
            where = f": {error.filename}" if error.filename not in (None, path) else ""
            message = f"{error.strerror or error}{where}"
        except MemoryError:
            message = "it takes more memory than there is; the file is left as it is"
        except (SongscoreError, ValueError) as error:  # also a path with NUL, or one that no file system has
            message = str(error)
        return TagResult(path=path, status="failed", message=message)

    return answered


def tag_track(
    track: TrackResult, *, writing: Writing | None = None, language: bool = False, certain_only: bool = False
) -> TagResult:
    """Write a label to the tags of its file.

    Parameters
    ----------
    track : TrackResult
        The answer for a file.
    writing : Writing, optional
        Without it nothing is written, and the result says what would change.
    language : bool
        Also set the language of instrumental score to ``zxx``, no linguistic content, where there is none.
    certain_only : bool
        Leave files alone whose label lies in the band of doubt.

    Raises
    ------
    ValueError
        The answer has no path: it is for samples in memory.
    """
    if track.path is None:
        raise ValueError("this is the label of samples in memory; only a file has tags")
    if track.label is None or track.song_probability is None:
        return TagResult(path=track.path, status="failed", message=f"no label: {track.status}")
    if complaint := _complaint(track):
        return TagResult(path=track.path, status="failed", message=f"not an answer of songscore: {complaint}")
    if certain_only and not track.certain:
        return TagResult(path=track.path, status="kept", message="in the band of doubt")
    by_hand = track.by == "hand"
    label = wanted(track.label, track.song_probability, BY_HAND if by_hand else track.model)
    return _retag(track.path, lambda entries: label, writing, language, track.sound_digest, by_hand=by_hand)


def _complaint(track: TrackResult) -> str:
    """What is wrong with an answer, which may come from a file or another machine; "" for a valid one."""
    p: Any = track.song_probability
    label: Any = track.label
    if label not in (SONG, SCORE):
        return f"label={track.label!r}"
    if track.status not in ("ok", "partial"):
        return f"a label beside status={track.status!r}"
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not math.isfinite(p) or not 0 <= p <= 1:
        return f"song_probability={p!r} is not a probability"
    if not 0 < len(track.model) <= LONGEST_NAME or not track.model.isprintable():
        return f"model={track.model[:LONGEST_NAME]!r} is not the name of a model"
    return ""


def relabel(
    path: str | os.PathLike[str], threshold: float, *, writing: Writing | None = None, language: bool = False
) -> TagResult:
    """Decide again from the probability in the file's tags, without listening.

    Parameters
    ----------
    path : path
    threshold : float
        Song probability from which the label is "song", in (0, 1).
    writing, language
        As for `tag_track`.

    Raises
    ------
    TypeError, ValueError
        The threshold is not a number in (0, 1).
    """
    Question(threshold)
    return _retag(os.fspath(path), lambda entries: decided_again(entries, threshold), writing, language)


def undo(path: str | os.PathLike[str], journal: UndoJournal) -> TagResult:
    """Restore a file as it was before songscore wrote its tags.

    If nobody has changed the file since, it gets its former bytes and modification time, even if it was moved. In a
    file that was changed, the tags that still have the values that songscore wrote get their former values.
    """
    return _take_back(os.fspath(path), journal)


@_without_errors
def _retag(
    path: str,
    decide: Wanted,
    writing: Writing | None,
    language: bool,
    labelled: str | None = None,
    *,
    by_hand: bool = False,
) -> TagResult:
    target, seen, entries = _read_entries(path)
    if made_by_hand(entries) and not (by_hand and from_mark(entries)):
        mark = f"{INSTRUMENTAL}={'; '.join(entries[INSTRUMENTAL])}"
        return TagResult(path=path, status="kept", before=entries, message=f"{mark} was set by hand")
    new = changes(entries, decide(entries), language)
    if not new:
        return TagResult(path=path, status="unchanged", before=entries)
    check_writable(target, seen)
    with target.open("rb") as file:
        sound = sound_digest(file)
    if labelled not in (None, sound):
        raise TagError("this is another file than the one that was labelled, its sound differs; label it again")
    if writing is not None:
        old = target.read_bytes()
        content = _checked(path, old, new)
        writing.journal.add(str(target), seen.st_mtime_ns, old, content, entries, new, sound)
        replace(target, content, seen, seen.st_mtime_ns if writing.keep_mtime else None)
    return TagResult(path=path, status="changed", before=entries, changes=new)


def _read_entries(path: str) -> tuple[Path, os.stat_result, dict[str, Values]]:
    """The file that a path leads to through any links, its state, and its entries."""
    target = Path(path).resolve(strict=True)
    seen = target.stat()
    check_regular(seen)
    if seen.st_size > LARGEST:
        raise TagError(f"the file is larger than {LARGEST >> 30} GB, more than songscore tags; it is left as it is")
    with FileContent(target) as content:
        return target, seen, Tags(content).entries(NAMES)


@_without_errors
def _take_back(path: str, journal: UndoJournal) -> TagResult:
    target, seen, entries = _read_entries(path)
    if MODEL not in entries:
        return TagResult(path=path, status="unchanged", before=entries)
    check_writable(target, seen)
    content = target.read_bytes()
    former, mtime_ns = journal.restored(str(target), content) or (None, None)
    if former is None:
        back = journal.back(str(target), entries, sound_digest(BytesIO(content)))
        if not back:
            raise TagError(f"the undo journal {journal.path} does not say what its tags were")
        former = _checked(path, content, back)
    replace(target, former, seen, mtime_ns)
    now = Tags(former).entries(NAMES)
    return TagResult(path=path, status="changed", before=entries, changes=difference(entries, now))


def _checked(path: str, old: bytes, new: Changes) -> bytes:
    """The content with these changes; `TagError` where anything else would change."""
    tags = Tags(old)
    content = tags.with_entries(new)
    check(path, old, content, tags.entries(NAMES), new)
    return content
