"""``--marks`` on the commands that take it, and ``songscore review``."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from systems import posix

from songscore import Mark, Segment, TrackResult, VocalTimeline, read_marks, write_marks
from songscore.audio.identity import file_state
from songscore.cli import main

REVIEW = sys.modules["songscore.cli.review"]
"""The module; `songscore.cli.review` is its command."""

Answers = Callable[[Callable[..., TrackResult]], None]


def digest(path: str | Path) -> str:
    return f"{sum(Path(path).name.encode()):064x}"


def answer(path: str | Path, p: float = 0.9, **fields: object) -> TrackResult:
    known = {
        "label": "song" if p >= 0.5 else "instrumental score",
        "song_probability": p,
        "certain": abs(p - 0.5) > 0.3,
        "vocal_segments": (Segment(2.0, 4.0, 0.9), Segment(7.0, 8.0, 0.8)),
        "timeline": VocalTimeline(np.arange(0.5, 10), np.full(10, 0.5, np.float32)),
        "duration": 10.0,
        "model": "track-v2",
        "sound_digest": digest(path),
    }
    return TrackResult(path=str(path), **(known | fields))


def journal(path: Path, *tracks: TrackResult) -> Path:
    path.write_text("".join(json.dumps(track.to_dict()) + "\n" for track in tracks))
    return path


def run(*arguments: str | Path, keys: str = "") -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=keys)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """a.wav is a score, b.wav is neither; the model calls both songs."""
    path = tmp_path / "marks.csv"
    write_marks([Mark.of(answer("a.wav"), "instrumental score"), Mark.of(answer("b.wav"), "neither")], path)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return journal(tmp_path / "run.jsonl", *(answer(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")))


@pytest.fixture
def music(tmp_path: Path, answers: Answers) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        (folder / name).touch()
    answers(lambda path, **_: answer(path))
    return folder


def test_label_lets_a_mark_outrank_the_model(music: Path, marks: Path) -> None:
    lines = [
        json.loads(line) for line in run("label", music, "--marks", marks, "--format", "jsonl").stdout.splitlines()
    ]
    told = [(line["label"], line["by"], line["certain"], line["status"]) for line in lines]
    assert told == [
        ("instrumental score", "hand", True, "ok"),
        (None, "hand", False, "not_music"),
        ("song", "model", True, "ok"),
    ]
    table = run("label", music, "--marks", marks).stdout
    assert table.count("by hand") == 2


def test_answers_of_before_get_their_marks_when_a_table_is_made_of_them(music: Path, marks: Path) -> None:
    out = music.parent / "run.csv"
    assert run("label", music, "-o", out, "--marks", marks).exit_code == 0
    with out.open(newline="") as file:
        assert [row["by"] for row in csv.DictReader(file)] == ["hand", "hand", "model"]


def test_export_and_playlist_take_marks(results: Path, marks: Path, tmp_path: Path) -> None:
    exported = json.loads(run("export", results, "--format", "json", "--marks", marks).stdout)
    assert [one["by"] for one in exported] == ["hand", "hand", "model"]
    for label, names in {"song": ["c.wav"], "instrumental score": ["a.wav"]}.items():
        out = tmp_path / "list.m3u8"
        run("playlist", "--from", results, "--label", label, "-o", out, "--marks", marks)
        assert [line for line in out.read_text().splitlines() if not line.startswith("#")] == names


def test_release_counts_marks(music: Path, marks: Path) -> None:
    def verdict(*more: str | Path) -> list[float]:
        (line,) = run("release", music, "--format", "jsonl", *more).stdout.splitlines()
        return [track["song_probability"] for track in json.loads(line)["tracks"]]

    assert verdict() == [0.9, 0.9, 0.9]
    assert verdict("--marks", marks) == [0.0, None, 0.9]


def test_the_report_begins_with_the_marks_and_keeps_those_of_other_tracks(results: Path, marks: Path) -> None:
    with marks.open("a") as file:
        file.write("elsewhere.flac,song,,,,\n")
    assert run("report", results, "--marks", marks).exit_code == 0
    page = results.with_suffix(".html").read_text("utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    column = data["columns"].index("mark")
    assert [row[column] for row in data["rows"]] == [2, 3, 0]
    assert [row[data["columns"].index("label")] for row in data["rows"]] == [1, 1, 1]
    assert data["marks"]["others"] == "elsewhere.flac,song,,,,\n"


@pytest.mark.parametrize("given", ["files", "answers"])
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["playlist", "--label", "score", "-n"], "a.wav"),
        (["release", "--format", "csv"], "mixed"),
        (["tag"], "INSTRUMENTAL=1"),
    ],
)
def test_a_moved_file_keeps_its_mark(
    tmp_path: Path, answers: Answers, command: list[str], told: str, given: str
) -> None:
    def heard(path: Path, **_: object) -> TrackResult:
        state = file_state(path)
        return answer(path, sound_digest=state and state.sound_digest)

    answers(heard)
    was, now = tmp_path / "was", tmp_path / "now"
    was.mkdir()
    for n, name in enumerate(("a.wav", "b.wav", "c.wav")):
        soundfile.write(was / name, np.full(100, 0.1 * n), 8000)
    marks = tmp_path / "marks.csv"
    write_marks([Mark.of(heard(was / "a.wav"), "instrumental score"), Mark.of(heard(was / "b.wav"), "neither")], marks)
    was.rename(now)
    results = journal(tmp_path / "run.jsonl", *map(heard, sorted(now.iterdir())))
    how = [now] if given == "files" else ["--from", results]
    assert told not in run(*command, *how).stdout
    assert told in run(*command, *how, "--marks", marks).stdout


def test_a_bad_line_of_marks_costs_itself(music: Path, marks: Path) -> None:
    with marks.open("a") as file:
        file.write("c.wav,opera,,,,\n")
    done = run("label", music, "--marks", marks, "--format", "jsonl")
    assert done.exit_code == 0
    assert f"{marks}, line 4: label is 'opera'" in done.stderr
    assert "1 line is not a mark and was left out" in done.stderr


@pytest.mark.parametrize(
    ("content", "complaint"), [("a,b\n", "no column path"), ("path,label\na,b\n", "holds no marks")]
)
def test_a_file_that_holds_no_marks_is_refused(music: Path, tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "no.csv").write_text(content)
    done = run("label", music, "--marks", tmp_path / "no.csv")
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "--marks" in done.stderr


@pytest.mark.slow
def test_tags_of_a_mark_say_so_and_only_another_mark_changes_them(tmp_path: Path) -> None:
    mutagen, file = pytest.importorskip("mutagen"), tmp_path / "a.flac"
    soundfile.write(file, np.zeros(8000), 8000)
    before = file.read_bytes()
    track = answer(file, sound_digest=None)
    results = journal(tmp_path / "run.jsonl", track)

    def tag(label: str | None) -> str:
        how: list[str | Path] = []
        if label is not None:
            write_marks([Mark.of(track, label)], tmp_path / "marks.csv")
            how = ["--marks", tmp_path / "marks.csv"]
        return run("tag", "--from", results, "--write", "--journal", tmp_path / "undo.jsonl", *how).stdout

    def entries() -> list[str]:
        tags = mutagen.File(file).tags or {}
        return [tags[name][0] for name in ("INSTRUMENTAL", "SONGSCORE_LABEL", "SONGSCORE_MODEL") if name in tags]

    tag("instrumental score")
    assert entries() == ["1", "instrumental score", "hand"]
    assert "INSTRUMENTAL=1 was set by hand" in tag(None)
    assert entries() == ["1", "instrumental score", "hand"]
    assert "unchanged" in tag("instrumental score")
    tag("song")
    assert entries() == ["0", "song", "hand"]
    assert "was set by hand" in run("tag", file, "--relabel", "--journal", tmp_path / "undo.jsonl").stdout
    assert run("tag", file, "--undo", "--journal", tmp_path / "undo.jsonl").exit_code == 0
    assert file.read_bytes() == before


@pytest.fixture
def doubts(tmp_path: Path) -> Path:
    """Four answers: one certain, two in doubt of which b.wav is the more doubtful, and one without a label."""
    for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
        (tmp_path / name).touch()
    none = answer(
        tmp_path / "d.wav", label=None, song_probability=None, certain=False, status="not_music", message="speech"
    )
    tracks = answer(tmp_path / "a.wav", 0.7), answer(tmp_path / "b.wav", 0.45), answer(tmp_path / "c.wav"), none
    return journal(tmp_path / "run.jsonl", *tracks)


def marked(results: Path) -> dict[str, str]:
    return {Path(mark.path).name: mark.label for mark in read_marks(results.with_name("marks.csv"))}


def test_review_goes_from_the_most_doubtful_track_to_those_without_a_label(doubts: Path) -> None:
    done = run("review", doubts, keys="sni")
    assert done.exit_code == 0
    assert marked(doubts) == {"b.wav": "song", "a.wav": "neither", "d.wav": "instrumental score"}
    said = read_marks(doubts.with_name("marks.csv"))[0]
    assert (said.said, said.probability, said.seconds) == ("instrumental score", 0.45, 10.0)
    assert "3 marks in" in done.stderr
    assert run("review", doubts).stderr.startswith("nothing is in doubt")
    run("review", doubts, "--all", keys="s")
    assert marked(doubts)["c.wav"] == "song"


def test_review_undoes_goes_back_and_stops(doubts: Path) -> None:
    run("review", doubts, keys="suq")
    assert marked(doubts) == {}
    run("review", doubts, keys="\rsbiq")
    assert marked(doubts) == {"a.wav": "instrumental score"}
    run("review", doubts, keys="u")
    assert marked(doubts) == {"a.wav": "instrumental score"}


def test_review_has_written_each_mark_before_it_asks_for_the_next(
    doubts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    keys = iter("sn")

    def key() -> str:
        path = doubts.with_name("marks.csv")
        seen.append(len(read_marks(path)) if path.exists() else 0)
        return next(keys, "q")

    monkeypatch.setattr(REVIEW, "_key", key)
    run("review", doubts)
    assert seen == [0, 1, 2]


@posix
@pytest.mark.processes
def test_review_plays_from_the_passages_that_are_most_like_a_voice(doubts: Path, tmp_path: Path) -> None:
    log, player = tmp_path / "log", tmp_path / "mpv"
    player.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec sleep 60\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)

    def wait_for(n: int) -> list[str]:
        until = time.monotonic() + 300
        while len(lines := log.read_text().splitlines() if log.exists() else []) < n:
            assert time.monotonic() < until, lines
            time.sleep(0.05)
        return lines

    keys = iter([lambda: wait_for(1) and "p", lambda: wait_for(2) and "q"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(REVIEW, "_key", lambda: next(keys)())
        run("review", doubts, "--player", player)
    options = "--no-video --really-quiet"
    assert wait_for(2) == [f"{options} --start={s} {tmp_path / 'b.wav'}" for s in ("2.0", "7.0")]


def test_review_says_where_there_is_no_player_or_no_terminal(doubts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "no player found (mpv, ffplay, vlc)" in run("review", doubts, keys="q").stderr
    done = run("review", doubts, "--player", "no-such-program")
    assert (done.exit_code, "no program 'no-such-program' was found" in done.stderr) == (2, True)


@pytest.mark.processes
def test_review_without_a_terminal_is_an_error(doubts: Path) -> None:
    command = [sys.executable, "-m", "songscore", "review", str(doubts)]
    environment = {**os.environ, "PATH": ""}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no terminal to take keys from" in done.stderr


@pytest.mark.parametrize("output", ["run.jsonl", "song.mp3"])
def test_review_overwrites_neither_music_nor_its_results(doubts: Path, output: str) -> None:
    before = doubts.read_bytes()
    done = run("review", doubts, "-o", doubts.with_name(output), keys="s")
    assert done.exit_code == 2
    assert "is not overwritten" in done.stderr
    assert doubts.read_bytes() == before


def test_an_answer_by_hand_is_asked_about_no_more(tmp_path: Path) -> None:
    by_hand = replace(answer(tmp_path / "a.wav", 0.6), by="hand", song_probability=1.0, certain=True)
    assert "nothing is in doubt" in run("review", journal(tmp_path / "r.jsonl", by_hand), "--all").stderr
