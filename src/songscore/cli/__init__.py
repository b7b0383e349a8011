"""The command ``songscore``: it parses its arguments, calls the library, and prints the answers.

Data goes to standard output; progress, a closing line and errors to standard error. The exit status is 0 where every
file has an answer (a label, or that it is not music), 1 where some could not be read or the work broke off, 2 for wrong
usage, 130 after Ctrl-C.

Every command imports what it needs when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
from typing import Any

import click

from songscore.cli import options
from songscore.cli.adapt import adapt
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
from songscore.cli.review import review
from songscore.cli.tag import tag
from songscore.cli.train import evaluate, train
from songscore.errors import SongscoreError

__all__ = ["main"]


class _Commands(click.Group):
    """Lists commands in the order in which they were added, and shows expected errors as a sentence, no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        from concurrent.futures import BrokenExecutor

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)
        except BrokenExecutor as error:
            why = str(error) or "a worker process was killed from outside; is there enough memory?"
            raise click.ClickException(why) from error
        except SongscoreError as error:
            raise click.ClickException(str(error)) from error
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            why = "the system allows this program no more threads; use fewer --jobs, or raise `ulimit -u`"
            raise click.ClickException(why) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise click.ClickException(_without_errno(error)) from error


def _without_errno(error: OSError) -> str:
    """The message of a system error, without the error number that `str` shows."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


EXAMPLES = options.examples(
    "label ~/Music -o run.jsonl  # label every music file",
    "report run.jsonl  # see and hear them, the doubtful first",
    "tag --from run.jsonl --write  # write them into the files' tags",
    "demo  # try it with no music at hand",
)


@click.group(
    "songscore",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES,
)
@click.version_option(package_name="songscore")
def main() -> None:
    """Say whether music files are songs or instrumental score, how sure it is, and where the voice is."""


_LABELLING = label, report, review, tag, playlist, release, export
_OTHERS = plot, features, adapt, train, evaluate, info, cache, demo
for command in (*_LABELLING, *_OTHERS):
    command.short_help = command.get_short_help_str(limit=1000)  # the whole first sentence, however narrow the screen
    main.add_command(command)
