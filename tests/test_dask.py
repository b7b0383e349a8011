"""A cluster of two workers on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sounds import write
from systems import linux

from songscore import classify_folder, classify_track
from songscore.batch import elsewhere
from songscore.batch.run import classify_files
from songscore.batch.worker import Order
from songscore.cli import main

pytestmark = linux
distributed = pytest.importorskip("distributed", reason="needs the extra dask")
QUIET = {"DASK_DISTRIBUTED__DASHBOARD__LINK": "", "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "false"}


@contextmanager
def dask(role: str, folder: Path, *options: str, before: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """``dask scheduler`` or ``dask worker``, somewhere else than here, until the end of the block.

    The Python in `before` runs first.
    """
    (folder / role).mkdir(exist_ok=True)
    program = f"{before}\nimport sys; sys.argv[0] = 'dask'; from distributed.cli.dask_{role} import main; main()"
    command = [sys.executable, "-c", program, "--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard"]
    with (folder / f"{role}.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *options],
            stderr=log,
            stdout=log,
            cwd=folder / role,
            env=os.environ | QUIET,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Cluster:
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(folder: Path, *befores: str) -> Iterator[Cluster]:
    """A scheduler, and a worker for each piece of Python that runs before it."""
    folder.mkdir()
    with ExitStack() as stack:
        scheduler = stack.enter_context(dask("scheduler", folder, "--host", "127.0.0.1", "--port", "0"))
        until((folder / "scheduler.json").exists)
        options = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        workers = [stack.enter_context(dask("worker", folder, *options, before=before)) for before in befores]
        address = json.loads((folder / "scheduler.json").read_text())["address"]
        with distributed.Client(address) as client:
            if workers:
                client.wait_for_workers(len(workers), timeout=300)
        yield Cluster(address, scheduler, workers)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    with started(tmp_path / "cluster", "", "") as cluster:
        yield cluster


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Forty tunes, and a file that is none."""
    folder = tmp_path / "music"
    folder.mkdir()
    dice = np.random.default_rng(0)
    for i in range(40):
        t = np.arange(16_000 * 4) / 16_000
        y = np.sin(2 * np.pi * dice.uniform(100, 600) * t + dice.uniform(0, 2) * np.sin(35 * t)) * np.exp(-(t % 0.4))
        write(folder / f"{i:02d}.flac", (0.3 * y).astype(np.float32), 16_000)
    (folder / "none.mp3").write_text("none")
    return folder


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_answer_as_one_machine_does(cluster: Cluster, library: Path) -> None:
    alone = {track.path: track.to_dict() for track in classify_folder(library)}
    together = {}
    with distributed.Client(cluster.address) as client:
        for track in classify_folder(library, executor=client.get_executor()):
            together[track.path] = track.to_dict()
            if len(together) == 5:
                os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        assert len(client.scheduler_info()["workers"]) == 1
    assert together == alone


@pytest.mark.slow
def test_the_command_uses_a_cluster_and_finds_files_by_relative_names(
    cluster: Cluster, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library)
    result = CliRunner().invoke(
        main, ["label", ".", "--scheduler", cluster.address, "--format", "jsonl", "--ordered", "--no-cache"]
    )
    assert result.exit_code == 1, result.output
    tracks = [json.loads(line) for line in result.stdout.splitlines()]
    assert [track["path"] for track in tracks] == [*(f"{i:02d}.flac" for i in range(40)), "none.mp3"]
    assert tracks[7] == classify_track("07.flac").to_dict()
    assert [track["status"] == "unreadable" for track in tracks] == [False] * 40 + [True]


@pytest.mark.slow
def test_no_scheduler_is_told_at_once(library: Path) -> None:
    result = CliRunner().invoke(main, ["label", str(library), "--scheduler", "tcp://127.0.0.1:9"])
    assert result.exit_code != 0
    assert "no Dask scheduler at tcp://127.0.0.1:9" in result.output


def test_a_file_over_which_dask_loses_its_workers_is_a_status(tmp_path: Path) -> None:
    class Losing(Executor):
        def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[bytes]:  # type: ignore[override]
            future = Future[bytes]()
            future.set_exception(distributed.KilledWorker("key", None, 3))
            return future

    (tmp_path / "a.flac").touch()
    (track,) = classify_folder(tmp_path, executor=Losing())
    assert (track.status, track.label) == ("unreadable", None)
    assert "lost" in track.message


