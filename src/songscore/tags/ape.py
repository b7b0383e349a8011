"""APEv2 tags at the end of a file; see https://wiki.hydrogenaud.io/index.php?title=APEv2_specification."""

from __future__ import annotations

import re

from songscore.errors import TagError
from songscore.tags.id3 import id3v1
from songscore.tags.items import Changes, Content, Item, Values, kept_bytes, new_entries

_FOOTER = 32
_LYRICS = 15
"""Bytes that end a Lyrics3v2 tag: six digits and ``LYRICS200``."""

_HAS_HEADER, _IS_HEADER = 1 << 31, 1 << 29


class ApeTag:
    """The APE tag of a file, or the place for a new one; it stands from byte `start` to `end`.

    Raises
    ------
    TagError
        It is longer than the file, or an item in it is longer than the tag.
    """

    def __init__(self, content: Content) -> None:
        ends = len(content) - len(id3v1(content))
        self.start = self.end = ends
        self.items: list[Item] = []
        self.found = False
        self._version = (2000).to_bytes(4, "little")
        self._flags = _HAS_HEADER
        for end in (ends, _before_lyrics(content, ends)):
            footer = content[max(0, end - _FOOTER) : end]
            if footer.startswith(b"APETAGEX") and len(footer) == _FOOTER:
                self._read(content, end, footer)
                break

    def _read(self, content: Content, end: int, footer: bytes) -> None:
        self.found, self._version = True, footer[8:12]
        size, count, self._flags = (int.from_bytes(footer[at : at + 4], "little") for at in (12, 16, 20))
        first = end - size
        self.start, self.end = first - (_FOOTER if self._flags & _HAS_HEADER else 0), end
        if size < _FOOTER or self.start < 0:
            raise TagError("the tags cannot be read: the APE tag is longer than the file")
        if self._flags & _HAS_HEADER and content[self.start : self.start + 8] != b"APETAGEX":
            raise TagError("the tags cannot be read: the APE tag does not begin where its end says")
        body, place = content[first : end - _FOOTER], 0
        for _ in range(count):
            item = _item(body[place:])
            self.items.append(item)
            place += len(item.raw)
        self._rest = body[place:]
        if any(self._rest):
            raise TagError("the tags cannot be read: the APE tag holds more than its items")

    def with_entries(self, changes: Changes) -> bytes:
        """The tag with entries set or taken out."""
        items = kept_bytes(self.items, changes) + [_entry(name, values) for name, values in new_entries(changes)]
        body = b"".join(items)
        numbers = self._version + (len(body) + _FOOTER).to_bytes(4, "little") + len(items).to_bytes(4, "little")

        def end(flags: int) -> bytes:
            return b"APETAGEX" + numbers + flags.to_bytes(4, "little") + bytes(8)

        header = end(self._flags | _IS_HEADER) if self._flags & _HAS_HEADER else b""
        return header + body + end(self._flags)


def _before_lyrics(content: Content, end: int) -> int:
    """Where a Lyrics3v2 tag that ends here begins."""
    tail = content[max(0, end - _LYRICS) : end]
    found = re.fullmatch(rb"(\d{6})LYRICS200", tail)
    return max(0, end - _LYRICS - int(found[1])) if found else end


def _item(content: bytes) -> Item:
    size, flags = int.from_bytes(content[:4], "little"), int.from_bytes(content[4:8], "little")
    key_end = content.find(b"\0", 8, 8 + 256)
    end = key_end + 1 + size
    if key_end < 0 or end > len(content):
        raise TagError("the tags cannot be read: an APE item is longer than its tag")
    key = content[8:key_end].decode("ascii", "replace")
    raw, what = content[:end], f"APE item {key}"
    if flags & 6:
        return Item(what, raw)
    text = content[key_end + 1 : end].decode("utf-8", "replace")
    return Item(what, raw, key.upper(), tuple(text.split("\0")))


def _entry(name: str, values: Values) -> bytes:
    text = "\0".join(values).encode()
    return len(text).to_bytes(4, "little") + bytes(4) + name.encode() + b"\0" + text
