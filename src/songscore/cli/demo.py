"""``songscore demo``: makes two short pieces of music and labels them, to try an installation."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from songscore.cli import options

EXAMPLES = options.examples("demo", "demo --keep here  # keep the two sound files")


@click.command(epilog=EXAMPLES)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep the two files in.")
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
        if keep is None:  # the temporary folder will be gone, so only the name is shown
            found = (replace(answer, path=Path(answer.path or "").name) for answer in found)
        answers = list(watched(found, len(pieces), progress=False, verbose=not quiet, quiet=quiet))
        with writing("table", None) as write:
            for answer in answers:
                write(answer)
    right = [answer.label for answer in answers] == list(pieces.values())
    if not right:
        raise click.ClickException("a wrong answer: this installation does not work")
    if not quiet:
        click.echo(_closing(keep), err=True)


def _closing(keep: Path | None) -> str:
    """The closing lines: where the two files are, and the commands to try next."""
    from songscore.cli.tally import shown

    hear = "demo --keep FOLDER keeps the files to hear" if keep is None else f"both files are in {shown(keep)}"
    return f"""both answers are right; {hear}
your own music:
  songscore label FOLDER -o run.jsonl   label every file
  songscore report run.jsonl            hear the doubtful ones, and mark them"""
