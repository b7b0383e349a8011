from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from systems import linux, posix

from songscore.batch.journal import Journal
from songscore.batch.lines import read_results
from songscore.batch.pool import LOST
from songscore.results import TrackResult

QUOTED = [
    b'{"path": "\\x", "label": null, "status": "unreadable"}\n',
    b'{"path": "\xff", "label": null, "status": "unreadable"}\n',
    b'{"path": "x", "label": null, "status": "unreadable"\n',
]

ASKED = {
    "version": "0.1.0",
    "threshold": 0.5,
    "prior": None,
    "choir": "score",
    "thorough": False,
    "model": "track-v1",
    "digest": "0" * 64,
}


def open_journal(path: Path, *, resume: bool = False, **other: object) -> Journal:
    return Journal(path, ASKED | other, resume=resume)


def track(path: str) -> TrackResult:
    return TrackResult(path=path, label="song", song_probability=0.75, model="track-v1")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two answers."""
    path = tmp_path / "run.jsonl"
    with open_journal(path) as new:
        new.add(track("a.mp3"))
        new.add(track("b.mp3"))
    return path


def paths(journal: Path) -> list[str | None]:
    return [one.path for one in read_results(journal)]


@posix
def test_an_answer_is_on_the_disk_when_add_returns(tmp_path: Path) -> None:
    with open_journal(tmp_path / "run") as journal:
        for name in ("a.mp3", os.fsdecode(b"\xff.mp3"), "file:x", "new\nline.mp3"):
            journal.add(track(name))
            assert paths(tmp_path / "run")[-1] == name
            assert name in journal
        assert len(journal) == 4


def test_it_is_gone_on_with_where_asked_and_otherwise_kept(journal: Path) -> None:
    before = journal.read_bytes()
    with pytest.raises(FileExistsError, match=r"run\.jsonl"):
        open_journal(journal)
    assert journal.read_bytes() == before
    with open_journal(journal, resume=True) as again:
        assert "a.mp3" in again
        assert "c.mp3" not in again
        again.add(track("c.mp3"))
    assert paths(journal) == ["a.mp3", "b.mp3", "c.mp3"]


def test_an_empty_file_and_none_are_new_journals(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, resume in ((tmp_path / "empty", False), (tmp_path / "none", True)):
        with open_journal(path, resume=resume) as journal:
            journal.add(track("a.mp3"))
        assert paths(path) == ["a.mp3"]


def test_wherever_a_line_was_torn_the_lines_before_it_are_whole(journal: Path) -> None:
    whole = journal.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 3
    near = {end + offset for end in (0, *ends) for offset in range(-9, 10)}
    for length in sorted({*range(0, len(whole), 7), *near} & {*range(len(whole) + 1)}):
        journal.write_bytes(whole[:length])
        with open_journal(journal, resume=True) as again:
            done = [name for name in ("a.mp3", "b.mp3") if name in again]
            for name in ("a.mp3", "b.mp3"):
                if name not in again:
                    again.add(track(name))
        assert done == ["a.mp3", "b.mp3"][: sum(length >= end for end in ends[1:])]
        assert journal.read_bytes() == whole


def test_a_reader_takes_no_torn_line_for_an_answer(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-9])
    assert paths(journal) == ["a.mp3"]


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"null\n", b"[" * 50_000 + b"\n", b'{"path": 3}\n', b"\xff\n", *QUOTED]
)
def test_a_line_that_is_no_answer_costs_itself(journal: Path, line: bytes) -> None:
    broken = journal.read_bytes() + line + json.dumps(track("c.mp3").to_dict()).encode() + b"\n"
    journal.write_bytes(broken)
    with open_journal(journal, resume=True) as again:
        assert [name in again for name in ("a.mp3", "b.mp3", "c.mp3", "d.mp3")] == [True, True, True, False]
        assert again.n_refused == 1
    assert journal.read_bytes() == broken
    with pytest.raises(ValueError, match="line 4: "):
        paths(journal)
    refused = list[ValueError]()
    assert [one.path for one in read_results(journal, refused.append)] == ["a.mp3", "b.mp3", "c.mp3"]
    assert len(refused) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"line 1\nline 2",
        b"line 1",
        b"\0",
        b"\x89PNG\r\n\x1a\n",
        b'{"path": "/usr", "x": 1}',
        b'{"path": "/usr", "x": 1}\n{"path": "/u',
        b'{"songscore": 3}\n',
        b'{"songscore": {"journal": 99}}\n',
        b"[1]\n",
    ],
)
def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="notes"):
        open_journal(path, resume=True)
    assert path.read_bytes() == content


def test_a_line_that_is_too_long_cuts_nothing(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("songscore.batch.lines.LONGEST_LINE", 2000)
    broken = journal.read_bytes() + b'{"path": "' + b"x" * 5000 + b'"}\n' + journal.read_bytes()
    journal.write_bytes(broken)
    with open_journal(journal, resume=True) as again:
        assert "a.mp3" in again
        assert again.n_refused
    assert journal.read_bytes() == broken


def test_a_foreign_end_of_a_journal_is_not_cut(journal: Path) -> None:
    before = journal.read_bytes() + b"my own note"
    journal.write_bytes(before)
    with pytest.raises(ValueError, match="my own note"):
        open_journal(journal, resume=True)
    assert journal.read_bytes() == before


def test_answers_of_the_first_version_are_read_and_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    before = json.dumps(track("a.mp3").to_dict()) + "\n"
    path.write_text(before)
    assert paths(path) == ["a.mp3"]
    with pytest.raises(ValueError, match="does not say with which settings"):
        open_journal(path, resume=True)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"threshold": 0.7}, "--threshold 0.5, not 0.7"),
        ({"prior": 0.1}, "--prior none, not 0.1"),
        ({"choir": "song"}, "--choir score, not song"),
        ({"thorough": True}, "--thorough no, not yes"),
        ({"model": "mine"}, "--model track-v1, not mine"),
        ({"digest": "1" * 64}, "SHA-256 0000"),
        ({"version": "0.2.0"}, "songscore 0.1.0, not 0.2.0"),
        ({"threshold": 0.7, "prior": 0.1}, "--threshold 0.5, not 0.7, --prior none, not 0.1"),
    ],
)
def test_another_question_is_refused_with_both_values(journal: Path, other: dict[str, object], words: str) -> None:
    before = journal.read_bytes()
    with pytest.raises(ValueError, match=words):
        open_journal(journal, resume=True, **other)
    assert journal.read_bytes() == before


def test_files_may_be_joined(journal: Path, tmp_path: Path) -> None:
    with open_journal(tmp_path / "other.jsonl") as other:
        other.add(track("c.mp3"))
    journal.write_bytes(journal.read_bytes() + (tmp_path / "other.jsonl").read_bytes())
    assert paths(journal) == ["a.mp3", "b.mp3", "c.mp3"]
    with open_journal(journal, resume=True) as joined:
        assert len(joined) == 3


@posix
def test_a_file_is_known_by_its_real_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "link").symlink_to("music")
    (tmp_path / "music" / "same.mp3").symlink_to("a.mp3")
    monkeypatch.chdir(tmp_path)
    with open_journal(tmp_path / "run") as run:
        run.add(track("music/a.mp3"))
    with open_journal(tmp_path / "run", resume=True) as run:
        for name in (
            "./music/a.mp3",
            "link/a.mp3",
            str(tmp_path / "music/a.mp3"),
            "music/same.mp3",
            "music/../link/a.mp3",
        ):
            assert name in run
        assert "music/b.mp3" not in run


def test_what_was_not_found_or_had_no_worker_is_asked_for_again(journal: Path) -> None:
    reasons = {"c.mp3": "no such file", "d.mp3": LOST, "e.mp3": "not a sound file"}
    with open_journal(journal, resume=True) as run:
        for name, why in reasons.items():
            run.add(TrackResult(path=name, status="unreadable", message=f"{name}: {why}"))
    with open_journal(journal, resume=True) as run:
        assert [name in run for name in ("a.mp3", *reasons)] == [True, False, False, True]
        run.add(track("c.mp3"))
    assert paths(journal) == ["a.mp3", "b.mp3", "e.mp3", "c.mp3"]


@linux
@pytest.mark.parametrize("change", ["replaced", "removed", "truncated", "extended"])
def test_a_journal_that_another_program_changes_ends_the_run(journal: Path, change: str) -> None:
    with open_journal(journal, resume=True) as run:
        run.add(track("c.mp3"))
        if change == "replaced":
            copy = journal.with_name("copy")
            copy.write_bytes(journal.read_bytes())
            copy.replace(journal)
        elif change == "removed":
            journal.unlink()
        else:
            journal.write_bytes(b"" if change == "truncated" else journal.read_bytes() + b"x\n")
        after = journal.read_bytes() if journal.exists() else None
        with pytest.raises(OSError, match="another program"):
            run.add(track("d.mp3"))
        with pytest.raises(OSError, match="another program"):
            run.check()
    assert (journal.read_bytes() if journal.exists() else None) == after


@linux
@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_disk_without_locks_or_fsync_takes_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    with open_journal(tmp_path / "run") as run:
        run.add(track("a.mp3"))
    assert paths(tmp_path / "run") == ["a.mp3"]


@linux
def test_two_runs_do_not_write_to_one_journal(journal: Path) -> None:
    with open_journal(journal, resume=True), pytest.raises(BlockingIOError, match="another run"):
        open_journal(journal, resume=True)
    open_journal(journal, resume=True).__exit__(None, None, None)


def test_a_full_disk_leaves_the_lines_before_it(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.read_bytes()
    with open_journal(journal, resume=True) as again:
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
    path = tmp_path_factory.getbasetemp() / "noise.jsonl"
    for content in (noise, json.dumps(track("a").to_dict()).encode() + b"\n" + noise):
        path.write_bytes(content)
        refused = list[ValueError]()
        read = [one.path for one in read_results(path, refused.append)]
        assert len(read) + len(refused) <= content.count(b"\n") + 1
        assert read[: content is not noise] == ["a"][: content is not noise]
        assert all(str(error).startswith(f"{path}, line ") for error in refused)
