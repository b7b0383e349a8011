"""Ogg: pages, packets, and the packet of Vorbis comments in a stream of Vorbis, Opus, Speex or FLAC; see RFC 3533.

The pages are found here; mutagen lays out the pages of a new packet and numbers those behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from mutagen.ogg import OggPage

from songscore.errors import TagError
from songscore.tags.items import Changes, Content
from songscore.tags.vorbis import VorbisComments

_FLAC = b"\x7fFLAC"
_MAGICS = {b"\x01vorbis": b"\x03vorbis", b"OpusHead": b"OpusTags", b"Speex   ": b"", _FLAC: b""}
"""First bytes of a stream of each kind, and of its packet of comments."""

_HEAD = 27
_FLAC_HEAD = 4
"""Bytes of a FLAC metadata block before what it holds: its kind, and its length in three bytes."""


@dataclass(frozen=True, slots=True)
class _Page:
    start: int
    serial: bytes
    flags: int
    lacing: bytes
    end: int

    @property
    def body(self) -> int:
        return self.start + _HEAD + len(self.lacing)


class Ogg:
    """An Ogg file, with the tags of its first stream of sound.

    Raises
    ------
    TagError
        There is no such stream, or its pages do not hold its packet of comments.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._first, magic = self._first_stream()
        pages, self._packet = self._comment_packet()
        begins, self._in_flac = _MAGICS[magic], magic == _FLAC
        if not self._packet.startswith(begins):
            raise TagError("the tags cannot be read: the second packet of the Ogg stream holds no comments")
        head = _FLAC_HEAD if self._in_flac else len(begins)
        self._head = self._packet[:head]
        self._comments = VorbisComments(self._packet[head:])
        self.items = [*self._comments.items]
        self._place = pages[0].start

    def with_entries(self, changes: Changes) -> bytes:
        """The file with entries set or taken out."""
        comments = self._comments.with_entries(changes)
        head = self._head[:1] + len(comments).to_bytes(3, "big") if self._in_flac else self._head
        file = BytesIO(self._content[: len(self._content)])
        file.seek(self._place)
        old = [OggPage(file)]
        while not (old[-1].complete or len(old[-1].packets) > 1):
            page = OggPage(file)
            if page.serial == old[0].serial:
                old.append(page)
        packets = OggPage.to_packets(old, strict=False)
        if packets[0] != self._packet:
            raise TagError(
                "the tags cannot be written: the comments do not begin an Ogg page; the file is left as it is"
            )
        packets[0] = head + comments
        OggPage.replace(file, old, OggPage.from_packets(packets, old[0].sequence))
        return file.getvalue()

    def _first_stream(self) -> tuple[_Page, bytes]:
        for page in _pages(self._content, 0):
            if not page.flags & 2:
                break
            start = self._content[page.body : page.body + 8]
            for magic in _MAGICS:
                if start.startswith(magic):
                    return page, magic
        raise TagError("the tags cannot be read: no stream of Vorbis, Opus, Speex or FLAC in the Ogg file")

    def _comment_packet(self) -> tuple[list[_Page], bytes]:
        pages, packet = list[_Page](), bytearray()
        for page in _pages(self._content, self._first.end):
            if page.serial != self._first.serial:
                continue
            pages.append(page)
            place = page.body
            for length in page.lacing:
                place += length
                if length < 255:
                    return pages, bytes(packet + self._content[page.body : place])
            packet += self._content[page.body : place]
        raise TagError("the tags cannot be read: the Ogg stream ends inside its comments")


def _pages(content: Content, start: int) -> Iterator[_Page]:
    """Pages from `start` on, as far as one follows directly on the other."""
    while (head := content[start : start + _HEAD])[:4] == b"OggS" and len(head) == _HEAD:
        lacing = content[start + _HEAD : start + _HEAD + head[26]]
        end = start + _HEAD + len(lacing) + sum(lacing)
        if end > len(content):
            return
        yield _Page(start, head[14:18], head[5], lacing, end)
        start = end
