"""The built wheel, installed alone with its dependencies, does the main job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest
from pages import ROOT, examples

from songscore.model import MODEL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def songscore(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel and what it requires, nothing else."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    subprocess.run([sys.executable, "-m", "pip", "--python", home, "install", "--quiet", wheel], check=True)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    return home / scripts / "songscore"


def run(*command: str | Path) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_wheel_carries_the_model_the_stub_the_typing_mark_and_the_beets_plugin(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        assert "beetsplug/songscore.py" in archive.namelist()
        names = {name.removeprefix("songscore/") for name in archive.namelist() if name.startswith("songscore/")}
    assert {"py.typed", "__init__.pyi"} <= names
    assert {f"models/{MODEL}.{suffix}" for suffix in ("npz", "json", "md", "lessons.npz")} <= names


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 6_000_000


def test_the_installed_wheel_labels_files(songscore: Path, album: Path) -> None:
    answers = [json.loads(line) for line in run(songscore, "label", album, "--format", "jsonl").splitlines()]
    assert {Path(answer["path"]).name: answer["label"] for answer in answers} == {
        "01 Main Title.flac": "instrumental score",
        "02 End Credits.flac": "song",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="the script is for a POSIX shell")
def test_the_first_ten_minutes_go_as_the_page_says(songscore: Path, wheel: Path, album: Path, tmp_path: Path) -> None:
    """In an environment with nothing else, a home folder without a past, and no variables but these two."""
    home = songscore.parents[1]
    subprocess.run([sys.executable, "-m", "pip", "--python", home, "install", "--quiet", f"{wheel}[tags]"], check=True)
    music = shutil.copytree(album, tmp_path / "Music")
    before = {path.name: path.read_bytes() for path in music.iterdir()}
    pieces = [text for _, text in examples(ROOT / "docs" / "ten-minutes.md", "sh")]
    pieces[-1:-1] = ["sha256sum *.flac > tagged\n"]  # between writing the tags and taking them back
    environment = {"HOME": str(tmp_path), "PATH": f"{songscore.parent}:{os.defpath}"}
    script = ["bash", "-euo", "pipefail", "-c", "".join(pieces)]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "both answers are right" in done.stderr
    assert "2 files: 1 song, 1 score; in run.jsonl" in done.stderr
    assert "+ SONGSCORE_LABEL=song" in done.stdout
    assert {path.name: path.read_bytes() for path in music.glob("*.flac")} == before
    tagged = dict(reversed(line.split(maxsplit=1)) for line in (music / "tagged").read_text().splitlines())
    assert all(sha256(before[name]).hexdigest() != digest for name, digest in tagged.items())
    assert "<html" in (music / "run.html").read_text("utf-8")


def test_the_installed_wheel_passes_its_own_check(songscore: Path) -> None:
    assert MODEL in run(songscore, "info")
