from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from systems import linux, posix

from songscore.batch.walk import AGAIN, CLOSED, EXCLUDED, HIDDEN, LINK, NOT_SOUND, audio_files


def names(top: Path, passed_over: Counter[str] | None = None) -> list[str]:
    return [path.relative_to(top).as_posix() for path in audio_files([top], passed_over)]


def fill(top: Path, *files: str) -> None:
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()


def test_files_come_in_order_at_any_depth_and_the_rest_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.flac", "b/1.MP3", "a.opus", "b/cover.jpg", "notes", ".hidden.mp3", ".git/x.wav", "b/.DS_Store")
    passed_over = Counter[str]()
    assert names(tmp_path, passed_over) == ["a.opus", "b/1.MP3", "b/2.flac"]
    assert +passed_over == Counter({NOT_SOUND: 2, HIDDEN: 3})


def test_a_file_that_is_named_is_taken_whatever_it_is(tmp_path: Path) -> None:
    fill(tmp_path, ".hidden.mp3", "text")
    given = [tmp_path / ".hidden.mp3", tmp_path / "text", tmp_path / "missing"]
    assert list(audio_files(given)) == given


@posix
def test_links_that_lead_round_in_circles_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.mp3")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "2.mp3").symlink_to("1.mp3")
    (tmp_path / "a" / "3.mp3").symlink_to("nowhere")
    passed_over = Counter[str]()
    assert names(tmp_path, passed_over) == ["a/1.mp3", "a/3.mp3"]
    assert (passed_over[LINK], passed_over[AGAIN]) == (1, 1)


@posix
def test_a_folder_that_is_a_link_is_walked_where_it_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.mp3")
    (tmp_path / "b").symlink_to("a")
    assert names(tmp_path / "b") == ["1.mp3"]


def test_a_folder_that_cannot_be_read_is_counted_and_the_rest_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a/1.mp3", "b/2.mp3")
    scan = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("a"):
            raise PermissionError(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    passed_over = Counter[str]()
    assert names(tmp_path, passed_over) == ["b/2.mp3"]
    assert passed_over[CLOSED] == 1


@linux
def test_names_that_are_no_text_are_names(tmp_path: Path) -> None:
    for name in (b"\xff.mp3", "\U0001f3b5\n'\".mp3".encode(), b"n" * 251 + b".mp3"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert len(names(tmp_path)) == 3


@posix
def test_a_file_that_is_named_twice_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "lib/1.mp3", "lib/2.mp3")
    (tmp_path / "link").symlink_to("lib")
    monkeypatch.chdir(tmp_path)
    passed_over = Counter[str]()
    found = list(audio_files(["lib", "./lib", "lib/1.mp3", tmp_path / "lib/2.mp3", "link"], passed_over))
    assert list(map(str, found)) == ["lib/1.mp3", "lib/2.mp3"]
    assert passed_over[AGAIN] == 6


@posix
@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_folder_that_may_be_listed_and_not_entered_is_passed_over(tmp_path: Path) -> None:
    """In a process without the rights of root."""
    fill(tmp_path, "a/sub/1.mp3", "b/2.mp3")
    (tmp_path / "a").chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            os.write(writing, " ".join(names(tmp_path)).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / "a").chmod(0o755)
    assert os.read(reading, 1000) == b"b/2.mp3"


@posix
def test_a_path_that_is_too_long_ends_no_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "b/x.mp3")
    monkeypatch.chdir(tmp_path)
    for _ in range(22):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    os.chdir(tmp_path)
    passed_over = Counter[str]()
    assert names(tmp_path, passed_over) == ["b/x.mp3"]
    assert passed_over[CLOSED] == 1


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("Podcasts", ["a.mp3"]), ("*.opus", ["Podcasts/1.mp3", "a.mp3"]), ("*/Podcasts/1*", ["Podcasts/2.opus", "a.mp3"])],
)
def test_what_is_excluded_is_passed_over_and_counted(tmp_path: Path, pattern: str, left: list[str]) -> None:
    fill(tmp_path, "a.mp3", "Podcasts/1.mp3", "Podcasts/2.opus")
    passed_over = Counter[str]()
    found = audio_files([tmp_path], passed_over, exclude=[pattern])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == left
    assert passed_over[EXCLUDED] == 1


@pytest.mark.parametrize("pattern", ["*.opus", "*/Podcasts/*"])
def test_what_is_excluded_is_passed_over_where_it_is_named_too(tmp_path: Path, pattern: str) -> None:
    passed_over = Counter[str]()
    named = [tmp_path / "a.mp3", tmp_path / "Podcasts" / "2.opus"]
    assert list(audio_files(named, passed_over, exclude=[pattern])) == named[:1]
    assert passed_over[EXCLUDED] == 1
