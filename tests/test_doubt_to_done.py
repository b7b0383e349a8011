"""The way of docs/howto-marks.md: label, mark in the page by keyboard, save, tag, move, label again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from songscore import read_marks
from songscore.cli import main

playwright = pytest.importorskip("playwright.sync_api")
mutagen = pytest.importorskip("mutagen")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian has it as the package chromium"),
]


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def answers(results: Path) -> dict[str, tuple[str | None, str]]:
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    return {Path(one["path"]).name: (one["label"], one["by"]) for one in lines if "path" in one}


def mark_by_keyboard(page_file: Path, marks: Path, *keys: str) -> None:
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = chromium.new_page()
        page.goto(page_file.as_uri())
        page.get_by_role("button", name="File").click()
        for key in keys:
            page.keyboard.press(key)
        with page.expect_download() as download:
            page.keyboard.press("m")
        download.value.save_as(marks)
        chromium.close()


def test_from_doubt_to_done(album: Path, tmp_path: Path) -> None:
    music = Path(shutil.copytree(album, tmp_path / "music"))
    results, marks, undo = tmp_path / "run.jsonl", tmp_path / "marks.csv", tmp_path / "undo.jsonl"
    run("label", music, "--output", results)
    assert answers(results) == {
        "01 Main Title.flac": ("instrumental score", "model"),
        "02 End Credits.flac": ("song", "model"),
    }
    run("report", results)
    mark_by_keyboard(results.with_suffix(".html"), marks, "j", "s", "j", "n")
    made = sorted(read_marks(marks), key=lambda mark: mark.path)
    assert [(Path(mark.path).name, mark.label, mark.said) for mark in made] == [
        ("01 Main Title.flac", "song", "instrumental score"),
        ("02 End Credits.flac", "neither", "song"),
    ]
    assert all(len(mark.sound) == 64 and mark.seconds for mark in made)

    run("tag", "--from", results, "--marks", marks, "--write", "--journal", undo, "--certain-only")
    tags = mutagen.File(music / "01 Main Title.flac").tags
    assert (tags["SONGSCORE_LABEL"], tags["SONGSCORE_MODEL"]) == (["song"], ["hand"])

    (music / "01 Main Title.flac").rename(music / "A moved and tagged file.flac")
    again = tmp_path / "again.jsonl"
    run("label", music, "--marks", marks, "--output", again)
    assert answers(again) == {"A moved and tagged file.flac": ("song", "hand"), "02 End Credits.flac": (None, "hand")}
