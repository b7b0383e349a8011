"""Runs of the command line: what is asked, of which model, over which files, and what strangers do to their files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from systems import posix

from songscore import classify_folder, classify_release, classify_track, evaluate
from songscore.batch.lines import read_results
from songscore.cli import main
from songscore.model import digest
from songscore.results import TrackResult


def run(*arguments: str | Path, **options: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)  # type: ignore[arg-type]


def answer(path: Path, **_: object) -> TrackResult:
    if "silent" in path.name:
        return TrackResult(path=str(path), status="silent", message="no sample exceeds 1e-06", model="track-v1")
    if "missing" in path.name and not path.exists():
        return TrackResult(path=str(path), status="unreadable", message=f"{path}: no such file", model="track-v1")
    return TrackResult(path=str(path), label="song", song_probability=0.9, certain="doubt" not in path.name, model="m")


@pytest.fixture
def fake(answers: Callable[[Callable[..., TrackResult]], None]) -> None:
    answers(answer)


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one's own: the shipped one under another name."""
    with resources.as_file(resources.files("songscore") / "models") as folder:
        metadata = json.loads((folder / "track-v1.json").read_text())
        with np.load(folder / "track-v1.npz", allow_pickle=False) as stored:
            arrays = dict(stored)
    metadata["name"] = "mine"
    metadata["sha256"] = digest(arrays, metadata)
    stem = tmp_path_factory.mktemp("models") / "mine"
    np.savez(stem.with_suffix(".npz"), **arrays)
    stem.with_suffix(".json").write_text(json.dumps(metadata))
    stem.with_suffix(".md").write_text("# mine\n\x1b[31m")
    return stem


# Models of one's own


@pytest.mark.processes
def test_every_command_and_function_answers_with_a_model_by_its_path(mine: Path, album: Path, tmp_path: Path) -> None:
    song = album / "02 End Credits.flac"
    asked = ["--model", mine]
    line = json.loads(run("label", song, "--format", "jsonl", *asked).stdout)
    assert (line["model"], line["label"]) == ("mine", "song")
    assert json.loads(run("release", album, "--format", "json", *asked).stdout)[0]["model"] == "mine"
    assert run("playlist", album, "--label", "song", "-o", tmp_path / "a.m3u8", *asked).exit_code == 0
    assert "End Credits" in (tmp_path / "a.m3u8").read_text()
    assert run("plot", song, "-o", tmp_path / "a.svg", *asked).exit_code == 0
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "path,label,group\n01 Main Title.flac,instrumental score,a\n02 End Credits.flac,song,b\n", encoding="utf-8"
    )
    assert run("evaluate", manifest, "--root", album, *asked).exit_code == 0
    assert {track.model for track in evaluate(manifest, root=album, model=mine).results} == {"mine"}
    assert {track.model for track in classify_release(album, model=mine).tracks} == {"mine"}
    assert {track.model for track in classify_folder(album, model=mine)} == {"mine"}
    assert classify_track(song, model=mine).model == "mine"


def test_info_tests_a_model_by_its_path(mine: Path, tmp_path: Path) -> None:
    done = run("info", "--model", mine)
    assert (done.exit_code, "self-test     passed" in done.stdout, "mine" in done.stdout) == (0, True, True)
    assert run("info", "--model", mine, "--card").stdout == "# mine\n\n"
    other = shutil.copytree(mine.parent, tmp_path / "other") / "mine"
    metadata = json.loads(other.with_suffix(".json").read_text())
    other.with_suffix(".json").write_text(json.dumps(metadata | {"seed": -1}))
    assert "they were altered" in run("info", "--model", other).stderr
    assert run("info", "--model", tmp_path / "none").exit_code == 1


@pytest.mark.parametrize("command", ["label", "release", "playlist", "plot", "evaluate", "info"])
def test_what_is_asked_is_spelt_the_same_and_help_ends_with_examples(command: str) -> None:
    text = run(command, "--help").stdout
    options = {"--model"} if command == "info" else {"--model", "--threshold", "--prior", "--choir"}
    assert all(option in text for option in options)
    assert "\n  Examples:\n    songscore " in text


@pytest.mark.processes
def test_a_prior_moves_the_labels_of_a_release_and_not_its_verdict(album: Path) -> None:
    plain = classify_release(album)
    shifted = classify_release(album, prior=0.999)
    assert shifted.song_share == pytest.approx(plain.song_share, abs=0.01)
    assert classify_release(shifted.tracks, prior=0.999).verdict == plain.verdict


# Which files


