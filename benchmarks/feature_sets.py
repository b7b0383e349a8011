"""What spectral features tell of songs and scores, beside those of the voice.

    python -m benchmarks feature_sets --markdown docs/figures/feature_sets.md

The vocal features are those in ``NAME.tracks.csv`` of the shipped model, each heard by a detector that never met the
track's artist, source or origin; the spectral ones are measured here and kept. A logistic
regression is fitted to each choice of them, its penalty chosen by an inner cross-validation over artists and sources,
and judges artists, sources and origins that it never met. Then one that was fitted to recordings judges recordings with
and without their singer, where nothing but the voice differs.

The length of a track is left out: here instrumentals are excerpts and songs are not. So is the width of the stereo.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV, GroupKFold

from songscore import SongClassifier, extract_features
from songscore.audio import open_audio
from songscore.extract import feature_names
from songscore.features.spectral import SAMPLE_RATE
from songscore.training.metrics import FIGURES, figures

from .material.place import Place
from .material.tracks import Track, read_tracks

PENALTIES = (0.001, 0.01, 0.1)
LEFT_OUT = ("length", "stereo_width")
VOCAL = tuple(name for name in feature_names(["vocal"]) if name not in LEFT_OUT)
SPECTRAL = tuple(name for name in feature_names(["spectral"]) if not name.startswith(LEFT_OUT))
SETS = {"spectral alone": SPECTRAL, "vocal alone": VOCAL, "both": (*VOCAL, *SPECTRAL)}
SHOWN = {name: FIGURES[name] for name in ("auc", "balanced_accuracy")}
AUC = {"auc": FIGURES["auc"]}


def chosen(place: Place, most: int) -> list[Track]:
    """Songs, and at most `most` instrumentals and pairs of each artist or source, whose sound is here."""
    counts = Counter[tuple[str, str]]()
    found = []
    for track in read_tracks(place.tracks):
        if track["kind"] not in ("recording", "pair") or track["doubt"] or not (place.data / track["path"]).is_file():
            continue
        is_recorded_song = track["kind"] == "recording" and track["song"] == "1"
        key = track["group"], track["role"]
        counts[key] += 1
        if is_recorded_song or counts[key] <= most:
            found.append(track)
    return found


def measured(tracks: list[Track], place: Place) -> list[dict[str, float]]:
    """Spectral features of each, from a file where they were measured before."""
    kept = place.own / "spectral.jsonl"
    known = {}
    if kept.exists():
        known = {tuple(key): features for key, features in map(json.loads, kept.read_text("utf-8").splitlines())}
    began = time.monotonic()
    with kept.open("a", encoding="utf-8") as file:
        for i, track in enumerate(tracks):
            key = track["path"], track["role"]
            if key not in known:
                known[key] = extract_features(*heard(track, place.data), sets=["spectral"])
                file.write(json.dumps([key, known[key]]) + "\n")
                file.flush()
                click.echo(f"{i + 1} of {len(tracks)}, {time.monotonic() - began:.0f} s", err=True)
    return [known[track["path"], track["role"]] for track in tracks]


def heard(track: Track, data: Path) -> tuple[NDArray[np.float32], int]:
    """A recording; of a pair, whose channels are the accompaniment and the singer, both or the accompaniment."""
    with open_audio(data / track["path"], rate=SAMPLE_RATE) as stream:
        mid, side = np.concatenate(list(stream.blocks(layout="mid/side")), axis=1)
    return (mid + side if (track["kind"], track["role"]) == ("pair", "instrumental") else mid), SAMPLE_RATE


def fitted(x: NDArray[np.float64], song: NDArray[np.bool_], group: NDArray[np.str_]) -> GridSearchCV:
    folds = GroupKFold(4, shuffle=True, random_state=0)
    return GridSearchCV(SongClassifier(), {"C": PENALTIES}, scoring="roc_auc", cv=folds).fit(x, song, groups=group)


def tables(tracks: list[Track], spectral: list[dict[str, float]]) -> Iterator[str]:
    """A row for each choice of features."""
    rows = [{name: float(track[name]) for name in VOCAL} | found for track, found in zip(tracks, spectral, strict=True)]
    song = np.array([track["song"] == "1" for track in tracks])
    group, fold = (np.array([track[name] for track in tracks]) for name in ("group", "fold"))
    is_pair = np.array([track["kind"] == "pair" for track in tracks])
    songs, scores = int((song & ~is_pair).sum()), int((~song & ~is_pair).sum())
    pairs = {track["path"] for track in tracks if track["kind"] == "pair"}
    heads = f"AUC | balanced accuracy | AUC, artists on both sides | AUC, {len(pairs)} pairs | singer above"
    yield f"| features, {songs} songs and {scores} instrumentals | {heads} |"
    yield "|---|---|---|---|---|---|"
    strewn, alone = np.random.default_rng(0).integers(3, size=len(song)).astype(str), np.arange(len(song)).astype(str)
    for name, features in SETS.items():
        x = np.array([[row[feature] for feature in features] for row in rows])
        probability = judged(x, song, group, fold, is_pair)
        found = figures(song[~is_pair], probability[~is_pair], group[~is_pair], SHOWN)
        mixed = figures(song[~is_pair], judged(x, song, alone, strewn, is_pair)[~is_pair], group[~is_pair], AUC)
        of_pairs = figures(song[is_pair], probability[is_pair], group[is_pair], AUC)
        cells = [*map(str, (found | {"mixed": mixed["auc"], "pairs": of_pairs["auc"]}).values())]
        yield f"| {name} ({len(features)}) | {' | '.join(cells)} | {_above(tracks, probability)} |"


def judged(
    x: NDArray[np.float64],
    song: NDArray[np.bool_],
    group: NDArray[np.str_],
    fold: NDArray[np.str_],
    is_pair: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The probability of a song of each sound, from one that was fitted to the recordings of the other folds."""
    probability = np.full(len(x), np.nan)
    for part in np.unique(fold):
        here, others = fold == part, ~is_pair & (fold != part)
        probability[here] = fitted(x[others], song[others], group[others]).predict_proba(x[here])[:, 1]
    return probability


