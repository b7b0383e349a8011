"""The pages about the command line: they name every command, option, status and variable that there is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from songscore.cli import main

ROOT = Path(__file__).parents[1]

FILES = {"label", "release", "playlist", "tag"}
"""Commands that take files and folders."""


def commands(group: click.Group = main, above: str = "songscore") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


EVERY = dict(commands())


def spellings(command: click.Command) -> set[str]:
    return {spelling for param in command.params if isinstance(param, click.Option) for spelling in param.opts}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(ROOT / "docs")
    monkeypatch.delitem(sys.modules, "reference", raising=False)
    from reference import commands_page

    return str(commands_page((ROOT / "docs" / "commands.md").read_text("utf-8")))


def test_the_reference_has_every_command_with_its_options_and_examples(page: str) -> None:
    sections = dict(re.findall(r"^## (songscore [^\n]*)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    assert list(sections) == sorted(EVERY)
    for path, command in EVERY.items():
        options = "\n".join(re.findall(r"^\| `(.*?)` \|", sections[path], re.MULTILINE))
        assert spellings(command) <= set(re.findall(r"-[-\w]+", options))
        assert f"Examples:\n\n```text\n{path}" in sections[path]


def test_the_reference_needs_its_place(page: str) -> None:
    from reference import commands_page

    with pytest.raises(ValueError, match="has no <!-- commands -->"):
        commands_page("# Every command\n")


def test_every_variable_that_is_read_is_named() -> None:
    text = (ROOT / "docs" / "environment.md").read_text("utf-8")
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"|"(\w+)" in os\.environ', sources))
    names = {name for pair in read for name in pair if name}
    assert {"SONGSCORE_CACHE_DIR", "COLUMNS"} <= names
    assert all(f"`{name}`" in text for name in names)


def test_every_command_that_writes_files_says_which() -> None:
    text = (ROOT / "docs" / "environment.md").read_text("utf-8").partition("## Files that are written")[2]
    rows = " ".join(line for line in text.splitlines() if line.startswith("| `"))
    writing = {path.split()[-1] for path, command in EVERY.items() if {"--output", "--write"} & spellings(command)}
    assert writing >= {"label", "tag", "adapt", "review"}
    assert writing <= set(re.findall(r"`([a-z]+)", rows))


@pytest.mark.parametrize("path", [path for path in EVERY if path.split()[-1] in FILES])
def test_what_takes_files_takes_them_in_the_same_ways(path: str) -> None:
    alike = {"--exclude", "--files-from", "-0", "-n", "--dry-run", "-j", "--jobs", "-q", "--quiet", "--progress"}
    assert alike | {"--threshold", "--prior", "--choir", "--model"} <= spellings(EVERY[path])


def test_an_option_means_the_same_wherever_it_is() -> None:
    long_names: dict[str, set[str]] = {}
    for command in EVERY.values():
        for param in command.params:
            for short in {opt for opt in param.opts if len(opt) == 2}:
                long_names.setdefault(short, set()).add(max(param.opts[:2], key=len))
    assert {short: names for short, names in long_names.items() if len(names) > 1} == {}
    known = {"-o": "--output", "-j": "--jobs", "-q": "--quiet", "-n": "--dry-run", "-0": "-0"}
    assert {short: long_names[short] for short in known} == {short: {name} for short, name in known.items()}


@pytest.mark.parametrize("path", ["songscore", *EVERY])
def test_every_help_ends_with_examples_that_name_options_there_are(path: str) -> None:
    lines = (EVERY.get(path, main).epilog or "").splitlines()
    assert lines[:2] == ["\b", "Examples:"]
    for line in lines[2:]:
        example = line.split("  # ")[0].split()
        assert len(line) <= 78
        shown = next(path for path in sorted(EVERY, key=len, reverse=True) if " ".join(example).startswith(path))
        assert {word for word in example if re.match(r"--?[a-z]", word)} <= spellings(EVERY[shown])


@pytest.mark.parametrize("width", [40, 80])
def test_no_summary_of_a_command_is_cut(width: int) -> None:
    text = " ".join(main.get_help(click.Context(main, info_name="songscore", terminal_width=width)).split())
    assert "..." not in text.split("Commands:")[1].split("Examples:")[0]
    assert "Say whether releases are soundtracks, scores, or mixed." in text


def test_commands_are_named_in_the_order_of_their_use() -> None:
    names = main.list_commands(click.Context(main))
    assert names[:5] == ["label", "report", "review", "tag", "playlist"]
    assert sorted(names) == sorted(main.commands)


@pytest.mark.parametrize(
    ("before", "begun", "found"),
    [
        ([], "la", ["label"]),
        (["label"], "--ch", ["--choir"]),
        (["label", "--choir"], "", ["score", "song"]),
        (["cache"], "", ["info", "clear"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(before: list[str], begun: str, found: list[str]) -> None:
    shell = BashComplete(main, {}, "songscore", "_SONGSCORE_COMPLETE")
    assert sorted(item.value for item in shell.get_completions(before, begun)) == sorted(found)


@pytest.mark.parametrize("path", [path for path, command in EVERY.items() if "--jobs" in spellings(command)])
def test_no_command_works_with_no_process(path: str) -> None:
    done = CliRunner().invoke(main, [*path.split()[1:], "-j", "0"])
    assert done.exit_code == 2
    assert "0 is less than 1" in done.stderr
