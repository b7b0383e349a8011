from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest
from click.testing import CliRunner, Result
from sounds import sine, write
from systems import posix

from songscore.cli import main
from songscore.errors import TagError
from songscore.results import SCORE, SONG, TrackResult
from songscore.tags import UndoJournal
from songscore.tags.containers import Tags
from songscore.tags.marks import NAMES

pytestmark = pytest.mark.processes

Answers = Callable[[Callable[..., TrackResult]], None]

SCORE_TAGS = """\
{path}
  + INSTRUMENTAL=1
  + INSTRUMENTAL_CONFIDENCE=90.0
  + SONGSCORE_LABEL=instrumental score
  + SONGSCORE_PROBABILITY=0.1000
  + SONGSCORE_MODEL=track-v1
"""


def answer(path: Path, **_: object) -> TrackResult:
    """What a classifier might say, by the name of the file."""
    known = TrackResult(path=str(path), model="track-v1")
    if "broken" in path.name:
        return replace(known, status="unreadable", message="damaged from the start")
    if "silent" in path.name:
        return replace(known, status="silent", message="no sample exceeds 1e-06 of full scale")
    label, p = (SONG, 0.7) if "song" in path.name else (SCORE, 0.1)
    return replace(known, label=label, song_probability=p, certain="doubt" not in path.name)


