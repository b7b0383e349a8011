"""A release: soundtrack, score or mixed, from the song probabilities of its tracks.

The share of songs of a release is unknown and follows Beta(1/2, 1/2) before anything is heard: releases are mostly of
one kind, and a share up to `SCORE_UP_TO`, one from `SOUNDTRACK_FROM` and one between them have a third of the
probability each. The tracks of a release with a given share are songs independently of each other. A calibrated
probability p_i for as many songs as scores makes p_i / (1 - p_i) a likelihood ratio, and with the share integrated out
the number of songs K among n tracks has

    P(K = k | sound)  ~  B(k + 1/2, n - k + 1/2) PB(k; p_1 ... p_n)

where B is the beta function and PB the Poisson-binomial distribution. The first factor lets the tracks that are clear
decide those that are not. See Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), chapter 5, for such hierarchical
models, and Barlow and Heidtmann, IEEE Trans. Reliability 33 (1984), 322-323, for the recursion that gives PB.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import lgamma
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from songscore.batch.run import classify_files
from songscore.batch.walk import audio_files
from songscore.decision import Choir
from songscore.marks import MarkSource
from songscore.model import MODEL
from songscore.results import TrackResult, portable_path

Verdict = Literal["soundtrack", "score", "mixed"]

SCORE_UP_TO = 0.25
SOUNDTRACK_FROM = 0.75
"""Shares of songs up to which a release is a score, and from which it is a soundtrack."""

CERTAIN_FROM = 0.95
"""Probability from which a verdict is certain."""

MAX_PROBABILITY = 0.9999
"""No track counts for more than this: answers in files have four decimals, and 1.0000 is not certainty."""

UNREAD = frozenset({"unreadable", "unsupported", "timeout"})
"""Statuses of files that may hold music. A file with any other status and no label is not a track of the release."""

_DISC = re.compile(r"(cd|dis[ck])[\s._-]*\d{1,2}(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReleaseResult:
    """The answer for one release.

    Attributes
    ----------
    path : str or None
        The folder, or None for results that share none.
    verdict : {"soundtrack", "score", "mixed"} or None
        Mostly songs, mostly instrumental score, or neither; None where no track has a label.
    probability : float or None
        Probability of the verdict, in [0, 1].
    certain : bool
        True from a probability of `CERTAIN_FROM`.
    song_share : float or None
        Expected share of songs among the tracks, in [0, 1].
    song_share_low, song_share_high : float or None
        Its 5 % and 95 % quantiles, moved to the expected share where that lies outside.
    tracks : tuple of TrackResult
        In order of path for a folder, in the order given for results.
    message : str
        What was left out or could not be read, in words.
    """

    path: str | None
    verdict: Verdict | None = None
    probability: float | None = None
    certain: bool = False
    song_share: float | None = None
    song_share_low: float | None = None
    song_share_high: float | None = None
    tracks: tuple[TrackResult, ...] = ()
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values, ready for JSON: `path` first, shares and probabilities rounded to 4 decimals."""
        numbers = ("probability", "song_share", "song_share_low", "song_share_high")
        rounded = {name: None if (x := getattr(self, name)) is None else round(x, 4) for name in numbers}
        return {
            "path": None if self.path is None else portable_path(self.path),
            "verdict": self.verdict,
            "probability": rounded.pop("probability"),
            "certain": self.certain,
            **rounded,
            "n_tracks": len(self.tracks),
            "n_labelled": sum(track.label is not None for track in self.tracks),
            "message": self.message,
            "tracks": [_track_dict(track) for track in self.tracks],
            "model": ", ".join(sorted({track.model for track in self.tracks})),
        }

    def __str__(self) -> str:
        if self.verdict is None:
            return "no verdict"
        doubt = "" if self.certain else f" ({self.probability:.0%} sure)"
        limits = f"{self.song_share_low:.0%} to {self.song_share_high:.0%}"
        return f"{self.verdict}{doubt}, {self.song_share:.0%} songs ({limits})"

    def _repr_html_(self) -> str:
        from songscore.display.html import release_html

        return release_html(self)


def classify_release(
    release: str | os.PathLike[str] | Iterable[TrackResult],
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    threshold: float = 0.5,
    prior: float | None = None,
    choir: Choir = "score",
    model: str | os.PathLike[str] = MODEL,
    marks: MarkSource = None,
) -> ReleaseResult:
    """Say whether a release is a soundtrack (mostly songs), a score (mostly instrumental), or mixed.

    Parameters
    ----------
    release : path, or iterable of TrackResult
        A folder, of which every audio file belongs to the release, those in its subfolders too; or the answers for the
        tracks.
    jobs, executor, threshold, choir, model, marks
        For a folder, as for `classify_folder`.
    prior : float, optional
        Share of songs in the collection, with which the tracks are labelled or, for given answers, were labelled. It
        says nothing about this release, so it moves the labels of tracks but not the verdict.

    Returns
    -------
    ReleaseResult

    Raises
    ------
    NotADirectoryError
        The path is not a folder.
    TypeError, ValueError
        Another argument is wrong.
    """
    if not isinstance(release, (str, os.PathLike)):
        tracks = list(release)
        return judge(tracks, _common_folder(tracks), prior=prior)
    folder = Path(release)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; classify_track labels a file")
    home = dict.fromkeys(audio_files([folder]), folder)
    answers = classify_files(
        home, jobs=jobs, executor=executor, threshold=threshold, prior=prior, choir=choir, model=model, marks=marks
    )
    return next(classify_releases(answers, home, prior=prior), judge([], os.fspath(folder)))


