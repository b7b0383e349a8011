"""WAV and AIFF: chunks, one of which may hold an ID3 tag.

Programs that use TagLib read only the ID3 tag where there is one. So a new ID3 tag repeats the text chunks of the file:
``LIST INFO`` in WAV, and ``NAME``, ``AUTH``, ``(c) `` and ``ANNO`` in AIFF.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from songscore.errors import TagError
from songscore.tags.id3 import EMPTY_TAG, Id3
from songscore.tags.items import Changes, Content, Item, new_entries
from songscore.tags.marks import NAMES

_INFO_FRAMES = {
    "INAM": "TIT2", "IART": "TPE1", "IPRD": "TALB", "ICRD": "TDRC", "IGNR": "TCON", "ICMT": "COMM", "IPRT": "TRCK",
    "ITRK": "TRCK", "ICOP": "TCOP", "IMUS": "TCOM", "IWRI": "TEXT", "ICNM": "TPE3", "IENG": "TPE4", "IBPM": "TBPM",
    "ISRC": "TSRC", "ISFT": "TSSE", "IPUB": "TPUB", "ISTR": "TOPE", "ISBJ": "TIT1", "IMED": "TMED", "ITCH": "TENC",
}  # fmt: skip
_AIFF_FRAMES = {"NAME": "TIT2", "AUTH": "TPE1", "(c) ": "TCOP", "ANNO": "COMM"}
_SOUND = {b"data", b"SSND"}


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    body: int
    end: int
    """End of the content; a zero may follow that makes its length even."""


class Chunks:
    """A WAV or AIFF file.

    Raises
    ------
    TagError
        A chunk is longer than the file.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._order: Literal["little", "big"] = "little" if content[:4] == b"RIFF" else "big"
        self._end = 8 + int.from_bytes(content[4:8], self._order)
        if self._end > len(content) + 1 or self._end < 12:
            raise TagError("the tags cannot be read: the file is shorter than its header says")
        self._end = min(self._end, len(content))
        self._chunks = list(self._walk())
        self._tagged = next((chunk for chunk in self._chunks if chunk.kind.upper() == b"ID3 "), None)
        self._tag = Id3(content[self._tagged.body : self._tagged.end]) if self._tagged else None
        self.items = [
            *(self._tag.items if self._tag else ()),
            *(Item(f"chunk {_shown(chunk)}", self._content[chunk.start : chunk.end]) for chunk in self._others()),
        ]

    def with_entries(self, changes: Changes) -> bytes:
        """The file with entries set or taken out."""
        if self._tagged is None or self._tag is None:
            tag, kind = Id3(EMPTY_TAG), b"ID3 " if self._order == "big" else b"id3 "
            put = self._chunk(kind, tag.with_entries(changes, tag.frames_of(self._texts())))
            start = end = self._end
            put = bytes(start % 2) + put
        else:
            start, end = self._tagged.start, min(self._tagged.end + self._tagged.end % 2, self._end)
            more = self._tag.frames_of(self._texts()) if new_entries(changes) and self._only_ours(self._tag) else b""
            after = self._content[self._tagged.body : self._tagged.end][self._tag.end :]
            put = self._chunk(self._content[start : start + 4], self._tag.with_entries(changes, more) + after)
        new = bytearray(b"".join((self._content[:start], put, self._content[end : len(self._content)])))
        size = self._end - 8 + len(put) - (end - start)
        if size >= 1 << 32:
            raise TagError("the file would be longer than 4 GB; it is left as it is")
        new[4:8] = size.to_bytes(4, self._order)
        return bytes(new)

    def _walk(self) -> Iterator[_Chunk]:
        start = 12
        while start + 8 <= self._end:
            head = self._content[start : start + 8]
            end = start + 8 + int.from_bytes(head[4:], self._order)
            if end > self._end:
                raise TagError(f"the tags cannot be read: the chunk {head[:4]!r} is longer than the file")
            yield _Chunk(head[:4], start, start + 8, end)
            start = end + (end - start) % 2

    def _others(self) -> Iterator[_Chunk]:
        return (chunk for chunk in self._chunks if chunk is not self._tagged and chunk.kind not in _SOUND)

    @staticmethod
    def _only_ours(tag: Id3) -> bool:
        """Whether the tag holds songscore's entries alone, so that programs that read only it would show no title."""
        return all(item.name in NAMES or not any(item.raw) for item in tag.items)

    def _chunk(self, kind: bytes, body: bytes) -> bytes:
        return kind + len(body).to_bytes(4, self._order) + body + bytes(len(body) % 2)

    def _texts(self) -> dict[str, str]:
        """The texts in the file's own chunks, by the ID3 frames that are made of them."""
        texts: dict[str, str] = {}
        for chunk in self._chunks:
            body = self._content[chunk.body : chunk.end] if chunk.kind not in _SOUND else b""
            if chunk.kind == b"LIST" and body.startswith(b"INFO"):
                for kind, text in _info(body):
                    if text and kind in _INFO_FRAMES:
                        texts.setdefault(_INFO_FRAMES[kind], text)
            elif self._order == "big" and (frame := _AIFF_FRAMES.get(chunk.kind.decode("latin-1"))):
                texts.setdefault(frame, _text(body))
        return {frame: text for frame, text in texts.items() if text}


def _info(body: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts in the body of a ``LIST INFO`` chunk."""
    start = 4
    while start + 8 <= len(body):
        end = start + 8 + int.from_bytes(body[start + 4 : start + 8], "little")
        yield body[start : start + 4].decode("latin-1").upper(), _text(body[start + 8 : end])
        start = end + (end - start) % 2


def _text(raw: bytes) -> str:
    """Text of unknown encoding: UTF-8 where it is valid, otherwise Windows-1252."""
    raw = raw.split(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _shown(chunk: _Chunk) -> str:
    return chunk.kind.decode("latin-1").strip()
