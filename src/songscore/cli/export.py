"""``songscore export``: JSON Lines in another form."""

from __future__ import annotations

from pathlib import Path

import click

from songscore.cli import options
from songscore.cli.answers import Answers

EXAMPLES = options.examples("export run.jsonl", "export run.jsonl -o run.csv", "export run.jsonl -o run.parquet")


@click.command(epilog=EXAMPLES)
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.output(*options.FORMS)
def export(results: Path, form: str | None, output: Path | None) -> None:
    """Write the answers of `songscore label --format jsonl`, or a journal, in another form.

    CSV and Parquet have a column for each feature that the decision weighs, filled where the whole track was heard, as
    `songscore label --thorough` does. `songscore features` makes a table of every feature of every file.
    """
    from songscore.cli.formats import EXPORTS, whole_features, writing

    if output is not None and output.exists() and output.samefile(results):
        raise click.BadParameter(f"{output} is what is read", param_hint="--output")
    answers, n_parts, form = Answers(results), 0, options.form_for(form, output)
    with writing(form, output, EXPORTS) as write:
        for track in answers:
            write(track)
            n_parts += bool(track.features) and not whole_features(track)
    if n_parts and form in ("csv", "parquet"):
        tracks = "1 track was" if n_parts == 1 else f"{n_parts} tracks were"
        click.echo(f"{tracks} heard in part and left without features; label --thorough hears all", err=True)
    click.get_current_context().exit(1 if answers.n_refused else 0)
