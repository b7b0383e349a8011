from __future__ import annotations

from pathlib import Path

import pytest
from systems import posix

from songscore._files import new_file, write_together, write_whole


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "é\r\n\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\r\n\n".encode()


def test_the_former_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")
    with new_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_where_the_work_breaks_off_nothing_is_left_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")

    def broken_off() -> None:
        with new_file(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt("Ctrl-C")

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        broken_off()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_an_error_of_the_work_is_not_hidden_by_one_of_tidying_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *, missing_ok: bool) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "a.txt", b"new")


def test_it_may_be_read_by_whom_any_new_file_may(tmp_path: Path) -> None:
    write_whole(tmp_path / "whole", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix
def test_what_a_killed_process_left_goes_with_the_first_write_into_its_folder(tmp_path: Path) -> None:
    import fcntl

    left, held, link, theirs = (tmp_path / f".songscore-{name}.tmp" for name in ("a" * 16, "b" * 16, "c" * 16, "notes"))
    for path in (left, held, theirs):
        path.touch()
    link.symlink_to(theirs)
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_whole(tmp_path / "whole", b"")
    assert {path.name for path in tmp_path.iterdir()} == {held.name, link.name, theirs.name, "whole"}


def test_files_that_belong_together_appear_when_all_are_whole(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "none" / "two"
    one.write_bytes(b"old")
    with pytest.raises(FileNotFoundError, match="none"):
        write_together({one: b"new", two: b"new"})
    assert (one.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (b"old", ["one"])
    write_together({one: b"new", tmp_path / "two": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"new", "two": b"new"}
