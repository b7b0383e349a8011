"""The answer for a track as plain values for JSON, and the checks of one that comes from a file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from songscore.results.parts import SCORE, SONG, By, Segment, Status, VocalTimeline, VoiceKind
from songscore.results.paths import as_utf8, exact_path, portable_path
from songscore.results.words import shortened

if TYPE_CHECKING:
    from songscore.results.track import TrackResult

LONGEST_NAME = 200
"""Characters of the longest name of a model."""

SOUND_DIGEST = re.compile("[0-9a-f]{64}")
"""What the digest of a sound looks like."""

LONGEST = 1e9
"""Longest sound that is accepted, in seconds: thirty years."""


def written(answer: TrackResult) -> dict[str, Any]:
    """The fields of an answer; see `TrackResult.to_dict`."""
    return {
        "path": None if answer.path is None else portable_path(answer.path),
        "label": answer.label,
        "song_probability": _rounded(answer.song_probability, 4),
        "certain": answer.certain,
        "vocal_fraction": _rounded(answer.vocal_fraction, 4),
        "voices": {kind: _rounded(share, 4) for kind, share in answer.voices.items()},
        "vocal_segments": [_segment_dict(segment) for segment in answer.vocal_segments],
        "timeline": None if answer.timeline is None else _timeline_dict(answer.timeline.coarsen()),
        "features": {name: _significant(value) for name, value in answer.features.items()},
        "status": answer.status,
        "message": as_utf8(answer.message),
        "duration": _rounded(answer.duration, 2),
        "analysed": _rounded(answer.analysed, 2),
        "model": answer.model,
        "by": answer.by,
        "size": answer.size,
        "modified": answer.modified,
        "sound_digest": answer.sound_digest,
    }


def read(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `TrackResult`, from the fields that `written` gave; see `TrackResult.from_dict`."""
    try:
        _check(fields)
        timeline, path = fields["timeline"], fields["path"]
        return dict(
            path=None if path is None else exact_path(path),
            label=_one_of(fields["label"], (SONG, SCORE, None)),
            song_probability=_number(fields["song_probability"]),
            certain=bool(fields["certain"]),
            vocal_fraction=_number(fields["vocal_fraction"]),
            voices={_one_of(k, get_args(VoiceKind)): _float(share) for k, share in fields.get("voices", {}).items()},
            vocal_segments=tuple(_segment(segment) for segment in fields["vocal_segments"]),
            timeline=None if timeline is None else _timeline(timeline),
            features={str(name): _float(value) for name, value in fields["features"].items()},
            status=_one_of(fields["status"], get_args(Status)),
            message=str(fields["message"]),
            duration=_number(fields["duration"]),
            analysed=_number(fields["analysed"]),
            model=str(fields["model"]),
            by=_one_of(fields.get("by", "model"), get_args(By)),
            size=fields.get("size"),
            modified=fields.get("modified"),
            sound_digest=fields.get("sound_digest"),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an answer of songscore: {error!r}") from error


def _rounded(value: float | None, digits: int) -> float | None:
    return round(float(value), digits) if value is not None and math.isfinite(value) else None


def _significant(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= LONGEST


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_name(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST_NAME and value.isprintable()


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return type(value) is str and pattern.fullmatch(value) is not None


_TIME = re.compile(r"-?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
_OF_THE_FILE = {"size", "modified", "sound_digest"}
"""Fields that answers of earlier versions do not have."""

_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "path": (lambda value: value is None or (type(value) is str and "\0" not in value), "text"),
    "song_probability": (lambda value: value is None or _is_share(value), "a number from 0 to 1"),
    "certain": (lambda value: type(value) is bool, "true or false"),
    "vocal_fraction": (lambda value: value is None or _is_share(value), "a number from 0 to 1"),
    "message": (lambda value: type(value) is str, "text"),
    "duration": (lambda value: value is None or _is_time(value), "seconds"),
    "analysed": (lambda value: value is None or _is_time(value), "seconds"),
    "model": (_is_name, f"a name of at most {LONGEST_NAME} printable characters"),
    "size": (lambda value: value is None or _is_size(value), "a number of bytes"),
    "modified": (
        lambda value: value is None or _matches(_TIME, value),
        "a time, 2026-01-31T12:00:00.123456789Z",
    ),
    "sound_digest": (lambda value: value is None or _matches(SOUND_DIGEST, value), "64 hexadecimal digits"),
}
"""The check of each field of an answer in a file, and the words for what is needed."""


def _check(fields: Mapping[str, Any]) -> None:
    """Raise `ValueError` where a field has another type or is out of range, or the label does not fit the status."""
    for name, (is_right, words) in _FIELDS.items():
        value = fields.get(name) if name in _OF_THE_FILE else fields[name]
        if not is_right(value):
            raise ValueError(f"not an answer of songscore: {name} is {shortened(value)}; {words} is needed")
    label, status, probability = fields["label"], fields["status"], fields["song_probability"]
    by_model = label is not None and fields.get("by") != "hand"
    if by_model and (status not in ("ok", "partial") or probability is None):
        raise ValueError(
            f"not an answer of songscore: label {shortened(label)} with status {shortened(status)}"
            f" and song_probability {shortened(probability)}"
        )


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"not an answer of songscore: {shortened(value)} is not one of {allowed}")
    return value


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _timeline(fields: Mapping[str, list[float | None]]) -> VocalTimeline:
    times, probability = ([_float(x) for x in fields[key]] for key in ("times", "probability"))
    if len(times) != len(probability):
        raise ValueError(f"not an answer of songscore: {len(times)} times, {len(probability)} probabilities")
    ascending = all(a < b for a, b in pairwise([-1.0, *times, LONGEST]))
    if not (ascending and all(0 <= p <= 1 or math.isnan(p) for p in probability)):
        raise ValueError("not an answer of songscore: times that do not ascend, or probabilities beyond 0 and 1")
    return VocalTimeline(np.array(times, np.float64), np.array(probability, np.float32))


def _segment(fields: Mapping[str, Any]) -> Segment:
    start, end, probability = (fields[key] for key in ("start", "end", "probability"))
    if not (_is_time(start) and _is_time(end) and start <= end and _is_share(probability)):
        raise ValueError(f"not an answer of songscore: vocal_segments has {shortened(dict(fields))}")
    return Segment(start, end, probability, _one_of(fields.get("kind", "sung"), get_args(VoiceKind)))


def _segment_dict(segment: Segment) -> dict[str, float | str | None]:
    return {
        "start": _rounded(segment.start, 2),
        "end": _rounded(segment.end, 2),
        "probability": _rounded(segment.probability, 4),
        "kind": segment.kind,
    }


def _timeline_dict(timeline: VocalTimeline) -> dict[str, list[float | None]]:
    return {
        "times": [_rounded(t, 2) for t in timeline.times],
        "probability": [_rounded(p, 4) for p in timeline.probability],
    }
