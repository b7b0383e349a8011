"""The page as text: what is in it, what is escaped, where it points."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from systems import posix

from songscore import Mark, TrackResult, VocalTimeline
from songscore.cli import main
from songscore.display.report import CELLS, COLUMNS, render, strip, write_report
from songscore.marks import Marks
from songscore.results import exact_path


def track(path, label="song", p=0.9, certain=True, **fields):
    times = np.arange(0.5, 100)
    timeline = VocalTimeline(times, np.linspace(0, 1, len(times), dtype=np.float32))
    known = {"song_probability": p, "vocal_fraction": 0.4, "timeline": timeline, "duration": 100.0}
    return TrackResult(path=str(path), label=label, certain=certain, **(known | fields))


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def rows_of(page):
    data = data_of(page)
    assert tuple(data["columns"]) == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in data["rows"]]


def test_every_track_is_in_the_page_with_its_answer(tmp_path):
    failed = TrackResult(path="b.mp3", status="unreadable", message="b.mp3: an empty file")
    page = render([track("a.flac", p=0.87654), failed], tmp_path, "Mine")
    song, bad = rows_of(page)
    assert (song["label"], song["p"], song["certain"], song["status"]) == (1, 0.877, 1, "ok")
    assert (bad["label"], bad["p"], bad["status"], bad["message"]) == (0, None, "unreadable", "b.mp3: an empty file")
    for number, name in (("2", "tracks"), ("1", "songs"), ("0", "instrumental scores"), ("1", "without a label")):
        assert f"<dt>{name}</dt><dd>{number}</dd>" in page


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.mp3", "</script><b>.mp3", "$title ${data}.mp3", '"&".mp3'])
def test_names_and_titles_are_text_and_nothing_else(tmp_path, name):
    page = render([track(name)], tmp_path, f"{name}")
    assert rows_of(page)[0]["path"] == name
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>" not in page


@posix
def test_marks_lie_beside_what_the_model_says_and_do_not_replace_it(tmp_path):
    tracks = [track("a.mp3", sound_digest="a" * 64), track("b.mp3"), track("=c.mp3"), track("caf\udce9.mp3")]
    marks = Marks([Mark.of(tracks[0], "instrumental score"), Mark(path="gone.mp3", label="neither")])
    page = render(tracks, tmp_path, "x", marks=marks)
    rows = rows_of(page)
    assert [(row["label"], row["mark"]) for row in rows] == [(1, 2), (1, 0), (1, 0), (1, 0)]
    assert [row["sound"] for row in rows] == ["a" * 64, "", "", ""]
    assert [exact_path(row["file"] or row["path"]) for row in rows] == [one.path for one in tracks]
    assert [row["file"] for row in rows] == ["", "", "file:%3Dc.mp3", "file:caf%E9.mp3"]
    assert data_of(page)["marks"]["others"] == "gone.mp3,neither,,,,\n"


def test_an_answer_by_hand_is_a_mark_of_which_the_model_said_nothing(tmp_path):
    marks = Marks([Mark(path="a.mp3", label="song"), Mark(path="b.mp3", label="neither")])
    song, neither, other = rows_of(
        render([marks.decide(track(f"{name}.mp3", "instrumental score", 0.2)) for name in "abc"], tmp_path, "x")
    )
    assert (song["mark"], song["label"], song["p"], song["status"]) == (1, 0, None, "")
    assert (neither["mark"], neither["label"], neither["message"]) == (3, 0, "")
    assert (other["mark"], other["label"], other["p"]) == (0, 2, 0.2)


def test_the_browser_keeps_the_marks_of_each_page_apart(tmp_path):
    for name in ("one.html", "two.html", "one.html"):
        write_report([track("a.mp3")], tmp_path / name)
    one, two = (data_of((tmp_path / name).read_text("utf-8"))["run"] for name in ("one.html", "two.html"))
    assert one != two
    assert "" not in (one, two)


def test_doubtful_tracks_say_where_to_listen_and_certain_ones_do_not(tmp_path):
    sure, unsure = rows_of(render([track("a.mp3"), track("b.mp3", p=0.6, certain=False)], tmp_path, "x"))
    assert sure["listen"] == []
    assert 1 <= len(unsure["listen"]) <= 3
    assert all(start < end for start, end in unsure["listen"])


@posix
def test_links_lead_from_the_page_to_the_music(tmp_path):
    names = ["Ä & 100%.flac", "sub/a#b?.mp3", "line\nbreak.mp3", "caf\udce9.mp3"]
    rows = rows_of(render([track(tmp_path / name) for name in names], tmp_path / "reports", "x"))
    assert [row["url"] for row in rows] == [
        "./../%C3%84%20%26%20100%25.flac",
        "./../sub/a%23b%3F.mp3",
        "./../line%0Abreak.mp3",
        "./../caf%E9.mp3",
    ]


def test_a_strip_has_the_highest_probability_of_each_cell_and_points_where_nothing_was_heard():
    text = strip(VocalTimeline(np.arange(0.5, CELLS), np.linspace(0, 1, CELLS, dtype=np.float32)), CELLS)
    assert len(text) == CELLS
    assert [int(c, 16) for c in text] == sorted(int(c, 16) for c in text)
    assert (text[0], text[-1]) == ("0", "f")
    half = strip(VocalTimeline(np.arange(0.5, CELLS / 2), np.ones(CELLS // 2, np.float32)), CELLS)
    assert half == "f" * (CELLS // 2) + "." * (CELLS // 2)
    assert strip(VocalTimeline(np.array([]), np.array([], np.float32)), 10) == ""


def test_a_short_track_has_no_holes():
    text = strip(VocalTimeline(np.arange(0.5, 20), np.ones(20, np.float32)), 20.0)
    assert text == "f" * CELLS


def test_nothing_of_the_page_is_elsewhere(tmp_path):
    page = render([track("a.mp3")], tmp_path, "x")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "default-src 'none'" in page


def test_the_page_is_written_whole_or_not_at_all(tmp_path):
    def broken():
        yield track("a.mp3")
        raise RuntimeError("gone")

    page = tmp_path / "report.html"
    page.write_text("before")
    with pytest.raises(RuntimeError, match="gone"):
        write_report(broken(), page)
    assert page.read_text() == "before"
    assert list(tmp_path.iterdir()) == [page]


def journal(path: Path, tracks) -> Path:
    path.write_text("".join(json.dumps(t.to_dict()) + "\n" for t in tracks), "utf-8")
    return path


def test_the_command_makes_a_page_of_a_results_file(tmp_path):
    results = journal(tmp_path / "run.jsonl", [track("a.mp3"), track("b.mp3", "instrumental score", 0.1)])
    done = CliRunner().invoke(main, ["report", str(results), "--title", "My <library>"])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'run.html'}\n")
    page = (tmp_path / "run.html").read_text("utf-8")
    assert len(rows_of(page)) == 2
    assert "My &lt;library&gt;" in page


@pytest.mark.parametrize("output", ["song.mp3", "run.jsonl"])
def test_the_command_overwrites_neither_music_nor_its_results(tmp_path, output):
    results = journal(tmp_path / "run.jsonl", [track("a.mp3")])
    done = CliRunner().invoke(main, ["report", str(results), "--output", str(tmp_path / output)])
    assert done.exit_code == 2
    assert "is not overwritten" in done.stderr


def test_a_file_that_holds_no_results_is_said(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    done = CliRunner().invoke(main, ["report", str(path)])
    assert done.exit_code == 2
    assert "line 1" in done.stderr
