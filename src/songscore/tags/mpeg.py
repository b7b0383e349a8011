"""Files that have tags around the sound: ID3v2 before it; Lyrics3, APE and ID3v1 behind it.

MP3 and TrueAudio get their entries in ID3v2, except where there is only an APE tag: a new ID3v2 tag would hide its
title from programs that read only the first tag they find. Monkey's Audio, WavPack, Musepack and OptimFROG get them in
APE.
"""

from __future__ import annotations

from songscore.tags.ape import ApeTag
from songscore.tags.id3 import EMPTY_TAG, Id3, from_id3v1, id3v1
from songscore.tags.items import Changes, Content, Item


class Mpeg:
    """A file that has tags around the sound.

    Parameters
    ----------
    content : bytes-like
    ape : bool
        Whether this kind of file has APE tags.

    Raises
    ------
    TagError
        A tag is longer than the file.
    """

    def __init__(self, content: Content, ape: bool = False) -> None:
        self._content = content
        self._front = Id3(content) if content[:3] == b"ID3" else None
        self._ape = ApeTag(content)
        self._v1 = id3v1(content)
        self.in_ape = ape or (self._front is None and self._ape.found)
        front = self._front.items if self._front else []
        behind = [Item("ID3v1", self._v1)] if self._v1 else []
        self.items = [
            *((item.unnamed() for item in front) if self.in_ape else front),
            *(self._ape.items if self.in_ape else (item.unnamed() for item in self._ape.items)),
            *behind,
        ]

    def with_entries(self, changes: Changes) -> bytes:
        """The file with entries set or taken out."""
        size = len(self._content)
        if self.in_ape:
            start, end = self._ape.start, self._ape.end
            return self._content[:start] + self._ape.with_entries(changes) + self._content[end:size]
        tag = self._front or Id3(from_id3v1(self._v1) if self._v1 else EMPTY_TAG)
        return tag.with_entries(changes) + self._content[self._front.end if self._front else 0 : size]