def _above(tracks: list[Track], probability: NDArray[np.float64]) -> str:
    """In how many pairs the recording with its singer is more of a song than the one without."""
    both: dict[str, dict[str, float]] = {}
    for track, p in zip(tracks, probability, strict=True):
        if track["kind"] == "pair":
            both.setdefault(track["path"], {})[track["role"]] = float(p)
    complete = [pair for pair in both.values() if len(pair) == 2]
    return f"{sum(pair['song'] > pair['instrumental'] for pair in complete)} of {len(complete)}"


def telling(tracks: list[Track], spectral: list[dict[str, float]], most: int = 10) -> Iterator[str]:
    """The spectral features that tell recorded songs from instrumentals best, alone, and what they say of pairs."""
    from songscore.display.plotting.features import auc

    song = np.array([track["song"] == "1" for track in tracks])
    is_pair = np.array([track["kind"] == "pair" for track in tracks])
    areas = {}
    for name in SPECTRAL:
        values = np.array([found[name] for found in spectral])
        areas[name] = [auc(values[~song & here], values[song & here]) for here in (~is_pair, is_pair)]
    yield "| spectral feature | AUC, recordings | AUC, pairs |"
    yield "|---|---|---|"
    for name in sorted(areas, key=lambda name: -abs(areas[name][0] - 0.5))[:most]:
        yield f"| `{name}` | {areas[name][0]:.2f} | {areas[name][1]:.2f} |"


@click.command()
@click.option("--most", default=2, show_default=True, help="Instrumentals and pairs of an artist or source.")
def main(place: Place, most: int) -> Iterator[str]:
    """Both tables."""
    tracks = chosen(place, most)
    click.echo(f"{len(tracks)} sounds", err=True)
    spectral = measured(tracks, place)
    yield from [*tables(tracks, spectral), "", *telling(tracks, spectral)]
