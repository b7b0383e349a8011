"""A tag run outlives what happens to it: pipes, bad rows, bombs, full disks, crashes and signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import mutagen
import pytest
from sounds import sine, write
from stopwatch import seconds
from systems import linux, posix

from songscore._files import sweep
from songscore.results import SCORE, SONG, TrackResult
from songscore.tags import UndoJournal, Writing, tag_track, undo
from songscore.tags import run as tag_run
from songscore.tags.run import Manner, Task, run

ANSWER = TrackResult(path="", label=SCORE, song_probability=0.25, model="track-v1")


@pytest.fixture
def flac(tmp_path: Path) -> Path:
    return write(tmp_path / "a.flac", sine(440, 0.5, 16_000), 16_000)


@pytest.fixture
def writing(tmp_path: Path) -> Writing:
    return Writing(journal=UndoJournal(tmp_path / "undo.jsonl"))


def label(path: Path, **fields: object) -> TrackResult:
    known = {"label": SCORE, "song_probability": 0.25, "model": "track-v1"}
    return TrackResult(path=str(path), **{**known, **fields})


@posix
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path, writing: Writing) -> None:
    os.mkfifo(tmp_path / "a.mp3")
    for path in (tmp_path / "a.mp3", Path("/dev/zero"), tmp_path):
        assert tag_track(label(path), writing=writing).message == "not a regular file"
        assert undo(path, writing.journal).message == "not a regular file"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"song_probability": 5.0}, "song_probability=5.0 is not a probability"),
        ({"song_probability": float("nan")}, "song_probability=nan is not a probability"),
        ({"song_probability": True}, "song_probability=True is not a probability"),
        ({"model": "track\x1b[31m"}, "is not the name of a model"),
        ({"model": ""}, "is not the name of a model"),
        ({"status": "unreadable"}, "a label beside status='unreadable'"),
    ],
)
def test_an_answer_that_songscore_never_gives_is_refused(
    flac: Path, writing: Writing, fields: dict[str, object], complaint: str
) -> None:
    before = flac.read_bytes()
    result = tag_track(label(flac, **fields), writing=writing)
    assert (result.status, complaint in result.message) == ("failed", True)
    assert flac.read_bytes() == before


@pytest.mark.processes
@pytest.mark.parametrize("path", ["a\0b.mp3", "\ud800.mp3", "x" * 5000, ""])
def test_a_path_that_no_file_has_costs_itself(path: str, flac: Path, tmp_path: Path) -> None:
    tasks = [Task(path=p, track=ANSWER) for p in (path, str(flac))]
    results = list(run(tasks, Manner(journal=str(tmp_path / "undo.jsonl"), write=True)))
    assert [result.status for result in results] == ["failed", "changed"]


def packed_zeros(n: int, block: int = 1 << 24) -> bytes:
    """What zlib packs `n` zeros into, a multiple of `block`: the first block, then the second again and again."""
    packing = zlib.compressobj(9)
    first, again = (packing.compress(bytes(block)) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    last_block, adler32 = b"\x03\x00", (n % 65521 << 16 | 1).to_bytes(4, "big")
    return first + again * (n // block - 1) + last_block + adler32


@pytest.mark.slow
@linux
def test_a_frame_that_unpacks_to_gigabytes_costs_its_file_alone(flac: Path, tmp_path: Path) -> None:
    packed = packed_zeros(400 << 24)
    size = lambda n: bytes(n >> shift & 127 for shift in (21, 14, 7, 0))  # noqa: E731
    frame = b"PRIV" + size(len(packed) + 4) + b"\0\x09" + size(1 << 27) + packed
    sound = write(tmp_path / "b.mp3", sine(440, 0.5, 16_000), 16_000).read_bytes()
    bomb = tmp_path / "b.mp3"
    bomb.write_bytes(b"ID3\4\0\0" + size(len(frame)) + frame + sound)
    before = bomb.read_bytes()
    assert zlib.decompress(packed_zeros(1 << 20, 1 << 18)) == bytes(1 << 20)
    tasks = [Task(path=str(path), track=ANSWER) for path in (bomb, flac)]
    first, second = run(tasks, Manner(journal=str(tmp_path / "undo.jsonl"), write=True))
    assert second.status == "changed"
    assert (first.status == "failed" and bomb.read_bytes() == before) or first.status == "changed"


STAND_IN = """
import os, songscore.tags.worker as worker
honest = worker.perform
def perform(path, **request):
    if path.endswith("crash.flac"): os.kill(os.getpid(), 11)
    if path.endswith("hang.flac"): import time; time.sleep(600)
    return honest(path, **request)
