"""``songscore release``: soundtrack, score or mixed, per folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from songscore.cli import options

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from songscore.release import ReleaseResult

COLUMNS = (
    "path",
    "verdict",
    "probability",
    "certain",
    "song_share",
    "song_share_low",
    "song_share_high",
    "n_tracks",
    "n_labelled",
    "message",
    "model",
)
"""Columns of CSV."""

FORMS = ("table", "csv", "json", "jsonl")
STYLES = {"soundtrack": "green", "score": "cyan", "mixed": "yellow"}


EXAMPLES = options.examples(
    "release ~/Music/Soundtracks",
    "release ~/Music -o releases.csv",
    "release . --model my-models/mine",
)


@click.command(epilog=EXAMPLES)
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="FOLDER...",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@options.output(*FORMS)
@options.jobs
@options.question
@options.marks
@options.progress
@options.quiet
@click.pass_context
def release(
    ctx: click.Context,
    /,
    folders: tuple[Path, ...],
    form: str | None,
    output: Path | None,
    progress: bool | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Say of every folder with music whether it is a soundtrack (songs), a score (instrumental), or mixed.

    Each folder with music in it, at any depth, is a release; folders called CD1, Disc 2 and the like belong to the one
    above them. The exit status is 1 where a release has no track that could be labelled.

    JSON has every field and the tracks in short, CSV a line per release.
    """
    from songscore.batch.run import classify_files
    from songscore.cli.formats import writing
    from songscore.cli.terminal import clean, watched
    from songscore.release import classify_releases, release_folders

    form = options.form_for(form, output, FORMS)
    progress = not quiet and options.shows_progress(progress, form, output)
    home = release_folders(folders)
    if not home:
        click.echo(f"no music files in {clean(', '.join(map(str, folders)))}", err=True)
    missed = 0
    results = classify_files(list(home), cache=True, **how)
    tracks = watched(results, len(home), progress, verbose=False, quiet=quiet)
    with writing(form, output, _forms()) as write, closing(tracks):
        for answer in classify_releases(tracks, home, prior=how["prior"]):
            write(answer)
            missed += answer.verdict is None
    ctx.exit(1 if missed or not home else 0)


def _forms() -> Mapping[str, Callable[[IO[Any]], Iterator[Callable[[Any], object]]]]:
    from songscore.cli.formats import csv_lines, json_array, json_lines

    return {"table": _table, "csv": partial(csv_lines, columns=COLUMNS), "json": json_array, "jsonl": json_lines}


def _table(file: IO[Any]) -> Iterator[Callable[[Any], object]]:
    from songscore.cli.terminal import answer_table

    with answer_table(file, _table_of) as add:
        yield add


def _table_of(releases: list[ReleaseResult]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from songscore.cli.terminal import clean, common_folder

    folder = common_folder([answer.path or "" for answer in releases])
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("Release", overflow="fold")
    table.add_column("Answer", no_wrap=True)
    for title in ("Sure", "Songs", "", "Tracks"):
        table.add_column(title, justify="right", no_wrap=True)
    for answer in releases:
        table.add_row(*_cells(answer, folder))
    notes = [f"in {clean(folder)}"] if folder else []
    if any(answer.verdict is not None and not answer.certain for answer in releases):
        notes.append("? less than 95 % sure")
    table.caption = Text("\n".join(notes))
    return table


def _cells(answer: ReleaseResult, folder: str) -> tuple[Text, ...]:
    from rich.text import Text

    from songscore.cli.terminal import clean

    path = str(Path(answer.path or "").relative_to(folder)) if folder else answer.path or ""
    name, tracks = Text(clean(path)), Text(f"{len(answer.tracks)}")
    if answer.verdict is None:
        return name, Text("no verdict", "red"), Text(), Text(), Text(), tracks
    return (
        name,
        Text(answer.verdict + ("" if answer.certain else "?"), STYLES[answer.verdict]),
        Text(f"{answer.probability:.0%}"),
        Text(f"{answer.song_share:.0%}"),
        Text(f"{answer.song_share_low:.0%}-{answer.song_share_high:.0%}"),
        tracks,
    )
