"""The command ``songscore``: parses, calls, prints.

Data goes to standard output, progress and errors to standard error. The exit status is 0 when every
file was labelled, 1 when some were not or the work broke off, 2 for wrong usage, 130 after Ctrl-C.

Every command imports what it needs when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
from typing import Any

import click

from songscore.cli.cache import cache
from songscore.cli.demo import demo
from songscore.cli.export import export
from songscore.cli.features import features
from songscore.cli.info import info
from songscore.cli.label import label
from songscore.cli.playlist import playlist
from songscore.cli.plot import plot
from songscore.cli.release import release
from songscore.cli.report import report
from songscore.cli.tag import tag
from songscore.cli.train import evaluate, train
from songscore.errors import SongscoreError

__all__ = ["main"]


class _Commands(click.Group):
    """Commands whose expected failures are a sentence and not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from concurrent.futures import BrokenExecutor

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)
        except BrokenExecutor as error:
            why = str(error) or "a worker process was ended from outside; is there memory enough?"
            raise click.ClickException(why) from error
        except SongscoreError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise click.ClickException(str(error)) from error


@click.group(
    "songscore", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="songscore")
def main() -> None:
    """Say whether music files are songs or instrumental score, how sure it is, and where the voice is."""


for command in (label, features, export, release, tag, playlist, report, plot, cache, info, demo, train, evaluate):
    main.add_command(command)
