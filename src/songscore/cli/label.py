"""``songscore label``: files and folders in, answers out."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

FORMATS = ("table", "csv", "json", "jsonl", "parquet")


def _check_paths(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[Path, ...]:
    if not all(paths):
        raise click.BadParameter("a path is empty; write . for the current folder")
    return tuple(Path(path) for path in paths)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(), callback=_check_paths)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="Form of the answers."
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead of standard output."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to use.")
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help='Song probability from which the label is "song".'
)
@click.option("--prior", type=float, help="Share of songs that you expect in the collection, if you know it.")
@click.option(
    "--thorough",
    is_flag=True,
    help="Listen to everything. Without it, a track is left as soon as the rest would not change its label, and the"
    " passages and the timeline are those of what was heard.",
)
@click.option(
    "--progress/--no-progress", default=None, help="Show progress on standard error.  [default: on a terminal]"
)
@click.option("-v", "--verbose", is_flag=True, help="Also show the voice curve and the reasons, on standard error.")
@click.pass_context
def label(
    ctx: click.Context,
    paths: tuple[Path, ...],
    form: str,
    output: Path | None,
    jobs: int,
    threshold: float,
    prior: float | None,
    thorough: bool,
    progress: bool | None,
    verbose: bool,
) -> None:
    """Label music files, and every music file in folders.

    A file that cannot be labelled is an answer with a status and a message, and the exit status is then 1.

    JSON and Parquet have every field; CSV has one line per file, in UTF-8, without the control characters of a file
    name, and with an apostrophe before text that a spreadsheet would run as a formula (it starts with = + - @). A path
    whose bytes are not UTF-8 is written as file: and percent-encoded. --output writes the file whole or not at all.
    """
    from songscore.batch import audio_files, classify_files
    from songscore.cli.formats import writing
    from songscore.cli.terminal import clean, watched

    if progress is None:
        progress = sys.stderr.isatty() and (form == "table" or output is not None or not sys.stdout.isatty())
    files = list(audio_files(paths))
    if not files:
        click.echo(f"no music files in {clean(', '.join(map(str, paths)))}", err=True)
    try:
        results = classify_files(files, jobs=jobs, threshold=threshold, prior=prior, thorough=thorough)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    missed = 0
    with writing(form, output) as write, closing(watched(results, len(files), progress, verbose)) as answers:
        for result in answers:
            write(result)
            missed += result.label is None
    ctx.exit(1 if missed or not files else 0)
