"""``songscore demo``: the whole way, with no music at hand."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import click


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder in which the two files stay.")
@click.pass_context
def demo(ctx: click.Context, keep: Path | None) -> None:
    """Render a small song and a small score, and label them.

    The exit status is 0 only if both answers are right.
    """
    from songscore.batch.run import classify_files
    from songscore.cli.formats import writing
    from songscore.cli.terminal import watched
    from songscore.demo import write_demo

    with TemporaryDirectory() if keep is None else nullcontext(keep) as folder:
        click.echo("rendering a song and a score, 20 seconds each", err=True)
        pieces = write_demo(Path(folder))
        answers = list(watched(classify_files(pieces), len(pieces), progress=False, verbose=True))
        with writing("table", None) as write:
            for answer in answers:
                write(answer)
    right = [answer.label for answer in answers] == list(pieces.values())
    click.echo("both answers are right" if right else "a wrong answer: this installation does not work", err=True)
    ctx.exit(0 if right else 1)
