"""``songscore release``: says of each folder whether it is a soundtrack, a score or mixed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options
from songscore.cli.answers import Answers
from songscore.cli.inputs import Inputs, inputs

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from songscore.cli.formats import Form
    from songscore.cli.table import Shortened
    from songscore.cli.tally import Tally
    from songscore.release import ReleaseResult
    from songscore.results import TrackResult

COLUMNS = (
    "path", "verdict", "probability", "certain", "song_share", "song_share_low", "song_share_high", "n_tracks",
    "n_labelled", "message", "model",
)  # fmt: skip
"""Columns of CSV."""

FORMS = ("table", "csv", "json", "jsonl")
STYLES = {"soundtrack": "green", "score": "cyan", "mixed": "yellow"}


EXAMPLES = options.examples(
    "release ~/Music/Soundtracks",
    "release ~/Music -o releases.csv",
    "release --from run.jsonl  # of a run",
    "release . --model my-models/mine",
)


@click.command(epilog=EXAMPLES)
@options.results
@options.output(*FORMS)
@options.jobs
@options.question
@options.marks
@options.dry_run("Name the releases, and do nothing.")
@options.progress
@options.quiet
@inputs
def release(
    *,
    inputs: Inputs,
    results: Path | None,
    form: str | None,
    output: Path | None,
    dry_run: bool,
    progress: bool | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Say whether releases are soundtracks, scores, or mixed.

    A soundtrack is a collection of songs, a score is instrumental. PATHs are folders. Each folder with music in it, at
    any depth, is a release; folders called CD1, Disc 2 and the like belong to the one above them. A list of
    --files-from may name files too.

    With --from, the releases are the folders of the files in RESULTS. If these were labelled with --prior, give the
    same --prior here.

    JSON has every field and a summary of each track; CSV has a line per release.

    The exit status is 0 where every file has an answer (a label, or that it is not music), 1 where some files or some
    lines of RESULTS could not be read, 2 for wrong usage.
    """
    from songscore.cli.formats import writing
    from songscore.cli.tally import Tally, how_to_hear
    from songscore.cli.terminal import heard
    from songscore.release import classify_releases

    options.check_together({"results": (*options.LISTENING, "threshold", "choir", "model")})
    form = options.form_for(form, output, FORMS)
    progress = not quiet and options.shows_progress(progress, form, output)
    tally, verdicts, n_unsure, answers = Tally(), Counter[str](), 0, None
    folders: Iterable[str]
    if results is not None:
        answers = Answers(results, "--from", how["marks"])
        found = releases_of(tally.counting(answers), prior=how["prior"])
        folders = (answer.path or "" for answer in found)
    else:
        home = _homes(inputs, quiet)
        tracks = tally.counting(heard(list(home), how, progress, quiet))
        found = classify_releases(tracks, home, prior=how["prior"])
        folders = map(str, dict.fromkeys(home.values()))
    context = click.get_current_context()
    if dry_run:
        context.exit(0 if options.name_each(folders, "release", quiet=quiet) else 1)
    with writing(form, output, _forms()) as write:
        for answer in found:
            write(answer)
            verdicts[answer.verdict or "no verdict"] += 1
            n_unsure += answer.verdict is not None and not answer.certain
    if verdicts and not quiet:
        click.echo(_summary(verdicts, tally, output), err=True)
    if n_unsure and not quiet:
        click.echo(f"{n_unsure} less than 95 % sure: {how_to_hear(results)}", err=True)
    complete = tally.is_complete if answers is None else not answers.n_refused
    context.exit(0 if verdicts and complete else 1)


def releases_of(tracks: Iterable[TrackResult], *, prior: float | None) -> Iterator[ReleaseResult]:
    """Group a complete set of answers into releases and judge each; the last answer for a file counts."""
    from songscore.release import judge, release_folder

    there: dict[Path, dict[Path, TrackResult]] = defaultdict(dict)
    for track in tracks:
        if track.path is not None:
            there[release_folder(Path(track.path))][Path(track.path)] = track
    for folder, members in there.items():
        yield judge([members[path] for path in sorted(members)], str(folder), prior=prior)


def _homes(inputs: Inputs, quiet: bool) -> dict[Path, Path]:
    """The music files to label, each with the folder of its release."""
    from songscore.release import release_folder

    for path in inputs.named:
        if not path.is_dir():
            raise click.BadParameter(f"{path} is not a folder; `songscore label` answers for files", param_hint="PATH")
    tops = {*inputs.named, *(inputs.listed or ())}
    files = inputs.find(quiet=quiet)
    return {file: release_folder(file, file.parent if file.parent in tops else None) for file in files}


def _summary(verdicts: Mapping[str, int], tally: Tally, output: Path | None) -> str:
    from songscore.cli.tally import count, placed

    parts = ", ".join(f"{verdicts[kind]} {kind}" for kind in (*STYLES, "no verdict") if verdicts[kind])
    found = f"{count(sum(verdicts.values()), 'release')}: {parts}{placed(output)}"
    return f"{found}\n{count(tally.n_answers, 'file')}: {tally.counts()}"


def _forms() -> dict[str, Form]:
    from songscore.cli.formats import csv_lines, json_array, json_lines
    from songscore.cli.table import answer_table

    table, lines = partial(answer_table, table_of=_table_of), partial(csv_lines, columns=COLUMNS)
    return {"table": table, "csv": lines, "json": json_array, "jsonl": json_lines}


def _table_of(releases: list[ReleaseResult]) -> Table:
    from rich.text import Text

    from songscore.cli.table import common_folder, new_table
    from songscore.cli.terminal import clean

    folder = common_folder([answer.path or "" for answer in releases])
    table = new_table("Release", "Sure", "Songs", "", "Tracks")
    for answer in sorted(releases, key=lambda answer: answer.path or ""):
        table.add_row(*_cells(answer, folder))
    notes = [f"in {clean(folder)}"] if folder else []
    if any(answer.verdict is not None and not answer.certain for answer in releases):
        notes.append("? less than 95 % sure")
    table.caption = Text("\n".join(notes))
    return table


def _cells(answer: ReleaseResult, folder: str) -> tuple[Shortened | Text, ...]:
    from rich.text import Text

    from songscore.cli.table import Shortened, within

    name, tracks = Shortened(within(answer.path or "", folder)), Text(f"{len(answer.tracks)}")
    if answer.verdict is None:
        return name, Text("no verdict", "red"), Text(), Text(), Text(), tracks
    return (
        name,
        Text(answer.verdict + ("" if answer.certain else "?"), STYLES[answer.verdict]),
        Text(f"{answer.probability:.0%}"),
        Text(f"{answer.song_share:.0%}"),
        Text(f"{answer.song_share_low:.0%}-{answer.song_share_high:.0%}"),
        tracks,
    )
