"""``songscore release`` and ``songscore plot``."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner, Result
from matplotlib import image
from sounds import rendered

from songscore.cli import main
from songscore.cli.release import COLUMNS
from songscore.demo import render_song
from songscore.results import TrackResult

Answers = Callable[[Callable[..., TrackResult]], None]


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, [str(argument) for argument in arguments])


def answer(path: Path, **_: object) -> TrackResult:
    """What a classifier might say, by the name of the file."""
    if "bad" in path.name:
        return TrackResult(path=str(path), status="unreadable", message=f"{path}: not a sound file", model="track-v1")
    if "skit" in path.name:
        return TrackResult(path=str(path), status="not_music", message="speech without music", model="track-v1")
    p = 0.999 if "song" in path.name else 0.6 if "doubt" in path.name else 0.001
    label = "song" if p > 0.5 else "instrumental score"
    return TrackResult(path=str(path), label=label, song_probability=p, certain=True, duration=60.0, model="track-v1")


@pytest.fixture
def library(tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Releases whose answers depend on no model, in the current folder."""
    answers(answer)
    releases = {
        "Deluxe/CD1": [f"{i:02d} cue.flac" for i in range(12)],
        "Deluxe/Disc 2": ["01 song.flac", "02 song.flac"],
        "Various": [*[f"{i:02d} song.mp3" for i in range(12)], "13 interlude.mp3", "14 skit.mp3"],
        "Doubtful": ["doubt.ogg"],
    }
    for folder, names in releases.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("library")
def test_the_ending_of_the_output_says_the_form() -> None:
    assert run("release", ".", "--output", "all.json").exit_code == 0
    assert len(json.loads(Path("all.json").read_text())) == 3
    refused = run("release", ".", "--output", "all.parquet")
    assert refused.exit_code == 2
    assert "parquet" in refused.stderr


@pytest.mark.usefixtures("library")
def test_every_folder_with_music_has_a_verdict_and_discs_belong_together() -> None:
    result = run("release", ".", "--format", "jsonl")
    verdicts = {
        fields["path"]: (fields["verdict"], fields["certain"]) for fields in map(json.loads, result.stdout.splitlines())
    }
    assert verdicts == {"Deluxe": ("score", True), "Various": ("soundtrack", True), "Doubtful": ("soundtrack", False)}
    assert result.exit_code == 0


def test_releases_come_from_answers_too_and_the_last_for_a_file_counts(tmp_path: Path) -> None:
    paths = ["./Deluxe/CD1/1 song.mp3", "Deluxe/CD2/2 song.mp3", "Other/1 cue.mp3", "Other/skit.mp3"]
    first = replace(answer(Path("cue")), path="Deluxe/CD1/1 song.mp3")
    tracks = [first, *(replace(answer(Path(path)), path=path) for path in paths)]
    results = tmp_path / "run.jsonl"
    results.write_text("".join(json.dumps(track.to_dict()) + "\n" for track in tracks))
    done = run("release", "--from", results, "--format", "json")
    found = [(one["path"], one["verdict"], one["n_tracks"]) for one in json.loads(done.stdout)]
    assert found == [("Deluxe", "soundtrack", 2), ("Other", "score", 2)]
    assert done.exit_code == 0
    assert "2 releases: 1 soundtrack, 1 score\n5 files: 2 songs, 2 scores, 1 without music\n" in done.stderr
    assert run("release", "--from", results, "-n").stdout == "Deluxe\nOther\n"


def test_files_of_a_list_are_put_together_by_release(library: Path) -> None:
    files = "\n".join(["Deluxe/CD1/00 cue.flac", "Deluxe/Disc 2/01 song.flac", "Doubtful"])
    done = CliRunner().invoke(main, ["release", "--files-from", "-", "--format", "json"], input=files)
    assert [(one["path"], one["n_tracks"]) for one in json.loads(done.stdout)] == [("Deluxe", 2), ("Doubtful", 1)]
    assert run("release", ".", "--exclude", "D*", "-n").stdout == "Various\n"


