"""Every reader of files of ours, fuzzed for a moment; ``python -m benchmarks fuzz`` does it as long as one likes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNS = 3000

pytest.importorskip("atheris", reason="atheris is for Linux, and Python up to 3.13")


@pytest.mark.slow
def test_bytes_are_refused_and_nothing_else(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), *sys.path])
    command = [sys.executable, "-m", "benchmarks.fuzz", "every", f"-runs={RUNS}", "-seed=1", "-max_total_time=600"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {RUNS}" in done.stderr
