"""The atoms of an MP4 file, and the list of its tags, ``moov.udta.meta.ilst``.

Atoms are copied as they stand. Where the list grows or shrinks, the sizes of the atoms around it are corrected, and so
are the stored positions of sound behind it, in ``stco``, ``co64`` and ``tfhd`` (ISO/IEC 14496-12, 8.7.5 and 8.8.7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from songscore.errors import TagError
from songscore.tags.items import Changes, Content, Item, Values, kept_bytes, new_entries

MEAN = "com.apple.iTunes"

_PARENTS = {b"moov", b"udta", b"trak", b"mdia", b"minf", b"stbl", b"ilst", b"meta", b"moof", b"traf"}
_PLACES = {b"stco", b"co64", b"tfhd"}
"""Atoms that hold positions of sound in the file."""

_DEEPEST = 12
_LIST_TYPE = b"hdlr" + bytes(8) + b"mdirappl" + bytes(9)


@dataclass(frozen=True, slots=True)
class _Atom:
    kind: bytes
    start: int
    body: int
    end: int


class Mp4:
    """An MP4 file.

    Raises
    ------
    TagError
        An atom is longer than the one it is in.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._top = list(_atoms(content, 0, len(content)))
        self._trail = self._trail_to_list()
        self.items = list(self._items())

    def with_entries(self, changes: Changes) -> bytes:
        """The file with entries set or taken out."""
        new = b"".join(_entry(name, values) for name, values in new_entries(changes))
        *around, last = self._trail
        if last.kind == b"ilst":
            start, end = last.start, last.end
            inside = kept_bytes((_item(self._content, atom) for atom in self._inside(last)), changes)
            put = _atom(b"ilst", b"".join(inside) + new)
        else:
            around, start, end = self._trail, last.end, last.end
            put = _wrapped(_atom(b"ilst", new), last.kind)
            if last.kind == b"udta":
                start = end = last.body  # a zero may end it
        return self._moved(around, start, end, put)

    def _trail_to_list(self) -> list[_Atom]:
        """The atoms from ``moov`` inwards to the list of tags, as far as they exist."""
        moov = next((atom for atom in self._top if atom.kind == b"moov"), None)
        if moov is None:
            raise TagError("the tags cannot be read: an MP4 file without a moov atom")
        trail = [moov]
        for kind in (b"udta", b"meta", b"ilst"):
            found = next((atom for atom in self._inside(trail[-1]) if atom.kind == kind), None)
            if found is None:
                break
            trail.append(found)
        if trail[-1].kind == b"meta":
            kinds = [self._content[a.body + 8 : a.body + 12] for a in self._inside(trail[-1]) if a.kind == b"hdlr"]
            if kinds != [b"mdir"]:
                raise TagError("its metadata is of a kind that songscore does not write; the file is left as it is")
        return trail

    def _inside(self, atom: _Atom) -> list[_Atom]:
        return list(_inside(self._content, atom))

    def _items(self) -> Iterator[Item]:
        for atom in self._top:
            if atom.kind not in (b"mdat", b"moof", b"mfra", b"sidx", b"free", b"skip", b"wide"):
                yield from self._leaves(atom, "")

    def _leaves(self, atom: _Atom, above: str, depth: int = 0) -> Iterator[Item]:
        name = above + atom.kind.decode("latin-1")
        if above.endswith("ilst."):
            yield _item(self._content, atom)
        elif atom.kind in _PARENTS and depth < _DEEPEST:
            for child in self._inside(atom):
                yield from self._leaves(child, f"{name}.", depth + 1)
        elif atom.kind not in _PLACES:
            yield Item(f"MP4 atom {name}", self._content[atom.start : atom.end])

    def _moved(self, around: Sequence[_Atom], start: int, end: int, put: bytes) -> bytes:
        """The file with the bytes from `start` to `end` replaced, and with sizes and positions corrected."""
        grown = len(put) - (end - start)
        new = bytearray(b"".join((self._content[:start], put, self._content[end : len(self._content)])))
        for atom in around:
            _resize(new, atom, grown)
        if grown and any(atom.start >= end for atom in self._top):
            self._shift(new, start, grown)
        return bytes(new)

    def _shift(self, new: bytearray, start: int, grown: int) -> None:
        """Add `grown` bytes to the stored positions of sound from `start` on."""
        if any(atom.kind == b"mfra" for atom in self._top):
            raise TagError("its sound is in fragments with an index, which would be wrong; the file is left as it is")
        for atom in _leaves(bytes(new), list(_atoms(bytes(new), 0, len(new)))):
            if atom.kind == b"saio":
                raise TagError("its sound is encrypted; the file is left as it is")
            for place, width in _places(new, atom):
                position = int.from_bytes(new[place : place + width], "big")
                if position >= start:
                    if position + grown >= 1 << 8 * width:
                        raise TagError("its sound would stand too far back in the file; the file is left as it is")
                    new[place : place + width] = (position + grown).to_bytes(width, "big")


