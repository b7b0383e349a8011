"""``songscore export``: writes answers that are in JSON Lines in another format."""

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
@click.argument("results", type=options.FILE)
@options.output(*options.FORMS)
@options.marks
@options.quiet
def export(results: Path, form: str | None, output: Path | None, marks: Marks | None, quiet: bool) -> None:
    """Write the answers of a run in another format.

    RESULTS are the answers of `songscore label -o FILE.jsonl`, or the journal of an unfinished run.

    CSV and Parquet have a column for each feature that the decision weighs. It is filled for tracks that were heard
    from start to end, as with `songscore label --thorough`. `songscore features` writes every feature of every file.

    The exit status is 0 where every line is an answer, 1 where some are not, 2 for wrong usage.
    """
    from songscore.cli.formats import EXPORTS, whole_features, writing
    from songscore.cli.tally import Tally, count

    if output is not None and output.exists() and output.samefile(results):
        raise click.BadParameter(f"{output} is the file of answers itself; give another name", param_hint="--output")
    answers, tally, form, n_parts = Answers(results, marks=marks), Tally(), options.form_for(form, output), 0
    with writing(form, output, EXPORTS) as write:
        for track in tally.counting(answers):
            write(track)
            n_parts += bool(track.features) and not whole_features(track)
    if n_parts and form in ("csv", "parquet") and not quiet:
        were, have = ("was", "has") if n_parts == 1 else ("were", "have")
        heard = f"{count(n_parts, 'track')} {were} heard only in part and {have} no features here"
        click.echo(f"{heard}; songscore label --thorough hears all of each track", err=True)
    if not quiet:
        click.echo(tally.summary(output, answers=results), err=True)
    click.get_current_context().exit(1 if answers.n_refused else 0)
