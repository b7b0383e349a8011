"""Every reader of files of ours, fuzzed for a moment; ``benchmarks/fuzz.py`` does it for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
RUNS = 500

pytest.importorskip("atheris", reason="atheris is for Linux, and Python up to 3.13")


@pytest.mark.parametrize("target", ["journal", "manifest", "model", "cache", "reply", "undo"])
def test_bytes_are_refused_and_nothing_else(target: str, tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZ), target, f"-runs={RUNS}", "-seed=1", "-max_total_time=600"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {RUNS}" in done.stderr
