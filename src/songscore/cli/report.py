"""``songscore report``: a run as one HTML page."""

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
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write.  [default: RESULTS with the suffix .html]",
)
@click.option("--title", default="songscore", show_default=True, help="Heading of the page.")
@options.marks
def report(results: Path, output: Path | None, title: str, marks: Marks | None) -> None:
    """Write one HTML page that shows every track, the doubtful ones first.

    RESULTS are the answers of `songscore label --format jsonl`. The page needs nothing else and no network; it plays
    the passages to check where the music still lies where it was labelled. Keys, clicks and taps mark tracks as song,
    score or neither; the page saves the marks as marks.csv, which every command takes with --marks.
    """
    from songscore.audio import is_audio_path
    from songscore.cli.terminal import clean
    from songscore.display.report import write_report

    page = output or results.with_suffix(".html")
    if is_audio_path(page) or page == results:
        raise click.BadParameter(f"{page} is not overwritten; give another name", param_hint="--output")
    answers = Answers(results)
    write_report(answers, page, title=title, marks=marks)
    click.echo(clean(str(page)))
    click.get_current_context().exit(1 if answers.n_refused else 0)
