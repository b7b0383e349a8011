"""Entries in the tags of any container, through mutagen.

An entry is a name and its values, a tuple of strings. A name becomes a ``TXXX`` frame in ID3 (MP3, AIFF, WAV), a
freeform atom in MP4, and stays as it is in Vorbis comments (FLAC, Ogg Vorbis, Opus) and APE. ``LANGUAGE`` has a frame
of its own in ID3, ``TLAN``. Whether letters are capital does not matter when a name is looked up.

All else stays as it was: the version of ID3, ID3v1 at the end, frames that nobody knows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import mutagen
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TLAN, TXXX
from mutagen.mp4 import MP4FreeForm, MP4Tags
from mutagen.ogg import OggFileType

from songscore.errors import TagError

Values = tuple[str, ...]

LANGUAGE = "LANGUAGE"

_ID3V1 = 128
"""Bytes of an ID3v1 tag, the last of the file, from the letters TAG on."""

_UNPARSABLE = (
    mutagen.MutagenError, OSError, EOFError, MemoryError, ValueError, LookupError, TypeError, AttributeError,
    NotImplementedError, struct.error,
)  # fmt: skip
"""All that mutagen raises over bytes that are no tags."""


@dataclass(frozen=True, slots=True)
class _Family:
    """How one family of tags names and holds an entry."""

    key: Callable[[str], str]
    decode: Callable[[Any], Iterable[str]]
    encode: Callable[[str, Values], object]


def _id3_frame(name: str, values: Values) -> object:
    text = list(values)
    return TLAN(encoding=3, text=text) if name == LANGUAGE else TXXX(encoding=3, desc=name, text=text)


_ID3 = _Family(
    key=lambda name: "TLAN" if name == LANGUAGE else f"TXXX:{name}",
    decode=lambda frame: map(str, frame.text),
    encode=_id3_frame,
)
_MP4 = _Family(
    key=lambda name: f"----:com.apple.iTunes:{name}",
    decode=lambda atoms: (bytes(atom).decode("utf-8", "replace") for atom in atoms),
    encode=lambda _, values: [MP4FreeForm(value.encode()) for value in values],
)
_PLAIN = _Family(key=lambda name: name, decode=lambda texts: map(str, texts), encode=lambda _, values: list(values))


class Tags:
    """The tags of one file.

    Parameters
    ----------
    path : str
    content : bytes, optional
        What is in the file; without it, the file is read, though not beyond its tags.

    Raises
    ------
    TagError
        mutagen cannot parse them, or the container takes no such entries.
    """

    def __init__(self, path: str, content: bytes | None = None) -> None:
        with _parsing("read"), Path(path).open("rb") if content is None else named(content, path) as source:
            self._file = _load(source)
            self._family = _family_of(self._file)

    def entries(self, names: Iterable[str]) -> dict[str, Values]:
        """Those of the entries that are there."""
        keys = {name: self._key(name) for name in names}
        with _parsing("read"):
            return {name: tuple(self._family.decode(self._file.tags[key])) for name, key in keys.items() if key}

    def others(self, names: Iterable[str]) -> dict[str, object]:
        """All that is there besides these entries, as mutagen has it."""
        ours = {self._key(name) for name in names}
        return {key: value for key, value in self._file.tags.items() if key not in ours}

    def written(self, content: bytes, changes: Mapping[str, Values | None]) -> bytes:
        """The content with these entries set or, for None, without them.

        Raises
        ------
        TagError
            mutagen cannot write them.
        """
        file = BytesIO(content)
        with _parsing("written"):
            for name, values in changes.items():
                self._put(name, values)
            self._file.save(file, **_saving(self._file.tags))
        return _with_id3v1_of(content, file.getvalue())

    def _key(self, name: str) -> str | None:
        """The key under which the container has the name, in whatever capitals."""
        wanted = self._family.key(name).casefold()
        return next((key for key in self._file.tags.keys() if key.casefold() == wanted), None)  # noqa: SIM118

    def _put(self, name: str, values: Values | None) -> None:
        found = self._key(name)
        if found is not None:
            del self._file.tags[found]
        if values is not None:
            self._file.tags[self._family.key(name)] = self._family.encode(name, values)


@contextmanager
def _parsing(what: str) -> Iterator[None]:
    try:
        yield
    except _UNPARSABLE as error:
        raise TagError(f"the tags cannot be {what}: {str(error) or type(error).__name__}") from error


def _load(source: BinaryIO) -> Any:
    file = mutagen.File(source)
    if file is None:
        raise ValueError("a file of no kind that mutagen knows")
    if isinstance(file.tags, ID3):
        source.seek(0)
        file = type(file)(source, **_untranslated(file.tags.version))
    if file.tags is None:
        file.add_tags()
    return file


def named(content: bytes, path: str) -> BytesIO:
    """A file in memory that has its name."""
    file = BytesIO(content)
    file.name = path
    return file


def _untranslated(version: tuple[int, ...]) -> dict[str, Any]:
    """Frames stay of the version that they have; those of ID3v2.2 and ID3v1, which mutagen does not write, are raised.

    ID3v1 is looked at only where there is nothing else.
    """
    written = version >= (2, 3)
    return {"translate": not written, "v2_version": _version_to_write(version), "load_v1": version < (2, 2)}


def _version_to_write(version: tuple[int, ...]) -> int:
    return 3 if (2, 2) <= version < (2, 4) else 4


def _family_of(file: Any) -> _Family:
    if isinstance(file, (FLAC, OggFileType)) or isinstance(file.tags, APEv2):
        return _PLAIN
    if isinstance(file.tags, ID3):
        return _ID3
    if isinstance(file.tags, MP4Tags):
        return _MP4
    raise ValueError("songscore writes ID3, Vorbis comments, APE and MP4, and these are none of them")


def _saving(tags: object) -> dict[str, Any]:
    """Options of mutagen that keep the version of ID3, and several values apart."""
    return {"v2_version": _version_to_write(tags.version), "v23_sep": None} if isinstance(tags, ID3) else {}


def _with_id3v1_of(old: bytes, new: bytes) -> bytes:
    """Mutagen would write ID3v1 afresh from what is in ID3v2."""
    v1 = old[-_ID3V1:]
    return new[:-_ID3V1] + v1 if v1.startswith(b"TAG") and new[-_ID3V1:].startswith(b"TAG") else new
