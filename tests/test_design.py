"""What ``docs/design.md`` says of the code is so."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "songscore"


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "design.md").read_text("utf-8")


def block(page: str, heading: str) -> list[str]:
    """Lines of the first fenced block below a heading, or below a sentence."""
    text = page.partition(heading)[2].partition("```text\n")[2].partition("```")[0]
    assert text, heading
    return text.splitlines()


def test_the_layout_names_every_module(page: str) -> None:
    told = set(re.findall(r"\w+", "\n".join(block(page, "## Layout"))))
    modules = {path.stem for path in SOURCE.rglob("*.py") if path.parent.name not in ("cli", "tags")}
    folders = {path.parent.name for path in SOURCE.rglob("*.py")}
    assert (modules | folders) - {"__init__", "__main__"} <= told


def test_the_layout_names_no_file_that_is_not_there(page: str) -> None:
    told = re.findall(r"\w+\.py\b", "\n".join(block(page, "## Layout")))
    assert len(told) > 50
    assert set(told) <= {path.name for path in SOURCE.rglob("*.py")}


def test_the_layers_are_those_that_are_checked(page: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    told = " ".join(block(page, "`lint-imports` checks it"))
    assert [layer.strip() for layer in told.split("->")] == [layer for layer in layers if layer != "__main__"]


def test_the_walks_go_through_code_that_is_there(page: str) -> None:
    for heading in ("A path to its label", "A file through a run"):
        names = re.findall(r"^ *(?:-> )?([a-z]\w*(?:\.\w+)+)", "\n".join(block(page, heading)), re.MULTILINE)
        assert len(names) > 3, heading
        for name in names:
            assert found(f"songscore.{name}"), name


def test_formats_have_the_numbers_of_the_code(page: str) -> None:
    rows = re.findall(r"`(songscore(?:\.\w+)+)` \| (\d+) \|", page.partition("## Formats")[2])
    assert len(rows) == 5
    for name, number in rows:
        assert found(name) == int(number), name


def found(name: str) -> object:
    """The module, class, function or constant of that dotted name."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            thing: object = import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            thing = getattr(thing, part)
        return thing
    raise AssertionError(f"no module of {name}")
