"""``songscore plot``: draws the timeline of a file as a picture."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.results import TrackResult

SUFFIXES = (".png", ".svg")


def _check_output(ctx: click.Context, param: click.Parameter, output: Path | None) -> Path | None:
    if output is not None:
        options.check_suffix(output, *SUFFIXES)
    if output is not None and not output.parent.is_dir():
        raise click.BadParameter(f"{output.parent} is not a folder")
    return output


EXAMPLES = options.examples(
    'plot "02 End Credits.flac"',
    'plot "02 End Credits.flac" -o credits.svg --choir song',
)


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.output_file(
    "Picture to write, .png or .svg.  [default: the name of FILE with .timeline.png, in the current folder]",
    callback=_check_output,
)
@options.question
@options.quiet
def plot(file: Path, output: Path | None, quiet: bool, **asked: Any) -> None:
    """Draw where in a track the voice is.

    The picture shows the probability of a voice over time, the passages with a voice, and the spectrum; its file name
    is printed. If the file cannot be labelled, no picture is written and the exit status is 1.
    """
    if find_spec("matplotlib") is None:
        raise click.ClickException("songscore plot needs matplotlib: pip install 'songscore[plot]'")
    from songscore.classify import classify_track
    from songscore.cli.terminal import clean, status_of

    track = classify_track(file, thorough=True, **asked)
    if track.timeline is None:
        raise click.ClickException(clean(f"{status_of(track)}: {track.message}"))
    output = output or Path(f"{file.stem}.timeline.png")
    _draw(track, output)
    click.echo(clean(str(output)))
    if not quiet:
        doubt = "" if track.certain else ", in doubt: listen to the marked passages"
        click.echo(f"{track.label}, probability of a song {track.song_probability:.2f}{doubt}", err=True)


def _draw(track: TrackResult, output: Path) -> None:
    from matplotlib.figure import Figure

    from songscore._files import new_file
    from songscore.display.plotting import plot_timeline

    figure = Figure(figsize=(9, 4), layout="constrained")
    plot_timeline(track, figure.subplots())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # letters of a name that no font has are drawn as boxes
        with new_file(output) as file:
            figure.savefig(file, format=output.suffix.removeprefix(".") or None, dpi=150)
