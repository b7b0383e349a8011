from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from sounds import rendered, write
from stopwatch import seconds
from systems import linux

from songscore import classify_folder, classify_track
from songscore.analysis.record import Analysis, Failure, Reply
from songscore.batch.pool import LOST, Workers
from songscore.batch.run import classify_files
from songscore.batch.worker import Order
from songscore.decision import Question
from songscore.demo import render_score
from songscore.model import MODEL, TrackModel, load_model

pytestmark = pytest.mark.processes

FAULTY = """
import ctypes, os, sys, time
from songscore.batch import worker

honest = worker.analyse

def analyse(path, model, question, *, thorough):
    name = os.path.basename(path)
    if "segfault" in name:
        ctypes.string_at(0)
    if "hang" in name:
        while True:
            pass
    if "sleep" in name:
        ctypes.PyDLL(None).sleep(1000)
    if "hungry" in name:
        bytearray(16 << 30)
    if "killed" in name:
        os.kill(os.getpid(), 9)
    if "exit" in name:
        os._exit(3)
    if "noisy" in name:
        os.write(1, b"noise"), os.write(2, b"noise"), print("noise")
    return honest(path, model, question, thorough=thorough)

worker.analyse = analyse
worker.serve()
"""


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that die of files, by their names."""
    monkeypatch.setattr("songscore.batch.child._PROGRAM", FAULTY)


@pytest.fixture
def pool() -> Iterator[Workers]:
    children = Workers()
    yield children
    children.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sound") / "a.wav", rendered(render_score, 16_000)[0][0, : 5 * 16_000], 16_000)


@pytest.fixture(scope="module")
def patience(sound: Path) -> float:
    """Four times the seconds that a new child takes to hear the sound: a time limit that fits this machine now."""
    children = Workers()
    taken = seconds(lambda: analyse(children, sound))
    children.close()
    return 4 * taken


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time between the death of a child and the next."""
    monkeypatch.setattr("songscore.batch.pool.FIRST_PAUSE", 0.001)


