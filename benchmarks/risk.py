"""How many labels are wrong among those that are kept, when the doubtful ones are put aside.

    python -m benchmarks risk --markdown docs/figures/risk.md --figure docs/images/risk-coverage.png

The answers are those of ``accuracy``; kept are the tracks whose probability is farthest from one half.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

from .material.place import Place
from .material.tracks import SLICES, read_tracks
from .training_data import TRACKS

SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.5)
COLOURS = ("#0072b2", "#cc79a7", "#56b4e9", "#d55e00", "#009e73")

Floats = NDArray[np.float64]


def curves(tracks: list[dict[str, str]]) -> dict[str, Floats]:
    """By slice: the share of wrong labels among the 1, 2, 3, ... surest."""
    found = {}
    for name, belongs in SLICES.items():
        rows = [row for row in tracks if belongs(row)]
        song = np.array([row["song"] == "1" for row in rows])
        probability = np.array([float(row["song_probability"]) for row in rows])
        order = np.argsort(-np.abs(probability - 0.5), kind="stable")
        wrong = (song != (probability >= 0.5))[order]
        found[name] = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return found


def table(found: dict[str, Floats]) -> list[str]:
    lines = ["| kept | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for share in SHARES:
        cells = [f"{risk[round(share * len(risk)) - 1]:.1%}" for risk in found.values()]
        lines.append(f"| {share:.0%} | {' | '.join(cells)} |")
    return lines


def draw(found: dict[str, Floats], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for (name, risk), colour in zip(found.items(), COLOURS, strict=True):
        axes.plot(100 * np.arange(1, len(risk) + 1) / len(risk), 100 * risk, color=colour, label=name)
    axes.set(xlabel="tracks kept, the surest first (%)", ylabel="wrong labels among them (%)", xlim=(20, 100))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
@click.option("--figure", type=click.Path(path_type=Path), help="Picture of the curves to write.")
def main(place: Place, tracks: Path, figure: Path | None) -> Iterator[str]:
    """A row for each share that is kept."""
    found = curves(read_tracks(tracks))
    yield from table(found)
    if figure or place.quick:
        draw(found, figure or place.own / "risk.png")
