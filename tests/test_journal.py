from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songscore.batch.journal import Journal, read_results
from songscore.results import TrackResult

linux = pytest.mark.skipif(sys.platform != "linux", reason="devices and locks of Linux")


def track(path: str) -> TrackResult:
    return TrackResult(path=path, label="song", song_probability=0.75, model="track-v1")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two answers."""
    path = tmp_path / "run.jsonl"
    with Journal(path) as new:
        new.add(track("a.mp3"))
        new.add(track("b.mp3"))
    return path


def paths(journal: Path) -> list[str | None]:
    return [one.path for one in read_results(journal)]


def test_an_answer_is_on_the_disk_when_add_returns(tmp_path: Path) -> None:
    with Journal(tmp_path / "run") as journal:
        for name in ("a.mp3", os.fsdecode(b"\xff.mp3"), "file:x", "new\nline.mp3"):
            journal.add(track(name))
            assert paths(tmp_path / "run")[-1] == name
            assert name in journal
        assert len(journal) == 4


def test_it_is_gone_on_with_where_asked_and_otherwise_kept(journal: Path) -> None:
    before = journal.read_bytes()
    with pytest.raises(FileExistsError):
        Journal(journal)
    assert journal.read_bytes() == before
    with Journal(journal, resume=True) as again:
        assert "a.mp3" in again
        assert "c.mp3" not in again
        again.add(track("c.mp3"))
    assert paths(journal) == ["a.mp3", "b.mp3", "c.mp3"]


def test_an_empty_file_and_none_are_new_journals(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, resume in ((tmp_path / "empty", False), (tmp_path / "none", True)):
        with Journal(path, resume=resume) as journal:
            journal.add(track("a.mp3"))
        assert paths(path) == ["a.mp3"]


def test_wherever_a_line_was_torn_the_lines_before_it_are_whole(journal: Path) -> None:
    whole = journal.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        journal.write_bytes(whole[:length])
        with Journal(journal, resume=True) as again:
            done = [name for name in ("a.mp3", "b.mp3") if name in again]
            for name in ("a.mp3", "b.mp3"):
                if name not in again:
                    again.add(track(name))
        assert done == ["a.mp3", "b.mp3"][: (length >= first) + (length == len(whole))]
        assert journal.read_bytes() == whole


def test_a_reader_takes_no_torn_line_for_an_answer(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-9])
    assert paths(journal) == ["a.mp3"]


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"null\n", b"[" * 50_000 + b"\n", b'{"path": 3}\n', b"\xff\n"])
def test_another_line_that_is_no_answer_is_an_error_and_the_file_stays(journal: Path, line: bytes) -> None:
    broken = journal.read_bytes() + line + journal.read_bytes()
    journal.write_bytes(broken)
    with pytest.raises(ValueError, match=r"line 3|utf-8"):
        Journal(journal, resume=True)
    assert journal.read_bytes() == broken


@linux
def test_two_runs_do_not_write_to_one_journal(journal: Path) -> None:
    with Journal(journal, resume=True), pytest.raises(BlockingIOError, match="another run"):
        Journal(journal, resume=True)
    Journal(journal, resume=True).__exit__(None, None, None)


def test_a_full_disk_leaves_the_lines_before_it(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.read_bytes()
    with Journal(journal, resume=True) as again:
        with monkeypatch.context() as full:

            def no_space(descriptor: int) -> None:
                raise OSError(28, "No space left on device")

            full.setattr(os, "fsync", no_space)
            with pytest.raises(OSError, match="No space"):
                again.add(track("c.mp3"))
        assert "c.mp3" not in again
        assert journal.read_bytes() == before
        again.add(track("c.mp3"))
    assert paths(journal) == ["a.mp3", "b.mp3", "c.mp3"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_are_a_value_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "run"
    for content in (noise, json.dumps(track("a").to_dict()).encode() + b"\n" + noise):
        path.write_bytes(content)
        try:
            list(read_results(path))
        except ValueError:
            continue
