"""Vorbis comments, as FLAC, Ogg Vorbis, Opus and Speex have them; see https://xiph.org/vorbis/doc/v-comment.html."""

from __future__ import annotations

from songscore.errors import TagError
from songscore.tags.items import Changes, Item, kept_bytes, new_entries


class VorbisComments:
    """The Vorbis comments at the start of some bytes; the bytes behind them are kept.

    Raises
    ------
    TagError
        A comment is longer than the bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        vendor_end = self._after(0)
        self._vendor = content[:vendor_end]
        count = int.from_bytes(content[vendor_end : vendor_end + 4], "little")
        place, self.items = vendor_end + 4, list[Item]()
        if count * 4 > len(content) - place:
            raise TagError("the tags cannot be read: more Vorbis comments than there is room for")
        for _ in range(count):
            end = self._after(place)
            self.items.append(_item(content[place:end]))
            place = end
        self._rest = content[place:]

    def with_entries(self, changes: Changes) -> bytes:
        """The comments with entries set or taken out."""
        comments = kept_bytes(self.items, changes)
        comments += [_comment(f"{name}={value}") for name, values in new_entries(changes) for value in values]
        return self._vendor + len(comments).to_bytes(4, "little") + b"".join(comments) + self._rest

    def _after(self, place: int) -> int:
        """The end of the string whose length stands at `place`."""
        end = place + 4 + int.from_bytes(self._content[place : place + 4], "little")
        if place + 4 > len(self._content) or end > len(self._content):
            raise TagError("the tags cannot be read: a Vorbis comment is longer than its block")
        return end


def no_comments() -> bytes:
    """A block without comments."""
    return _comment("songscore") + bytes(4)


def _comment(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "little") + encoded


def _item(raw: bytes) -> Item:
    name, equals, value = raw[4:].partition(b"=")
    shown = name[:40].decode("ascii", "replace")
    if not (equals and name and name.isascii()):
        return Item(f"Vorbis comment {shown!r}", raw)
    return Item(f"Vorbis comment {shown}", raw, name.decode("ascii").upper(), (value.decode("utf-8", "replace"),))
