"""How often the verdict on a release is right, and whether it is as sure as it may be.

    python -m benchmarks releases --markdown docs/figures/releases.md

Releases are put together from the cross-validated answers in ``NAME.tracks.csv`` of the shipped model: those of one
artist or source as they are, and made-up ones of 1 to 30 tracks in which up to a dozen tracks come from the same
artist, since the mistakes on one artist are alike. Beside songscore's verdicts stand those from counted labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import click
import numpy as np

from songscore.release import SCORE_UP_TO, SOUNDTRACK_FROM, ReleaseResult, judge
from songscore.results import TrackResult

from .material.place import Place
from .material.tracks import read_tracks
from .training_data import TRACKS

SEED = 1
N_MADE_UP = 3000
MOST_TRACKS = 30
MOST_OF_ONE_ARTIST = 12
FEWEST_OF_ONE_ARTIST = 4

Row = dict[str, str]


def verdict_of(share: float) -> str:
    """The verdict where the share of songs is known."""
    return "score" if share <= SCORE_UP_TO else "soundtrack" if share >= SOUNDTRACK_FROM else "mixed"


def by_artist(rows: Sequence[Row]) -> list[list[Row]]:
    """The tracks of each artist or source."""
    artists: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        artists[row["group"]].append(row)
    return list(artists.values())


def made_up(rows: Sequence[Row], rng: np.random.Generator) -> Iterator[list[Row]]:
    """Releases whose share of songs follows the distribution that songscore expects."""
    songs, scores = (by_artist([row for row in rows if row["song"] == kind]) for kind in "10")
    for _ in range(N_MADE_UP):
        n = int(rng.integers(1, MOST_TRACKS + 1))
        n_songs = int(rng.binomial(n, rng.beta(0.5, 0.5)))
        yield [*_draw(songs, n_songs, rng), *_draw(scores, n - n_songs, rng)]


def _draw(artists: list[list[Row]], n: int, rng: np.random.Generator) -> list[Row]:
    drawn: list[Row] = []
    while len(drawn) < n:
        tracks = artists[rng.integers(len(artists))]
        some = min(n - len(drawn), len(tracks), MOST_OF_ONE_ARTIST)
        drawn += [tracks[i] for i in rng.choice(len(tracks), some, replace=False)]
    return drawn


def verdict(release: Sequence[Row]) -> ReleaseResult:
    """The verdict from the answers for the tracks."""
    return judge([TrackResult(path=row["path"], song_probability=float(row["song_probability"])) for row in release])


def measure(releases: Sequence[Sequence[Row]]) -> list[str]:
    """Figures, as the cells of a table."""
    answers = [verdict(release) for release in releases]
    share = np.array([np.mean([row["song"] == "1" for row in release]) for release in releases])
    counted = [np.mean([float(row["song_probability"]) >= 0.5 for row in release]) for release in releases]
    right = np.array([answer.verdict == verdict_of(s) for answer, s in zip(answers, share, strict=True)])
    right_counted = [verdict_of(c) == verdict_of(s) for c, s in zip(counted, share, strict=True)]
    certain = np.array([answer.certain for answer in answers])
    inside = [a.song_share_low <= s <= a.song_share_high for a, s in zip(answers, share, strict=True)]
    figures = np.mean(right), np.mean(right_counted), np.mean(certain), np.mean(~right[certain]), np.mean(inside)
    return [f"{len(releases)}", *(f"{figure:.3f}" for figure in figures)]


@click.command()
def main(place: Place) -> Iterator[str]:
    """A row for each kind of release."""
    rows = [row for row in read_tracks(TRACKS) if row["kind"] != "pair"]
    real = [release for release in by_artist(rows) if len(release) >= FEWEST_OF_ONE_ARTIST]
    invented = list(made_up(rows, np.random.default_rng(SEED)))
    heads = "number", "right", "right by counted labels", "certain", "wrong of the certain", "share inside 5-95 %"
    yield f"| releases | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    for name, releases in {
        f"{FEWEST_OF_ONE_ARTIST} tracks or more of one artist or source": real,
        "made up": invented,
        "made up, at least four tracks in five of one kind": [r for r in invented if _is_clear(r)],
    }.items():
        yield f"| {name} | " + " | ".join(measure(releases)) + " |"


def _is_clear(release: Sequence[Row]) -> bool:
    share = np.mean([row["song"] == "1" for row in release])
    return bool(share <= 0.2 or share >= 0.8)
