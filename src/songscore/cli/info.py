"""``songscore info``: versions, the model, and its self-test."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import click

from songscore.cli import options
from songscore.errors import ModelError

if TYPE_CHECKING:
    from songscore.model import TrackModel

PACKAGES = ("songscore", "numpy", "scipy", "soxr", "scikit-learn", "soundfile", "av")

FIGURES = {"balanced_accuracy": "balanced accuracy", "auc": "AUC"}
"""Figures of `songscore.training.metrics` that are shown; JSON has all."""


@click.command(epilog=options.examples("info", "info --model models/mine", "info --card"))
@options.model
@options.text_or_json
@click.option("--card", is_flag=True, help="Print the model card (Markdown) instead.")
def info(model: str, form: str, card: bool) -> None:
    """Show versions and the model, and test the model.

    The test compares the model's answers to stored inputs with stored answers. If they differ, the exit status is 1.
    """
    from songscore.cli.terminal import clean
    from songscore.model import load_model

    versions = _versions()
    try:
        loaded = load_model(model)
    except ModelError as error:
        click.echo(_to_json(versions, None, str(error)) if form == "json" else _table(versions))
        raise
    if card:
        click.echo("\n".join(map(clean, loaded.card.splitlines())))
    elif form == "json":
        click.echo(_to_json(versions, loaded.metadata, "passed"))
    else:
        click.echo(_table(versions) + "\n\n" + _table(dict(_about(loaded))) + "\nself-test     passed")


def _versions() -> dict[str, str | None]:
    about = {"python": platform.python_version(), "system": platform.platform()}
    return {**about, **{name: _version(name) for name in PACKAGES}, "libsndfile": _libsndfile()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _libsndfile() -> str | None:
    try:
        from soundfile import __libsndfile_version__
    except OSError:
        return None
    return str(__libsndfile_version__)


def _to_json(versions: Mapping[str, str | None], model: Mapping[str, Any] | None, self_test: str) -> str:
    return json.dumps({"versions": versions, "model": model, "self_test": self_test}, indent=1)


def _table(rows: Mapping[str, str | None]) -> str:
    width = max(13, *map(len, rows))
    return "\n".join(f"{name:<{width}} {text or 'not installed'}" for name, text in rows.items())


def _about(model: TrackModel) -> Iterator[tuple[str, str]]:
    from songscore.features.detector import expit

    metadata, bounds = model.metadata, model.bounds
    yield "model", metadata["name"]
    yield "sha256", metadata["sha256"]
    if adapted := metadata.get("adapted"):
        yield "adapted from", f"{adapted['from']}, to {adapted['songs']} songs and {adapted['scores']} scores"
    yield "feature set", f"{metadata['feature_set']}, {len(metadata['features'])} features"
    yield (
        "certain",
        f"song from {expit(bounds.song_above):.4f}, score up to {expit(bounds.score_below):.4f}"
        f" (from a minute of length {expit(bounds.score_below_at(60)):.4f},"
        f" from ten {expit(bounds.score_below_at(600)):.4f})",
    )
    if adapted:
        for when in ("before", "after"):
            yield f"marks {when}", f"wrong {_interval(*adapted[when]['error'])}"
    for kind, figures in metadata.get("metrics", {}).items():
        yield f"on {kind}", ", ".join(f"{FIGURES[key]} {_interval(*figures[key])}" for key in FIGURES if key in figures)


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
