"""The checks that a file with new tags has to pass before it takes the place of the old one.

There are three: every raw item of the old file is there, byte for byte; mutagen, which has no part in the writing,
finds the new entries and reads all others as before; and the sound decodes to the same samples.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import zip_longest
from typing import Any

import mutagen
import numpy as np
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

from songscore.audio import open_audio
from songscore.errors import AudioError, TagError
from songscore.tags.containers import Tags
from songscore.tags.items import LANGUAGE, Changes, Values
from songscore.tags.marks import NAMES, Entries

_UNPARSABLE = (
    mutagen.MutagenError, OSError, EOFError, MemoryError, ValueError, LookupError, TypeError, AttributeError,
    NotImplementedError, struct.error,
)  # fmt: skip
"""All that mutagen raises for bytes that are not tags."""

_NAMED = 3
"""How many lost items a message names."""


def check(path: str, old: bytes, new: bytes, entries: Entries, changes: Changes) -> None:
    """Raise where a new file differs from the old one in more than the entries.

    Parameters
    ----------
    path : str
        Path of the file, for messages and for mutagen, which looks at its suffix.
    old, new : bytes
        The whole file before and after.
    entries : mapping
        The entries of `NAMES` in the old file.
    changes : mapping
        New values of entries; None for one that was to be removed.

    Raises
    ------
    TagError
        Something else would change; the message says what.
    """
    wanted = {name: values for name, values in {**entries, **changes}.items() if values is not None}
    _check_items(Tags(old), Tags(new), wanted)
    _check_by_mutagen(path, old, new, wanted)
    if not _same_sound(path, old, new):
        raise TagError("the sound would change; the file is left as it is")


def _check_items(was: Tags, now: Tags, wanted: Entries) -> None:
    if now.entries(NAMES) != wanted:
        raise TagError("the tags cannot be read back; the file is left as it is")
    lost = Counter(was.others(NAMES)) - Counter(now.others(NAMES))
    if lost:
        named = ", ".join(sorted({item.what for item in lost})[:_NAMED])
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise TagError(f"other tags would change ({named}{more}); the file is left as it is")


def _check_by_mutagen(path: str, old: bytes, new: bytes, wanted: Entries) -> None:
    in_ape = Tags(new).in_ape
    try:
        was = _reading(path, old, in_ape)
    except _UnknownKind:
        raise
    except TagError:  # mutagen cannot read the old tags, so it cannot check the new ones either
        return
    now = _reading(path, new, in_ape)
    if now.ours != wanted:
        raise TagError("the tags cannot be read back; the file is left as it is")
    lost = [str(key) for key, value in was.others.items() if now.others.get(key) != value]
    if lost:
        raise TagError(f"other tags would change ({', '.join(lost[:_NAMED])}); the file is left as it is")
    if was.others and len(now.others) > len(was.others):  # without others before, a new tag may repeat the chunks
        raise TagError("other tags would appear; the file is left as it is")


class _UnknownKind(TagError):
    """mutagen does not recognise the kind of file."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Tags as mutagen reads them."""

    ours: dict[str, Values]
    others: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Family:
    """How mutagen names an entry and gives its values, in one family of tags."""

    key: Callable[[str], str]
    values: Callable[[Any], Iterable[str]]


_ID3 = _Family(
    key=lambda name: "TLAN" if name == LANGUAGE else f"TXXX:{name}", values=lambda frame: map(str, frame.text)
)
_MP4 = _Family(
    key=lambda name: f"----:com.apple.iTunes:{name}",
    values=lambda atoms: (bytes(atom).decode("utf-8", "replace") for atom in atoms),
)
_PLAIN = _Family(key=lambda name: name, values=lambda texts: map(str, texts))


def _reading(path: str, content: bytes, in_ape: bool) -> _Reading:
    """What mutagen finds in a file."""
    with _parsing():
        tags = APEv2(BytesIO(content)) if in_ape and content.rfind(b"APETAGEX") >= 0 else _load(named(content, path))
        family = _family_of(tags)
        keys = {family.key(name).casefold(): name for name in NAMES}
        ours: dict[str, Values] = {}
        others: dict[str, object] = {}
        for key in {} if tags is None else tags.keys():
            name = keys.get(key.casefold())
            if name is None:
                others[key] = tags[key]
            else:
                ours[name] = ours.get(name, ()) + tuple(family.values(tags[key]))
    return _Reading(ours, others)


def _load(source: BytesIO) -> Any:
    file = mutagen.File(source)
    if file is None:
        raise _UnknownKind("the tags cannot be read: mutagen does not know this kind of file")
    if isinstance(file.tags, ID3):
        source.seek(0)
        file = type(file)(source, translate=False, load_v1=False)
    return file.tags


def _family_of(tags: object) -> _Family:
    if isinstance(tags, ID3):
        return _ID3
    return _MP4 if isinstance(tags, MP4Tags) else _PLAIN


@contextmanager
def _parsing() -> Iterator[None]:
    try:
        yield
    except _UNPARSABLE as error:
        raise TagError(f"the tags cannot be read: {str(error) or type(error).__name__}") from error


def named(content: bytes, path: str) -> BytesIO:
    """A file in memory with a name, since mutagen looks at its suffix."""
    file = BytesIO(content)
    file.name = path
    return file


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