@pytest.mark.usefixtures("fake")
def test_paths_come_from_a_list_too(tmp_path: Path) -> None:
    names = [b"a.mp3", os.fsencode("b\n1.mp3")]
    listed = tmp_path / "list"
    listed.write_bytes(b"\0".join(names) + b"\0")
    done = run("label", "c.mp3", "--files-from", listed, "-0", "--format", "jsonl")
    assert {json.loads(line)["path"] for line in done.stdout.splitlines()} == {"a.mp3", "b\n1.mp3", "c.mp3"}
    done = run("label", "--files-from", "-", "--format", "jsonl", input="x.mp3\ny.mp3\n")
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == ["x.mp3", "y.mp3"]
    assert run("label", "--files-from", tmp_path / "none").exit_code == 2
    assert run("label").exit_code == 2


@posix
@pytest.mark.usefixtures("fake")
def test_a_file_with_several_names_is_answered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "link").symlink_to("lib")
    for name in "ab":
        (tmp_path / "lib" / f"{name}.mp3").touch()
    monkeypatch.chdir(tmp_path)
    done = run("label", "lib", "./lib", "lib/a.mp3", tmp_path / "link", "--format", "jsonl")
    assert len(done.stdout.splitlines()) == 2
    assert "named twice" in done.stderr
    assert run("label", "lib", "-o", "o.jsonl").exit_code == 0
    assert run("label", "link", "-o", "o.jsonl", "--resume").exit_code == 0
    assert len(list(read_results("o.jsonl"))) == 2


def test_a_dry_run_names_the_files_and_labels_none(album: Path, tmp_path: Path) -> None:
    done = run("label", album, "-n", "--exclude", "01*", "-o", tmp_path / "out.csv")
    assert (done.exit_code, done.stdout) == (0, f"{album / '02 End Credits.flac'}\n")
    assert done.stderr == "passed over: 1 excluded\ndry run: 1 file, and nothing is written\n"
    assert not list(tmp_path.iterdir())


# Ends of runs


@pytest.mark.usefixtures("fake")
def test_a_file_without_music_has_its_answer_and_one_that_is_missing_has_none(tmp_path: Path) -> None:
    assert run("label", "a.mp3", "silent.mp3").exit_code == 0
    assert run("label", "a.mp3", "missing.mp3").exit_code == 1
    done = run("label", "a.mp3", "silent.mp3", "doubt.mp3", "missing.mp3", "-o", tmp_path / "o.jsonl")
    output = tmp_path / "o.jsonl"
    assert done.stderr.endswith(
        f"4 files: 2 songs, 0 scores, 1 could not be read, 1 without music; in {output}\n"
        f"1 in doubt: songscore report {output}\n"
    )


@pytest.mark.usefixtures("fake")
def test_a_file_that_was_not_there_is_tried_again(tmp_path: Path) -> None:
    missing, output = tmp_path / "missing.mp3", tmp_path / "o.csv"
    assert run("label", missing, "a.mp3", "-o", tmp_path / "o.jsonl").exit_code == 1
    missing.touch()
    assert run("label", missing, "a.mp3", "-o", tmp_path / "o.jsonl", "--resume").exit_code == 0
    assert sorted(str(one.label) for one in read_results(tmp_path / "o.jsonl")) == ["song", "song"]
    assert not output.exists()


@posix
def test_an_output_that_another_program_replaces_ends_the_run_with_words(
    answers: Callable[[Callable[..., TrackResult]], None], tmp_path: Path
) -> None:
    output = tmp_path / "o.jsonl"

    def meddling(path: Path, **_: object) -> TrackResult:
        if path.name == "2.mp3":
            shutil.copy(output, tmp_path / "copy")
            (tmp_path / "copy").replace(output)
        return answer(path)

    answers(meddling)
    files = ["1.mp3", "2.mp3", "3.mp3"]
    stopped = run("label", *files, "-j", "1", "-o", output)
    assert (stopped.exit_code, "another program replaced it" in stopped.stderr) == (1, True)
    answers(answer)
    assert run("label", *files, "-o", output, "--resume").exit_code == 0
    assert sorted(str(one.path) for one in read_results(output)) == files


