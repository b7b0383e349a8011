from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from songscore.batch import run
from songscore.results import TrackResult

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Music:
    """Labelled recordings outside the repository: the folder of the files and the manifest's rows."""

    folder: Path
    rows: list[dict[str, str]]


@pytest.fixture(scope="session")
def music() -> Music:
    """The labelled music in ``../shared/data`` or in SONGSCORE_DATA; mark the tests that use it `data`."""
    home = Path(os.environ.get("SONGSCORE_DATA", ROOT.parent / "shared" / "data"))
    manifest = home / "music.csv"
    if not manifest.is_file():
        pytest.skip(f"no labelled music: {manifest} does not exist (set SONGSCORE_DATA)")
    with manifest.open(newline="", encoding="utf-8") as lines:
        return Music(home / "music", list(csv.DictReader(lines)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or fills the cache of who runs it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SONGSCORE_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., TrackResult]], None]:
    """Put a function of path, threshold and prior in the place of listening, wherever many files are labelled."""

    class Unheard:
        def analyse(self, path: str, *how: object) -> bytes:
            return b""

        def close(self) -> None:
            pass

    def put(answer: Callable[..., TrackResult]) -> None:
        monkeypatch.setattr(run, "Workers", Unheard)
        monkeypatch.setattr(run, "_answer", lambda path, reply, **options: answer(Path(path), **options))

    return put


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthesised song and a synthesised score, the files that README, docs and notebook name."""
    import soundfile

    from songscore import demo

    folder = tmp_path_factory.mktemp("album")
    for name, (y, sr) in {"01 Main Title.flac": demo.render_score(), "02 End Credits.flac": demo.render_song()}.items():
        soundfile.write(folder / name, y.T, sr)
    return folder
