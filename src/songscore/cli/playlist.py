"""``songscore playlist``: the songs or the scores as a playlist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.results import TrackResult


EXAMPLES = options.examples(
    "playlist ~/Music --label song -o songs.m3u8",
    'playlist --from run.jsonl --label "instrumental score" --certain -o scores.m3u8',
    "playlist --from run.jsonl --label song --release score -o songs-on-scores.m3u8",
)


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--from",
    "results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answers of `songscore label --format jsonl`, instead of labelling PATHs.",
)
@click.option("--label", type=click.Choice(["song", "instrumental score"]), required=True, help="The tracks to take.")
@click.option("--certain", is_flag=True, help="Only tracks that are not in doubt.")
@click.option(
    "--release",
    "verdict",
    type=click.Choice(["soundtrack", "score", "mixed"]),
    help="Only tracks of releases (folders) with this verdict.",
)
@click.option("--absolute", is_flag=True, help="Absolute paths.  [default: relative to the playlist]")
@options.jobs
@options.question
@options.marks
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The .m3u8 file to write.",
)
def playlist(
    paths: tuple[Path, ...],
    results: Path | None,
    label: str,
    certain: bool,
    verdict: str | None,
    absolute: bool,
    output: Path,
    **how: Any,
) -> None:
    """Write a playlist of the songs or of the instrumental scores, in order of path.

    A file whose name cannot stand in a playlist, because it is not UTF-8 or has a line break in it, is left out with a
    warning.
    """
    from songscore.audio import is_audio_path
    from songscore.cli.answers import Answers
    from songscore.cli.terminal import clean
    from songscore.playlist import write_playlist

    if bool(paths) == bool(results):
        raise click.UsageError("give either music or --from RESULTS")
    if is_audio_path(output):
        raise click.BadParameter(f"{output} is named like a sound file and is not overwritten", param_hint="--output")
    answers = list(_heard(paths, how) if results is None else Answers(results, "--from", how["marks"]))
    if verdict is not None:
        answers = list(_of_releases(answers, verdict, how["prior"]))
    wanted = [track for track in answers if track.label == label and (track.certain or not certain)]
    left_out = write_playlist(sorted(wanted, key=lambda track: track.path or ""), output, absolute=absolute)
    for track in left_out:
        click.echo(f"left out, its name cannot stand in a playlist: {clean(track.path or '')}", err=True)
    click.echo(f"{len(wanted) - len(left_out)} of {len(answers)} tracks in {clean(str(output))}", err=True)


def _heard(paths: tuple[Path, ...], how: dict[str, Any]) -> Iterator[TrackResult]:
    from songscore.batch.run import classify_files
    from songscore.batch.walk import audio_files

    return classify_files(audio_files(paths), cache=True, **how)


def _of_releases(answers: Iterable[TrackResult], verdict: str, prior: float | None) -> Iterator[TrackResult]:
    from songscore.release import classify_releases, release_folder

    home = {Path(track.path): release_folder(Path(track.path)) for track in answers if track.path is not None}
    for release in classify_releases(answers, home, prior=prior):
        if release.verdict == verdict:
            yield from release.tracks
