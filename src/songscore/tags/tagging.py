"""From a label to the tags of a file, and back.

A file is never changed in place. Its successor is made in memory and has to pass three checks: the new entries can be
read back, all other tags are what they were, and the sound decodes to the same samples. Then the undo journal is
written to disk, and then the successor takes the file's place in one step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from itertools import zip_longest
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec

import numpy as np

from songscore.audio import open_audio
from songscore.decision import Question
from songscore.errors import AudioError, SongscoreError, TagError
from songscore.results import TrackResult
from songscore.tags.containers import Tags, Values, named
from songscore.tags.marks import (
    INSTRUMENTAL,
    MODEL,
    NAMES,
    Changes,
    Entries,
    changes,
    decided_again,
    difference,
    made_by_hand,
    wanted,
)
from songscore.tags.replacement import check_writable, replace
from songscore.tags.undo import UndoJournal

Wanted = Callable[[Entries], Mapping[str, Values]]
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResult:
    """What happened to the tags of one file, or would.

    Attributes
    ----------
    path : str
    status : {"changed", "unchanged", "kept", "failed"}
        "kept" for a file that is left alone on purpose.
    before : mapping of str to tuple of str
        The entries of `songscore.tags.marks.NAMES` that were there.
    changes : mapping of str to tuple of str or None
        Entries that are new, other, or with None no more.
    message : str
        Why, where `status` is "kept" or "failed".
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
        Where it is put down how the file was.
    keep_mtime : bool
        Keep the modification time of the file.
    """

    journal: UndoJournal = field(default_factory=UndoJournal)
    keep_mtime: bool = False


def _told(work: Callable[Concatenate[str, P], TagResult]) -> Callable[Concatenate[str, P], TagResult]:
    """The same work on a path, with an answer where it would raise."""

    @wraps(work)
    def told(path: str, /, *args: P.args, **kwargs: P.kwargs) -> TagResult:
        try:
            return work(path, *args, **kwargs)
        except OSError as error:
            where = f": {error.filename}" if error.filename not in (None, path) else ""
            message = f"{error.strerror or error}{where}"
        except SongscoreError as error:
            message = str(error)
        return TagResult(path=path, status="failed", message=message)

    return told


def tag_track(
    track: TrackResult, *, writing: Writing | None = None, language: bool = False, certain_only: bool = False
) -> TagResult:
    """Take a label to the tags of its file.

    Parameters
    ----------
    track : TrackResult
        Of a file.
    writing : Writing, optional
        Without it nothing is written, and the answer says what would change.
    language : bool
        Also write ``zxx`` into the language of instrumental score, where there is none.
    certain_only : bool
        Leave files alone whose label lies in the band of doubt.
    """
    if track.path is None:
        raise ValueError("this is the label of samples in memory; only a file has tags")
    if track.label is None or track.song_probability is None:
        return TagResult(path=track.path, status="failed", message=f"no label: {track.status}")
    if certain_only and not track.certain:
        return TagResult(path=track.path, status="kept", message="in the band of doubt")
    label = wanted(track.label, track.song_probability, track.model)
    return _retag(track.path, lambda entries: label, writing, language)


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
    """
    Question(threshold)
    return _retag(os.fspath(path), lambda entries: decided_again(entries, threshold), writing, language)


def undo(path: str | os.PathLike[str], journal: UndoJournal) -> TagResult:
    """Take a file back to what it was before songscore wrote its tags.

    A file that nobody has touched since gets its former bytes and modification time, wherever it is now. In another,
    those of songscore's tags that still are as it wrote them get their former values.
    """
    return _take_back(os.fspath(path), journal)


@_told
def _retag(path: str, decide: Wanted, writing: Writing | None, language: bool) -> TagResult:
    target = Path(path).resolve(strict=True)
    seen, entries = target.stat(), Tags(path).entries(NAMES)
    if made_by_hand(entries):
        mark = f"{INSTRUMENTAL}={'; '.join(entries[INSTRUMENTAL])}"
        return TagResult(path=path, status="kept", before=entries, message=f"{mark} was set by hand")
    new = changes(entries, decide(entries), language)
    if not new:
        return TagResult(path=path, status="unchanged", before=entries)
    check_writable(target, seen)
    if writing is not None:
        old = target.read_bytes()
        content = _checked(path, old, new)
        writing.journal.add(str(target), seen.st_mtime_ns, old, content, entries, new)
        replace(target, content, seen, seen.st_mtime_ns if writing.keep_mtime else None)
    return TagResult(path=path, status="changed", before=entries, changes=new)


@_told
def _take_back(path: str, journal: UndoJournal) -> TagResult:
    target = Path(path).resolve(strict=True)
    seen, entries = target.stat(), Tags(path).entries(NAMES)
    if MODEL not in entries:
        return TagResult(path=path, status="unchanged", before=entries)
    check_writable(target, seen)
    content = target.read_bytes()
    former, mtime_ns = journal.restored(str(target), content) or (None, None)
    if former is None:
        back = journal.back(str(target), entries)
        if not back:
            raise TagError(f"{journal.path} does not say what its tags were")
        former = _checked(path, content, back)
    replace(target, former, seen, mtime_ns)
    now = Tags(path, former).entries(NAMES)
    return TagResult(path=path, status="changed", before=entries, changes=difference(entries, now))


def _checked(path: str, old: bytes, new: Changes) -> bytes:
    """The content with other entries, after it was found that nothing else has changed."""
    was = Tags(path, old)
    content = Tags(path, old).written(old, new)
    now = Tags(path, content)
    if difference(was.entries(NAMES), now.entries(NAMES)) != new:
        raise TagError("the tags cannot be read back; the file is left as it is")
    if was.others(NAMES) != now.others(NAMES):
        raise TagError("other tags would change; the file is left as it is")
    if not _same_sound(path, old, content):
        raise TagError("the sound would change; the file is left as it is")
    return content


def _same_sound(path: str, old: bytes, new: bytes) -> bool:
    """Whether both decode to the same samples, in the first two channels."""
    with open_audio(named(old, path)) as stream:
        rate = stream.native_rate
    try:
        with open_audio(named(old, path), rate=rate) as was, open_audio(named(new, path), rate=rate) as now:
            blocks = zip_longest(was.blocks(layout="mid/side"), now.blocks(layout="mid/side"))
            return all(np.array_equal(one, other) for one, other in blocks)
    except AudioError:
        return False