class Remote(Executor):
    """An executor that does something else with each call: `mend(fn, path, order)` gives the reply, or raises."""

    def __init__(self, mend: Callable[[Callable[..., bytes], str, Order], bytes]) -> None:
        self.mend = mend

    def submit(self, fn: Callable[..., bytes], /, *args: Any, **kwargs: Any) -> Future[bytes]:  # type: ignore[override]
        future = Future[bytes]()
        try:
            future.set_result(self.mend(fn, *args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.mark.processes
def test_a_file_whose_answer_dask_lost_is_heard_once_more_there_and_then_here(library: Path) -> None:
    losses: list[Exception] = [ValueError("too many values to unpack (expected 3)")] * 2

    def forgetful(fn: Callable[..., bytes], path: str, order: Order) -> bytes:
        if losses:
            raise losses.pop()
        return fn(path, order)

    files = [library / "00.flac", library / "01.flac"]
    alone = [track.to_dict() for track in classify_files(files)]
    assert [track.to_dict() for track in classify_files(files, executor=Remote(forgetful), ordered=True)] == alone
    losses += [ValueError("too many values")] * 100
    with pytest.warns(RuntimeWarning, match="heard on this machine: ValueError: too many values"):
        assert [track.to_dict() for track in classify_files(files, executor=Remote(forgetful), ordered=True)] == alone


def forged(reply: bytes, **changes: object) -> bytes:
    head, _, rest = reply.partition(b"\n")
    return json.dumps(json.loads(head) | changes).encode() + b"\n" + rest


OTHER_FILE = {"size": 1, "modified": "2026-01-31T12:00:00.000000000Z", "sound_digest": "0" * 64}


@pytest.mark.processes
@pytest.mark.parametrize(
    ("mend", "why"),
    [
        (lambda fn, path, order: forged(fn(path, order), songscore="9.9"), "it has songscore '9.9'"),
        (lambda fn, path, order: forged(fn(path, order), model="f" * 64), "it has model 'f"),
        (lambda fn, path, order: forged(fn(path, order), file=OTHER_FILE), "it sees another file under the same name"),
        (lambda fn, path, order: fn(f"/nowhere{path}", order), "it does not see files that this machine sees"),
        (lambda fn, path, order: b"\x80\x04", "decode"),
    ],
    ids=["version", "model", "file", "blind", "noise"],
)
def test_what_another_machine_says_and_does_not_fit_is_heard_here(
    mend: Callable[[Callable[..., bytes], str, Order], bytes], why: str, library: Path
) -> None:
    files = [library / "00.flac", library / "none.mp3"]
    alone = [track.to_dict() for track in classify_files(files)]
    with pytest.warns(RuntimeWarning, match=why):
        assert [track.to_dict() for track in classify_files(files, executor=Remote(mend), ordered=True)] == alone


@pytest.mark.processes
def test_what_this_machine_does_not_see_is_answered_by_the_other(library: Path) -> None:
    remote = Remote(lambda fn, path, order: fn(str(library / Path(path).name), order))
    (track,) = classify_files([Path("/nowhere/00.flac")], executor=remote)
    here = classify_track(library / "00.flac")
    assert replace(track, path=here.path).to_dict() == here.to_dict()


OF_ANOTHER_VERSION = """
import importlib.metadata as metadata
real = metadata.version
metadata.version = lambda name: "9.9" if name == "songscore" else real(name)
"""
WITHOUT_SONGSCORE = "import sys; sys.modules['songscore'] = None"
HANGING = """
from songscore.batch import child
child._PROGRAM = (
    "import time; from songscore.batch import worker;"
    "worker.analyse = lambda *_, **__: time.sleep(1000); worker.serve()"
)
"""


@pytest.mark.slow
def test_workers_that_do_not_fit_get_no_files_and_are_named(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in library.glob("[1-3]*.flac"):
        path.unlink()
    alone = {track.path: track.to_dict() for track in classify_folder(library)}
    with started(tmp_path / "cluster", "", OF_ANOTHER_VERSION, WITHOUT_SONGSCORE) as cluster:
        with (
            distributed.Client(cluster.address) as client,
            pytest.warns(RuntimeWarning, match="gets no files") as warned,
        ):
            together = list(classify_folder(library, executor=client.get_executor()))
        assert {track.path: track.to_dict() for track in together} == alone
        said = [str(one.message) for one in warned]
        assert any("it has songscore 9.9, not 0." in one for one in said)
        assert any("ModuleNotFoundError" in one for one in said)
        os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        time.sleep(1)
        monkeypatch.setattr(elsewhere, "PATIENCE", 1.0)
        with pytest.warns(RuntimeWarning, match="gets no files"):
            done = CliRunner().invoke(main, ["label", str(library), "--scheduler", cluster.address])
    assert done.exit_code == 1
    assert "can be used: tcp://127.0.0.1" in done.stderr
    assert "it has songscore 9.9, not 0." in done.stderr


@pytest.mark.slow
def test_a_cluster_without_workers_is_told_within_ten_seconds(library: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    with started(tmp_path / "cluster") as cluster:
        ready = time.monotonic()
        done = CliRunner().invoke(main, ["label", str(library), "--scheduler", cluster.address])
        assert time.monotonic() - ready < elsewhere.PATIENCE + max(2.0, ready - began)
    assert (done.exit_code, "can be used: it has none" in done.stderr) == (1, True)


def start(library: Path, output: Path, cluster: Cluster) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "songscore", "label", library, "-o", output, "--no-cache"]
    return subprocess.Popen([*map(str, command), "--scheduler", cluster.address], stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_in_one_line(library: Path, tmp_path: Path) -> None:
    with started(tmp_path / "cluster", HANGING) as cluster:
        process = start(library, tmp_path / "o.jsonl", cluster)
        until(lambda: len(children(cluster.workers[0].pid)) == 1)
        os.killpg(cluster.scheduler.pid, signal.SIGKILL)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    assert f"Error: the Dask scheduler {cluster.address} is gone\n" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 5  # two of them where the worker was slow to start


@pytest.mark.slow
def test_ctrl_c_ends_what_the_workers_listen_to(library: Path, tmp_path: Path) -> None:
    with started(tmp_path / "cluster", HANGING) as cluster:
        process = start(library, tmp_path / "o.jsonl", cluster)
        until(lambda: len(children(cluster.workers[0].pid)) == 1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)
        assert process.returncode == 130
        until(lambda: not children(cluster.workers[0].pid))


def children(parent: int) -> list[int]:
    """Processes that listen for a worker."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            _, of, *_ = (process / "stat").read_text().rpartition(")")[2].split()
            if int(of) == parent and b"serve()" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