def _atoms(content: Content, start: int, end: int) -> Iterator[_Atom]:
    while end - start >= 8:
        head = content[start : start + 16]
        size, body = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0 and not head[4:8].strip(b"\0"):
            return  # the zero that ends udta in QuickTime
        elif size == 0:
            size = end - start
        if not body - start <= size <= end - start:
            raise TagError("the tags cannot be read: an MP4 atom is longer than the one it is in")
        yield _Atom(head[4:8], start, body, start + size)
        start += size


def _inside(content: Content, atom: _Atom) -> Iterator[_Atom]:
    versioned = atom.kind == b"meta" and content[atom.body + 4 : atom.body + 8] != b"hdlr"
    return _atoms(content, atom.body + 4 * versioned, atom.end)


def _leaves(content: bytes, atoms: Sequence[_Atom], depth: int = 0) -> Iterator[_Atom]:
    for atom in atoms:
        if atom.kind in _PARENTS and atom.kind not in (b"udta", b"meta") and depth < _DEEPEST:
            yield from _leaves(content, list(_inside(content, atom)), depth + 1)
        else:
            yield atom


def _places(content: bytearray, atom: _Atom) -> Iterator[tuple[int, int]]:
    """Place and width, in bytes, of each position of sound that is stored in an atom."""
    if atom.kind in (b"stco", b"co64"):
        width = 4 if atom.kind == b"stco" else 8
        count = int.from_bytes(content[atom.body + 4 : atom.body + 8], "big")
        if count * width > atom.end - atom.body - 8:
            raise TagError("the tags cannot be read: a table in the MP4 file is longer than its atom")
        yield from ((atom.body + 8 + width * number, width) for number in range(count))
    elif atom.kind == b"tfhd" and content[atom.body + 3] & 1:
        yield atom.body + 8, 8


def _resize(content: bytearray, atom: _Atom, grown: int) -> None:
    """Correct the size in the header of an atom around the replaced bytes, which has not moved."""
    place, width = (atom.start, 4) if atom.body - atom.start == 8 else (atom.start + 8, 8)
    size = int.from_bytes(content[place : place + width], "big")
    if size + grown >= 1 << 8 * width:
        raise TagError("an MP4 atom would be too long; the file is left as it is")
    if size:  # an atom of size 0 ends with the file
        content[place : place + width] = (size + grown).to_bytes(width, "big")


def _atom(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def _wrapped(tags: bytes, inside: bytes) -> bytes:
    """A new list of tags, with the atoms that belong around it inside an atom of the kind `inside`."""
    if inside == b"meta":
        return tags
    meta = _atom(b"meta", bytes(4) + _atom(_LIST_TYPE[:4], _LIST_TYPE[4:]) + tags)
    return meta if inside == b"udta" else _atom(b"udta", meta)


def _item(content: Content, atom: _Atom) -> Item:
    raw, kind = content[atom.start : atom.end], atom.kind.decode("latin-1")
    if kind != "----":
        return Item(f"MP4 tag {kind}", raw)
    mean = name = ""
    values = []
    for child in _atoms(raw, atom.body - atom.start, len(raw)):
        text = raw[child.body + (8 if child.kind == b"data" else 4) : child.end].decode("utf-8", "replace")
        if child.kind == b"mean":
            mean = text
        elif child.kind == b"name":
            name = text
        elif child.kind == b"data":
            values.append(text)
    return Item(f"MP4 tag {mean}:{name}", raw, name.upper() if mean == MEAN else "", tuple(values))


def _entry(name: str, values: Values) -> bytes:
    data = [_atom(b"data", (1).to_bytes(4, "big") + bytes(4) + value.encode()) for value in values]
    mean, called = _atom(b"mean", bytes(4) + MEAN.encode()), _atom(b"name", bytes(4) + name.encode())
    return _atom(b"----", mean + called + b"".join(data))
