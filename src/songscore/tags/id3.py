"""ID3v2.2, 2.3 and 2.4, and ID3v1: frames as they stand in the file.

New frames go before the others, so that a reader which stops at a damaged frame has seen them. They are shorter than
128 bytes or are refused, so their size reads the same whether it is synchsafe or not (some programs write plain sizes
into ID3v2.4). Padding, extended header, flags and whatever follows the last frame stay as they are.

See https://id3.org/id3v2.4.0-structure, https://id3.org/id3v2.3.0 and https://id3.org/id3v2-00.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from mutagen.id3 import ID3, ParseID3v1

from songscore.errors import TagError
from songscore.tags.items import LANGUAGE, Changes, Content, Item, Values, kept_bytes, new_entries

HEADER = 10
V1 = 128
"""Bytes of an ID3v1 tag, the last of the file, from the letters TAG on."""

EMPTY_TAG = b"ID3\4\0\0" + bytes(4)
"""An ID3v2.4 tag without frames and padding."""

_LONGEST_SIZE = 1 << 28
_LONGEST_TEXT = 1 << 16
"""Bytes of a compressed text frame that are looked at."""

_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


@dataclass(frozen=True, slots=True)
class _Version:
    """How one version of ID3v2 lays out its frames."""

    major: int
    id_length: int
    header: int
    user_text: bytes
    language: bytes


_VERSIONS = {
    2: _Version(2, 3, 6, b"TXX", b"TLA"),
    3: _Version(3, 4, 10, b"TXXX", b"TLAN"),
    4: _Version(4, 4, 10, b"TXXX", b"TLAN"),
}


class Id3:
    """The ID3v2 tag at the start of the content.

    Raises
    ------
    TagError
        It is cut short, of another version, or compressed as a whole.
    """

    def __init__(self, content: Content) -> None:
        self._header = content[:HEADER]
        size = _synchsafe(self._header[6:10])
        major, _, self._flags = self._header[3:6]
        if major not in _VERSIONS or size is None:
            raise TagError(
                f"the tags cannot be read: the header of the ID3v2.{major} tag is damaged or of an unknown version"
            )
        if major == 2 and self._flags & _EXTENDED:
            raise TagError("the tags cannot be read: the ID3v2.2 tag is compressed as a whole")
        self._version = _VERSIONS[major]
        self._raw = content[HEADER : HEADER + size]
        footer = HEADER if major == 4 and self._flags & _FOOTER else 0
        self.end = HEADER + size + footer
        if self.end > len(content):
            raise TagError("the tags cannot be read: the ID3 tag is longer than the file")
        self._footer = content[HEADER + size : self.end]
        self._body, self._stuffed = self._raw, list[int]()
        if major < 4 and self._flags & _UNSYNCHRONISED:
            zeros = [found.start() + 1 for found in re.finditer(b"\xff\x00", self._raw)]
            self._stuffed = [zero - number for number, zero in enumerate(zeros)]
            self._body = self._raw.replace(b"\xff\x00", b"\xff")
        self._first = self._extended_header()
        self.items = list(self._items())

    def with_entries(self, changes: Changes, more: bytes = b"") -> bytes:
        """The tag with entries set or removed, and with the frames `more`.

        Raises
        ------
        TagError
            The tag has a checksum or would be too long, or an entry is too long for a frame.
        """
        if self._has_checksum():
            raise TagError("its ID3 tag has a checksum, which songscore does not write; the file is left as it is")
        new = b"".join(entry_frame(self._version.major, name, values) for name, values in new_entries(changes)) + more
        if self._version.major < 4 and self._flags & _UNSYNCHRONISED:
            new = re.sub(rb"\xff(?=[\xe0-\xff\x00])", b"\xff\x00", new)
        body = self._span(0, self._first) + new + b"".join(kept_bytes(self.items, changes))
        size = _synchsafe_bytes(len(body))
        footer = self._footer[:6] + size if self._footer else b""
        return self._header[:6] + size + body + footer

    def frames_of(self, texts: Mapping[str, str]) -> bytes:
        """Text frames for texts by frame name, as in ID3v2.3 and 2.4; nothing for ID3v2.2."""
        if self._version.major == 2:
            return b""
        return b"".join(text_frame(self._version.major, frame.encode(), text) for frame, text in texts.items())

    def _span(self, start: int, end: int) -> bytes:
        """Bytes as they stand in the file; `start` and `end` count in the body without unsynchronisation."""
        return self._raw[self._place(start) : self._place(end)]

    def _place(self, index: int) -> int:
        return index + bisect_right(self._stuffed, index)

    def _extended_header(self) -> int:
        """Where the first frame begins."""
        head = self._body[:4]
        if self._version.major == 2 or not self._flags & _EXTENDED or _is_id(head, 4):
            return 0
        size = int.from_bytes(head, "big") + 4 if self._version.major == 3 else _synchsafe(head)
        if size is None or not 6 <= size <= len(self._body):
            raise TagError("the tags cannot be read: the extended ID3 header is longer than its tag")
        return size

    def _has_checksum(self) -> bool:
        where, bit = (4, 0x80) if self._version.major == 3 else (5, 0x20)
        return bool(self._first and self._body[where] & bit)

    def _items(self) -> Iterator[Item]:
        places = list(_walk(self._body, self._first, self._version, synchsafe=self._version.major == 4))
        if self._version.major == 4 and not self._ends_well(places):
            plain = list(_walk(self._body, self._first, self._version, synchsafe=False))
            places = plain if self._ends_well(plain) else places
        for start, end in places:
            yield self._item(start, end)
        end = places[-1][1] if places else self._first
        if end < len(self._body):
            yield Item("ID3 padding or what stands there", self._span(end, len(self._body)))

    def _ends_well(self, places: list[tuple[int, int]]) -> bool:
        end = places[-1][1] if places else self._first
        return not any(self._body[end : end + self._version.header])

    def _item(self, start: int, end: int) -> Item:
        version, frame = self._version, self._body[start:end]
        frame_id = frame[: version.id_length]
        item = Item(f"ID3 frame {frame_id.decode('ascii')}", self._span(start, end))
        if frame_id not in (version.user_text, version.language):
            return item
        text = _texts(_payload(frame, version, bool(self._flags & _UNSYNCHRONISED)))
        if text is None:
            return item
        name, values = (LANGUAGE, text) if frame_id == version.language else (text[0].upper(), text[1:])
        if name == LANGUAGE and frame_id != version.language:
            return item
        return Item(f"{item.what}:{name}", item.raw, name, values)


def id3v1(content: Content) -> bytes:
    """The ID3v1 tag at the end of the content, or nothing."""
    tag = content[max(0, len(content) - V1) : len(content)]
    return tag if len(tag) == V1 and tag.startswith(b"TAG") else b""


def from_id3v1(tag: bytes) -> bytes:
    """An ID3v2.4 tag with the texts of an ID3v1 tag, for programs that read only one of the two."""
    frames, file = ID3(), BytesIO()
    for frame in (ParseID3v1(tag) or {}).values():
        if frame.FrameID == "COMM":
            frame.desc = ""  # to most programs, a comment with a description is not the comment
        frames.add(frame)
    frames.save(file, v1=0, v2_version=4, padding=lambda _: 0)
    return file.getvalue() or EMPTY_TAG


def entry_frame(major: int, name: str, values: Values) -> bytes:
    """An entry as a frame.

    Raises
    ------
    TagError
        It is too long.
    """
    version = _VERSIONS[major]
    if name == LANGUAGE:
        return text_frame(major, version.language, "\0".join(values))
    return text_frame(major, version.user_text, "\0".join((name, *values)), shortest=True)


def text_frame(major: int, frame_id: bytes, text: str, shortest: bool = False) -> bytes:
    """A text frame; comments get no language and no description.

    Raises
    ------
    TagError
        It is longer than 127 bytes where it has to be short.
    """
    head = b"XXX" if frame_id == b"COMM" else b""
    encoded = _encoded(major, ("\0" if head else "") + text)
    data = encoded[:1] + head + encoded[1:]
    if shortest and len(data) > 127:
        raise TagError(f"{text.split(chr(0))[0]} is too long for a tag; the file is left as it is")
    if major == 2:
        return frame_id + len(data).to_bytes(3, "big") + data
    size = _synchsafe_bytes(len(data)) if major == 4 else len(data).to_bytes(4, "big")
    return frame_id + size + b"\0\0" + data


def _encoded(major: int, text: str) -> bytes:
    """UTF-8 where the version knows it; otherwise Latin-1, or UTF-16 with a byte order mark in each string."""
    if major == 4:
        return b"\3" + text.encode()
    try:
        return b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"\1" + b"\0\0".join(b"\xff\xfe" + part.encode("utf-16-le") for part in text.split("\0"))


def _walk(body: bytes, start: int, version: _Version, synchsafe: bool) -> Iterator[tuple[int, int]]:
    """Start and end of each frame, up to the first that is not valid."""
    while start + version.header <= len(body) and _is_id(body[start : start + version.id_length], version.id_length):
        field = body[start + version.id_length : start + (6 if version.major == 2 else 8)]
        size = _synchsafe(field) if synchsafe else int.from_bytes(field, "big")
        if size is None or start + version.header + size > len(body):
            return
        yield start, start + version.header + size
        start += version.header + size


def _is_id(letters: bytes, length: int) -> bool:
    return re.fullmatch(rb"[A-Z][A-Z0-9 ]*", letters) is not None and len(letters) == length


def _payload(frame: bytes, version: _Version, unsynchronised: bool) -> bytes | None:
    """The content of a frame; None where it is encrypted or cannot be unpacked."""
    content, flags = frame[version.header :], frame[9] if version.header == 10 else 0
    if version.major == 3:
        grouped, compressed, encrypted, counted, stuffed = flags & 0x20, flags & 0x80, flags & 0x40, flags & 0x80, 0
    elif version.major == 4:
        grouped, compressed, encrypted, counted = flags & 0x40, flags & 8, flags & 4, flags & 1
        stuffed = flags & 2 or unsynchronised
    else:
        grouped = compressed = encrypted = counted = stuffed = 0
    if encrypted:
        return None
    if version.major == 3:
        content = content[4 if counted else 0 :][1 if grouped else 0 :]
    else:
        content = content[1 if grouped else 0 :][4 if counted else 0 :]
    if stuffed:
        content = content.replace(b"\xff\x00", b"\xff")
    if compressed:
        try:
            return zlib.decompressobj().decompress(content, _LONGEST_TEXT)
        except zlib.error:
            return None
    return content


def _texts(payload: bytes | None) -> Values | None:
    """The strings of a text frame, in a user text frame its name first; None if the frame cannot be read."""
    if not payload or payload[0] >= len(_ENCODINGS):
        return None
    if payload[0] == 1:
        return _utf16(payload[1:])
    text = payload[1:].decode(_ENCODINGS[payload[0]], "replace")
    return tuple(text.removesuffix("\0").split("\0"))


def _utf16(text: bytes) -> Values:
    """Strings of UTF-16; those without a byte order mark have that of the first."""
    units = text[: len(text) & ~1]
    order = "utf-16-be" if units.startswith(b"\xfe\xff") else "utf-16-le"
    strings = units.decode(order, "replace").removesuffix("\0").split("\0")
    return tuple(string.removeprefix("\ufeff") for string in strings)


def _synchsafe(field: bytes) -> int | None:
    if len(field) != 4 or any(byte & 0x80 for byte in field):
        return None
    return field[0] << 21 | field[1] << 14 | field[2] << 7 | field[3]


def _synchsafe_bytes(size: int) -> bytes:
    if size >= _LONGEST_SIZE:
        raise TagError("the ID3 tag would be longer than 256 MB; the file is left as it is")
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
