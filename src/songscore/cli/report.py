"""``songscore report``: writes the answers of a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli import options
from songscore.cli.answers import Answers

if TYPE_CHECKING:
    from songscore.marks import Marks

EXAMPLES = options.examples("report run.jsonl", 'report run.jsonl -o page.html --title "My library"')


@click.command(epilog=EXAMPLES)
@click.argument("results", type=options.FILE)
@options.output_file("The page to write.  [default: RESULTS with the suffix .html]")
@click.option("--title", default="songscore", show_default=True, help="Heading of the page.")
@options.marks
@options.quiet
def report(results: Path, output: Path | None, title: str, marks: Marks | None, quiet: bool) -> None:
    """Write one HTML page that shows every track of a run.

    The doubtful ones come first. RESULTS are the answers of `songscore label -o FILE.jsonl`. The page works without a
    network. It plays the passages to check, as long as the music files are where they were when they were labelled.
    Keys, clicks and taps mark tracks as song, score or neither, and the page saves the marks as marks.csv, which every
    command takes with --marks.
    """
    from songscore.cli.tally import Tally, count
    from songscore.cli.terminal import clean
    from songscore.display.report import write_report

    page = output or results.with_suffix(".html")
    if page == results:
        raise click.BadParameter(f"{page} is not overwritten; give another name", param_hint="--output")
    options.check_suffix(page, ".html", ".htm")
    answers, tally = Answers(results), Tally()
    write_report(tally.counting(answers), page, title=title, marks=marks)
    click.echo(clean(str(page)))
    if not quiet:
        doubt = f", {tally.n_doubtful} in doubt" if tally.n_doubtful else ""
        click.echo(f"{count(tally.n_answers, 'file')}: {tally.counts()}{doubt}; open the page in a browser", err=True)
    click.get_current_context().exit(1 if answers.n_refused else 0)
