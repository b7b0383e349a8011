"""The answers of songscore, and their form in files."""

from songscore.results.fields import SOUND_DIGEST
from songscore.results.parts import (
    SCORE,
    SONG,
    Contribution,
    Explanation,
    Label,
    Segment,
    Status,
    VocalTimeline,
    VoiceKind,
)
from songscore.results.paths import as_utf8, exact_path, portable_path
from songscore.results.track import TrackResult
from songscore.results.words import clock, shortened

__all__ = [
    "SCORE",
    "SONG",
    "SOUND_DIGEST",
    "Contribution",
    "Explanation",
    "Label",
    "Segment",
    "Status",
    "TrackResult",
    "VocalTimeline",
    "VoiceKind",
    "as_utf8",
    "clock",
    "exact_path",
    "portable_path",
    "shortened",
]
