"""A disk that is full, wherever something is written: a file system of 64 kB, all of it taken but a little."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_disk import PAGE, Disk, mounted
from sounds import sine, write
from systems import linux
from tiny import write_tiny

from songscore.batch.cache import Cache
from songscore.batch.journal import Journal
from songscore.batch.lines import read_results
from songscore.cli import main
from songscore.decision import Question
from songscore.model import load_model, read_model
from songscore.results import Segment, TrackResult
from songscore.tags import UndoJournal, Writing, tag_track, undo

pytestmark = [linux, pytest.mark.processes]  # mount and umount are programs

SAYS = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    try:
        with mounted(tmp_path / "disk", getattr(request, "param", "64k")) as disk:
            yield disk
    except PermissionError as error:
        pytest.skip(str(error))


def track(path: str | Path = "a.mp3") -> TrackResult:
    long = tuple(Segment(float(i), i + 0.5, 0.5) for i in range(100))
    return TrackResult(path=str(path), label="song", song_probability=0.75, model="m", vocal_segments=long)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_journal_keeps_whole_answers_and_goes_on_when_there_is_room(disk: Disk) -> None:
    path, asked = disk.folder / "run.jsonl", {"version": "1"}
    disk.fill(20_000)

    def fill_up() -> None:
        with Journal(path, asked) as journal:
            for i in range(100):
                journal.add(track(f"{i}.mp3"))

    with pytest.raises(OSError, match=SAYS) as raised:
        fill_up()
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    written = [one.path for one in read_results(path)]
    assert 1 < len(written) < 10
    assert path.read_bytes().endswith(b"}\n")
    disk.empty()
    with Journal(path, asked, resume=True) as journal:
        journal.add(track("last.mp3"))
    assert [one.path for one in read_results(path)] == [*written, "last.mp3"]


def test_a_file_is_not_tagged_where_its_undo_record_has_no_room(disk: Disk, tmp_path: Path) -> None:
    flacs = [write(tmp_path / f"{i}.flac", sine(440 + i, 0.5, 16_000), 16_000) for i in range(2)]
    journal = UndoJournal(disk.folder / "undo.jsonl")
    assert tag_track(track(flacs[0]), writing=Writing(journal=journal)).status == "changed"
    before, records = flacs[1].read_bytes(), journal.path.read_bytes()
    for room in (0, 1, 10, 500, PAGE - len(records)):  # bytes of the last page that the journal has already
        disk.empty()
        journal.path.write_bytes(records + b"\n" * (PAGE - room - len(records)))
        disk.fill(0)
        there = disk.contents()
        done = tag_track(track(flacs[1]), writing=Writing(journal=journal))
        if done.status == "changed":
            assert room > 500
            assert undo(flacs[1], UndoJournal(journal.path)).status == "changed"
        else:
            assert (SAYS in done.message, str(journal.path) in done.message) == (True, True)
            assert disk.contents() == there
        assert flacs[1].read_bytes() == before


def test_a_file_stays_where_its_disk_has_no_room_for_the_new_one(disk: Disk, tmp_path: Path) -> None:
    flac = write(disk.folder / "a.flac", sine(440, 0.5, 16_000), 16_000)
    for left in (0, PAGE):
        disk.fill(left)
        before = disk.contents()
        done = tag_track(track(flac), writing=Writing(journal=UndoJournal(tmp_path / "undo.jsonl")))
        assert (done.status, done.message) == ("failed", SAYS)
        assert disk.contents() == before
    disk.empty()
    before = disk.contents()
    assert tag_track(track(flac), writing=Writing(journal=UndoJournal(tmp_path / "undo.jsonl"))).status == "changed"
    assert undo(flac, UndoJournal(tmp_path / "undo.jsonl")).status == "changed"
    assert disk.contents() == before


@pytest.mark.parametrize("left", [0, PAGE])
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("export", "RESULTS", "--format", "csv", "-o"), "o.csv"),
        (("export", "RESULTS", "--format", "json", "-o"), "o.json"),
        (("export", "RESULTS", "--format", "jsonl", "-o"), "o.jsonl"),
        (("export", "RESULTS", "--format", "table", "-o"), "o.txt"),
        (("export", "RESULTS", "--format", "parquet", "-o"), "o.parquet"),
        (("report", "RESULTS", "-o"), "o.html"),
        (("playlist", "--from", "RESULTS", "--label", "song", "-o"), "o.m3u8"),
    ],
    ids=["csv", "json", "jsonl", "table", "parquet", "report", "playlist"],
)
def test_an_output_stays_what_it_was(
    left: int, command: tuple[str, ...], name: str, disk: Disk, tmp_path: Path
) -> None:
    results = tmp_path / "run.jsonl"
    tracks = (replace(track(), path=f"{i:0200d}.mp3") for i in range(100))
    results.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in tracks))
    output = disk.folder / name
    output.write_text("as it was")
    disk.fill(left)
    done = run(*(results if word == "RESULTS" else word for word in command), output)
    assert done.exit_code == 1, done.output
    assert f"Error: {output}: {SAYS}" in done.stderr
    assert "Errno" not in done.stderr
    assert disk.contents() == {name: b"as it was"}


def test_a_run_into_a_table_keeps_its_journal(disk: Disk, tmp_path: Path) -> None:
    sounds = [write(tmp_path / f"{i}.flac", sine(440 + i, 0.5, 16_000), 16_000) for i in range(3)]
    output = disk.folder / "o.csv"
    disk.fill(PAGE)
    done = run("label", *sounds, "-o", output, "--no-cache")
    assert (done.exit_code, SAYS in done.stderr) == (1, True)
    disk.empty()
    assert run("label", *sounds, "-o", output, "--no-cache", "--resume").exit_code == 0
    assert list(disk.contents()) == ["o.csv"]
    assert len(output.read_text().splitlines()) == 4


def test_a_picture_stays_what_it_was(disk: Disk, tmp_path: Path, album: Path) -> None:
    output = disk.folder / "o.png"
    output.write_text("as it was")
    disk.fill(PAGE)
    done = run("plot", album / "01 Main Title.flac", "-o", output)
    assert (done.exit_code, f"Error: {output}: {SAYS}" in done.stderr) == (1, True)
    assert disk.contents() == {"o.png": b"as it was"}


def test_a_cache_without_room_is_none(disk: Disk, tmp_path: Path) -> None:
    sound = str(write(tmp_path / "a.flac", sine(440, 5, 16_000), 16_000))
    model = load_model()
    alone = Cache(tmp_path / "cache").analyse(sound, model, Question()).to_bytes()
    for left in (0, 3 * PAGE):
        disk.fill(left)
        assert Cache(disk.folder).analyse(sound, model, Question()).to_bytes() == alone
        assert all(content == alone for content in disk.contents().values())
        shutil.rmtree(disk.folder / "heard", ignore_errors=True)


@pytest.mark.parametrize("disk", ["1m"], indirect=True)
def test_a_model_stays_what_it_was(disk: Disk, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    for path in tmp_path.glob("tiny.*"):
        shutil.copy(path, disk.folder)
    before = disk.contents()
    size = sum(map(len, before.values()))
    for left in (0, size // 2):
        disk.fill(left)
        with pytest.raises(OSError, match=SAYS):
            write_tiny(disk.folder, weight=2.0)
        assert disk.contents() == before
    disk.empty()
    write_tiny(disk.folder, weight=2.0)
    assert read_model(disk.folder, "tiny").metadata != json.loads(before["tiny.json"])
