from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import mutagen
import pytest

from songscore import Mark, classify_track, write_marks

pytestmark = pytest.mark.slow
pytest.importorskip("beets", reason="beets is not installed")

CONFIG = """\
directory: {library}
library: {home}/library.db
plugins: songscore
import:
  copy: yes
songscore:
  {options}
"""

FORMAT = "$title|$songscore_label|$songscore_probability|$songscore_vocal_fraction"


@pytest.fixture
def tracks(album: Path, tmp_path: Path) -> Path:
    """A song and a score with titles, ready for import."""
    folder = shutil.copytree(album, tmp_path / "tracks")
    for path in folder.glob("*.flac"):
        file = mutagen.File(path)
        file["TITLE"], file["ALBUM"], file["ARTIST"] = path.stem[3:], "A Film", "Somebody"
        file.save()
    return folder


def configure(tmp_path: Path, **options: object) -> None:
    lines = "\n  ".join(f"{name}: {value}" for name, value in options.items()) or "{}"
    (tmp_path / "config.yaml").write_text(
        CONFIG.format(library=tmp_path / "library", home=tmp_path, options=lines), encoding="utf-8"
    )


def beet(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "BEETSDIR": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "beets", *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    return answer


def listed(tmp_path: Path, *query: str) -> dict[str, list[str]]:
    rows = beet(tmp_path, "ls", "-f", FORMAT, *query).stdout.splitlines()
    return {title: fields for title, *fields in (row.split("|") for row in rows)}


def test_an_import_sets_the_fields(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path)
    before = {path.name: path.read_bytes() for path in tracks.iterdir()}
    beet(tmp_path, "import", "-A", tracks)
    fields = listed(tmp_path)
    assert fields["Main Title"][0] == "instrumental score"
    assert fields["End Credits"][0] == "song"
    for _, probability, fraction in fields.values():
        assert 0 <= float(probability) <= 1
        assert 0 <= float(fraction) <= 1
    assert list(listed(tmp_path, "songscore_probability:0.5..1")) == ["End Credits"]
    assert {path.name: path.read_bytes() for path in tracks.iterdir()} == before


def test_the_command_labels_what_the_query_finds(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, auto="no", prior=0.999999)
    beet(tmp_path, "import", "-A", tracks)
    assert listed(tmp_path, "songscore_label::.") == {}
    beet(tmp_path, "songscore", "title:Main")
    assert {title: fields[0] for title, fields in listed(tmp_path, "songscore_label::.").items()} == {
        "Main Title": "song"
    }
    configure(tmp_path, auto="no")
    beet(tmp_path, "songscore", "title:Main")
    assert listed(tmp_path, "title:Main")["Main Title"][0] == "song"
    beet(tmp_path, "songscore", "--force", "title:Main")
    assert listed(tmp_path, "title:Main")["Main Title"][0] == "instrumental score"


def test_where_asked_for_the_copies_are_tagged(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, write="yes")
    before = {path.name: path.read_bytes() for path in tracks.iterdir()}
    beet(tmp_path, "import", "-A", tracks)
    (copy,) = (tmp_path / "library").rglob("*Main Title.flac")
    assert mutagen.File(copy)["SONGSCORE_LABEL"] == ["instrumental score"]
    assert {path.name: path.read_bytes() for path in tracks.iterdir()} == before
    assert beet(tmp_path, "update", "--pretend").stdout == ""


def test_another_model_is_asked_by_its_path_and_a_wrong_one_is_said(tracks: Path, tmp_path: Path) -> None:
    with resources.as_file(resources.files("songscore") / "models") as models:
        for file in models.glob("track-v1.*"):
            shutil.copy(file, tmp_path / f"mine{file.suffix}")
    configure(tmp_path, model="./mine", choir="song")
    beet(tmp_path, "import", "-A", tracks)
    assert listed(tmp_path)["End Credits"][0] == "song"
    configure(tmp_path, model="./missing")
    with pytest.raises(AssertionError, match=r"no model .*missing"):
        beet(tmp_path, "songscore", "--force")


def test_pretending_shows_labels_and_changes_nothing(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, auto="no", write="yes")
    beet(tmp_path, "import", "-A", tracks)
    before = {path: path.read_bytes() for path in (tmp_path / "library").rglob("*.flac")}
    lines = sorted(beet(tmp_path, "songscore", "--pretend").stdout.splitlines())
    assert re.match(r"Somebody - A Film - End Credits: no label -> song, (0\.9|1\.00)", lines[0])
    assert lines[1].startswith("Somebody - A Film - Main Title: no label -> instrumental score, 0.0")
    assert listed(tmp_path, "songscore_label::.") == {}
    assert {path: path.read_bytes() for path in (tmp_path / "library").rglob("*.flac")} == before


@pytest.fixture
def marks(tracks: Path, tmp_path: Path) -> Path:
    """Marks that contradict the model, of files that are copied since."""
    names = {"01 Main Title.flac": "song", "02 End Credits.flac": "neither"}
    path = tmp_path / "marks.csv"
    write_marks([Mark.of(classify_track(tracks / name), label) for name, label in names.items()], path)
    return path


def test_a_mark_outranks_the_model_on_import(tracks: Path, tmp_path: Path, marks: Path) -> None:
    configure(tmp_path, marks=marks.name)
    beet(tmp_path, "import", "-A", tracks)
    assert listed(tmp_path, "songscore_by:hand")["Main Title"][:2] == ["song", "1.0000"]
    assert listed(tmp_path)["End Credits"][0] == "$songscore_label"


def test_marks_change_labels_that_are_there_and_nothing_else_changes_a_mark(
    tracks: Path, tmp_path: Path, marks: Path
) -> None:
    configure(tmp_path)
    beet(tmp_path, "import", "-A", tracks)
    shown = beet(tmp_path, "songscore", "--pretend", "--marks", marks).stdout
    assert "Main Title: instrumental score -> song, 1.00\n" in shown
    assert "End Credits: song -> neither\n" in shown
    beet(tmp_path, "songscore", "--marks", marks)
    assert listed(tmp_path, "songscore_label::.")["Main Title"][0] == "song"
    beet(tmp_path, "songscore", "--force")
    assert listed(tmp_path, "songscore_by:hand")["Main Title"][0] == "song"
    assert listed(tmp_path, "songscore_by:model", "songscore_certain:true")["End Credits"][0] == "song"


def test_a_line_that_is_no_mark_is_named_and_a_file_that_holds_none_is_said(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, auto="no")
    beet(tmp_path, "import", "-A", tracks)
    (tmp_path / "marks.csv").write_text("path,label\nx.flac,pop\n")
    warned = beet(tmp_path, "songscore", "title:Main", "--marks", tmp_path / "marks.csv").stderr
    assert "line 2: label is 'pop'" in warned
    with pytest.raises(AssertionError, match=r"songscore: .*none\.csv"):
        beet(tmp_path, "songscore", "--marks", tmp_path / "none.csv")


def test_a_model_is_named_on_the_command_line_too(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, auto="no")
    beet(tmp_path, "import", "-A", tracks)
    with pytest.raises(AssertionError, match=r"no model .*other"):
        beet(tmp_path, "songscore", "--model", "./other")


def test_a_file_without_a_label_is_named(tracks: Path, tmp_path: Path) -> None:
    configure(tmp_path, auto="no")
    beet(tmp_path, "import", "-A", tracks)
    (copy,) = (tmp_path / "library").rglob("*Main Title.flac")
    copy.write_bytes(b"")
    assert "no label for" in beet(tmp_path, "songscore").stderr
    assert list(listed(tmp_path, "songscore_label::.")) == ["End Credits"]
