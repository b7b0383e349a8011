"""``songscore export``: JSON Lines in another form."""

from __future__ import annotations

from pathlib import Path

import click

from songscore.cli import options


@click.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.output(*options.FORMS)
def export(results: Path, form: str | None, output: Path | None) -> None:
    """Write the answers of `songscore label --format jsonl`, or a journal, in another form."""
    from songscore.batch.journal import read_results
    from songscore.cli.formats import writing

    if output is not None and output.exists() and output.samefile(results):
        raise click.BadParameter(f"{output} is what is read", param_hint="--output")
    try:
        with writing(options.form_for(form, output), output) as write:
            for track in read_results(results):
                write(track)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="RESULTS") from error