def children(parent: int = os.getpid()) -> set[int]:
    """Workers, and dead processes that nobody has waited for."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, of, *_ = (process / "stat").read_text().rpartition(")")[2].split()
            if int(of) == parent and (state == "Z" or b"serve()" in (process / "cmdline").read_bytes()):
                found.add(int(process.name))
    return found


def analyse(pool: Workers, path: Path | str, timeout: float | None = 60.0) -> Analysis | Failure:
    order = Order(MODEL, Question(), False, None, timeout, load_model().metadata["sha256"])
    return Reply.from_bytes(
        pool.analyse(str(path), order), str(path), order.digest, load_model().detector_digest
    ).reading


def test_a_child_hears_what_this_process_hears(pool: Workers, sound: Path) -> None:
    assert isinstance(analyse(pool, sound), Analysis)
    (track,) = classify_folder(sound.parent)
    here = classify_track(sound)
    assert track.to_dict() == here.to_dict()
    assert track.song_probability == pytest.approx(here.song_probability, rel=1e-5)


@linux
def test_the_first_child_is_begun_before_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch, sound: Path) -> None:
    before, found = children(), list[set[int]]()

    def loaded(model: str) -> TrackModel:
        found.append(children() - before)
        return load_model(model)

    monkeypatch.setattr("songscore.batch.run.load_model", loaded)
    answers = classify_folder(sound.parent, jobs=1)
    assert next(answers).status == "ok"
    assert children() - before == found[0]
    assert len(found[0]) == 1
    answers.close()
    assert children() == before


@linux
def test_a_child_that_no_run_takes_is_ended_with_the_run(tmp_path: Path) -> None:
    before = children()
    assert list(classify_folder(tmp_path)) == []
    assert children() == before


@linux
@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("segfault", "the decoder crashed (SIGSEGV)"),
        ("exit", "the decoder ended with status 3"),
        ("hungry", "it takes more memory than one file may use"),
    ],
)
def test_what_kills_a_child_costs_one_file(pool: Workers, sound: Path, name: str, why: str) -> None:
    failure = analyse(pool, f"{name}.wav")
    assert failure == Failure("unreadable", f"{name}.wav: {why}")
    assert isinstance(analyse(pool, sound), Analysis)


@linux
@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("name", ["hang", "sleep"], ids=["loop of Python", "C that holds the interpreter's lock"])
def test_what_never_ends_ends_at_the_deadline(pool: Workers, sound: Path, name: str, patience: float) -> None:
    assert isinstance(analyse(pool, sound), Analysis)
    began = time.perf_counter()
    assert analyse(pool, f"{name}.wav", 0.5) == Failure("timeout", f"{name}.wav: no answer after 0.5 s")
    assert time.perf_counter() - began < 0.5 + patience
    assert isinstance(analyse(pool, sound), Analysis)


@linux
@pytest.mark.usefixtures("faulty")
def test_the_run_goes_on_over_all_of_them_and_leaves_no_child(sound: Path, tmp_path: Path, patience: float) -> None:
    names = ["a good", "b segfault", "c good", "d hang", "e exit", "f good", "g hungry", "h noisy"]
    for name in names:
        (tmp_path / f"{name}.wav").write_bytes(sound.read_bytes())
    tracks = list(classify_folder(tmp_path, jobs=2, timeout=patience, ordered=True))
    assert [Path(track.path or "").stem for track in tracks] == names
    status = {Path(track.path or "").stem: track.status for track in tracks}
    assert {name for name, it in status.items() if it == "timeout"} == {"d hang"}
    assert {name for name, it in status.items() if it == "unreadable"} == {"b segfault", "e exit", "g hungry"}
    assert all((track.label is None) == (track.status in {"timeout", "unreadable"}) for track in tracks)
    assert not children()


@linux
@pytest.mark.usefixtures("faulty")
def test_leaving_a_run_early_kills_what_hangs(sound: Path, tmp_path: Path, patience: float) -> None:
    files = [sound, *(tmp_path / f"hang {i}.wav" for i in range(9))]
    run = classify_files(files, jobs=2)
    assert next(run).status == "ok"
    assert seconds(run.close) < patience  # type: ignore[attr-defined]
    assert not children()


@linux
@pytest.mark.usefixtures("faulty")
def test_a_child_that_is_killed_from_outside_is_replaced_and_the_file_heard(pool: Workers, sound: Path) -> None:
    assert isinstance(analyse(pool, sound), Analysis)
    for child in children():
        os.kill(child, signal.SIGKILL)
    assert isinstance(analyse(pool, sound), Analysis)


@linux
@pytest.mark.parametrize("name", ["hang.wav", "sleep.wav"])
def test_children_end_with_a_parent_that_is_killed_even_in_a_loop_or_in_c(
    sound: Path, name: str, patience: float
) -> None:
    program = f"""
