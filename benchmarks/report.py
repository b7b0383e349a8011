"""How quickly the report of a large run is written, opens, sorts, scrolls and takes marks in a headless browser.

    python -m benchmarks report --tracks 100000

needs Playwright's Python package and Chromium (``--chromium``).
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from playwright.sync_api import Page, sync_playwright

from songscore.display.report import write_report
from songscore.model import MODEL
from songscore.results import SCORE, SONG, Segment, TrackResult, VocalTimeline

from .material.place import Place, Skipped

QUICK = {"tracks": 300}


def library(n: int) -> list[TrackResult]:
    """Made-up answers: a third songs, some with speech or choirs, one in forty in doubt, and unreadable ones."""
    random = np.random.default_rng(0)
    return [_track(i, random) for i in range(n)]


def _track(i: int, random: np.random.Generator) -> TrackResult:
    album = i // 15
    path = f"Composer {album % 400:03d}/Album {album:04d}/{i % 15 + 1:02d} Track {i}.flac"
    if i % 200 == 7:
        return TrackResult(path=path, status="unreadable", message=f"{path}: damaged from the start")
    song = i % 3 == 0
    p = float(np.clip(random.normal(0.95 if song else 0.04, 0.2 if i % 10 == 0 else 0.02), 0, 1))
    times = np.arange(0.5, random.uniform(60, 400))
    voice = np.clip(random.normal(0.8 * song * (np.sin(times / 15) > 0), 0.1), 0, 1).astype(np.float32)
    return TrackResult(
        path=path,
        label=SONG if p >= 0.5 else SCORE,
        song_probability=p,
        certain=p > 0.85 or p < 0.2,
        vocal_fraction=float((voice > 0.3).mean()),
        vocal_segments=_passages(i, song),
        timeline=VocalTimeline(times, voice),
        duration=float(times[-1] + 0.5),
        analysed=float(times[-1] + 0.5),
        model=MODEL,
        sound_digest=hashlib.sha256(path.encode()).hexdigest(),
    )


def _passages(i: int, song: bool) -> tuple[Segment, ...]:
    sung = (Segment(10.0, 20.0, 0.9),) if song else ()
    choir = (Segment(20.0, 40.0, 0.7, "choir"),) if i % 7 == 0 else ()
    return (*sung, *choir, *((Segment(45.0, 55.0, 0.7, "speech"),) if i % 11 == 0 else ()))


def _seconds(page: Page, act: Callable[[], object]) -> float:
    """Until the page is drawn again."""
    began = time.perf_counter()
    act()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    return time.perf_counter() - began


@click.command()
@click.option("--tracks", default=100_000, show_default=True)
@click.option("--chromium", default="chromium", show_default=True)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for screenshots.")
def main(place: Place, tracks: int, chromium: str, pictures: Path | None) -> Iterator[str]:
    """A line for each act."""
    if not shutil.which(chromium):
        raise Skipped(f"there is no {chromium}")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder, "report.html")
        answers = library(tracks)
        began = time.perf_counter()
        write_report(answers, page_file, title="My library")
        size = page_file.stat().st_size / 1e6
        yield f"written: {time.perf_counter() - began:.1f} s, {size:.1f} MB"
        browser = playwright.chromium.launch(
            executable_path=shutil.which(chromium),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        page.goto(page_file.as_uri())
        page.wait_for_selector("tbody tr")
        yield f"opened: {time.perf_counter() - began:.2f} s"
        for name, act in {
            "sorted by file": lambda: page.click("th >> text=File"),
            "sorted by probability": lambda: page.click("th >> text=P(song)"),
            "filtered by text": lambda: page.fill("#search", "composer 123 track"),
            "text removed": lambda: page.fill("#search", ""),
            "scrolled to the end": lambda: page.evaluate("window.scrollTo(0, 1e9)"),
            "next in doubt, by key": lambda: page.keyboard.press("d"),
            "marked, by key": lambda: page.keyboard.press("s"),
            "next track, by key": lambda: page.keyboard.press("j"),
            "albums": lambda: page.keyboard.press("a"),
            "an album opened": lambda: (page.keyboard.press("d"), page.keyboard.press("Enter")),
            "left again": lambda: (page.keyboard.press("Escape"), page.keyboard.press("a")),
            "filtered by kind": lambda: page.get_by_role("radio", name="In doubt").check(),
        }.items():
            yield f"{name}: {_seconds(page, act):.2f} s"
        rows = page.locator("tbody tr").count()
        memory = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        yield f"drawn: {rows} rows; memory of the page: {memory:.0f} MB"
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=pictures / "desktop.png")
            page.keyboard.press("a")
            page.screenshot(path=pictures / "albums.png")
            page.keyboard.press("a")
            page.emulate_media(color_scheme="dark")
            page.screenshot(path=pictures / "dark.png")
            page.set_viewport_size({"width": 390, "height": 844})
            page.emulate_media(color_scheme="light")
            page.screenshot(path=pictures / "phone.png")
        browser.close()
