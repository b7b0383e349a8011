"""FLAC: metadata blocks, one of which holds Vorbis comments; see RFC 9639."""

from __future__ import annotations

from songscore.errors import TagError
from songscore.tags.id3 import Id3
from songscore.tags.items import Changes, Content, Item
from songscore.tags.vorbis import VorbisComments, no_comments

_COMMENTS = 4
_LAST = 0x80
_LONGEST = 1 << 24


class Flac:
    """A FLAC file, which may begin with an ID3 tag.

    Raises
    ------
    TagError
        The metadata blocks do not end where the sound begins.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        front = Id3(content) if content[:3] == b"ID3" else None
        self._start = 4 + (front.end if front else 0)
        self._blocks, end = list[tuple[int, bytes]](), self._start
        while not self._blocks or not self._blocks[-1][0] & _LAST:
            head = content[end : end + 4]
            size = int.from_bytes(head[1:], "big")
            if len(head) < 4 or end + 4 + size > len(content):
                raise TagError("the tags cannot be read: a FLAC metadata block is longer than the file")
            self._blocks.append((head[0], content[end + 4 : end + 4 + size]))
            end += 4 + size
        sync = content[end : end + 2]
        if sync and (len(sync) < 2 or sync[0] != 0xFF or sync[1] & 0xFC != 0xF8):
            raise TagError("the tags cannot be read: no sound after the FLAC metadata blocks")
        self._sound = end
        kinds = [kind & ~_LAST for kind, _ in self._blocks]
        self._at = kinds.index(_COMMENTS) if _COMMENTS in kinds else None
        self._comments = VorbisComments(no_comments() if self._at is None else self._blocks[self._at][1])
        others = (block for at, block in enumerate(self._blocks) if at != self._at)
        self.items = [
            *(item.unnamed() for item in (front.items if front else ())),
            *(Item(f"FLAC metadata block {kind & ~_LAST}", bytes([kind & ~_LAST]) + body) for kind, body in others),
            *self._comments.items,
        ]

    def with_entries(self, changes: Changes) -> bytes:
        """The file with entries set or taken out."""
        block = self._comments.with_entries(changes)
        if len(block) >= _LONGEST:
            raise TagError("the Vorbis comments would be longer than 16 MB; the file is left as it is")
        blocks = [(kind & ~_LAST, body) for kind, body in self._blocks]
        if self._at is None:
            blocks.insert(1, (_COMMENTS, block))
        else:
            blocks[self._at] = _COMMENTS, block
        last = len(blocks) - 1
        heads = (
            bytes([kind | _LAST * (n == last)]) + len(body).to_bytes(3, "big") for n, (kind, body) in enumerate(blocks)
        )
        written = b"".join(head + body for head, (_, body) in zip(heads, blocks, strict=True))
        return self._content[: self._start] + written + self._content[self._sound : len(self._content)]