import sys
from songscore.batch import child
child._PROGRAM = "from songscore.batch import serving; serving.GRACE = 0.1" + {FAULTY!r}
from songscore.batch.run import classify_files
from songscore.demo import render_score
for track in classify_files([{str(sound)!r}, {name!r}], timeout={patience}):
    print(track.status, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ok\n"
        (child,) = children(parent.pid)
        parent.kill()
    until = time.monotonic() + 300
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < until, "it lives on"
        time.sleep(0.1)


def test_a_child_that_cannot_start_is_an_error_and_not_a_status(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("songscore.batch.child._PROGRAM", "raise ImportError('no numpy here')")
    with pytest.raises(BrokenExecutor, match=r"(?s)no worker process starts.*no numpy here"):
        analyse(pool, "a.wav")


@linux
@pytest.mark.usefixtures("faulty", "hasty")
def test_a_file_whose_workers_are_killed_is_given_up_and_the_next_is_heard(pool: Workers, sound: Path) -> None:
    assert analyse(pool, "killed.wav") == Failure("unreadable", f"killed.wav: {LOST}")
    assert isinstance(analyse(pool, sound), Analysis)


@linux
@pytest.mark.usefixtures("hasty")
def test_children_that_die_at_their_start_end_no_run_that_had_one(
    pool: Workers, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(analyse(pool, sound), Analysis)
    deaths = tmp_path / "deaths"
    program = f"""
import os
with open({str(deaths)!r}, "a") as file:
    file.write("x")
if os.path.getsize({str(deaths)!r}) <= 8:
    os.kill(os.getpid(), 9)
from songscore.batch.worker import serve
serve()
"""
    monkeypatch.setattr("songscore.batch.child._PROGRAM", program)
    for child in children():
        os.kill(child, signal.SIGKILL)
    assert isinstance(analyse(pool, sound), Analysis)
    assert len(deaths.read_text()) == 9


@linux
@pytest.mark.usefixtures("faulty")
def test_time_in_which_a_child_is_stopped_does_not_count(pool: Workers, sound: Path, patience: float) -> None:
    assert isinstance(analyse(pool, sound), Analysis)
    (child,) = children()
    heard = list[object]()
    os.kill(child, signal.SIGSTOP)
    asking = threading.Thread(target=lambda: heard.append(analyse(pool, sound, patience)))
    asking.start()
    time.sleep(1.5 * patience)
    assert not heard
    os.kill(child, signal.SIGCONT)
    asking.join()
    assert isinstance(heard[0], Analysis)


@linux
def test_a_run_that_was_suspended_longer_than_its_timeout_answers_as_any(
    sound: Path, tmp_path: Path, patience: float
) -> None:
    program = f"""
from songscore.batch.run import classify_files
for track in classify_files([{str(sound)!r}] * 20, timeout={patience}):
    print(track.status, flush=True)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ok\n"
        os.killpg(run.pid, signal.SIGSTOP)
        time.sleep(1.5 * patience)
        os.killpg(run.pid, signal.SIGCONT)
        assert run.stdout.read() == "ok\n" * 19


@linux
@pytest.mark.parametrize("frozen", ["sys.frozen = True", "", "sys.executable = ''", "sys.executable = None"])
def test_a_program_with_python_inside_starts_no_second_one_and_says_so_once(
    frozen: str, sound: Path, tmp_path: Path
) -> None:
    launches = tmp_path / "launches"
    program = tmp_path / "frozen"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:] = {[p for p in sys.path if p]!r}\n"
        f"open({str(launches)!r}, 'a').write('x')\nsys.executable = sys.argv[0]\n{frozen}\n"
        f"from songscore.batch.run import classify_files\n"
        f"print(*[track.status for track in classify_files([{str(sound)!r}] * 2)])\n"
    )
    program.chmod(0o755)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "ok ok\n"
    assert done.stderr.count("files are read in this process") == 1
    assert launches.read_text() == "x"


@linux
def test_a_child_that_is_killed_at_its_start_is_replaced(
    pool: Workers, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = tmp_path / "died"
    program = f"""
import os, pathlib
if not (died := pathlib.Path({str(died)!r})).exists():
    died.touch()
    os.kill(os.getpid(), 9)
from songscore.batch.worker import serve
serve()
"""
    monkeypatch.setattr("songscore.batch.child._PROGRAM", program)
    assert isinstance(analyse(pool, sound), Analysis)
    assert died.exists()


def test_a_program_in_the_current_folder_is_not_run(
    pool: Workers, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert isinstance(analyse(pool, sound), Analysis)


def test_threads_have_a_child_each(pool: Workers, sound: Path) -> None:
    heard = list[object]()
    threads = [threading.Thread(target=lambda: heard.append(analyse(pool, sound))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(one) for one in heard] == [Analysis] * 3


def test_a_reply_that_is_none_is_a_status(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "analyse", lambda *_: b"{}")
    (track,) = classify_files([sound])
    assert (track.status, track.label) == ("unreadable", None)
    assert "a worker" in track.message


@pytest.mark.parametrize("make", [ThreadPoolExecutor, lambda n: ProcessPoolExecutor(n, get_context("spawn"))])
def test_any_executor_gives_the_same_answers(make: type[ThreadPoolExecutor], sound: Path, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(sound.read_bytes())
    (tmp_path / "bad.mp3").write_text("not sound")
    alone = [track.to_dict() for track in classify_folder(tmp_path)]
    executor: Executor
    with make(2) as executor:
        together = [track.to_dict() for track in classify_folder(tmp_path, executor=executor, ordered=True)]
    assert together == alone
    assert not children()


def test_an_order_of_numbers_of_numpy_comes_through() -> None:
    order = Order("track-v1", Question(threshold=np.float32(0.25)), thorough=False, cache=None, timeout=None, digest="")  # type: ignore[arg-type]
    assert Order.from_json(order.to_json("a.wav")) == ("a.wav", order)
