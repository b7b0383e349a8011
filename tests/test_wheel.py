"""The built wheel, installed alone with its dependencies, does the main job."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from songscore.model import MODEL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


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


def test_the_installed_wheel_passes_its_own_check(songscore: Path) -> None:
    assert MODEL in run(songscore, "info")
