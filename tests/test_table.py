"""Features of many files: in processes, from the cache, as a table."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from systems import posix

from songscore import extract_features
from songscore.analysis.record import Failure, wrapped
from songscore.batch import measure
from songscore.batch.cache import Cache
from songscore.batch.measure import Features, features_of, read_features
from songscore.batch.table import features_of_files
from songscore.cli import main
from songscore.cli.tally import shown
from songscore.extract import feature_names
from songscore.model import MODEL


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad\x1b[31m.wav"
    path.write_bytes(b"no sound here" * 10)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@posix
@pytest.mark.slow
def test_a_bad_file_is_a_row_and_the_others_go_on(sound: Path, bad: Path) -> None:
    rows = list(features_of_files([bad, sound], sets=["spectral"], jobs=2))
    assert [(row.path, row.status) for row in rows] == [(str(bad), "unreadable"), (str(sound), "ok")]
    assert rows[0].features == {}
    assert "not a sound file" in rows[0].message
    assert rows[1].features == pytest.approx(extract_features(sound, sets=["spectral"]), rel=1e-6)


def test_settings_that_cannot_be_are_refused_at_once(sound: Path) -> None:
    with pytest.raises(ValueError, match="jobs must be 1 or more"):
        features_of_files([sound], jobs=0)
    with pytest.raises(ValueError, match="sets must be some of"):
        features_of_files([sound], sets="vocal")


def test_the_cache_gives_the_same_numbers_without_measuring(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Cache(tmp_path / "kept")
    first = features_of(sound, ["vocal", "spectral"], MODEL, store)
    assert first == extract_features(sound)
    assert (store.info().tracks, store.info().features) == (1, 1)
    monkeypatch.setattr(measure, "spectral_features", lambda source: pytest.fail("measured again"))
    assert features_of(sound, ["vocal", "spectral"], MODEL, store) == first
    store.clear()
    assert (store.info().features, store.info().size) == (0, 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"a": 1.0, "b": NaN}', b'{"a": 1.0, "b": "x"}', b'{"b": 1.0, "a": 2.0}'],
)
def test_a_spoilt_record_of_features_is_none(content: bytes, sound: Path, tmp_path: Path) -> None:
    store, made = Cache(tmp_path / "kept"), {"a": 1.0, "b": 2.0}
    store.features(str(sound), ["a", "b"], "test", lambda: made)
    (entry,) = (path for path in (store.folder / "features").rglob("*") if path.is_file())
    entry.write_bytes(content)
    assert store.features(str(sound), ["a", "b"], "test", lambda: made | {"a": 3.0}) == {"a": 3.0, "b": 2.0}
    assert store.features(str(sound), ["a", "b"], "test", lambda: made) == {"a": 3.0, "b": 2.0}


def test_replies_are_features_or_failures_and_nothing_else() -> None:
    values = dict.fromkeys(feature_names(["vocal"]), 0.1)
    reply = wrapped(Features(values).to_bytes(), "model", None)
    assert read_features(reply, "model", ["vocal"]) == Features(values)
    failure = Failure("unreadable", "a: why")
    assert read_features(wrapped(failure.to_bytes(), "model", None), "model", ["vocal"]) == failure
    with pytest.raises(ValueError, match="not the features that were asked for"):
        read_features(reply, "model", ["spectral"])
    with pytest.raises(ValueError, match="it has model 'model'"):
        read_features(reply, "another", ["vocal"])


@posix
@pytest.mark.slow
def test_the_command_writes_a_line_for_each_file(sound: Path, bad: Path, tmp_path: Path) -> None:
    output = tmp_path / "f.csv"
    done = run("features", sound, bad, "--sets", "spectral", "-j", 1, "-o", output)
    assert done.exit_code == 1
    assert done.stderr.startswith("unreadable: ")
    assert "\x1b" not in done.stderr
    assert done.stderr.endswith(f"2 files: 1 with features, 1 could not be read; in {shown(output)}\n")
    with output.open(newline="") as lines:
        good, failed = csv.DictReader(lines)
    assert [*good] == ["path", "status", "message", *feature_names(["spectral"])]
    assert float(good["tempo"]) == pytest.approx(extract_features(sound, sets=["spectral"])["tempo"])
    assert (failed["status"], failed["tempo"]) == ("unreadable", "")
    assert "\x1b" not in failed["path"]


@pytest.mark.processes
def test_parquet_has_numbers(sound: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "f.parquet"
    assert run("features", sound, tmp_path / "gone.wav", "--sets", "vocal", "-j", 1, "-q", "-o", output).exit_code == 1
    found, gone = parquet.read_table(output).to_pylist()
    assert found["voice_mean"] == pytest.approx(extract_features(sound, sets=["vocal"])["voice_mean"])
    assert (gone["status"], gone["voice_mean"]) == ("unreadable", None)


@pytest.mark.parametrize("sets", ["", "vocals", "vocal,"])
def test_unknown_sets_are_wrong_usage(sets: str, sound: Path) -> None:
    done = run("features", sound, "--sets", sets)
    assert done.exit_code == 2
    assert "vocal, spectral" in done.stderr


@pytest.mark.processes
def test_without_librosa_labels_and_vocal_features_go_on(sound: Path) -> None:
    program = (
        "import sys; sys.modules['librosa'] = None; sys.modules['numba'] = None\n"
        "from songscore import classify_track, extract_features\n"
        f"print(classify_track({str(sound)!r}).status, len(extract_features({str(sound)!r}, sets=['vocal'])))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    status, n_features = answer.stdout.split()
    assert status in ("ok", "not_music")
    assert int(n_features) == len(feature_names(["vocal"]))