@pytest.mark.usefixtures("fake")
def test_resume_leaves_a_file_alone_that_holds_no_answers(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("line 1\nline 2")
    done = run("label", "a.mp3", "--format", "jsonl", "-o", notes, "--resume")
    assert (done.exit_code, notes.read_text()) == (2, "line 1\nline 2")


@pytest.mark.processes
@posix
def test_a_closed_standard_output_is_said_in_words() -> None:
    command = f"exec {sys.executable} -m songscore label missing.mp3 --format jsonl >&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "standard output is closed" in done.stderr
    assert done.returncode == 2


# Answers of strangers

GOOD = TrackResult(path="a.mp3", label="song", song_probability=0.9, duration=60.0, model="m").to_dict()


BAD = [
    ("song_probability", 5),
    ("song_probability", float("nan")),
    ("song_probability", "0.9"),
    ("song_probability", None),
    ("vocal_fraction", -0.1),
    ("duration", 1e308),
    ("duration", float("inf")),
    ("analysed", True),
    ("certain", "yes"),
    ("model", "\x1b[31m"),
    ("model", "m" * 1000),
    ("status", "unreadable"),
    ("path", "a\0.mp3"),
    ("vocal_segments", [{"start": 3, "end": 1, "probability": 0.5}]),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_line_costs_itself_in_every_command_that_reads_answers(field: str, value: object, tmp_path: Path) -> None:
    results = tmp_path / "run.jsonl"
    lines = [GOOD, GOOD | {field: value}, GOOD | {"path": "b.mp3"}]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run("export", results, "--format", "jsonl")
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == ["a.mp3", "b.mp3"]
    assert (done.exit_code, "1 line is not an answer and was left out" in done.stderr) == (1, True)
    assert f"{results}, line 2: " in done.stderr
    if isinstance(value, float) and not np.isfinite(value):
        assert "is not a number in JSON" in done.stderr
    else:
        assert field in done.stderr
    assert run("report", results).exit_code == 1
    assert (tmp_path / "run.html").exists()
    assert run("release", "--from", results).exit_code == 1
    listed = run("playlist", "--from", results, "--label", "song", "-o", tmp_path / "p.m3u8")
    assert (listed.exit_code, "2 of 2 files" in listed.stderr) == (1, True)


@pytest.mark.processes
def test_bad_lines_are_tags_of_no_file(tmp_path: Path) -> None:
    results = tmp_path / "run.jsonl"
    lines = [GOOD, *(GOOD | {field: value} for field, value in BAD)]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    tagged = run("tag", "--from", results)
    assert (tagged.exit_code, f"{len(BAD)} lines are not answers and were left out" in tagged.stderr) == (1, True)


def test_a_file_without_any_answer_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1\n2\n")
    done = run("export", tmp_path / "x")
    assert (done.exit_code, "holds no answers" in done.stderr) == (2, True)


def test_a_playlist_counts_what_it_holds_and_its_titles_command_no_terminal(tmp_path: Path) -> None:
    results = tmp_path / "run.jsonl"
    track = TrackResult.from_dict(GOOD)
    names = ["\x1b[31mred.mp3", "two\nlines.mp3"]
    results.write_text("".join(json.dumps(replace(track, path=name).to_dict()) + "\n" for name in names))
    done = run("playlist", "--from", results, "--label", "song", "-o", tmp_path / "p.m3u8")
    assert "1 of 2 files" in done.stderr
    assert "#EXTINF:60,[31mred\n" in (tmp_path / "p.m3u8").read_text()


# The cache


@pytest.mark.usefixtures("own_cache")
def test_a_cache_that_may_not_be_read_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    assert "tracks    0 heard\n" in run("cache", "info").stdout
    monkeypatch.setattr("songscore.batch.cache.os.scandir", refused)
    done = run("cache", "info")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "heard: Permission denied" in done.stderr


@posix
@pytest.mark.usefixtures("fake")
def test_without_a_home_folder_nothing_is_put_anywhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SONGSCORE_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert run("label", "a.mp3").exit_code == 0
    done = run("cache", "info")
    assert (done.exit_code, "set SONGSCORE_CACHE_DIR" in done.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


@posix
@pytest.mark.parametrize("link", ["heard/ab", "heard", "heard/ab/" + "0" * 38])
def test_nothing_behind_a_link_in_the_cache_is_removed(link: str, own_cache: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    (music / "ab").mkdir(parents=True)
    for name in ("0" * 38, "precious.flac", "ab/" + "0" * 38):
        (music / name).write_bytes(b"x")
    (own_cache / link).parent.mkdir(parents=True, exist_ok=True)
    (own_cache / link).symlink_to(music if link.count("/") < 2 else music / ("0" * 38))
    before = sorted(music.rglob("*"))
    assert run("cache", "clear").exit_code == 0
    assert sorted(music.rglob("*")) == before


def test_only_what_the_cache_named_is_removed(own_cache: Path) -> None:
    folder = own_cache / "heard" / "ab"
    folder.mkdir(parents=True)
    ours = [folder / ("0" * 38), folder / f".songscore-{'a' * 16}.tmp"]
    theirs = [folder / "notes.txt", folder / ("0" * 37), own_cache / "heard" / "other", own_cache / "README"]
    for path in ours + theirs:
        path.write_bytes(b"x")
    assert run("cache", "clear").exit_code == 0
    assert [path.exists() for path in ours + theirs] == [False] * 2 + [True] * 4


@posix
@pytest.mark.usefixtures("fake")
def test_half_written_outputs_of_a_killed_run_are_removed_by_the_next(tmp_path: Path) -> None:
    old, new, theirs = (tmp_path / f".songscore-{name}.tmp" for name in ("a" * 16, "b" * 16, "notes"))
    for path in (old, new, theirs):
        path.touch()
    import fcntl

    with new.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as the process does that is writing it
        assert run("label", "a.mp3", "-o", tmp_path / "a.csv").exit_code == 0
    assert sorted(tmp_path.iterdir()) == sorted([new, theirs, tmp_path / "a.csv"])
