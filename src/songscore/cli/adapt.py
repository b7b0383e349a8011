"""``songscore adapt``: fits a model to the user's marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.training import Adaptation
    from songscore.training.trial import Standing

EXAMPLES = options.examples(
    "adapt marks.csv -o my-model",
    "adapt marks.csv -n --among run.jsonl  # what to mark next",
    "label ~/Music --model my-model",
)


@click.command(epilog=EXAMPLES)
@click.argument("marks", type=options.FILE)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PATH", help="The new model: path without suffix."
)
@options.dry_run("Show how much better the new model would be, and write nothing.")
@click.option(
    "--among",
    type=options.FILE,
    metavar="RESULTS",
    help="File of answers in which to find tracks to mark next, and marked files that have moved.",
)
@options.jobs
@options.model
@options.progress
@options.quiet
@click.pass_context
def adapt(
    ctx: click.Context,
    /,
    marks: Path,
    output: Path | None,
    dry_run: bool,
    among: Path | None,
    jobs: int,
    model: str,
    progress: bool | None,
    quiet: bool,
) -> None:
    """Fit the decision to your MARKS: a CSV with the columns path and label.

    The voice detector stays, so this takes seconds; only marked files that are not in the cache are heard. The decision
    is fitted to your marks and to what the model learnt from before. A table shows how many marks are wrong before and
    after, with 95 % intervals; after, each mark is judged by a decision fitted without the marks of its folder.

    The new model is written only if it is better by more than chance explains; otherwise the exit status is 1. With
    --among RESULTS, the answers of `songscore label -o FILE.jsonl`, the command also names the tracks whose marks would
    help most, and finds marked files that have moved, by their sound.
    """
    from songscore.cli.answers import Answers
    from songscore.cli.terminal import clean
    from songscore.training import adapt as run

    if output is None and not dry_run:
        raise click.UsageError("name the new model with --output, or write nothing with --dry-run")
    shown = not quiet and options.shows_progress(progress, "table", None)
    found = run(
        marks,
        None if dry_run else output,
        model=model,
        among=Answers(among, "--among") if among else (),
        jobs=jobs,
        progress=_show_progress if shown else None,
    )
    click.echo("\n".join(clean(line) for line in _report(found)))
    if not quiet:
        click.echo("\n".join(map(clean, _closing(found, among is not None))), err=True)
    ctx.exit(0 if found.better else 1)


def _show_progress(n: int, of: int) -> None:
    click.echo(f"\r{n} of {of} marked files heard", nl=n == of, err=True)


def _report(found: Adaptation) -> Iterator[str]:
    from songscore.cli.tally import count

    passed = ", ".join(f"{n} {why}" for why, n in found.passed_over.items())
    marked = f"{count(found.songs, 'song')} and {count(found.scores, 'instrumental score')}"
    yield marked + (f"; passed over: {passed}" if passed else "")
    if found.before and found.after and found.gain:
        yield ""
        yield f"{'':<20}{'before':<24}after"
        for name, before, after in zip(_NAMES, _cells(found.before), _cells(found.after), strict=True):
            yield f"{name:<20}{before:<24}{after}"
        yield f"{'loss of a mark':<20}falls by {found.gain}"
        yield f"{'among the lessons':<20}{found.elsewhere:+.2%} wrong"
    if found.mark_next:
        yield ""
        yield "mark next:"
        yield from found.mark_next


_NAMES = ("songs wrong", "scores wrong", "share wrong", "certain", "certain and wrong")


def _cells(standing: Standing) -> tuple[str, ...]:
    error = standing.error
    return (
        f"{standing.wrong_songs}",
        f"{standing.wrong_scores}",
        f"{error.value:.1%} [{error.low:.1%}, {error.high:.1%}]",
        f"{standing.certain:.0%}",
        f"{standing.certain_and_wrong}",
    )


def _closing(found: Adaptation, has_named: bool) -> Iterator[str]:
    hint = "" if has_named or not found.more else "; --among RESULTS names those that would teach most"
    yield found.message + hint
    if found.model:
        yield f"{found.model} is written: songscore label FOLDER --model {found.model}"
    else:
        yield "nothing is written" + ("; -o PATH writes the model" if found.better else "")
