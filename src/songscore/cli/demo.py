"""``songscore demo``: the whole way, with no music at hand."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from songscore.cli import options

EXAMPLES = options.examples("demo", "demo --keep here  # keep the two sound files")


@click.command(epilog=EXAMPLES)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder in which the two files stay.")
@options.quiet
def demo(keep: Path | None, quiet: bool) -> None:
    """Render a small song and a small score, and label them.

    The exit status is 0 only if both answers are right.
    """
    from songscore.batch.run import classify_files
    from songscore.cli.formats import writing
    from songscore.cli.terminal import watched
    from songscore.demo import write_demo

    with TemporaryDirectory() if keep is None else nullcontext(keep) as folder:
        if not quiet:
            click.echo("rendering a song and a score, 20 seconds each", err=True)
        pieces = write_demo(Path(folder))
        found = classify_files(pieces)
        if keep is None:  # the folder is gone when this is read
            found = (replace(answer, path=Path(answer.path or "").name) for answer in found)
        answers = list(watched(found, len(pieces), progress=False, verbose=not quiet, quiet=quiet))
        with writing("table", None) as write:
            for answer in answers:
                write(answer)
    right = [answer.label for answer in answers] == list(pieces.values())
    if not right:
        raise click.ClickException("a wrong answer: this installation does not work")
    if not quiet:
        click.echo(_after(keep), err=True)


def _after(keep: Path | None) -> str:
    """What the demo showed, and how to go on."""
    from songscore.cli.tally import shown

    hear = "demo --keep FOLDER keeps the files to hear" if keep is None else f"both files are in {shown(keep)}"
    return f"""both answers are right; {hear}
your own music:
  songscore label FOLDER -o run.jsonl   label every file
  songscore report run.jsonl            hear the doubtful ones, and mark them"""
