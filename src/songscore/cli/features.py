"""``songscore features``: files and folders in, a table of features out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli import options
from songscore.cli.inputs import Inputs, inputs

if TYPE_CHECKING:
    from songscore.batch.table import FeatureRow
    from songscore.extract import SetName

FORMS = ("csv", "parquet")
EXAMPLES = options.examples(
    "features ~/Music -o features.parquet",
    "features ~/Music --sets spectral -o features.csv",
    'features "01 Main Title.flac"',
)


def _split_sets(ctx: click.Context, param: click.Parameter, value: str) -> tuple[SetName, ...]:
    from songscore.extract import SETS

    asked = value.split(",")
    if not set(asked) <= set(SETS):
        raise click.BadParameter(f"{value} is not a set of features; use {', '.join(SETS)}, or several with commas")
    return tuple(name for name in SETS if name in asked)


@click.command(epilog=EXAMPLES)
@options.output(*FORMS, default="csv")
@click.option(
    "--sets",
    metavar="SETS",
    default="vocal,spectral",
    show_default=True,
    callback=_split_sets,
    help="Which features: those of the voice, those of librosa, or both.",
)
@options.jobs
@options.timeout
@options.cache
@options.model
@options.progress
@options.quiet
@inputs
def features(
    *,
    inputs: Inputs,
    form: str | None,
    output: Path | None,
    sets: tuple[SetName, ...],
    jobs: int,
    timeout: float | None,
    cache: bool,
    model: str,
    progress: bool | None,
    quiet: bool,
) -> None:
    """Write a table of the features of music files, and of every music file below folders.

    The table has a line for each file and a column for each feature; the page "Features" of the documentation explains
    them. Every track is heard from start to end. A file that cannot be read has a line that says why, and no numbers.

    The exit status is 0 where every file was read, 1 where some could not be, 2 for wrong usage.
    """
    from songscore.batch.pool import DEADLINE
    from songscore.batch.table import features_of_files
    from songscore.cli.formats import feature_forms, writing
    from songscore.extract import feature_names

    form = options.form_for(form, output, FORMS, "csv")
    files = inputs.find(quiet=quiet)
    shown = not quiet and options.shows_progress(progress, form, output)
    try:
        rows = features_of_files(
            files, sets=sets, jobs=jobs, cache=cache, timeout=DEADLINE if timeout is None else timeout, model=model
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    n_read = 0
    with writing(form, output, feature_forms(feature_names(sets))) as write:
        for row in _watched(rows, len(files), shown, quiet):
            write(row)
            n_read += row.status == "ok"
    if files and not quiet:
        click.echo(_summary(len(files), n_read, output), err=True)
    click.get_current_context().exit(0 if files and n_read == len(files) else 1)


def _summary(n_files: int, n_read: int, output: Path | None) -> str:
    from songscore.cli.tally import count, placed

    unread = f", {n_files - n_read} could not be read" if n_read < n_files else ""
    return f"{count(n_files, 'file')}: {n_read} with features{unread}{placed(output)}"


def _watched(rows: Iterable[FeatureRow], total: int, shown: bool, quiet: bool) -> Iterator[FeatureRow]:
    """Yield the rows unchanged, and show progress and errors on standard error."""
    from rich.console import Console

    from songscore.cli.terminal import clean, progress_bar

    console = Console(stderr=True, highlight=False)
    with progress_bar(console, shown=shown) as bar:
        task = bar.add_task("", total=total)
        for row in rows:
            if row.message and not quiet:
                console.print(f"{row.status}: {clean(row.message)}", style="yellow", markup=False, soft_wrap=True)
            bar.update(task, advance=1)
            yield row
