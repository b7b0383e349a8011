"""When a label is certain, and when the rest of a track need not be heard.

All bounds are natural log-odds, positive for "song", unless they say otherwise. `songscore.training.decision.bounds`
sets them, and says how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

LONG, VERY_LONG = 60.0, 600.0
"""Seconds from which a track is long, and very long."""

NO_LIMIT = 1.1
"""A share that no track reaches."""

_EITHER = {"score_spoken_below", "score_speech_below"}
"""Limits of which a model has one."""

_LATER = {"very_long_score_below"}
"""Bounds that older models lack."""


@dataclass(frozen=True, slots=True)
class PartBounds:
    """When a track that was heard in part is a score, and how far its log-odds may be from those of the whole.

    No stretch longer than a window may have been missed, nor one beside what resembles a voice.

    Attributes
    ----------
    score_below : float
        Log-odds up to which "instrumental score" is certain.
    rise : float
        By how much the log-odds may still rise while the rest is heard.
    rise_in_doubt : float
        The same where the log-odds are above `score_below`: what is plainly no score has less left to rise.
    beside_below : float
        Mean probability of singing or speech, over a second in a row in the window on either side, from which a stretch
        may not be missed.
    """

    score_below: float
    rise: float
    rise_in_doubt: float = math.inf
    beside_below: float = NO_LIMIT


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a label is certain, and when the rest of a track need not be heard.

    Attributes
    ----------
    song_above, song_above_with_choir : float
        Log-odds from which "song" is certain, the second where voices without words count as a voice.
    score_below, long_score_below, very_long_score_below : float
        Log-odds up to which "instrumental score" is certain, for a track that was heard whole; the second from `LONG`
        seconds and the third from `VERY_LONG`, since a long track may hold a short verse. Without the third the second
        holds.
    song_left_above : float
        Log-odds from which a song need not be heard to its end.
    music_above : float
        Log-odds of music from which anything is certain at all.
    song_speech_below : float
        Mean probability of speech from which "song" is not certain: somebody may speak over music and nobody sing.
    score_spoken_below : float
        Mean probability of speech, over a second, from which "instrumental score" is not certain, since what sounds
        spoken may be rapped.
    score_speech_below : float
        The same over the whole track, for models that were made before that was known.
    part, very_long_part : PartBounds or None
        Bounds of a score that was heard in part, the second from `VERY_LONG` seconds; without it the first holds. None
        where all of a score has to be heard.
    """

    song_above: float
    song_above_with_choir: float
    score_below: float
    long_score_below: float
    song_left_above: float
    music_above: float
    song_speech_below: float
    part: PartBounds | None
    score_spoken_below: float = NO_LIMIT
    score_speech_below: float = NO_LIMIT
    very_long_score_below: float | None = None
    very_long_part: PartBounds | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The bounds in the metadata of a model.

        Raises
        ------
        KeyError
            A bound is missing.
        ValueError
            A bound is not finite, or on the wrong side of 0.
        """
        if not _EITHER & fields.keys():
            raise KeyError("score_spoken_below")
        parts = {name: _part(fields[name]) for name in ("part", "very_long_part") if fields.get(name) is not None}
        missing = (_EITHER | _LATER) - fields.keys()
        bounds = cls(
            **{name: _finite(fields, name) for name in {*cls.__slots__} - {"part", "very_long_part"} - missing},
            part=parts.get("part"),
            very_long_part=parts.get("very_long_part"),
        )
        whole = [bounds.score_below_at(seconds) for seconds in (0, LONG, VERY_LONG)]
        low = max(*whole, *(part.score_below for part in parts.values()))
        high = min(bounds.song_above, bounds.song_above_with_choir, bounds.song_left_above)
        if not low < 0 < high or any(min(part.rise, part.rise_in_doubt) < 0 for part in parts.values()):
            raise ValueError(f"bounds of certainty on the wrong side: {fields}")
        return bounds

    def score_below_at(self, seconds: float) -> float:
        """Log-odds up to which a track of that length, heard whole, is a certain score."""
        if seconds >= VERY_LONG and self.very_long_score_below is not None:
            return self.very_long_score_below
        return self.long_score_below if seconds >= LONG else self.score_below

    def part_at(self, seconds: float) -> PartBounds | None:
        """Bounds of a score of that length that was heard in part."""
        return self.very_long_part if seconds >= VERY_LONG and self.very_long_part else self.part


def _part(fields: Mapping[str, Any]) -> PartBounds:
    """Bounds of a part; older models lack two of them."""
    names = {"score_below", "rise"} | ({"rise_in_doubt", "beside_below"} & fields.keys())
    return PartBounds(**{name: _finite(fields, name) for name in names})


def _finite(fields: Mapping[str, Any], key: str) -> float:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(f"{key} is {value!r}; a finite number is needed")
    return float(value)
