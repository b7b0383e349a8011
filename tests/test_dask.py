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
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sounds import write

from songscore import classify_folder, classify_track
from songscore.batch.run import classify_files
from songscore.cli import main

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
QUIET = {"DASK_DISTRIBUTED__DASHBOARD__LINK": "", "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "false"}


@contextmanager
def dask(role: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """``dask scheduler`` or ``dask worker``, somewhere else than here, until the end of the block."""
    (folder / role).mkdir(exist_ok=True)
    program = f"import sys; sys.argv[0] = 'dask'; from distributed.cli.dask_{role} import main; main()"
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


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its two workers."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with ExitStack() as stack:
        stack.enter_context(dask("scheduler", folder, "--host", "127.0.0.1", "--port", "0"))
        for _ in range(300):
            if (folder / "scheduler.json").exists():
                break
            time.sleep(0.1)
        options = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        workers = [stack.enter_context(dask("worker", folder, *options)) for _ in range(2)]
        address = json.loads((folder / "scheduler.json").read_text())["address"]
        with distributed.Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers


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


def test_two_workers_of_which_one_is_killed_answer_as_one_machine_does(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], library: Path
) -> None:
    address, workers = cluster
    alone = {track.path: track.to_dict() for track in classify_folder(library)}
    together = {}
    with distributed.Client(address) as client:
        for track in classify_folder(library, executor=client.get_executor()):
            together[track.path] = track.to_dict()
            if len(together) == 5:
                os.killpg(workers[0].pid, signal.SIGKILL)
        assert len(client.scheduler_info()["workers"]) == 1
    assert together == alone


def test_the_command_uses_a_cluster_and_finds_files_by_relative_names(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library)
    result = CliRunner().invoke(
        main, ["label", ".", "--scheduler", cluster[0], "--format", "jsonl", "--ordered", "--no-cache"]
    )
    assert result.exit_code == 1, result.output
    tracks = [json.loads(line) for line in result.stdout.splitlines()]
    assert [track["path"] for track in tracks] == [*(f"{i:02d}.flac" for i in range(40)), "none.mp3"]
    assert tracks[7] == classify_track("07.flac").to_dict()
    assert {track["status"] for track in tracks} == {"ok", "unreadable"}


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


def test_a_file_whose_answer_dask_lost_is_heard_once_more(library: Path) -> None:
    class Forgetful(Executor):
        def __init__(self, losses: int) -> None:
            self.losses = losses

        def submit(self, fn: Callable[..., bytes], /, *args: object, **kwargs: object) -> Future[bytes]:  # type: ignore[override]
            future = Future[bytes]()
            if self.losses:
                self.losses -= 1
                future.set_exception(ValueError("too many values to unpack (expected 3)"))
            else:
                future.set_result(fn(*args, **kwargs))
            return future

    files = [library / "00.flac", library / "01.flac"]
    alone = [track.to_dict() for track in classify_files(files)]
    assert [track.to_dict() for track in classify_files(files, executor=Forgetful(2), ordered=True)] == alone
    with pytest.raises(ValueError, match="too many"):
        list(classify_files(files, executor=Forgetful(100)))
