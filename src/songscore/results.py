r"""What songscore answers: frozen records, in seconds and probabilities.

Times are seconds from the start of the track. Probabilities lie in [0, 1]. A field that cannot be known is None, never
a guess.

A path may hold bytes that are not UTF-8. `TrackResult.path` has them as `os.fsdecode` makes them, one lone surrogate
each, which most readers of JSON refuse. Written to files, such a path is `portable_path`, ``file:music/caf%E9.mp3``;
`exact_path` takes it back. Other text has an escape for such a byte, see `as_utf8`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

Label = Literal["song", "instrumental score"]
Status = Literal["ok", "partial", "silent", "not_music", "too_short", "unreadable", "unsupported", "timeout"]

VoiceKind = Literal["sung", "choir", "speech"]
By = Literal["model", "hand"]

SONG: Label = "song"
SCORE: Label = "instrumental score"

_VOICES = get_args(VoiceKind)

NOTABLE = 0.05
"""Share of a track from which speech and voices without words are spoken of."""

LONGEST_NAME = 200
"""Characters of the name of a model."""

SOUND_DIGEST = re.compile("[0-9a-f]{64}")
"""What the digest of a sound looks like."""

_LATEST = 1e9
"""Seconds, thirty years, before which every sound ends."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A passage of the track.

    Attributes
    ----------
    start, end : float
        Seconds from the start of the track.
    probability : float
        Mean probability of a voice of that kind inside the passage.
    kind : {"sung", "choir", "speech"}
        Sung or rapped words, voices without words, or speech.
    """

    start: float
    end: float
    probability: float
    kind: VoiceKind = "sung"


@dataclass(frozen=True, slots=True, eq=False)
class VocalTimeline:
    """The probability of a lead voice over time.

    Attributes
    ----------
    times : (n,) float64
        Centre of each step, in seconds.
    probability : (n,) float32
        Probability that somebody sings or raps at that moment.
    """

    times: NDArray[np.float64]
    probability: NDArray[np.float32]

    def coarsen(self, step: float = 1.0) -> VocalTimeline:
        """Mean over steps of `step` seconds: the form in which a timeline is written to files."""
        if not len(self.times):
            return self
        index = (self.times // step).astype(int)
        steps, start = np.unique(index, return_index=True)
        means = np.add.reduceat(self.probability.astype(np.float64), start) / np.diff([*start, len(index)])
        return VocalTimeline((steps + 0.5) * step, means.astype(np.float32))

    def stretches(self) -> list[VocalTimeline]:
        """The timeline cut where steps are missing, since nothing was heard there."""
        gaps = np.diff(self.times)
        cuts = np.flatnonzero(gaps > 1.5 * gaps.min(initial=np.inf)) + 1
        pieces = zip(np.split(self.times, cuts), np.split(self.probability, cuts), strict=True)
        return [VocalTimeline(times, probability) for times, probability in pieces]


@dataclass(frozen=True, slots=True)
class Contribution:
    """One named feature and how far it moved the decision.

    Attributes
    ----------
    feature : str
        Name, as in `TrackResult.features`.
    value : float
        The feature's value in this track.
    log_odds : float
        What it added to the log-odds of "song", against the average training track; negative pulls towards
        "instrumental score".
    meaning : str
        The feature in plain words.
    """

    feature: str
    value: float
    log_odds: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a track got its label, and where to listen to check it.

    Attributes
    ----------
    summary : str
        One or two plain sentences.
    contributions : tuple of Contribution
        Strongest first.
    listen : tuple of Segment
        The passages most like a voice, at most three, strongest first.
    """

    summary: str
    contributions: tuple[Contribution, ...]
    listen: tuple[Segment, ...]

    def __str__(self) -> str:
        return self.summary


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackResult:
    """The answer for one track.

    Attributes
    ----------
    path : str or None
        The file, or None for samples in memory and unnamed streams.
    label : {"song", "instrumental score"} or None
        None where `status` says why there is none.
    song_probability : float or None
        Calibrated probability that the track is a song.
    certain : bool
        True where the error guarantee of the model holds.
    vocal_fraction : float or None
        Share of the analysed time with a sung or rapped voice.
    voices : mapping of str to float
        Share of the analysed time with each kind of voice: "sung", "choir" (without words) and "speech".
    vocal_segments : tuple of Segment
        Passages with a voice, in order.
    timeline : VocalTimeline or None
        The voice curve.
    features : mapping of str to float
        The named features that the decision weighed, of what was heard.
    contributions : tuple of Contribution
        How far each feature moved the decision, strongest first.
    status : str
        "ok", or "partial" for a damaged file of which enough was read; any other status comes without a label.
    message : str
        What happened, in words, where `status` is not "ok".
    duration, analysed : float or None
        Length of the track and of the part that was heard, in seconds.
    model : str
        Name of the model that answered.
    by : {"model", "hand"}
        Who decided: the model, or a person whose mark outranks it. What a person decided is certain, with a song
        probability of 1 or 0.
    size : int or None
        Bytes of the file that was heard.
    modified : str or None
        When that file was last changed, in UTC: ``2026-01-31T12:00:00.123456789Z``.
    sound_digest : str or None
        SHA-256 of the sound as it is stored there: another file under the same name is known by it, and tags do not
        change it.
    """

    path: str | None
    label: Label | None = None
    song_probability: float | None = None
    certain: bool = False
    vocal_fraction: float | None = None
    voices: Mapping[VoiceKind, float] = field(default_factory=dict)
    vocal_segments: tuple[Segment, ...] = ()
    timeline: VocalTimeline | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    contributions: tuple[Contribution, ...] = ()
    status: Status = "ok"
    message: str = ""
    duration: float | None = None
    analysed: float | None = None
    model: str = ""
    by: By = "model"
    size: int | None = None
    modified: str | None = None
    sound_digest: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values, ready for JSON.

        Returns
        -------
        dict
            `path` first, as `portable_path`. Times are rounded to 0.01 s, probabilities to 4 decimals, features to 6
            significant digits; the timeline has steps of 1 s. A number that is not finite becomes None.
        """
        return {
            "path": None if self.path is None else portable_path(self.path),
            "label": self.label,
            "song_probability": _rounded(self.song_probability, 4),
            "certain": self.certain,
            "vocal_fraction": _rounded(self.vocal_fraction, 4),
            "voices": {kind: _rounded(share, 4) for kind, share in self.voices.items()},
            "vocal_segments": [_segment_dict(segment) for segment in self.vocal_segments],
            "timeline": None if self.timeline is None else _timeline_dict(self.timeline.coarsen()),
            "features": {name: _significant(value) for name, value in self.features.items()},
            "status": self.status,
            "message": as_utf8(self.message),
            "duration": _rounded(self.duration, 2),
            "analysed": _rounded(self.analysed, 2),
            "model": self.model,
            "by": self.by,
            "size": self.size,
            "modified": self.modified,
            "sound_digest": self.sound_digest,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TrackResult:
        """The answer that `to_dict` wrote, as it was rounded there; contributions are not written.

        Answers of version 0.1.0 say nothing of kinds of voices; all of theirs are sung. Nor do they say anything of the
        file.

        Raises
        ------
        ValueError
            The fields are not those of an answer; the message names the field and its value.
        """
        try:
            _check(fields)
            timeline, path = fields["timeline"], fields["path"]
            return cls(
                path=None if path is None else exact_path(path),
                label=_one_of(fields["label"], (SONG, SCORE, None)),
                song_probability=_number(fields["song_probability"]),
                certain=bool(fields["certain"]),
                vocal_fraction=_number(fields["vocal_fraction"]),
                voices={
                    _one_of(k, get_args(VoiceKind)): _float(share) for k, share in fields.get("voices", {}).items()
                },
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

    def __str__(self) -> str:
        """The answer in one line."""
        name = "samples in memory" if self.path is None else as_utf8(self.path)
        if self.label is None:
            about = "" if self.path is not None and self.path in self.message else f"{name}: "
            return f"{about}no label ({self.status}): {as_utf8(self.message)}"
        by = "by hand" if self.by == "hand" else "certain" if self.certain else "in doubt"
        share = "" if self.song_probability is None else f", P(song) = {self.song_probability:.2f}"
        length = "" if self.duration is None else f", {clock(self.duration)}"
        return f"{name}: {self.label}{share}, {by}{length}"

    def explain(self) -> Explanation:
        """Why the track got its label, in plain words, and where to listen to check it."""
        listen = self._listen()
        return Explanation(" ".join(self._sentences(listen)), self.contributions, listen)

    def _sentences(self, listen: tuple[Segment, ...]) -> list[str]:
        if self.label is None:
            return [f"No label ({self.status}): {self.message}."]
        if self.by == "hand":
            return [f"{self.label.capitalize()}: marked by hand."]
        doubt = "" if self.certain else ", inside the band of doubt"
        sentences = [f"{self.label.capitalize()}: the probability of a song is {self.song_probability:.2f}{doubt}."]
        reasons = [c.meaning for c in self.contributions if c.log_odds and (c.log_odds > 0) == (self.label == SONG)]
        if reasons:
            sentences.append(f"What spoke for it most: {'; '.join(reasons[:2])}.")
        sentences += self._other_voices()
        if listen:
            places = ", ".join(f"{clock(s.start)} to {clock(s.end)}" for s in listen)
            sentences.append(f"Most like a voice: {places}; listen there to check.")
        return sentences

    def _other_voices(self) -> list[str]:
        """What is said of speech and of voices without words in a score, where there is some of it."""
        if self.label != SCORE:
            return []
        sentences = []
        if self.voices.get("speech", 0.0) >= NOTABLE:
            sentences.append(f"Speech over music, {self._places('speech')}: somebody speaks, nobody sings.")
        if self.voices.get("choir", 0.0) >= NOTABLE:
            doubt = "" if self.certain else "; whether they sing words could not be excluded"
            sentences.append(f"Voices without words, {self._places('choir')}{doubt}.")
        return sentences

    def _places(self, kind: VoiceKind, most: int = 2) -> str:
        """The longest passages of a kind of voice, in order."""
        found = [segment for segment in self.vocal_segments if segment.kind == kind]
        longest = sorted(found, key=lambda segment: segment.start - segment.end)[:most]
        places = sorted(longest, key=lambda segment: segment.start)
        return ", ".join(f"{clock(s.start)} to {clock(s.end)}" for s in places)

    def _listen(self, most: int = 3) -> tuple[Segment, ...]:
        """The passages with a voice, or without any the single seconds most like one."""
        passages = self.vocal_segments
        if not passages and self.timeline is not None:
            seconds = self.timeline.coarsen()
            passages = tuple(
                Segment(max(0.0, float(t) - 0.5), float(t) + 0.5, float(p))
                for t, p in zip(seconds.times, seconds.probability, strict=True)
            )
        return tuple(sorted(passages, key=lambda segment: -segment.probability)[:most])

    def _repr_html_(self) -> str:
        from songscore.display.html import track_html

        return track_html(self)


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds: 83.5 is ``1:23``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def portable_path(path: str) -> str:
    """The path itself, or ``file:`` and its percent-encoded bytes where these are not UTF-8.

    A path that begins with ``file:`` is encoded too, so that `exact_path` undoes it without a doubt.
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


