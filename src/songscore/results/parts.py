"""What an answer holds: labels, passages, the voice curve, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Label = Literal["song", "instrumental score"]
Status = Literal["ok", "partial", "silent", "not_music", "too_short", "unreadable", "unsupported", "timeout"]
VoiceKind = Literal["sung", "choir", "speech"]
By = Literal["model", "hand"]

SONG: Label = "song"
SCORE: Label = "instrumental score"


@dataclass(frozen=True, slots=True)
class Segment:
    """A passage with a voice.

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
        """The mean over each `step` seconds; with steps of 1 s, this is how a timeline is written to files."""
        if not len(self.times):
            return self
        index = (self.times // step).astype(int)
        steps, start = np.unique(index, return_index=True)
        means = np.add.reduceat(self.probability.astype(np.float64), start) / np.diff([*start, len(index)])
        return VocalTimeline((steps + 0.5) * step, means.astype(np.float32))

    def stretches(self) -> list[VocalTimeline]:
        """The timeline in pieces, cut where steps are missing because that part was not heard."""
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
