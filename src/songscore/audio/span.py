"""Reads a stretch of a file as a file of its own.

Decoders that share a file do not move each other's place in it, and none of them sees what lies before, between or
behind the sound. Every source is read through a span, so a path and a file object give the same samples.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1 << 16
_TAIL = 128
_PRETENDED = 1000
"""Factor of the length that an endless span claims: libsndfile's guess for MPEG may be forty times too short."""


class Span(io.RawIOBase):
    """The bytes of a file from `start` to `end`; reads nothing outside, writes nothing.

    Parameters
    ----------
    file : seekable binary file object
        Stays open.
    start, end : int
    head : bytes
        Bytes that are read instead of the first ones.
    endless : bool
        Claim to be a thousand times as long. libsndfile stops reading an MPEG stream at a length that it guesses from
        the size of the file; with this, it reads to the end.

    Attributes
    ----------
    failure : str
        Why the file could not be read, "" if it could. Decoders take a failure for the end of the file.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, *, head: bytes = b"", endless: bool = False) -> None:
        self._file, self._start, self._length, self._head = file, start, max(0, end - start), head
        self._size = self._length * _PRETENDED if endless else self._length
        self._position = 0
        self.failure = ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        memory = memoryview(buffer).cast("B")
        n = min(len(memory), self._length - self._position)
        if n <= 0:
            return self._pretend(memory)
        content = self._head[self._position : self._position + n] or self._fetch(n)
        memory[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _fetch(self, n: int) -> bytes:
        try:
            return read(self._file, n, self._start + self._position)
        except OSError as error:
            self.failure = self.failure or error.strerror or str(error)
            return b""

    def _pretend(self, memory: memoryview) -> int:
        """Give zeros near the claimed end, where libmpg123 looks for a tag and gives up if there is nothing."""
        if self._size == self._length or self._position < self._size - _TAIL:
            return 0
        n = max(0, min(len(memory), self._size - self._position))
        memory[:n] = bytes(n)
        self._position += n
        return n


def open_span(file: BinaryIO, start: int, end: int, *, head: bytes = b"", endless: bool = False) -> io.BufferedReader:
    """A buffered `Span`, which decoders need."""
    return io.BufferedReader(Span(file, start, end, head=head, endless=endless), _BUFFER)


def read_at(file: BinaryIO, start: int, n_bytes: int) -> bytes:
    """Bytes from a place on; fewer where the file ends."""
    content = read(file, n_bytes, start)
    while len(content) < n_bytes and (more := read(file, n_bytes - len(content))):
        content += more
    return content


def read(file: BinaryIO, n_bytes: int, start: int | None = None) -> bytes:
    """The next bytes or those from a place on, possibly fewer; `OSError` where they cannot be read."""
    with _os_errors():
        if start is not None:
            file.seek(start)
        content: Any = file.read(n_bytes)
    if isinstance(content, str):
        raise TypeError("the file object gives text; open it in binary mode")
    return bytes(content or b"")


def size_of(file: BinaryIO) -> int:
    """Bytes of a file that seeks; `OSError` where it does not."""
    with _os_errors():
        file.seek(0, os.SEEK_END)  # gives nothing in file objects of some packages
        return file.tell()


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn errors of file objects into `OSError`: zipfile, zlib, tarfile and HTTP clients raise those of their own."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