@pytest.fixture(autouse=True)
def classifier(answers: Answers) -> None:
    answers(answer)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("score.flac", "song.flac"):
        write(folder / name, sine(440, 0.5, 16_000), 16_000)
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "undo.jsonl"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["tag", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def marks(path: Path) -> dict[str, str]:
    return {name: values[0] for name, values in Tags(path.read_bytes()).entries(NAMES).items()}


def test_without_write_it_shows_what_would_change(music: Path, journal: Path) -> None:
    before = contents(music)
    shown = run(music, "--journal", journal)
    assert shown.stdout.startswith(SCORE_TAGS.format(path=music / "score.flac"))
    assert shown.stderr == "2 would change; nothing was written; add --write to write it\n"
    assert shown.exit_code == 0
    assert contents(music) == before
    assert not journal.exists()


def test_write_then_relabel_then_undo(music: Path, journal: Path) -> None:
    before = contents(music)
    written = run(music, "--write", "--journal", journal)
    assert (written.exit_code, written.stderr) == (0, "2 changed; songscore tag --undo PATH restores them\n")
    assert marks(music / "song.flac")["INSTRUMENTAL"] == "0"
    again = run(music, "--relabel", "--threshold", 0.8, "--write", "--journal", journal)
    assert again.stdout == (
        f"{music / 'score.flac'}: unchanged\n{music / 'song.flac'}\n"
        "  - INSTRUMENTAL=0\n  + INSTRUMENTAL=1\n"
        "  - SONGSCORE_LABEL=song\n  + SONGSCORE_LABEL=instrumental score\n"
    )
    undone = run(music, "--undo", "--journal", journal)
    assert (undone.exit_code, undone.stderr) == (0, "2 changed\n")
    assert contents(music) == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_labels_come_from_a_file_of_answers(music: Path, journal: Path, jobs: int) -> None:
    before = contents(music)
    results = journal.with_name("results.jsonl")
    results.write_text("".join(json.dumps(answer(path).to_dict()) + "\n" for path in sorted(music.iterdir())))
    assert run("--from", results, "--write", "--jobs", jobs, "--journal", journal).exit_code == 0
    assert marks(music / "score.flac")["SONGSCORE_PROBABILITY"] == "0.1000"
    assert run(music, "--undo", "--journal", journal).stderr == "2 changed\n"
    assert contents(music) == before


def test_a_file_of_something_else_is_wrong_usage(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text('{"path": "a.mp3"}\n')
    refused = run("--from", results)
    assert refused.exit_code == 2
    assert "not an answer of songscore" in refused.stderr


def test_marks_made_by_hand_are_told_and_kept(music: Path, journal: Path) -> None:
    file = mutagen.File(music / "song.flac")
    file["INSTRUMENTAL"] = "1"
    file.save()
    shown = run(music / "song.flac", "--write", "--journal", journal)
    assert shown.stdout == f"{music / 'song.flac'}: kept, INSTRUMENTAL=1 was set by hand\n"
    assert (shown.stderr, shown.exit_code) == ("1 kept\n", 0)


def test_a_failure_is_told_on_standard_error_and_in_the_exit_status(music: Path, journal: Path) -> None:
    shutil.copy(music / "score.flac", music / "broken.flac")
    shown = run(music, "--write", "--journal", journal)
    assert shown.exit_code == 1
    assert "broken.flac: failed, no label: unreadable\n" in shown.stderr
    assert "1 failed, 2 changed; songscore tag --undo PATH" in shown.stderr
    assert "broken.flac" not in shown.stdout


def test_a_file_without_music_is_left_alone_and_no_failure(music: Path, journal: Path) -> None:
    shutil.copy(music / "score.flac", music / "silent.flac")
    before = (music / "silent.flac").read_bytes()
    shown = run(music, "--write", "--journal", journal)
    assert shown.exit_code == 0
    assert f"{music / 'silent.flac'}: kept, no label: silent\n" in shown.stdout
    assert (music / "silent.flac").read_bytes() == before


def test_options_reach_the_tags(music: Path, journal: Path) -> None:
    (music / "song.flac").rename(music / "doubtful song.flac")
    os.utime(music / "score.flac", (1_000_000_000, 1_000_000_000))
    run(music, "--write", "--certain-only", "--language", "--keep-mtime", "--journal", journal)
    assert marks(music / "score.flac")["LANGUAGE"] == "zxx"
    assert (music / "score.flac").stat().st_mtime == 1_000_000_000
    assert marks(music / "doubtful song.flac") == {}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name files or folders, or a file of answers with --from"),
        (["--from", "FILE", "FOLDER"], "--from goes without PATH"),
        (["--relabel", "--undo", "FOLDER"], "--relabel goes without --undo"),
        (["--relabel", "--certain-only", "FOLDER"], "--relabel goes without --certain-only"),
        (["--undo", "--threshold", "0.5", "--keep-mtime", "FOLDER"], "--undo goes without --threshold, --keep-mtime"),
        (["--undo", "--write", "FOLDER"], "--undo goes without --write"),
        (["--write", "-n", "FOLDER"], "--dry-run goes without --write"),
        (["--from", "FILE", "--model", "mine"], "--from goes without --model"),
        (["--relabel", "--threshold", "2", "FOLDER"], "2.0 is not between 0 and 1"),
        (["--threshold", "2", "FOLDER"], "2.0 is not between 0 and 1"),
        (["-"], "sound on standard input (-) needs `songscore label -`"),
        ([""], "a path is empty"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str, music: Path) -> None:
    before = contents(music)
    places = {"FILE": str(music / "song.flac"), "FOLDER": str(music)}
    refused = run(*(places.get(argument, argument.replace("FOLDER", str(music))) for argument in arguments))
    assert refused.exit_code == 2
    assert complaint in refused.stderr
    assert contents(music) == before


def test_a_folder_without_music(tmp_path: Path) -> None:
    shown = run(tmp_path)
    assert (shown.exit_code, shown.stderr) == (1, f"no music files in {tmp_path}\n")


def test_without_a_home_folder_no_undo_journal_is_put_anywhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TagError, match="there is no home folder for it; name another place with --journal FILE"):
        UndoJournal("~/tag-undo.jsonl").add("a.flac", 0, b"old", b"new", {}, {})
    assert not list(tmp_path.iterdir())


def test_without_mutagen_it_says_what_to_install(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        sys.modules["songscore.cli.tag"], "find_spec", lambda name: None if name == "mutagen" else found(name)
    )
    assert "pip install 'songscore[tags]'" in run(music).stderr


@posix
def test_tags_and_names_do_not_command_the_terminal(music: Path) -> None:
    file = mutagen.File(music / "song.flac")
    file["INSTRUMENTAL"] = "\x1b[2J\x1b]0;title\x07yes"
    file.save()
    (music / "song.flac").rename(music / "song\x1b[31m.flac")
    assert "\x1b" not in run(music).stdout
