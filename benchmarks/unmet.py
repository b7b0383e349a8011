"""Music that no training has met, judged by the shipped model as anybody would use it.

    python -m benchmarks unmet --markdown docs/figures/unmet.md

The manifest ``unmet.manifest.csv`` names the files; ``python -m benchmarks.training_data`` fetches them.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from songscore import TrackResult, classify_track
from songscore.model import MODEL
from songscore.training.data.manifest import Row, read_manifest

from .material.place import Place, Skipped


@click.command()
@click.option("--model", default=MODEL, show_default=True, help="Name or path.")
def main(place: Place, model: str) -> Iterator[str]:
    """Music that no training has met: how much of it is right, and certain."""
    rows = [row for row in read_manifest(place.unmet, place.work) if row.label]
    missing = [row.name for row in rows if not row.path.exists()]
    if missing:
        raise Skipped(f"{len(missing)} files are missing, the first {missing[0]}: python -m benchmarks.training_data")
    answers = [(row, classify_track(row.path, model=model)) for row in rows]
    yield "| sounds | artists | tracks | right | certain | certainly wrong |"
    yield "|---|---|---|---|---|---|"
    for kind in sorted({row.kind for row in rows}, key=lambda kind: (-sum(row.kind == kind for row in rows), kind)):
        yield line([(row, answer) for row, answer in answers if row.kind == kind])


def line(answers: list[tuple[Row, TrackResult]]) -> str:
    """A line of the table, for sounds of one kind."""
    artists = {row.group for row, _ in answers}
    right = sum(answer.label == row.label for row, answer in answers)
    certain = [(row, answer) for row, answer in answers if answer.certain]
    wrong = sum(answer.label != row.label for row, answer in certain)
    return f"| {answers[0][0].kind} | {len(artists)} | {len(answers)} | {right} | {len(certain)} | {wrong} |"
