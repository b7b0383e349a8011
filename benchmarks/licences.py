"""The shipped model beside the variant trained without files whose licences forbid commercial use or derivatives.

    python -m benchmarks licences --markdown docs/figures/licences.md

Each track was judged by a detector and a decision of either training that met neither its artist nor its source nor
anything from the same origin. Both are compared on the tracks that both judged: those that the variant may hear.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from .accuracy import is_wrong
from .material.place import Place
from .material.tracks import SLICES, Track, figures_of, read_tracks
from .training_data import FREE_TRACKS, TRACKS


def row(name: str, model: str, tracks: list[Track]) -> str:
    """A line of the table."""
    figures = figures_of(tracks)
    certain = [track for track in tracks if track["certain"] == "1"]
    wrong = f"{sum(map(is_wrong, certain)) / len(certain):.1%}" if certain else ""
    measured = (str(figures[key]) for key in ("auc", "balanced_accuracy"))
    return f"| {name} | {model} | {' | '.join(measured)} | {len(certain) / len(tracks):.0%} | {wrong} |"


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
@click.option("--free", type=click.Path(path_type=Path, exists=True), default=FREE_TRACKS, show_default=True)
def main(place: Place, tracks: Path, free: Path) -> Iterator[str]:
    """The shipped model beside the one trained on freely licensed files alone."""
    judged = {
        path.name.removesuffix(".tracks.csv"): {(track["path"], track["role"]): track for track in read_tracks(path)}
        for path in (tracks, free)
    }
    both = set.intersection(*(set(answers) for answers in judged.values()))
    yield "| tracks | model | AUC | balanced accuracy | certain | wrong of these |"
    yield "|---|---|---|---|---|---|"
    for name, belongs in SLICES.items():
        for model, answers in judged.items():
            kept = [answers[key] for key in sorted(both) if belongs(answers[key])]
            songs = sum(track["song"] == "1" for track in kept)
            if 0 < songs < len(kept):
                yield row(f"{name} ({songs} songs, {len(kept) - songs} instrumental)", model, kept)
