r"""Paths and other text whose bytes are not UTF-8, for files and screens.

In Python, each such byte of a path is a lone surrogate (see `os.fsdecode`), which most readers of JSON refuse. In
files, `portable_path` writes such a path as ``file:music/caf%E9.mp3``, and `exact_path` turns that back. In other text,
`as_utf8` puts an escape in place of such a byte.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes


def portable_path(path: str) -> str:
    """The path itself, or ``file:`` and its percent-encoded bytes where these are not UTF-8.

    A path that begins with ``file:`` is encoded too, so that `exact_path` always gives back the same path.
    """
    if path == as_utf8(path) and not path.startswith("file:"):
        return path
    return "file:" + quote_from_bytes(os.fsencode(path))


def exact_path(text: str) -> str:
    """The path of which `portable_path` made this text, for `open`."""
    return os.fsdecode(unquote_to_bytes(text.removeprefix("file:"))) if text.startswith("file:") else text


def as_utf8(text: str) -> str:
    r"""Text that every encoder takes: bytes of a file name that are not UTF-8 become escapes, 0xFF ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
