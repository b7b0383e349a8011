"""The page in a real browser: it opens, sorts, filters, fits a phone and paper, and runs nothing of a track's name."""

import shutil
import time

import numpy as np
import pytest

from songscore import Mark, Segment, TrackResult, VocalTimeline, read_marks
from songscore.display.report import write_report

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 120.0
"""Seconds that a busy machine may take to draw or to begin to play."""

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian has it as the package chromium"),
]


SPOKEN = (Segment(50.0, 75.0, 0.9, "speech"), Segment(75.0, 100.0, 0.9, "choir"))


def answer(i):
    name = "<img src=x onerror=alert(1)>" if i == 3 else f"Track {i:03d}"
    song, certain = i % 2 == 0, i % 10 != 1
    return TrackResult(
        path=f"{'An exceedingly long name of an album ' * 3}/{name}.flac",
        label="song" if song else "instrumental score",
        song_probability=0.9 - i / 1000 if song else 0.1 + i / 1000,
        certain=certain,
        vocal_fraction=0.5,
        vocal_segments=(Segment(10.0, 12.0, 0.9), *(SPOKEN if i == 2 else ())),
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
    assert page.locator("#shown").inner_text() == "250 tracks"
    doubts = []
    for _ in range(26):
        keys(page, "j")
        doubts.append("in doubt" in page.locator("tr[aria-current] td.answer").inner_text())
    assert doubts == [True] * 25 + [False]


def until(page, condition):
    """Wait from outside: the page's own policy forbids what wait_for_function evaluates inside it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def in_sight(page):
    """Whether every place between the head of the table and the end of the window has its row, in order."""
    return page.evaluate("""() => {
        const trs = [...document.querySelectorAll("tbody tr")], boxes = trs.map((tr) => tr.getBoundingClientRect());
        const top = Math.max(0, document.getElementById("rows").getBoundingClientRect().top);
        const end = Math.min(innerHeight, document.getElementById("rows").getBoundingClientRect().bottom);
        const joined = boxes.every((box, k) => k === 0 || Math.abs(box.top - boxes[k - 1].bottom) < 2);
        return joined && boxes[0].top <= top + 1 && boxes.at(-1).bottom >= end - 1;
    }""")


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_only_rows_in_sight_are_drawn_and_all_of_those(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="File").click()
    for where in (0, 3000, 9000, 9100, 1e6, 500):
        page.evaluate(f"window.scrollTo(0, {where})")
        until(page, lambda: in_sight(page))
        assert page.locator("tbody tr").count() <= 32
    page.evaluate("window.scrollTo(0, 1e6)")
    until(page, lambda: names(page)[-1] == "Track 249.flac")
    assert page.locator("tbody tr").last.get_attribute("aria-rowindex") == "251"
    assert page.locator("table").get_attribute("aria-rowcount") == "251"


@pytest.mark.parametrize("touch", [False, True])
def test_no_row_holds_more_than_its_height(browser, tmp_path, touch):
    long = [(2800.0, 2900.0), (1700.0, 1800.0), (3300.0, 3500.0)]
    tracks = [
        TrackResult(
            path="A name without an end " * 8 + "/" + "Unbroken" * 20 + f"{i}.flac",
            label="instrumental score",
            song_probability=0.4,
            certain=False,
            status="partial",
            message="The file is damaged from the middle on; what is before was heard. " * 3,
            vocal_fraction=0.5,
            vocal_segments=tuple(Segment(a * hours, b * hours, 0.9) for a, b in long),
            timeline=VocalTimeline(np.arange(0.5, 100), np.ones(100, np.float32)),
            duration=3599.0 * hours,
        )
        for i, hours in enumerate((1, 5, 20))
    ]
    write_report(tracks, tmp_path / "report.html")
    page = browser.new_page(has_touch=touch, is_mobile=touch)
    page.goto((tmp_path / "report.html").as_uri())
    for width in (1600, 1280, 1264, 900, 768, 390):
        page.set_viewport_size({"width": width, "height": 800})
        keys(page, "d", "s", "a", "a")
        for kind in ("tracks", "albums"):
            too_large = page.locator("tbody td").evaluate_all("""cells => cells.filter((cell) => {
                const inner = cell.getBoundingClientRect(), row = cell.parentElement.getBoundingClientRect();
                return inner.bottom > row.bottom || inner.right > row.right + 1 || cell.scrollWidth > inner.width + 1;
            }).map((cell) => cell.className)""")
            assert too_large == [], (width, kind)
            keys(page, "a")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def on_top(page):
    """Number of the first track below the bar that stays on top."""
    name = page.locator("tbody tr").evaluate_all("""rows => {
        const edge = document.getElementById("marking").getBoundingClientRect().bottom;
        return rows.find((row) => row.getBoundingClientRect().top >= edge).querySelector(".name").textContent;
    }""")
    return int(name[6:9])


def test_the_track_on_top_stays_there_when_the_window_changes(page):
    page.get_by_role("button", name="File").click()
    page.evaluate("window.scrollTo(0, 5000)")
    until(page, lambda: in_sight(page))
    before = on_top(page)
    assert before > 20
    for width in (900, 390, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(300)
        until(page, lambda: in_sight(page) and abs(on_top(page) - before) <= 1)


def test_it_sorts_by_a_column_and_back(page):
    page.get_by_role("button", name="File").click()
    up = names(page)
    assert up == sorted(up, key=str.lower)
    page.get_by_role("button", name="File").click()
    assert names(page)[0] == "Track 249.flac"
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("File")


def test_it_filters_by_text_and_kind(page):
    page.fill("#search", "track 12")
    assert page.locator("#shown").inner_text() == "13 tracks"
    page.get_by_role("radio", name="Instrumental scores").check()
    assert page.locator("#shown").inner_text() == "5 tracks"
    page.fill("#search", "no such track")
    assert page.locator("#shown").inner_text() == "No track matches."


def test_a_name_is_text(page):
    page.fill("#search", "onerror")
    assert names(page) == ["<img src=x onerror=alert(1)>.flac"]
    assert page.locator("tbody img").count() == 0


def test_it_works_by_keyboard_alone(page):
    page.locator("#search").focus()
    page.keyboard.type("track 24")
    assert page.locator("#shown").inner_text() == "13 tracks"
    for _ in range(3):  # the kinds, and what can be sorted
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "File":
            break
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


def test_the_keys_go_anywhere_in_the_list_and_leave_the_search_alone(page):
    page.get_by_role("button", name="File").click()
    keys(page, "d")
    assert current(page) == "Track 001.flac"
    keys(page, *["d"] * 10)
    assert current(page) == "Track 101.flac"
    assert page.locator("tr[aria-current]").bounding_box()["y"] < 800
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
    assert page.locator("#shown").inner_text() == "1 track"
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
    first.fill("#search", "track 000")
    first.locator("tr", has_text="Track 000").get_by_role("button", name="Undo").click()
    again = opened()  # the first stays open: a busy browser writes the last change a moment later
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


def fills(page, row):
    return (
        page.locator("tr", has_text=row)
        .locator("svg.strip path")
        .evaluate_all(
            "paths => Object.fromEntries(paths.map((p) => [p.getAttribute('class'), getComputedStyle(p).fill]))"
        )
    )


@pytest.mark.slow
def test_a_hundred_thousand_tracks_are_walked_found_and_marked(browser, tmp_path):
    def track(i):
        certain = i % 100 > 0
        return TrackResult(
            path=f"{i // 12:04d}/{i:06d}.mp3", label="song", song_probability=0.9, certain=certain, duration=60
        )

    write_report(map(track, range(100_000)), tmp_path / "report.html")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("#marked").inner_text() == "0 marked, 1,000 in doubt"
    page.get_by_role("button", name="File").click()
    page.evaluate("window.scrollTo(0, 1e9)")
    until(page, lambda: names(page)[-1] == "099999.mp3" and in_sight(page))
    keys(page, "d", "d", "s", "j", "i")
    assert current(page) == "000101.mp3"
    assert page.locator("tbody tr").count() < 40
    assert not page.locator("#capped").is_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    until(page, page.locator("#capped").is_visible)
    page.fill("#search", "0999")
    assert not page.locator("#capped").is_visible()
    page.evaluate("window.scrollTo(0, 1e9)")
    until(page, lambda: names(page)[-1] == "099999.mp3")
    assert len(saved(page, lambda page: page.locator("#save").click())) == 2
    page.close()


def test_what_is_wrong_with_a_file_is_told_without_its_path(browser, tmp_path):
    bad = TrackResult(path="/music/b.mp3", status="unreadable", message="/music/b.mp3: an empty file")
    write_report([bad], tmp_path / "report.html")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("td.timeline").inner_text() == "an empty file"
    assert page.locator("td.name").inner_text().split("\n") == ["b.mp3", "/music/"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_kind_of_voice_has_the_colour_of_the_legend(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.fill("#search", "track 00")
    legend = page.locator("#voices span").evaluate_all(
        "spans => Object.fromEntries(spans.map((s) => [s.className, getComputedStyle(s).backgroundColor]))"
    )
    drawn = fills(page, "Track 002")
    assert drawn == {name: legend[name] for name in ("heard", "choir", "speech", "sung")}
    assert len(set(drawn.values())) == 4
    assert set(fills(page, "Track 004")) == {"heard", "sung"}
    assert "and voices without words and speech" in page.locator("tr", has_text="Track 002").locator(
        "svg.strip"
    ).get_attribute("aria-label")
    page.fill("#search", "")
    page.get_by_role("radio", name="With speech 1", exact=True).check()
    assert names(page) == ["Track 002.flac"]


@pytest.fixture
def albums(browser, tmp_path):
    """A page of three albums of four, four and two hundred and fifty tracks; one track of the second is in doubt."""

    def track(album, i, p, certain=True):
        label = "song" if p > 0.5 else "instrumental score"
        return TrackResult(
            path=f"{album}/{i:03d}.flac",
            label=label,
            song_probability=p,
            certain=certain,
            duration=100.0 + 100 * (i == 0),
        )

    tracks = [track("Ballads", i, 1.0) for i in range(4)]
    tracks += [track("Cues", i, 0.4 if i == 1 else 0.0, i != 1) for i in range(4)]
    tracks += [track("Everything", i, float(i % 2)) for i in range(250)]
    write_report(tracks, tmp_path / "report.html")
    opened = browser.new_page(viewport={"width": 1200, "height": 800})
    opened.goto((tmp_path / "report.html").as_uri())
    keys(opened, "a")
    yield opened
    opened.close()


def blocks(page, album):
    return page.locator("tr", has_text=album).locator("rect[data-i]")


def test_an_album_is_a_strip_of_its_tracks(albums):
    assert names(albums) == ["Cues", "Ballads", "Everything"]
    assert albums.locator("td.number").all_inner_texts()[:4] == ["4", "0", "1", "8:20"]
    widths = blocks(albums, "Ballads").evaluate_all("rects => rects.map((one) => Number(one.getAttribute('width')))")
    assert widths == pytest.approx([400, 200, 200, 200])
    fill = "rects => rects.map((one) => one.getAttribute('fill'))"
    blue, orange = "rgb(0,115,179)", "rgb(214,94,0)"
    assert blocks(albums, "Ballads").evaluate_all(fill) == [orange] * 4
    cues = blocks(albums, "Cues").evaluate_all(fill)
    assert (cues[0], cues[2:], cues[1] != blue) == (blue, [blue] * 2, True)
    assert albums.locator("tr", has_text="Cues").locator("rect.doubt").count() == 1
    assert blocks(albums, "Everything").count() == 125
    assert blocks(albums, "Cues").nth(1).locator("title").text_content() == (
        "001.flac: instrumental score, P(song) 0.40, in doubt"
    )


def test_albums_are_opened_and_left_by_key(albums):
    keys(albums, "d", "Enter", "d", "s")
    assert albums.locator("#shown").inner_text() == "4 tracks"
    assert current(albums) == "001.flac"
    assert albums.locator("#album").inner_text().startswith("In Cues/ only")
    keys(albums, "Escape")
    assert current(albums) == "Cues"
    assert blocks(albums, "Cues").nth(1).get_attribute("fill") == "rgb(214,94,0)"
    assert albums.locator("tr", has_text="Cues").locator("rect.hand").count() == 1
    keys(albums, "s", "i", "n", "u")  # which are about tracks
    assert albums.locator("#marked").inner_text() == "1 marked, 0 in doubt"
    keys(albums, "a")
    assert albums.locator("#shown").inner_text() == "258 tracks"


def test_a_block_leads_to_its_track(albums):
    blocks(albums, "Ballads").nth(2).click()
    assert (current(albums), albums.locator("#shown").inner_text()) == ("002.flac", "4 tracks")
    albums.get_by_role("button", name="back to albums").click()
    assert current(albums) == "Ballads"


def test_albums_are_found_by_what_is_in_them(albums):
    keys(albums, "/", *"cues/")
    assert names(albums) == ["Cues"]
    assert albums.locator("#shown").inner_text() == "1 album"


def test_paper_has_every_row_in_ink(page):
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("tbody tr").count() == 250
    tops = page.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().top)")
    assert tops == sorted(set(tops))
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert max(map(int, ink[4:-1].split(","))) < 60
    for unprinted in ("#marking", "form", "td.marks"):
        assert not page.locator(unprinted).first.is_visible()
    assert [head.strip() for head in page.locator("thead").inner_text().split("\n") if head.strip()][:3] == [
        "File",
        "Answer",
        "P(song)",
    ]
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("tbody tr").count() < 40


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 900, 390])
def test_axe_finds_nothing(page, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for pressed in ("", "?ds", "dij", "a", "?"):
        keys(page, *pressed)
        found = axe.run(page).response["violations"]
        assert [(one["impact"], one["id"], one["nodes"][0]["target"]) for one in found] == []


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
    until(page, lambda: page.evaluate("document.getElementById('audio').currentTime") >= 2)
    assert page.locator("#trouble").inner_text() == ""
    keys(page, " ")
    assert page.evaluate("document.getElementById('audio').paused")
    keys(page, " ")
    assert not page.evaluate("document.getElementById('audio').paused")
    page.get_by_role("button", name="from 0:02").click()
    assert page.locator("#playing").inner_text() == track.path
    page.close()
