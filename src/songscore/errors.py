"""The exceptions of songscore, one small tree.

::

    SongscoreError
    ├── AudioError            a sound file cannot be used; `status` says how a result reports it
    │   ├── UnreadableAudio   missing, empty, damaged from the start, not sound at all
    │   └── UnsupportedAudio  sound, but nothing installed can decode it
    ├── ModelError            a model file is absent, altered, or made for another feature set
    ├── ManifestError         a training manifest breaks its rules
    └── TagError              the tags of a file cannot be read or written; the file is as it was

`songscore.classify_track` turns every `AudioError` into a result with a status. Wrong arguments raise `TypeError` or
`ValueError`, as they do in the rest of Python.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class SongscoreError(Exception):
    """Base of every exception that songscore raises on purpose."""


class AudioError(SongscoreError):
    """A sound file cannot be used."""

    status: ClassVar[Literal["unreadable", "unsupported"]] = "unreadable"


class UnreadableAudio(AudioError):
    """The file is missing, empty, damaged from its first block, or holds no sound."""

    status = "unreadable"


class UnsupportedAudio(AudioError):
    """The file holds sound in a format that no installed decoder reads."""

    status = "unsupported"


class ModelError(SongscoreError):
    """A model file is absent, altered, or made for another feature set."""


class ManifestError(SongscoreError):
    """A training manifest breaks its rules."""


class TagError(SongscoreError):
    """The tags of a file cannot be read or written; the file is as it was."""