worker.perform = perform
worker.serve()
"""


@pytest.mark.processes
@posix
def test_a_file_that_crashes_its_process_or_hangs_costs_itself(
    flac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_run, "_PROGRAM", STAND_IN)
    paths = [Path(shutil.copy(flac, tmp_path / f"{name}.flac")) for name in ("crash", "b", "hang", "c")]
    tasks = [Task(path=str(path), track=ANSWER) for path in paths]
    manner = Manner(journal=str(tmp_path / "undo.jsonl"), write=True)
    patience = 4 * seconds(lambda: list(run([Task(path=str(flac), track=ANSWER)], manner)))
    results = list(run(tasks, manner, timeout=patience))
    assert [result.status for result in results] == ["failed", "changed", "failed", "changed"], results
    assert "crashed (SIGSEGV)" in results[0].message
    assert "no answer after " in results[2].message


TAGS_FOR_EVER = """
import sys
from pathlib import Path
from songscore.results import TrackResult
from songscore.tags.run import Manner, Task, run
folder, journal = sys.argv[1:]
def tasks():
    while True:
        for number in range(9):
            for path in sorted(Path(folder).glob("*.flac")):
                track = TrackResult(path=str(path), label="song", song_probability=number / 10, model="track-v1")
                yield Task(path=str(path), track=track)
for result in run(tasks(), Manner(journal=journal, write=True), jobs=2):
    print(result.status, result.message, flush=True)
"""


@pytest.mark.processes
@linux
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_a_run_ended_by_a_signal_leaves_no_process_and_no_file(flac: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    before = flac.read_bytes()
    for number in range(24):  # more than are in flight at once
        shutil.copy(flac, folder / f"{number}.flac")
    command = [sys.executable, "-c", TAGS_FOR_EVER, folder, tmp_path / "undo.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        for _ in range(6):
            assert process.stdout.readline() == b"changed \n"
        children = children_of(process.pid)
        assert len(children) == 2
        process.send_signal(getattr(signal, name))
    until = time.monotonic() + 300
    while time.monotonic() < until and any(map(is_alive, children)):
        time.sleep(0.05)
    assert [child for child in children if is_alive(child)] == []
    assert list(folder.glob(".songscore-*")) == []
    journal = UndoJournal(tmp_path / "undo.jsonl")
    for path in folder.iterdir():
        undo(path, journal)
        assert path.read_bytes() == before


def children_of(pid: int) -> list[int]:
    """Processes that a process has started; a thread of it may end while they are looked up."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text().split())
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.processes
def test_a_line_that_is_no_answer_costs_itself(flac: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from songscore.cli import main

    good = json.dumps(label(flac).to_dict())
    lines = tmp_path / "labels.jsonl"
    lines.write_text(
        "\n".join([good, "no JSON", '{"path": null}', good.replace(str(flac), str(tmp_path / "gone.flac"))])
    )
    shown = CliRunner().invoke(
        main, ["tag", "--from", str(lines), "--write", "--journal", str(tmp_path / "undo.jsonl")]
    )
    assert shown.exit_code == 1
    assert "labels.jsonl, line 2: " in shown.stderr
    assert "2 lines are not answers" in shown.stderr
    assert "\n1 changed, 1 failed; " in shown.stderr


@posix
def test_a_record_that_does_not_fit_leaves_file_and_journal_as_they_were(flac: Path, writing: Writing) -> None:
    import resource

    tag_track(label(flac), writing=writing)
    before, journal = flac.read_bytes(), writing.journal.path.read_bytes()
    former, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(journal) + 50, former[1]))
        result = tag_track(label(flac, song_probability=0.75, label=SONG), writing=writing)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
    assert (result.status, str(writing.journal.path) in result.message) == ("failed", True)
    assert flac.read_bytes() == before
    assert writing.journal.path.read_bytes() == journal


def test_a_file_that_was_moved_and_edited_loses_our_tags_alone(flac: Path, writing: Writing, tmp_path: Path) -> None:
    tag_track(label(flac), writing=writing)
    moved = flac.rename(tmp_path / "elsewhere.flac")
    file = mutagen.File(moved)
    file["MOOD"] = "tense"
    file.save()
    assert undo(moved, UndoJournal(writing.journal.path)).status == "changed"
    assert dict(mutagen.File(moved)) == {"mood": ["tense"]}


@posix
def test_new_files_of_killed_processes_go_and_all_others_stay(tmp_path: Path) -> None:
    left, other, link = (tmp_path / f".songscore-{name}.tmp" for name in ("a" * 16, "mine", "b" * 16))
    left.write_bytes(b"half of a file")
    other.write_bytes(b"of somebody")
    link.symlink_to(other)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [link.name, other.name]


def test_a_journal_of_strangers_is_passed_over(flac: Path, writing: Writing) -> None:
    tag_track(label(flac), writing=writing)
    record = json.loads(writing.journal.path.read_bytes())
    for field, value in (
        ("pieces", [[-1, 5]]),
        ("pieces", "x"),
        ("mtime_ns", 1 << 70),
        ("sound", 5),
        ("tags", {"MODEL": 1}),
    ):
        writing.journal.path.write_text(json.dumps(record | {field: value}))
        assert "does not say what its tags were" in undo(flac, UndoJournal(writing.journal.path)).message