def _rounded(value: float | None, digits: int) -> float | None:
    return round(float(value), digits) if value is not None and math.isfinite(value) else None


def _significant(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LATEST


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
"""What a field of an answer in a file is, and the words for it."""


def _check(fields: Mapping[str, Any]) -> None:
    """Raise where a field is of another type or beyond its range, or the label does not fit the status."""
    for name, (is_right, words) in _FIELDS.items():
        value = fields.get(name) if name in _OF_THE_FILE else fields[name]
        if not is_right(value):
            raise ValueError(f"not an answer of songscore: {name} is {_short(value)}; {words} is needed")
    label, status, probability = fields["label"], fields["status"], fields["song_probability"]
    by_model = label is not None and fields.get("by") != "hand"
    if by_model and (status not in ("ok", "partial") or probability is None):
        raise ValueError(
            f"not an answer of songscore: label {_short(label)} with status {_short(status)}"
            f" and song_probability {_short(probability)}"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"not an answer of songscore: {_short(value)} is none of {allowed}")
    return value


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _timeline(fields: Mapping[str, list[float | None]]) -> VocalTimeline:
    times, probability = ([_float(x) for x in fields[key]] for key in ("times", "probability"))
    if len(times) != len(probability):
        raise ValueError(f"not an answer of songscore: {len(times)} times, {len(probability)} probabilities")
    ascending = all(a < b for a, b in pairwise([-1.0, *times, _LATEST]))
    if not (ascending and all(0 <= p <= 1 or math.isnan(p) for p in probability)):
        raise ValueError("not an answer of songscore: times that do not ascend, or probabilities beyond 0 and 1")
    return VocalTimeline(np.array(times, np.float64), np.array(probability, np.float32))


def _segment(fields: Mapping[str, Any]) -> Segment:
    start, end, probability = (fields[key] for key in ("start", "end", "probability"))
    if not (_is_time(start) and _is_time(end) and start <= end and _is_share(probability)):
        raise ValueError(f"not an answer of songscore: vocal_segments has {_short(dict(fields))}")
    return Segment(start, end, probability, _one_of(fields.get("kind", "sung"), _VOICES))


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