def release_folder(file: Path, top: Path | None = None) -> Path:
    """The folder of a file's release; never one above `top`, even where that is named like a disc.

    A release is the folder that a file lies in or, where that is named like a disc (CD1, Disc 2, disk-03 (bonus)), the
    folder above.
    """
    folder = file.parent
    return folder.parent if folder != top and _DISC.match(folder.name) else folder


def classify_releases(
    tracks: Iterable[TrackResult], home: Mapping[Path, Path], *, prior: float | None = None
) -> Iterator[ReleaseResult]:
    """Judge releases whose tracks come in any order, and yield each as soon as its last track has come.

    Parameters
    ----------
    tracks : iterable of TrackResult
        One for each file of `home`.
    home : mapping of Path to Path
        The folder of each file's release, as from `release_folder`.
    prior : float, optional
        The prior with which the tracks were labelled.
    """
    place = {os.fspath(file): i for i, file in enumerate(home)}
    folder_of = {os.fspath(file): folder for file, folder in home.items()}
    size = Counter(home.values())
    there: dict[Path, list[TrackResult]] = defaultdict(list)
    for track in tracks:
        folder = folder_of[str(track.path)]
        there[folder].append(track)
        if len(there[folder]) == size[folder]:
            of_release = sorted(there.pop(folder), key=lambda t: place[str(t.path)])
            yield judge(of_release, os.fspath(folder), prior=prior)


def judge(tracks: Sequence[TrackResult], path: str | None = None, *, prior: float | None = None) -> ReleaseResult:
    """Judge a release by the answers for its tracks; a file that could not be read is a song with even odds."""
    known = [_without(prior, p) for p in (track.song_probability for track in tracks) if p is not None]
    unread = sum(track.status in UNREAD for track in tracks)
    message = _message(len(tracks), len(known), unread)
    if not known:
        return ReleaseResult(path=path, tracks=tuple(tracks), message=message)
    mass = song_counts([*known, *[0.5] * unread])
    share = np.arange(len(mass)) / (len(mass) - 1)
    chances: dict[Verdict, float] = {
        "soundtrack": float(mass[share >= SOUNDTRACK_FROM].sum()),
        "score": float(mass[share <= SCORE_UP_TO].sum()),
    }
    chances["mixed"] = max(0.0, 1 - sum(chances.values()))
    verdict = max(chances, key=lambda name: chances[name])
    mean = float(mass @ share)
    low, high = share[np.searchsorted(mass.cumsum(), (0.05, 0.95))]
    return ReleaseResult(
        path=path,
        verdict=verdict,
        probability=min(1.0, chances[verdict]),
        certain=chances[verdict] >= CERTAIN_FROM,
        song_share=mean,
        song_share_low=min(mean, float(low)),
        song_share_high=max(mean, float(high)),
        tracks=tuple(tracks),
        message=message,
    )


def _without(prior: float | None, probability: float) -> float:
    """The song probability for as many songs as scores: by Bayes' rule, the effect of the prior is removed."""
    if prior is None:
        return probability
    song, score = probability / prior, (1 - probability) / (1 - prior)
    return song / (song + score)


def song_counts(probabilities: Sequence[float]) -> NDArray[np.float64]:
    """Probability of each number of songs among the tracks of one release, see the head of this module.

    Parameters
    ----------
    probabilities : sequence of float
        Calibrated song probability of each track, for as many songs as scores.

    Returns
    -------
    (n_tracks + 1,) float64
        For 0 songs to `n_tracks` songs.

    Raises
    ------
    ValueError
        A probability lies outside [0, 1].
    """
    p = np.asarray(probabilities, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"song probabilities must lie in [0, 1], not {p[~((p >= 0) & (p <= 1))][0]}")
    n, p = len(p), p.clip(1 - MAX_PROBABILITY, MAX_PROBABILITY)
    log_mass = np.full(n + 1, -np.inf)
    log_mass[0] = 0
    for song, score in zip(np.log(p), np.log1p(-p), strict=True):
        log_mass[1:] = np.logaddexp(log_mass[1:] + score, log_mass[:-1] + song)
        log_mass[0] += score
    log_mass += [lgamma(k + 0.5) + lgamma(n - k + 0.5) for k in range(n + 1)]
    mass = np.exp(log_mass - log_mass.max())
    return np.asarray(mass / mass.sum())


def _message(n_tracks: int, n_known: int, n_unread: int) -> str:
    """What was left out of a release or could not be read."""
    notes = [] if n_known else ["no track has a label" if n_tracks else "no music files"]
    if n_unread:
        notes.append(f"{n_unread} of {n_tracks} files could not be read{' and may be either' if n_known else ''}")
    if left_out := n_tracks - n_known - n_unread:
        notes.append(f"{left_out} without music left out")
    return "; ".join(notes)


def _common_folder(tracks: Sequence[TrackResult]) -> str | None:
    """The innermost folder of all tracks that have a path; None where there is none."""
    folders = [Path(track.path).parent for track in tracks if track.path is not None]
    try:
        return os.path.commonpath(folders) or os.curdir if folders else None
    except ValueError:
        return None


def _track_dict(track: TrackResult) -> dict[str, Any]:
    fields = track.to_dict()
    return {name: fields[name] for name in ("path", "label", "song_probability", "certain", "status", "duration")}
