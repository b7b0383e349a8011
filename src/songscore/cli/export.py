"""``songscore export``: JSON Lines in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli import options
from songscore.cli.answers import Answers

if TYPE_CHECKING:
    from songscore.marks import Marks

EXAMPLES = options.examples("export run.jsonl", "export run.jsonl -o run.csv", "export run.jsonl -o run.parquet")


@click.command(epilog=EXAMPLES)
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.output(*options.FORMS)
@options.marks
def export(results: Path, form: str | None, output: Path | None, marks: Marks | None) -> None:
    """Write the answers of `songscore label --format jsonl`, or a journal, in another form."""
    from songscore.cli.formats import writing

    if output is not None and output.exists() and output.samefile(results):
        raise click.BadParameter(f"{output} is what is read", param_hint="--output")
    answers = Answers(results, marks=marks)
    with writing(options.form_for(form, output), output) as write:
        for track in answers:
            write(track)
    click.get_current_context().exit(1 if answers.n_refused else 0)
