"""The examples of README and docs run as they are printed, in a folder with two synthesised tracks."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[object]:
    """The page's examples in one language, a page at a time."""
    found = {page.stem: BLOCK.findall(page.read_text("utf-8")) for page in PAGES}
    examples = {stem: [text for kind, text in texts if kind == language] for stem, texts in found.items()}
    return [pytest.param(texts, id=stem) for stem, texts in examples.items() if texts]


@pytest.mark.parametrize("examples", blocks("python"))
def test_python_examples_run_in_order(
    examples: list[str], album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(album, tmp_path / "album"))
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "<example>", "exec"), names)


@pytest.mark.parametrize("examples", blocks("console"))
def test_songscore_commands_succeed(examples: list[str], album: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(album, tmp_path / "album")
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    for line in "".join(examples).splitlines():
        if line.startswith("$ songscore "):
            command = [sys.executable, "-m", "songscore", *shlex.split(line, comments=True)[2:]]
            answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert answer.returncode == 0, f"{line}\n{answer.stderr}"