@pytest.mark.usefixtures("library")
def test_the_table_marks_what_is_not_certain_and_shows_the_share_of_songs() -> None:
    lines = run("release", "Deluxe", "Doubtful", COLUMNS="80").stdout.splitlines()
    assert lines[0].split() == ["Release", "Answer", "Sure", "Songs", "Tracks"]
    assert lines[1].split() == ["Deluxe", "score", "100%", "14%", "14%-14%", "14"]
    assert lines[2].split() == ["Doubtful", "soundtrack?", "60%", "60%", "0%-100%", "1"]
    assert lines[3].strip() == "? less than 95 % sure"
    after = "1 less than 95 % sure: label with -o FILE.jsonl, then songscore report FILE.jsonl"
    assert run("release", "Deluxe", "Doubtful").stderr.endswith(f"{after}\n")


@pytest.mark.usefixtures("library")
def test_csv_has_a_line_per_release_and_json_their_tracks() -> None:
    rows = list(csv.DictReader(io.StringIO(run("release", ".", "--format", "csv").stdout)))
    releases = json.loads(run("release", ".", "--format", "json").stdout)
    assert tuple(rows[0]) == COLUMNS
    verdicts = {fields["path"]: fields["verdict"] for fields in releases}
    assert {row["path"]: row["verdict"] for row in rows} == verdicts
    assert {row["certain"] for row in rows if row["path"] == "Deluxe"} == {"true"}
    assert {fields["path"]: len(fields["tracks"]) for fields in releases} == {
        "Deluxe": 14,
        "Doubtful": 1,
        "Various": 14,
    }


def test_a_file_that_could_not_be_read_is_status_1_and_one_without_music_is_not(library: Path) -> None:
    (library / "Skits").mkdir()
    (library / "Skits" / "skit.mp3").touch()
    speech = run("release", "Skits")
    assert (speech.exit_code, "no verdict" in speech.stdout) == (0, True)
    (library / "Various" / "bad.mp3").touch()
    assert run("release", "Various").exit_code == 1
    (library / "Broken").mkdir()
    (library / "Broken" / "bad.mp3").touch()
    result = run("release", ".")
    assert result.exit_code == 1
    assert "no verdict" in result.stdout
    assert "Broken/bad.mp3: not a sound file" in result.stderr.replace(os.sep, "/")


def test_a_folder_without_music_is_status_1_and_what_is_no_folder_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    empty, missing, file = (run("release", path) for path in (tmp_path, tmp_path / "gone", tmp_path / "notes.txt"))
    assert (empty.exit_code, missing.exit_code, file.exit_code) == (1, 2, 2)
    assert "no music files in" in empty.stderr


@pytest.mark.processes
def test_two_processes_give_the_same_answers_as_one(album: Path) -> None:
    one, two = (run("release", album, "--format", "jsonl", "--jobs", n) for n in ("1", "2"))
    assert json.loads(one.stdout)["n_labelled"] == 2
    assert one.stdout == two.stdout


# Plot


@pytest.fixture
def song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "music").mkdir()
    y, sr = rendered(render_song, 16_000)
    soundfile.write(tmp_path / "music" / "メイン.flac", y.T, sr)
    return tmp_path / "music" / "メイン.flac"


def test_a_picture_is_made_in_the_current_folder_and_named(song: Path, tmp_path: Path) -> None:
    result = run("plot", song)
    assert (result.exit_code, result.stdout) == (0, "メイン.timeline.png\n")
    height, width, _ = image.imread(tmp_path / "メイン.timeline.png").shape
    assert (width, height) == (1350, 600)
    assert "Glyph" not in result.stderr
    assert [path.name for path in song.parent.iterdir()] == [song.name]


def test_svg_is_made_where_asked(song: Path, tmp_path: Path) -> None:
    assert run("plot", song, "--output", "out.svg").exit_code == 0
    assert "<svg" in (tmp_path / "out.svg").read_text("utf-8")


@pytest.mark.parametrize("output", ["music/メイン.flac", "picture", "gone/out.png"])
def test_music_is_never_overwritten_and_a_wrong_place_is_wrong_usage(song: Path, output: str) -> None:
    before = song.read_bytes()
    result = run("plot", song, "--output", output)
    assert result.exit_code == 2
    complaints = ("is not overwritten", "must end in .png or .svg", "gone is not a folder")
    assert any(complaint in result.stderr for complaint in complaints)
    assert song.read_bytes() == before


def test_a_file_without_a_label_gives_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("plot", "gone.flac")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: unreadable: gone.flac: ")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["songscore.cli.plot"], "find_spec", lambda name: None)
    result = run("plot", "song.flac")
    assert result.exit_code == 1
    assert result.stderr == "Error: songscore plot needs matplotlib: pip install 'songscore[plot]'\n"
