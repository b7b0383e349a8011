from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from opinions import opinion, other
from sounds import sine, write
from systems import posix

from songscore import classify_folder
from songscore.analysis import sampling
from songscore.analysis.record import Analysis
from songscore.audio import AudioStream, open_audio
from songscore.batch import cache as cache_module
from songscore.batch.cache import Cache
from songscore.cli import main
from songscore.decision import Question
from songscore.errors import UnreadableAudio
from songscore.model import load_model

QUESTION = Question()


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """So long that it is heard in parts."""
    return write(tmp_path / "long.wav", sine(440, 90, 16_000), 16_000)


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "kept")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were really read."""
    files = list[str]()

    def noted(source: str, *, rate: int) -> AudioStream:
        files.append(Path(source).name)
        return open_audio(source, rate=rate)

    monkeypatch.setattr(sampling, "open_audio", noted)
    return files


def entries(store: Cache) -> list[Path]:
    return sorted(store.folder.glob("heard/??/*"))


def test_a_file_is_heard_once_and_the_answer_stays_the_same(store: Cache, sound: Path, decoded: list[str]) -> None:
    first, second = (store.analyse(str(sound), load_model(), QUESTION) for _ in range(2))
    assert decoded == ["a.wav"]
    assert first.to_bytes() == second.to_bytes()
    assert second.path == str(sound)


def test_the_name_of_a_file_is_not_its_content(store: Cache, sound: Path, decoded: list[str]) -> None:
    store.analyse(str(sound), load_model(), QUESTION)
    copy = sound.with_name("b.wav")
    shutil.copy(sound, copy)
    assert store.analyse(str(copy), load_model(), QUESTION).path == str(copy)
    assert decoded == ["a.wav"]


def test_another_content_of_the_same_size_and_time_is_heard(store: Cache, sound: Path, decoded: list[str]) -> None:
    store.analyse(str(sound), load_model(), QUESTION)
    state, content = sound.stat(), bytearray(sound.read_bytes())
    content[5000] ^= 1
    sound.write_bytes(content)
    os.utime(sound, ns=(state.st_atime_ns, state.st_mtime_ns))
    store.analyse(str(sound), load_model(), QUESTION)
    assert decoded == ["a.wav"] * 2


def test_another_decision_needs_no_decoding_and_another_detector_does(
    store: Cache, sound: Path, decoded: list[str]
) -> None:
    store.analyse(str(sound), load_model(), QUESTION)
    store.analyse(str(sound), opinion(9.0), QUESTION)
    store.analyse(str(sound), load_model(), Question(0.99, prior=0.01, choir="song"))
    assert decoded == ["a.wav"]
    store.analyse(str(sound), other(detector_digest="other"), QUESTION)
    assert decoded == ["a.wav"] * 2
    assert len(entries(store)) == 2


def test_listening_goes_on_where_a_question_needs_more_and_there_is_one_record(
    store: Cache, long: Path, decoded: list[str]
) -> None:
    model = opinion(4.0)
    a_song = store.analyse(str(long), model, QUESTION)
    assert a_song.analysed < a_song.duration / 4
    in_doubt = store.analyse(str(long), model, Question(threshold=0.99))
    assert in_doubt.activity.is_whole
    assert in_doubt.analysed == pytest.approx(in_doubt.duration, rel=0.02)
    assert len(entries(store)) == 1
    assert decoded == ["long.wav"] * 2
    for question, thorough in ((QUESTION, False), (QUESTION, True), (Question(0.01), False)):
        assert store.analyse(str(long), model, question, thorough=thorough).to_bytes() == in_doubt.to_bytes()
    assert decoded == ["long.wav"] * 2


def test_what_was_heard_in_part_is_not_all_for_who_wants_all(store: Cache, long: Path, decoded: list[str]) -> None:
    some, everything = (
        store.analyse(str(long), opinion(4.0), QUESTION, thorough=all_of_it) for all_of_it in (False, True)
    )
    assert not some.activity.is_whole
    assert everything.activity.is_whole
    assert len(entries(store)) == 1
    assert decoded == ["long.wav"] * 2


def test_what_cannot_be_read_is_not_kept(store: Cache, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_text("not sound")
    for name, message in {"bad.mp3": "not a sound file", "missing.mp3": "no such file", "": "a folder"}.items():
        with pytest.raises(UnreadableAudio, match=message):
            store.analyse(str(tmp_path / name), load_model(), QUESTION)
    assert not entries(store)


def test_what_changes_while_it_is_heard_is_not_kept(store: Cache, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def growing(path: str, *how: Any, **options: Any) -> Analysis:
        heard = sampling.analyse(path, *how, **options)
        with Path(path).open("ab") as file:
            file.write(b"more")
        return heard

    monkeypatch.setattr(cache_module, "analyse", growing)
    store.analyse(str(sound), load_model(), QUESTION)
    assert not entries(store)


@posix
@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: entry.write_bytes(b""),
        lambda entry: entry.write_bytes(entry.read_bytes()[:-1]),
        lambda entry: entry.write_bytes(entry.read_bytes() + b"x"),
        lambda entry: entry.write_bytes(entry.read_bytes().replace(b'"heard": ', b'"heard": 9')),
        lambda entry: entry.write_bytes(entry.read_bytes().replace(b'"duration": ', b'"duration": 9e300, "was": ')),
        lambda entry: entry.write_bytes(b"[" * 100_000),
        lambda entry: (entry.unlink(), entry.mkdir()),
        lambda entry: (entry.unlink(), os.mkfifo(entry)),
        lambda entry: (entry.unlink(), entry.symlink_to("/dev/zero")),
        lambda entry: os.truncate(entry, 100_000_000_000),
    ],
    ids=["empty", "cut", "long", "more steps", "out of range", "nested", "folder", "pipe", "link to a device", "huge"],
)
def test_a_spoilt_entry_is_no_entry(
    spoil: Callable[[Path], object], store: Cache, sound: Path, decoded: list[str]
) -> None:
    before = store.analyse(str(sound), load_model(), QUESTION)
    (entry,) = entries(store)
    spoil(entry)
    assert store.analyse(str(sound), load_model(), QUESTION).to_bytes() == before.to_bytes()
    assert decoded == ["a.wav"] * 2


def test_a_cache_that_is_a_file_is_no_error(store: Cache, sound: Path) -> None:
    store.folder.write_text("not a folder")
    assert store.analyse(str(sound), load_model(), QUESTION).path == str(sound)
    assert store.info().tracks == 0


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store = Cache(tmp_path / "kept")
    files = []
    for i in range(6):
        files.append(str(write(tmp_path / f"{i}.wav", sine(200 + i, 3, 16_000), 16_000)))
        store.analyse(files[-1], load_model(), QUESTION)
        os.utime(max(entries(store), key=lambda entry: entry.stat().st_mtime), (i, i))
    size = store.info().size // 6
    store.analyse(files[0], load_model(), QUESTION)
    store.limit = 4 * size
    store.trim()
    kept = store.info()
    assert kept.tracks == 3
    assert kept.size <= store.limit
    remembered = Cache(store.folder)
    before = {entry.name for entry in entries(store)}
    remembered.analyse(files[0], load_model(), QUESTION)
    assert {entry.name for entry in entries(store)} == before, "the one that was used last is still there"


def test_clearing_removes_records_and_nothing_else(store: Cache, sound: Path) -> None:
    store.analyse(str(sound), load_model(), QUESTION)
    (store.folder / "mine.txt").write_text("not a record")
    store.clear()
    assert [path.name for path in store.folder.iterdir()] == ["mine.txt"]
    store.clear()


def test_threads_that_share_a_folder_agree(store: Cache, sound: Path) -> None:
    heard = list[bytes]()
    threads = [
        threading.Thread(
            target=lambda: heard.append(Cache(store.folder).analyse(str(sound), load_model(), QUESTION).to_bytes())
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 8
    assert len(set(heard)) == 1
    assert len(entries(store)) == 1


@pytest.mark.processes
def test_a_folder_is_labelled_again_without_decoding(store: Cache, album: Path) -> None:
    first = [track.to_dict() for track in classify_folder(album, cache=store.folder)]
    for entry in entries(store):
        content = entry.read_bytes()
        assert content.count(b'"damage": ""') == 1
        entry.write_bytes(content.replace(b'"damage": ""', b'"damage": "from the cache"'))
    again = list(classify_folder(album, cache=store.folder, threshold=0.001))
    assert {track.message for track in again} == {"from the cache"}
    assert [track.song_probability for track in again] == pytest.approx(
        [track["song_probability"] for track in first], abs=1e-4
    )
    assert "song" in {track.label for track in again}


@pytest.mark.processes
def test_the_command_says_how_full_it_is_and_clears_it(own_cache: Path, sound: Path) -> None:
    CliRunner().invoke(main, ["label", str(sound)])
    shown = CliRunner().invoke(main, ["cache", "info"])
    assert f"folder    {own_cache}\ntracks    1 heard\n" in shown.output
    CliRunner().invoke(main, ["label", str(sound), "--no-cache"])
    assert CliRunner().invoke(main, ["cache", "clear"]).stderr == f"1 track removed from {own_cache}\n"
    assert '"tracks": 0' in CliRunner().invoke(main, ["cache", "info", "--format", "json"]).output
    CliRunner().invoke(main, ["label", str(sound), "--no-cache"])
    assert "tracks    0 heard\n" in CliRunner().invoke(main, ["cache", "info"]).output
