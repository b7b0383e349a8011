"""The way of docs/howto-marks.md and howto-adapt.md: label, mark by keyboard, tag, move, adapt, label again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
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

SONG, SCORE = "song", "instrumental score"

N_TRACKS = 72
FAINT = 0.25
"""How loud the singer still is on a karaoke version."""

BEGIN, LENGTH = 20, 20
"""Of the excerpts, in seconds."""


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def lines(results: Path) -> list[dict]:
    return [one for one in map(json.loads, results.read_text().splitlines()) if "path" in one]


def answers(results: Path) -> dict[str, tuple[str | None, str]]:
    return {Path(one["path"]).name: (one["label"], one["by"]) for one in lines(results)}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[object]:
    """A browser that keeps what pages store, from one page to the next."""
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            tmp_path / "browser",
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield context
        context.close()


def opened(browser, page_file: Path):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    return page


def save(page, marks: Path) -> None:
    with page.expect_download() as download:
        page.keyboard.press("m")
    download.value.save_as(marks)
    page.close()


def test_from_doubt_to_done(album: Path, tmp_path: Path, browser) -> None:
    music = Path(shutil.copytree(album, tmp_path / "music"))
    results, marks, undo = tmp_path / "run.jsonl", tmp_path / "marks.csv", tmp_path / "undo.jsonl"
    run("label", music, "--output", results)
    assert answers(results) == {
        "01 Main Title.flac": (SCORE, "model"),
        "02 End Credits.flac": (SONG, "model"),
    }
    run("report", results)
    page = opened(browser, results.with_suffix(".html"))
    page.get_by_role("button", name="File").click()
    for key in ("j", "s", "j", "n"):
        page.keyboard.press(key)
    save(page, marks)
    made = sorted(read_marks(marks), key=lambda mark: mark.path)
    assert [(Path(mark.path).name, mark.label, mark.said) for mark in made] == [
        ("01 Main Title.flac", SONG, SCORE),
        ("02 End Credits.flac", "neither", SONG),
    ]
    assert all(len(mark.sound) == 64 and mark.seconds for mark in made)

    run("tag", "--from", results, "--marks", marks, "--write", "--journal", undo, "--certain-only")
    tags = mutagen.File(music / "01 Main Title.flac").tags
    assert (tags["SONGSCORE_LABEL"], tags["SONGSCORE_MODEL"]) == (["song"], ["hand"])

    (music / "01 Main Title.flac").rename(music / "A moved and tagged file.flac")
    again = tmp_path / "again.jsonl"
    run("label", music, "--marks", marks, "--output", again)
    assert answers(again) == {"A moved and tagged file.flac": ("song", "hand"), "02 End Credits.flac": (None, "hand")}


@pytest.fixture
def karaoke(music, tmp_path: Path) -> Path:
    """Excerpts of recordings by many singers, half of them karaoke versions, on which the singer is faintly heard."""
    pairs = [row for row in music.rows if row["kind"] == "pair"][:N_TRACKS]
    for n, row in enumerate(pairs):
        with soundfile.SoundFile(music.folder / row["file"]) as sound:
            sr = sound.samplerate
            sound.seek(BEGIN * sr)
            y = sound.read(LENGTH * sr)
        kind, voice = ("song", 1.0) if n % 2 == 0 else ("karaoke", FAINT)
        singer = tmp_path / "music" / Path(row["group"]).name
        singer.mkdir(parents=True, exist_ok=True)
        soundfile.write(singer / f"{n:02d} {kind}.flac", 0.7 * (y[:, 0] + voice * y[:, 1]), sr)
    return tmp_path / "music"


def truth(name: str) -> str:
    return SONG if "song" in name else SCORE


def n_wrong(results: Path) -> int:
    return sum(one["label"] != truth(Path(one["path"]).name) for one in lines(results))


def mark_doubtful(page, n: int) -> None:
    """By keyboard alone, mark the next tracks in doubt as what they are."""
    for _ in range(n):
        page.keyboard.press("d")
        name = page.locator("tr[aria-current] td.name span").inner_text()
        page.keyboard.press("s" if truth(name) == SONG else "i")


@pytest.mark.data
def test_many_tracks_are_marked_tagged_learnt_from_and_labelled_again(karaoke: Path, tmp_path: Path, browser) -> None:
    results, again, marks = tmp_path / "run.jsonl", tmp_path / "again.jsonl", tmp_path / "marks.csv"
    page_file, mine = tmp_path / "run.html", tmp_path / "my-model"
    run("label", karaoke, "-o", results)
    assert len(lines(results)) == N_TRACKS
    assert n_wrong(results) >= 5
    run("report", results)

    page = opened(browser, page_file)
    mark_doubtful(page, 10)
    save(page, marks)
    made = read_marks(marks)
    assert len({mark.sound for mark in made}) == 10
    assert all(mark.label == truth(Path(mark.path).name) for mark in made)
    assert {(mark.path, mark.said) for mark in made} <= {(one["path"], one["label"]) for one in lines(results)}

    run("tag", "--from", results, "--marks", marks, "--write", "--journal", tmp_path / "undo.jsonl")
    tags = {mark.path: mutagen.File(mark.path).tags for mark in made}
    assert all(
        (tags[mark.path]["SONGSCORE_LABEL"], tags[mark.path]["SONGSCORE_MODEL"]) == ([mark.label], ["hand"])
        for mark in made
    )

    adapt = ["adapt", str(marks), "-o", str(mine)]
    refused = CliRunner().invoke(main, adapt)
    assert refused.exit_code == 1
    assert "not yet: 10 marks can be used, and at least 20 are needed; mark 10 more" in refused.stderr

    (karaoke / "moved").mkdir()
    for mark in made[:3]:
        Path(mark.path).rename(karaoke / "moved" / Path(mark.path).name)
    run("label", karaoke, "-o", again)
    run("report", again, "-o", page_file)
    page = opened(browser, page_file)
    assert page.locator("#marked").inner_text().startswith("10 marked")
    mark_doubtful(page, 10)
    save(page, marks)

    found = run(*adapt, "--among", again)
    assert "passed over" not in found.stdout
    assert "better: of 20 marks" in found.stderr
    adapted, by_hand = tmp_path / "adapted.jsonl", tmp_path / "by-hand.jsonl"
    run("label", karaoke, "--model", mine, "-o", adapted)
    assert {one["model"] for one in lines(adapted)} == {"my-model"}
    assert n_wrong(adapted) <= n_wrong(results)
    run("label", karaoke, "--model", mine, "--marks", marks, "-o", by_hand)
    assert sum(one["by"] == "hand" for one in lines(by_hand)) == 20
