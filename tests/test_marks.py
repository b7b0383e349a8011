"""Labels given by a person: what they make of an answer, by what a file is known, and the file of marks."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from systems import posix

from songscore import Mark, TrackResult, classify_folder, classify_release, read_marks, write_marks
from songscore.marks import COLUMNS, Marks

A, B = "a" * 64, "b" * 64


def answer(path: str = "a.flac", **fields: object) -> TrackResult:
    known = {"label": "song", "song_probability": 0.6, "duration": 60.0, "sound_digest": A, "model": "track-v2"}
    return TrackResult(path=path, **(known | fields))


def mark(label: str = "instrumental score", **fields: object) -> Mark:
    return Mark(**({"path": "a.flac", "label": label, "sound": A} | fields))


@pytest.mark.parametrize(("label", "probability"), [("song", 1.0), ("instrumental score", 0.0)])
def test_a_mark_outranks_the_model(label: str, probability: float) -> None:
    decided = Marks([mark(label)]).decide(answer())
    assert (decided.label, decided.song_probability, decided.certain, decided.by) == (label, probability, True, "hand")
    assert (decided.status, decided.message, decided.duration) == ("ok", "", 60.0)
    assert str(decided.explain()) == f"{label.capitalize()}: marked by hand."
    assert TrackResult.from_dict(decided.to_dict()).to_dict() == decided.to_dict()


def test_a_track_that_is_neither_has_no_label_and_says_who_said_so() -> None:
    decided = Marks([mark("neither")]).decide(answer())
    assert (decided.label, decided.song_probability, decided.certain) == (None, None, False)
    assert (decided.status, decided.by) == ("not_music", "hand")
    assert "by hand" in decided.message
    assert TrackResult.from_dict(decided.to_dict()).by == "hand"


def test_a_mark_labels_what_the_model_could_not() -> None:
    failed = answer(label=None, song_probability=None, status="unsupported", message="a.flac: needs PyAV")
    decided = Marks([mark("song")]).decide(failed)
    assert (decided.label, decided.status, decided.message) == ("song", "ok", "")


def test_a_damaged_file_stays_one_that_was_read_in_part() -> None:
    decided = Marks([mark("song")]).decide(answer(status="partial", message="it is cut short"))
    assert (decided.status, decided.message, decided.certain) == ("partial", "it is cut short", True)


def test_a_file_is_known_by_its_sound_wherever_it_is() -> None:
    marks = Marks([mark()])
    assert marks.decide(answer("elsewhere/b.flac")).by == "hand"
    assert marks.decide(answer("a.flac", sound_digest=B)).by == "model"


def test_the_path_counts_where_the_sound_of_either_is_not_known(tmp_path: Path) -> None:
    by_path = Marks([mark(path=str(tmp_path / "a.flac"), sound="")])
    assert by_path.decide(answer(str(tmp_path / "x" / ".." / "a.flac"))).by == "hand"
    assert by_path.decide(answer("b.flac")).by == "model"
    assert Marks([mark()]).decide(answer(sound_digest=None)).by == "hand"


def test_of_several_marks_the_last_counts() -> None:
    marks = Marks([mark("song"), mark("neither", path="moved.flac"), mark("instrumental score", path="again.flac")])
    assert [one.label for one in marks] == ["instrumental score"]
    by_hand = Marks([mark("song"), mark("neither", sound="")])
    assert (len(by_hand), by_hand.decide(answer()).status) == (1, "not_music")


def test_a_mark_can_be_taken_back() -> None:
    marks = Marks([mark(), mark(path="b.flac", sound="")])
    marks.remove(answer("moved.flac"))
    marks.remove(answer("b.flac", sound_digest=None))
    marks.remove(answer("c.flac", sound_digest=B))
    assert len(marks) == 0
    assert marks.decide(answer()).by == "model"


def test_a_mark_keeps_what_the_model_had_said() -> None:
    assert Mark.of(answer(), "neither") == mark("neither", seconds=60.0, said="song", probability=0.6)
    silent = answer(label=None, song_probability=None, status="silent", sound_digest=None)
    assert (Mark.of(silent, "song").said, Mark.of(silent, "song").sound) == ("silent", "")
    again = Mark.of(Marks([mark()]).decide(answer()), "song")
    assert (again.said, again.probability) == ("", None)


@pytest.mark.parametrize(
    "path",
    ["a, b.flac", 'q"uote.mp3', "=1+1.mp3", "@a.mp3", "line\nbreak.mp3", "caf\udce9.mp3", "file:x.mp3", "ü\u202e"],
)
def test_a_file_of_marks_gives_back_what_was_written(tmp_path: Path, path: str) -> None:
    marks = [mark(path=path, seconds=12.34, said="song", probability=0.1234), mark("neither", path="b", sound="")]
    write_marks(marks, tmp_path / "marks.csv")
    assert read_marks(tmp_path / "marks.csv") == marks
    with (tmp_path / "marks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert rows[1][0].isprintable()
    assert not rows[1][0].startswith(("=", "+", "-", "@"))


def test_a_spreadsheet_may_leave_out_columns_and_put_them_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("\ufefflabel,notes,path\r\nscore,nice,a.flac\r\n\r\nneither,,b.flac\r\n", "utf-8")
    assert read_marks(tmp_path / "m.csv") == [mark(sound=""), mark("neither", path="b.flac", sound="")]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (",song,,,,", "path is ''"),
        ("a,Song,,,,", "label is 'Song'"),
        ("a,,,,,", "label is ''"),
        ("a,song,-1,,,", "seconds is '-1'"),
        ("a,song,soon,,,", "seconds is 'soon'"),
        ("a,song,nan,,,", "seconds is 'nan'"),
        ("a,song,,perhaps,,", "said is 'perhaps'"),
        ("a,song,,,1.5,", "probability is '1.5'"),
        ("a,song,,,,0", "sound is '0'"),
        (f"a,song,,,,{A.upper()}", "sound is 'AAA"),
        ("a", "label is ''"),
        (f"{'x' * 200_000},song,,,,", "field larger than field limit"),
    ],
)
def test_a_bad_line_costs_itself_and_says_where_and_why(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(f"{','.join(COLUMNS)}\ngood.flac,song,,,,\n{line}\nlast.flac,neither,,,,\n", "utf-8")
    refused: list[str] = []
    marks = read_marks(path, lambda error: refused.append(str(error)))
    assert [one.path for one in marks] == ["good.flac", "last.flac"]
    assert len(refused) == 1
    assert refused[0].startswith(f"{path}, line 3: {complaint}")
    with pytest.raises(ValueError, match=r"marks\.csv, line 3: "):
        read_marks(path)


@pytest.mark.parametrize("content", ["", "path,name\na,b\n", "a.flac,song\n"])
def test_a_file_without_the_columns_is_no_file_of_marks(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(ValueError, match=r"m\.csv, line 1: no column .*marks have path, label"):
        read_marks(tmp_path / "m.csv", lambda error: None)


@posix
def test_bytes_that_are_not_utf8_cost_no_other_line(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path,label\ncaf\xe9.mp3,song\nb.mp3,song\n")
    assert [os.fsencode(one.path) for one in read_marks(tmp_path / "m.csv")] == [b"caf\xe9.mp3", b"b.mp3"]


@pytest.mark.slow
def test_a_folder_is_labelled_with_marks_and_a_moved_file_keeps_its_own(album: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(album, tmp_path / "album"))
    score, song = classify_folder(folder)
    assert (score.label, song.label) == ("instrumental score", "song")
    write_marks([Mark.of(score, "song"), Mark.of(song, "neither")], tmp_path / "marks.csv")
    (folder / "01 Main Title.flac").rename(folder / "99 Renamed.flac")
    neither, moved = classify_folder(folder, marks=tmp_path / "marks.csv")
    assert (moved.path, moved.label, moved.by) == (str(folder / "99 Renamed.flac"), "song", "hand")
    assert (neither.label, neither.by) == (None, "hand")
    release = classify_release(folder, marks=tmp_path / "marks.csv")
    assert release.verdict == "soundtrack"
    assert release.song_share > 0.99
