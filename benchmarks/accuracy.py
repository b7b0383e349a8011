"""How often songscore is right, on tracks of artists and origins that training never saw, and how often others are.

    python benchmarks/accuracy.py                 # the answers that training the shipped model left behind
    python benchmarks/accuracy.py --retrain       # make them again first (hours; see shipped_model.py)
    python benchmarks/accuracy.py --peers --markdown docs/figures/peers.md --json docs/figures/peers.json

Each track in ``NAME.tracks.csv`` of the shipped model was judged by a detector and a decision trained without its
artist, its source and everything from the same origin. Intervals are 95 % over resampled artists and sources. With
``--peers``, the programs of ``peers.py`` hear the same audio, once; their scores stay in the folder of the training.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from songscore.model import MODEL
from songscore.training.metrics import Figure, figures
from songscore.training.publish import metrics_table

HERE = Path(__file__).parent
TRACKS = HERE / f"{MODEL}.tracks.csv"
SLICES: dict[str, Callable[[dict[str, str]], bool]] = {
    "recordings": lambda row: row["kind"] == "recording",
    "without doubtful labels": lambda row: row["kind"] == "recording" and not row["doubt"],
    "with more": lambda row: row["kind"] in ("recording", "recording (more)"),
    "generated": lambda row: row["kind"] == "generated",
    "with and without the singer": lambda row: row["kind"] == "pair",
}


def read_tracks(path: Path) -> list[dict[str, str]]:
    """The cross-validated answers to music with instruments."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["role"] in ("song", "instrumental")]


def figures_of(tracks: list[dict[str, str]]) -> dict[str, Figure]:
    """What the cross-validated answers to these tracks are worth."""
    return figures(
        np.array([track["song"] == "1" for track in tracks]),
        np.array([float(track["song_probability"]) for track in tracks]),
        np.array([track["group"] for track in tracks]),
    )


def measure(tracks: list[dict[str, str]]) -> dict[str, dict[str, list[float]]]:
    """The figures of each slice: value, low, high."""
    found = {}
    for name, belongs in SLICES.items():
        rows = [row for row in tracks if belongs(row)]
        songs = sum(row["song"] == "1" for row in rows)
        label = f"{name} ({songs} songs, {len(rows) - songs} instrumental)"
        measured = figures_of(rows)
        found[label] = {key: [f.value, f.low, f.high] for key, f in measured.items()}
    return found


def certainty_table(tracks: list[dict[str, str]]) -> Iterator[str]:
    """The share of each slice that is certain, and the share of these that contradict their label."""
    kept = {name: [row for row in tracks if belongs(row)] for name, belongs in {"all": bool, **SLICES}.items()}
    certain = {name: [row for row in rows if row["certain"] == "1"] for name, rows in kept.items()}
    yield "| | " + " | ".join(kept) + " |"
    yield "|---" * (len(kept) + 1) + "|"
    yield "| certain | " + " | ".join(f"{len(certain[name]) / len(kept[name]):.1%}" for name in kept) + " |"
    wrong = (np.mean([is_wrong(row) for row in rows]) for rows in certain.values())
    yield "| wrong of these | " + " | ".join(f"{share:.1%}" for share in wrong) + " |"


def is_wrong(row: dict[str, str]) -> bool:
    return (float(row["song_probability"]) >= 0.5) != (row["song"] == "1")


def worst(tracks: list[dict[str, str]], n: int) -> Iterator[str]:
    """The most confident mistakes on recordings, as a table."""
    yield "| label in the list | song probability | file |"
    yield "|---|---|---|"
    rows = [row for row in tracks if row["kind"].startswith("recording")]
    rows.sort(key=lambda row: -abs(float(row["song"]) - float(row["song_probability"])))
    for row in rows[:n]:
        label = "song" if row["song"] == "1" else "instrumental score"
        yield f"| {label} | {row['song_probability']} | {row['path']} |"


@click.command()
@click.option("--retrain", is_flag=True, help="Make the shipped model and its answers again first.")
@click.option("--peers", is_flag=True, help="Beside other programs, with slices.")
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=HERE.parent.parent / "shared" / "data")
@click.option("--work", type=click.Path(path_type=Path), default=HERE.parent / "build" / "training")
@click.option("--worst", "n_worst", default=20, show_default=True, help="Mistakes to list.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for the figures as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the tables.")
def main(
    retrain: bool,
    peers: bool,
    tracks: Path,
    data: Path,
    work: Path,
    n_worst: int,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Print the figures."""
    if retrain:
        subprocess.run([sys.executable, HERE / "shipped_model.py"], check=True)
    rows = read_tracks(tracks)
    if peers:
        from beside import beside

        measured, text = beside(rows, data, work)
    else:
        measured = measure(rows)
        title = f"The {n_worst} most confident mistakes on recordings:"
        text = "\n".join([metrics_table(measured), "", *certainty_table(rows), "", title, "", *worst(rows, n_worst)])
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    if markdown:
        markdown.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
