"""What songscore answers: frozen records, in seconds and probabilities.

Times are seconds from the start of the track. Probabilities lie in [0, 1]. A field that cannot be known is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Label = Literal["song", "instrumental score"]
Status = Literal["ok", "partial", "silent", "not_music", "too_short", "unreadable", "unsupported", "timeout"]

SONG: Label = "song"
SCORE: Label = "instrumental score"


@dataclass(frozen=True, slots=True)
class Segment:
    """A passage of the track.

    Attributes
    ----------
    start, end : float
        Seconds from the start of the track.
    probability : float
        Mean probability of a voice inside the passage.
    """

    start: float
    end: float
    probability: float


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
        What it added to the log-odds of "song", against the average training track; negative pulls towards "instrumental score".
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
        Share of the analysed time with a voice.
    vocal_segments : tuple of Segment
        Passages with a voice, in order.
    timeline : VocalTimeline or None
        The voice curve.
    features : mapping of str to float
        The named track features behind the decision.
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
    """

    path: str | None
    label: Label | None = None
    song_probability: float | None = None
    certain: bool = False
    vocal_fraction: float | None = None
    vocal_segments: tuple[Segment, ...] = ()
    timeline: VocalTimeline | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    contributions: tuple[Contribution, ...] = ()
    status: Status = "ok"
    message: str = ""
    duration: float | None = None
    analysed: float | None = None
    model: str = ""
