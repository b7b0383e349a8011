"""The page in a real browser: it opens, sorts, filters, fits a phone, and runs nothing of a track's name."""

import shutil
import time

import numpy as np
import pytest

from songscore import Mark, Segment, TrackResult, VocalTimeline, read_marks
from songscore.display.report import write_report

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 120.0
"""Seconds that a busy machine may take to begin to play."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian has it as the package chromium")


def answer(i):
    name = "<img src=x onerror=alert(1)>" if i == 3 else f"Track {i:03d}"
    song, certain = i % 2 == 0, i % 10 != 1
    return TrackResult(
        path=f"{'An exceedingly long name of an album ' * 3}/{name}.flac",
        label="song" if song else "instrumental score",
        song_probability=0.9 - i / 1000 if song else 0.1 + i / 1000,
        certain=certain,
        vocal_fraction=0.5,
        vocal_segments=(Segment(10.0, 12.0, 0.9),),
        timeline=VocalTimeline(np.arange(0.5, 100), np.ones(100, np.float32)),
        duration=100.0,
    )


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, tmp_path):
    file = tmp_path / "report.html"
    write_report([answer(i) for i in range(250)], file, title="Mine")
    opened, noise = browser.new_page(viewport={"width": 1200, "height": 800}), []
    opened.on("console", lambda message: noise.append(message.text))
    opened.on("pageerror", lambda error: noise.append(str(error)))
    opened.on("dialog", lambda dialog: noise.append(dialog.message))
    opened.on("request", lambda request: request.url != file.as_uri() and noise.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert noise == []
    opened.close()


def names(page):
    return page.locator("td.name").evaluate_all("cells => cells.map(cell => cell.firstChild.textContent)")


def test_it_opens_with_the_doubtful_tracks_first(page):
    assert page.title() == "Mine"
    assert page.locator("tbody tr").count() == 100
    assert page.locator("#shown").inner_text() == "1 to 100 of 250 tracks"
    doubts = page.locator("td.answer").all_inner_texts()[:26]
    assert ["in doubt" in text for text in doubts] == [True] * 25 + [False]


def test_it_sorts_by_a_column_and_back(page):
    page.get_by_role("button", name="File").click()
    up = names(page)
    assert up == sorted(up, key=str.lower)
    page.get_by_role("button", name="File").click()
    assert names(page)[0] == "Track 249.flac"
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("File")


def test_it_filters_by_text_and_kind(page):
    page.fill("#search", "track 12")
    assert page.locator("#shown").inner_text() == "1 to 13 of 13 tracks"
    page.get_by_role("radio", name="Instrumental scores").check()
    assert page.locator("#shown").inner_text() == "1 to 5 of 5 tracks"
    page.fill("#search", "no such track")
    assert page.locator("#shown").inner_text() == "No track is like that."


def test_it_turns_pages(page):
    page.get_by_role("button", name="Next").click()
    assert page.locator("#page").inner_text() == "Page 2 of 3"
    page.get_by_role("button", name="Last").click()
    assert page.locator("tbody tr").count() == 50
    assert page.get_by_role("button", name="Next").is_disabled()


def test_a_name_is_text(page):
    page.fill("#search", "onerror")
    assert names(page) == ["<img src=x onerror=alert(1)>.flac"]
    assert page.locator("tbody img").count() == 0


def test_it_works_by_keyboard_alone(page):
    page.locator("#search").focus()
    page.keyboard.type("track 24")
    assert page.locator("tbody tr").count() == 13
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "File"
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("File")


def keys(page, *pressed):
    for key in pressed:
        page.keyboard.press(key)


def saved(page, how=lambda page: page.keyboard.press("m")):
    with page.expect_download() as download:
        how(page)
    assert download.value.suggested_filename == "marks.csv"
    return read_marks(download.value.path())


def current(page):
    return page.locator("tr[aria-current=true] td.name").evaluate("cell => cell.firstChild.textContent")


def test_the_doubtful_tracks_are_marked_by_keyboard_alone(page):
    keys(page, "d", "s", "d", "i", "d", "n", "d", "s", "u")
    assert page.locator("#marked").inner_text() == "3 marked, 22 in doubt"
    assert current(page) == page.evaluate("document.activeElement.querySelector('.name').firstChild.textContent")
    marks = saved(page)
    assert [mark.label for mark in sorted(marks, key=lambda mark: -mark.probability)] == [
        "song",
        "instrumental score",
        "neither",
    ]
    assert {(mark.said, mark.seconds, mark.sound) for mark in marks} == {("instrumental score", 100.0, "")}
    assert sorted(mark.path for mark in marks) == [answer(i).path for i in (221, 231, 241)]
    assert page.locator("tr", has_text="Track 241").locator(".answer").inner_text().split("\n") == [
        "song",
        "by hand; the model said instrumental score",
    ]


def test_the_keys_go_from_page_to_page_and_leave_the_search_alone(page):
    page.get_by_role("button", name="File").click()
    keys(page, "d")
    assert current(page) == "Track 001.flac"
    keys(page, *["d"] * 10)
    assert (current(page), page.locator("#page").inner_text()) == ("Track 101.flac", "Page 2 of 3")
    keys(page, "k", "j", "j", "s")
    assert current(page) == "Track 102.flac"
    page.locator("#search").focus()
    page.keyboard.type("dims ?")
    assert page.locator("#search").input_value() == "dims ?"
    assert page.locator("#marked").inner_text() == "1 marked, 25 in doubt"


def test_help_is_on_the_page(page):
    assert not page.get_by_text("play the next passage to check").is_visible()
    keys(page, "?")
    assert page.get_by_text("play the next passage to check").is_visible()


def test_marks_are_made_by_mouse_and_taken_back(page):
    row = page.locator("tbody tr").nth(2)
    row.get_by_role("button", name="Neither").click()
    assert row.get_by_role("button", name="Neither").get_attribute("aria-pressed") == "true"
    page.get_by_role("radio", name="Marked").check()
    assert page.locator("tbody tr").count() == 1
    page.locator("tbody tr").get_by_role("button", name="Undo").click()
    assert page.locator("#marked").inner_text() == "0 marked, 25 in doubt"
    assert saved(page, lambda page: page.get_by_role("button", name="Save marks.csv").click()) == []


def test_marks_are_made_by_touch(browser, tmp_path):
    write_report([answer(i) for i in range(5)], tmp_path / "report.html")
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto((tmp_path / "report.html").as_uri())
    button = page.locator("tbody tr").first.get_by_role("button", name="Score")
    assert button.bounding_box()["height"] >= 44
    button.tap()
    assert page.locator("#marked").inner_text() == "1 marked, 0 in doubt"
    page.close()


def test_the_browser_keeps_marks_until_they_are_taken_back(browser, tmp_path):
    tracks = [answer(i) for i in range(20)]
    write_report(tracks, tmp_path / "report.html", marks=[Mark.of(tracks[0], "neither")])
    context = browser.new_context()

    def opened():
        page = context.new_page()
        page.goto((tmp_path / "report.html").as_uri())
        return page

    first = opened()
    assert first.locator("#marked").inner_text() == "1 marked, 2 in doubt"
    keys(first, "d", "s")
    first.locator("tr", has_text="Track 000").get_by_role("button", name="Undo").click()
    first.close()
    again = opened()
    assert [(mark.path, mark.label) for mark in saved(again)] == [(tracks[11].path, "song")]
    write_report(tracks, tmp_path / "other.html")
    again.goto((tmp_path / "other.html").as_uri())
    assert again.locator("#marked").inner_text() == "0 marked, 2 in doubt"
    context.close()


def test_marks_of_tracks_that_are_not_here_are_saved_again(browser, tmp_path):
    marks = [Mark(path="=els, ewhere.flac", label="song", seconds=1.5, said="silent", sound="a" * 64)]
    write_report([answer(1)], tmp_path / "report.html", marks=marks)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    keys(page, "d", "i")
    assert [mark.path for mark in saved(page)] == [answer(1).path, "=els, ewhere.flac"]
    assert saved(page)[1:] == marks
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    paper, ink = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    assert (min(map(int, paper[4:-1].split(","))) > 200) is (scheme == "light")
    assert paper != ink


def test_a_passage_is_played_where_the_music_lies_beside_the_page(browser, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a b#.wav", np.zeros(48_000 * 5), 48_000)
    track = TrackResult(
        path=str(tmp_path / "a b#.wav"),
        label="song",
        song_probability=0.6,
        certain=False,
        vocal_segments=(Segment(2.0, 3.0, 0.9),),
        duration=5.0,
    )
    write_report([track], tmp_path / "report.html")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    keys(page, "d", "p")
    # Polled from outside: the page's own policy forbids what wait_for_function evaluates inside it.
    patience = time.monotonic() + PATIENCE
    while page.evaluate("document.getElementById('audio').currentTime") < 2:
        assert time.monotonic() < patience
        page.wait_for_timeout(50)
    assert page.locator("#trouble").inner_text() == ""
    keys(page, " ")
    assert page.evaluate("document.getElementById('audio').paused")
    keys(page, " ")
    assert not page.evaluate("document.getElementById('audio').paused")
    page.get_by_role("button", name="from 0:02").click()
    assert page.locator("#playing").inner_text() == track.path
    page.close()
