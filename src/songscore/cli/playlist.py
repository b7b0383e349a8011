"""``songscore playlist``: writes the songs or the scores as a playlist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options
from songscore.cli.answers import Answers
from songscore.cli.inputs import Inputs, inputs
from songscore.cli.release import releases_of

if TYPE_CHECKING:
    from songscore.cli.tally import Tally
    from songscore.results import TrackResult

SUFFIXES = (".m3u8", ".m3u", ".ffconcat")

EXAMPLES = options.examples(
    "playlist ~/Music --label song -o songs.m3u8",
    "playlist --from run.jsonl --label score --certain-only -o a.m3u8",
    "playlist --from run.jsonl --label song --release score -o b.m3u8",
    "playlist --from run.jsonl --label song -n  # name the tracks",
)


def _exact_label(ctx: click.Context, param: click.Parameter, label: str) -> str:
    return "instrumental score" if label == "score" else label


@click.command(epilog=EXAMPLES)
@options.results
@click.option(
    "--label",
    type=click.Choice(["song", "score", "instrumental score"]),
    metavar="[song|score]",
    callback=_exact_label,
    required=True,
    help="The tracks to take: songs or instrumental scores.",
)
@options.certain_only
@click.option(
    "--release",
    "verdict",
    type=click.Choice(["soundtrack", "score", "mixed"]),
    help="Only tracks of releases (folders) with this verdict.",
)
@click.option("--absolute", is_flag=True, help="Write absolute paths.  [default: relative to the playlist]")
@options.output_file("The .m3u8 file to write, or .ffconcat for FFmpeg; needed unless --dry-run is given.")
@options.jobs
@options.question
@options.marks
@options.dry_run("Name the tracks that the playlist would have, and write nothing.")
@options.progress
@options.quiet
@inputs
def playlist(
    *,
    inputs: Inputs,
    results: Path | None,
    label: str,
    certain_only: bool,
    verdict: str | None,
    absolute: bool,
    output: Path | None,
    dry_run: bool,
    progress: bool | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Write a playlist of the songs or of the scores.

    The tracks are in order of path. A file whose name cannot stand in a playlist, because it is not UTF-8 or has a line
    break in it, is left out with a warning.

    The exit status is 0 where every file has an answer (a label, or that it is not music), 1 where some files or some
    lines of RESULTS could not be read, 2 for wrong usage.
    """
    from songscore.cli.tally import Tally
    from songscore.cli.terminal import heard

    options.check_together({"results": (*options.LISTENING, "threshold", "choir", "model")})
    if inputs.is_given == (results is not None):
        raise click.UsageError("give either music or --from RESULTS")
    if output is None and not dry_run:
        raise click.UsageError("name the playlist with -o FILE.m3u8, or look at its tracks with --dry-run")
    if output is not None:
        options.check_suffix(output, *SUFFIXES)
    read = Answers(results, "--from", how["marks"]) if results is not None else None
    tally = Tally()
    progress = not quiet and options.shows_progress(progress, "table", None)
    answers = list(tally.counting(heard(inputs.find(quiet=quiet), how, progress, quiet) if read is None else read))
    if verdict is not None:
        releases = releases_of(answers, prior=how["prior"])
        answers = [track for one in releases if one.verdict == verdict for track in one.tracks]
    wanted = [track for track in answers if track.label == label and (track.certain or not certain_only)]
    wanted.sort(key=lambda track: track.path or "")
    if dry_run or output is None:
        options.name_each((track.path or "" for track in wanted), "track", quiet=quiet)
    else:
        _write(wanted, tally, output, absolute, quiet)
    complete = tally.n_answers and (tally.is_complete if read is None else not read.n_refused)
    click.get_current_context().exit(0 if complete else 1)


def _write(wanted: list[TrackResult], tally: Tally, output: Path, absolute: bool, quiet: bool) -> None:
    from songscore.cli.tally import count, shown
    from songscore.cli.terminal import clean
    from songscore.playlist import write_playlist

    left_out = write_playlist(wanted, output, absolute=absolute)
    for track in left_out:
        click.echo(f"left out, its name cannot stand in a playlist: {clean(track.path or '')}", err=True)
    if not quiet:
        of_all = f"{count(tally.n_answers, 'file')} ({tally.counts()})"
        click.echo(f"{len(wanted) - len(left_out)} of {of_all}; in {shown(output)}", err=True)
