"""Whatever the files are: an answer for each, no traceback, nothing on the standard error of the process but ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import Answer, write_hostile
from sounds import FORMATS
from systems import posix

from songscore.results import exact_path

pytestmark = [posix, pytest.mark.slow]

LABELLED = {"ok", "partial"}
UNLABELLED = {"silent", "not_music", "too_short", "unreadable", "unsupported"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Path, Answer], dict[Path, dict[str, Any]], str]:
    """What may be answered, what was answered, and what was said."""
    home = tmp_path_factory.mktemp("hostile")
    allowed = write_hostile(home / "music")
    command = [sys.executable, "-m", "songscore", "label", str(home / "music"), "--format", "jsonl", "--jobs", "2"]
    with (home / "said").open("wb") as said:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=said, check=False, timeout=300)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    given = {Path(exact_path(answer["path"])): answer for answer in answers}
    assert len(given) == len(answers), "an answer came twice"
    return allowed, given, (home / "said").read_text("utf-8")


def test_every_file_has_an_answer(hostile: Any) -> None:
    allowed, given, _ = hostile
    assert set(given) == set(allowed)
    assert len(given) > 250


def test_a_label_comes_with_sound_and_never_without(hostile: Any) -> None:
    allowed, given, _ = hostile
    for path, answer in given.items():
        assert (answer["label"] is not None) == (answer["status"] in LABELLED), path
        assert answer["status"] in LABELLED | UNLABELLED, path
    wrong = {p.name: a["status"] for p, a in given.items() if allowed[p] == "label" and a["label"] is None}
    guessed = {p.name: a["label"] for p, a in given.items() if allowed[p] == "no label" and a["label"] is not None}
    assert not wrong
    assert not guessed


def test_what_is_not_in_order_says_why(hostile: Any) -> None:
    _, given, _ = hostile
    assert not [path for path, answer in given.items() if answer["status"] != "ok" and not answer["message"]]


def test_of_a_file_cut_in_half_something_is_heard(hostile: Any) -> None:
    _, given, _ = hostile
    found = {path.suffix: answer["analysed"] for path, answer in given.items() if path.stem == "cut at 50%"}
    assert len(found) >= len(FORMATS)
    lost = {suffix for suffix, seconds in found.items() if not seconds}
    assert lost <= {".m4a"}, "an M4A file without its index, which stands at the end, holds nothing that can be found"


def test_nothing_is_said_but_one_sentence_per_file(hostile: Any) -> None:
    _, given, said = hostile
    assert "Traceback" not in said
    assert "Error: " not in said
    assert "\x1b" not in said
    starts = ("unreadable: ", "unsupported: ", "partial: ", "silent: ", "not_music: ", "too_short: ", "passed over: ")
    starts += (f"{len(given)} files: ",)
    last = " in doubt: label with -o FILE.jsonl, then songscore report FILE.jsonl"
    lines = [line for line in said.splitlines() if not line.endswith(last)]
    strange = [line for line in lines if not line.startswith(starts) and "/music/" not in line]
    assert not strange
