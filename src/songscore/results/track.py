"""The answer for one track: a frozen record, in seconds and probabilities.

Times are seconds from the start of the track. Probabilities lie in [0, 1]. A field that cannot be known is None, never
a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from songscore.results import fields as plain
from songscore.results.parts import By, Contribution, Explanation, Label, Segment, Status, VocalTimeline, VoiceKind
from songscore.results.paths import as_utf8
from songscore.results.words import clock, explain


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
        Calibrated probability that the track is a song, in [0, 1].
    certain : bool
        True where the error guarantee of the model holds.
    vocal_fraction : float or None
        Share of the analysed time with a sung or rapped voice, in [0, 1].
    voices : mapping of str to float
        Share of the analysed time, in [0, 1], with each kind of voice: "sung", "choir" (without words) and "speech".
    vocal_segments : tuple of Segment
        Passages with a voice, in order.
    timeline : VocalTimeline or None
        The voice curve.
    features : mapping of str to float
        The named features that the decision weighed, computed from what was heard.
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
        SHA-256 of the sound as it is stored in the file, or of its length and of samples where that is more than 4 MiB.
        It differs for another sound under the same name, and tags do not change it.
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
        return plain.written(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TrackResult:
        """The answer that `to_dict` wrote, as it was rounded there; contributions are not written.

        Answers of version 0.1.0 do not have the kinds of voices (all of theirs count as sung), nor the size, time and
        digest of the file.

        Raises
        ------
        ValueError
            The fields are not those of an answer; the message names the field and its value.
        """
        return cls(**plain.read(fields))

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
        return explain(self)

    def _repr_html_(self) -> str:
        from songscore.display.html import track_html

        return track_html(self)
