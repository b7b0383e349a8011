"""Playlists: paths that lead back to the files, and nothing else on a line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from songscore import TrackResult, write_playlist
from songscore.cli import main


def track(path, label="song", certain=True, p=0.95):
    return TrackResult(path=str(path), label=label, song_probability=p, certain=certain, duration=61.4)


def entries(path):
    lines = path.read_text("utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    return [line for line in lines[1:] if not line.startswith("#")]


def test_paths_are_relative_to_the_playlist_and_lead_to_the_files(tmp_path):
    names = ["Björk & Jóga.flac", "disc 1/02.mp3", "#1 hit.mp3", "日本語.opus"]
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "songs.m3u8"
    assert write_playlist([track(tmp_path / name) for name in names], path) == []
    found = [(path.parent / entry).resolve() for entry in entries(path)]
    assert found == [(tmp_path / name).resolve() for name in names]
    assert path.read_text("utf-8").splitlines()[1] == "#EXTINF:61,Björk & Jóga"


def test_a_name_that_begins_like_a_comment_stays_an_entry(tmp_path):
    path = tmp_path / "a.m3u8"
    write_playlist([track(tmp_path / "#1 hit.mp3")], path)
    assert entries(path) == ["./#1 hit.mp3"]


def test_absolute_paths_where_asked(tmp_path):
    path = tmp_path / "a.m3u8"
    write_playlist([track(tmp_path / "b.mp3")], path, absolute=True)
    assert entries(path) == [str(tmp_path / "b.mp3")]


@pytest.mark.parametrize("name", ["two\nlines.mp3", "carriage\rreturn.mp3", "caf\udce9.mp3", "u\u2028.mp3"])
def test_what_cannot_stand_on_a_line_is_left_out_and_told(tmp_path, name):
    path = tmp_path / "a.m3u8"
    left_out = write_playlist([track(tmp_path / name), track(tmp_path / "b.mp3")], path)
    assert [Path(t.path).name for t in left_out] == [name]
    assert entries(path) == ["b.mp3"]


@pytest.fixture
def results(tmp_path):
    tracks = [
        track(tmp_path / "album/2.mp3"),
        track(tmp_path / "album/1.mp3"),
        track(tmp_path / "album/3.mp3", certain=False, p=0.6),
        track(tmp_path / "score/CD1/1.mp3", "instrumental score", p=0.01),
        track(tmp_path / "score/CD2/1.mp3", "instrumental score", p=0.01),
        track(tmp_path / "score/CD2/2.mp3", p=0.9),
        *(track(tmp_path / f"score/CD1/{i}.mp3", "instrumental score", p=0.01) for i in range(2, 9)),
        TrackResult(path=str(tmp_path / "album/4.mp3"), status="unreadable", message="an empty file"),
    ]
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(t.to_dict()) + "\n" for t in tracks), "utf-8")
    return path


def made(results, *options):
    output = results.with_name("list.m3u8")
    done = CliRunner().invoke(main, ["playlist", "--from", str(results), "--output", str(output), *options])
    assert done.exit_code == 0, done.stderr
    return entries(output)


def test_the_command_takes_a_label_in_order_of_path(results):
    assert made(results, "--label", "song") == ["album/1.mp3", "album/2.mp3", "album/3.mp3", "score/CD2/2.mp3"]


def test_the_command_takes_only_certain_tracks_where_asked(results):
    assert made(results, "--label", "song", "--certain") == ["album/1.mp3", "album/2.mp3", "score/CD2/2.mp3"]


def test_the_command_takes_tracks_of_releases_with_a_verdict(results):
    assert made(results, "--label", "song", "--release", "score") == ["score/CD2/2.mp3"]
    assert len(made(results, "--label", "instrumental score", "--release", "score")) == 9


def test_a_dry_run_names_the_tracks_and_writes_nothing(results):
    before = sorted(results.parent.iterdir())
    asked = ["playlist", "--from", str(results), "--label", "score", "--certain-only", "--dry-run"]
    done = CliRunner().invoke(main, asked)
    names = [Path(line).relative_to(results.parent).as_posix() for line in done.stdout.splitlines()]
    assert names == [*(f"score/CD1/{i}.mp3" for i in range(1, 9)), "score/CD2/1.mp3"]
    assert (done.exit_code, sorted(results.parent.iterdir())) == (0, before)


@pytest.mark.processes
def test_the_command_labels_music_itself(album, tmp_path):
    output = tmp_path / "list.m3u8"
    done = CliRunner().invoke(main, ["playlist", str(album), "--label", "song", "--output", str(output)])
    assert done.exit_code == 0
    assert [Path(entry).name for entry in entries(output)] == ["02 End Credits.flac"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "song", "--output", "a.m3u8"], "either music or --from"),
        (["x", "--label", "song", "--output", "a.mp3"], "named like a sound file"),
    ],
)
def test_wrong_usage_is_said(options, message):
    done = CliRunner().invoke(main, ["playlist", *options])
    assert done.exit_code == 2
    assert message in done.stderr
