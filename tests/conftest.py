from __future__ import annotations

import csv
import functools
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from sounds import TAGGED, Sound, rendered, sine, write, write_as_named

from songscore import demo
from songscore.batch import run
from songscore.model import track_model
from songscore.results import TrackResult

ROOT = Path(__file__).parents[1]

# Shells start what runs in the background with Ctrl-C ignored, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# However busy the machine, no example takes too long.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of new folders."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or fills the cache of who runs it."""
    (folder := next(caches)).mkdir()
    monkeypatch.setenv("SONGSCORE_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="session")
def _canaries_once() -> Iterator[None]:
    """The sounds on which models are tried are synthesised once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(track_model, "canary_samples", functools.cache(track_model.canary_samples))
        yield


@pytest.fixture(scope="session")
def song() -> Sound:
    """The song of the demo."""
    return rendered(demo.render_song, 44_100)


@pytest.fixture(scope="session")
def score() -> Sound:
    """The score of the demo."""
    return rendered(demo.render_score, 44_100)


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


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Four seconds of a tone in noise."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * 16_000).astype(np.float32)
    return write(tmp_path / "a.wav", noise + sine(440, 4, 16_000), 16_000)


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthesised song and a synthesised score, the files that README, docs and notebook name."""
    folder = tmp_path_factory.mktemp("album")
    for name, piece in {"01 Main Title.flac": demo.render_score, "02 End Credits.flac": demo.render_song}.items():
        y, sr = rendered(piece, 44_100)
        soundfile.write(folder / name, y.T, sr)
    return folder


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A fifth of a second in each format that holds tags, without any."""
    folder = tmp_path_factory.mktemp("sounds")
    return {name: write_as_named(folder / name, sine(440, 0.2, 48_000), 48_000).read_bytes() for name in TAGGED}
