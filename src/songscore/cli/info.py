"""``songscore info``: versions, the model, and its self-test."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

PACKAGES = ("songscore", "numpy", "scipy", "soundfile", "soxr", "scikit-learn", "av")


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--card", is_flag=True, help="Print the model card (Markdown) instead.")
def info(form: str, card: bool) -> None:
    """Show versions and the model, and test the model against its stored answers."""
    from songscore.model import load_model

    model = load_model()
    model.self_test()
    if card:
        click.echo(model.card.rstrip())
        return
    about = {"versions": _versions(), "model": dict(model.metadata), "self_test": "passed"}
    click.echo(json.dumps(about, indent=1) if form == "json" else _as_text(about))


def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), "system": platform.platform()} | {
        name: _version(name) for name in PACKAGES
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _as_text(about: dict[str, Any]) -> str:
    lines = [f"{name:<14}{number or 'not installed'}" for name, number in about["versions"].items()]
    lines += ["", *(f"{key:<14}{_brief(value)}" for key, value in about["model"].items())]
    return "\n".join([*lines, "", f"{'self-test':<14}{about['self_test']}"])


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_brief(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) if len(value) < 5 else str(len(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
