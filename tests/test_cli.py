from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from systems import posix

from songscore.batch.lines import read_results
from songscore.cli import main
from songscore.cli.formats import harmless
from songscore.cli.table import answer_table, shortened
from songscore.cli.terminal import clean, sparkline
from songscore.decision import Question
from songscore.model import MODEL
from songscore.results import Segment, TrackResult, VocalTimeline, exact_path

Answers = Callable[[Callable[..., TrackResult]], None]

START_UP = 3.0
"""Times that `--help` may compute what Python computes to start and import click; the best of some tries."""


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, [str(argument) for argument in arguments])


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "songscore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def answer(path: Path, **_: object) -> TrackResult:
    """What a classifier might say, by the name of the file."""
    if "bad" in path.name:
        return TrackResult(path=str(path), status="unreadable", message=f"{path}: not a sound file", model="track-v1")
    return TrackResult(
        path=str(path),
        label="song" if "song" in path.name else "instrumental score",
        song_probability=0.9,
        certain="doubt" not in path.name,
        vocal_fraction=0.25,
        vocal_segments=(Segment(1.0, 3.5, 0.8), Segment(60.0, 61.25, 0.7)),
        timeline=VocalTimeline(np.arange(0.5, 62), np.linspace(0, 1, 62, dtype=np.float32)),
        features={"voice_mean": 1.0},
        duration=62.0,
        analysed=62.0,
        model="track-v1",
    )


@pytest.fixture
def fake(answers: Answers) -> None:
    """Answers that depend on no model."""
    answers(answer)


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """A folder with sound, and with what only looks like it."""
    folder = tmp_path / "music"
    (folder / "more").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * 16_000)
    soundfile.write(folder / "more" / "noise.wav", noise, 16_000)
    soundfile.write(folder / "silence.flac", np.zeros(5 * 16_000), 16_000)
    (folder / "text.mp3").write_text("not sound at all\n")
    (folder / "empty.ogg").touch()
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


# Start-up and usage


@pytest.mark.processes
def test_help_answers_at_once() -> None:
    def computed(program: str) -> float:
        measured = f"import atexit, time; atexit.register(lambda: print(time.process_time())); {program}"
        done = subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, check=True)
        return float(done.stdout.splitlines()[-1])

    pairs = [(computed("from songscore.cli import main; main(['--help'])"), computed("import click")) for _ in range(3)]
    ours, bare = (min(times) for times in zip(*pairs, strict=True))
    assert ours < START_UP * bare


@pytest.mark.processes
def test_the_command_line_imports_nothing_heavy() -> None:
    program = "import songscore.cli, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "scipy", "rich", "soundfile", "sklearn"} & set(loaded)


def test_the_version_is_printed() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("songscore, version ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["label"],
        ["label", ""],
        ["label", "x.wav", "--threshold", "0"],
        ["label", "x.wav", "--threshold", "nan"],
        ["label", "x.wav", "--prior", "1.5"],
        ["label", "x.wav", "--jobs", "0"],
        ["label", "x.wav", "--format", "yaml"],
        ["label", "x.wav", "--format", "parquet"],
        ["label", "x.wav", "--output", "/no/such/folder/out.csv"],
        ["label", "x.wav", "--output", "x.wav"],
        ["label", "x.wav", "--output", "x.xlsx"],
        ["label", "-", "x.wav"],
        ["label", "-", "--resume", "--output", "x.jsonl"],
        ["release", "x.wav"],
        ["release", "--from", __file__, "."],
        ["playlist", ".", "--label", "song", "--output", "x.xlsx"],
        ["playlist", ".", "--label", "song"],
        ["playlist", "-", "--label", "song", "-n"],
        ["report", __file__, "--output", "x.pdf"],
        ["lable", "x.wav"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_status_2_and_a_sentence(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""


# Labels


@pytest.mark.processes
def test_every_file_gives_one_object_with_the_fields_of_the_contract(tracks: Path) -> None:
    result = run("label", tracks, tracks / "missing.mp3", "--format", "jsonl")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert {Path(one["path"]).name: one["status"] for one in objects} == {
        "empty.ogg": "unreadable",
        "missing.mp3": "unreadable",
        "noise.wav": objects[-2]["status"],
        "silence.flac": "silent",
        "text.mp3": "unreadable",
    }
    fields = set(TrackResult(path="").to_dict())
    assert all(set(one) == fields and next(iter(one)) == "path" for one in objects)
    assert all(one["message"] for one in objects if one["label"] is None)
    assert result.exit_code == 1


@pytest.mark.processes
def test_complaints_go_to_standard_error_and_name_the_file(tracks: Path) -> None:
    result = run("label", tracks / "text.mp3", "--format", "jsonl")
    assert "text.mp3" in result.stderr
    assert result.stderr.count("text.mp3") == 1


@pytest.mark.usefixtures("fake")
def test_the_status_is_0_where_every_file_was_labelled() -> None:
    assert run("label", "song.wav", "score.wav").exit_code == 0


@pytest.mark.usefixtures("fake")
def test_a_bad_file_stops_nothing_and_the_status_is_1() -> None:
    result = run("label", "bad.mp3", "song.wav", "--format", "jsonl")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == [None, "song"]
    assert result.exit_code == 1


def test_a_folder_without_music_is_said_and_the_status_is_1(tmp_path: Path) -> None:
    result = run("label", tmp_path, "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])
    assert result.stderr == f"no music files in {tmp_path}\n"


def test_threshold_and_prior_reach_the_decision(answers: Answers) -> None:
    asked: dict[str, object] = {}

    def asking(path: Path, **options: object) -> TrackResult:
        asked.update(options)
        return answer(path)

    answers(asking)
    run("label", "song.wav", "--threshold", "0.7", "--prior", "0.2")
    assert asked["question"] == Question(threshold=0.7, prior=0.2)


@pytest.mark.processes
def test_thorough_hears_more_of_a_long_track(album: Path) -> None:
    long = album / "02 End Credits.flac"
    default, thorough = (
        json.loads(run("label", long, "--format", "jsonl", *more).stdout) for more in ([], ["--thorough"])
    )
    assert default["analysed"] <= thorough["analysed"] == thorough["duration"]


@pytest.mark.processes
def test_two_processes_give_the_same_answers_as_one(tracks: Path) -> None:
    one, two = (run("label", tracks, "--format", "jsonl", "--jobs", jobs).stdout.splitlines() for jobs in ("1", "2"))
    assert sorted(one) == sorted(two)


def test_sound_on_standard_input_is_labelled(album: Path) -> None:
    sound = (album / "02 End Credits.flac").read_bytes()
    done = CliRunner().invoke(main, ["label", "-", "--format", "jsonl"], input=sound)
    assert (done.exit_code, json.loads(done.stdout)["path"], json.loads(done.stdout)["label"]) == (0, "-", "song")
    refused = CliRunner().invoke(main, ["label", "-", "--format", "jsonl"], input=b"no sound at all")
    assert refused.exit_code == 1
    assert "standard input: not a sound file" in json.loads(refused.stdout)["message"]


@pytest.mark.usefixtures("fake")
def test_a_file_that_is_called_like_standard_input_is_a_file() -> None:
    assert json.loads(run("label", "./-", "--format", "jsonl").stdout)["path"] == str(Path("-").absolute())


# Forms


@pytest.mark.usefixtures("fake")
def test_json_is_one_array() -> None:
    paths = [one["path"] for one in json.loads(run("label", "song.wav", "bad.mp3", "--format", "json").stdout)]
    assert paths == ["song.wav", "bad.mp3"]


@pytest.mark.usefixtures("fake")
def test_csv_has_a_row_per_file_and_passages_as_text() -> None:
    rows = list(csv.DictReader(io.StringIO(run("label", "song.wav", "bad.mp3", "--format", "csv").stdout)))
    assert rows[0] == {
        "path": "song.wav",
        "label": "song",
        "song_probability": "0.9",
        "certain": "true",
        "vocal_fraction": "0.25",
        "vocal_segments": "1.00-3.50 60.00-61.25",
        "status": "ok",
        "message": "",
        "duration": "62.0",
        "analysed": "62.0",
        "model": "track-v1",
        "by": "model",
        "size": "",
        "modified": "",
        "sound_digest": "",
    }
    assert (rows[1]["label"], rows[1]["status"]) == ("", "unreadable")


@pytest.mark.parametrize("name", ["=SUM(A1).mp3", "+1.mp3", "-1.mp3", "@x.mp3", "\t=x.mp3"])
@pytest.mark.usefixtures("fake")
def test_a_file_name_is_no_formula_in_csv(name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("label", "--format", "csv", "--", name).stdout)))
    assert rows[0]["path"] == "'" + name.strip("\t")


def test_numbers_in_csv_stay_numbers() -> None:
    assert harmless(-1.5) == -1.5


@posix
@pytest.mark.parametrize(
    ("form", "name"),
    [(form, "file:caf%E9%20song.wav") for form in ("csv", "json", "jsonl")] + [("table", r"caf\udce9 song.wav")],
)
@pytest.mark.usefixtures("fake")
def test_a_name_that_is_not_utf_8_can_be_written_in_every_form(form: str, name: str) -> None:
    result = run("label", os.fsdecode(b"caf\xe9 song.wav"), "--format", form)
    assert result.exit_code == 0
    assert name in result.stdout


@posix
@pytest.mark.usefixtures("fake")
def test_the_exact_name_comes_back_from_json() -> None:
    name = b"caf\xe9\n\x1b[31m song.wav"
    line = run("label", os.fsdecode(name), "--format", "jsonl").stdout
    assert os.fsencode(exact_path(json.loads(line)["path"])) == name


@pytest.mark.parametrize("form", ["csv", "table"])
@pytest.mark.usefixtures("fake")
def test_a_file_name_cannot_command_the_terminal(form: str) -> None:
    result = run("label", "\x1b[31mred\x1b]0;title\x07\u202e bad.mp3", "--format", form, "--verbose")
    assert "red bad.mp3" in result.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(result.output)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("\x1b[1;31ma\x1b[0m", "a"),
        ("\x1b]8;;http://x\x1b\\a\x1b]8;;\x1b\\", "a"),
        ("a\nb\r", "ab"),
        ("\x9b31ma", "31ma"),
    ],
)
def test_control_sequences_are_taken_out_of_text(text: str, rest: str) -> None:
    assert clean(text) == rest


@posix
@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.usefixtures("fake")
def test_the_table_fits_the_terminal_in_a_line_per_file(columns: int) -> None:
    name = "A long album name by an orchestra/Disc 1/01 Main song Title [bold](From the Motion Picture).wav"
    lines = run("label", name, "score in doubt.wav", COLUMNS=str(columns)).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) == 7, "head, file, release, file, space, total, note"
    title = lines[3][: lines[0].index("Answer")].strip()
    assert title.startswith("Disc 1/01")
    assert title.endswith("Motion Picture).wav")
    assert ("…" in title) == (columns == 80)
    assert "instrumental score?" in lines[1]
    assert lines[-1].startswith("? in the band of doubt")


@pytest.mark.parametrize(
    ("text", "width", "rest"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefghij", 7, "ab…ghij"),
        ("日本語日本語", 12, "日本語日本語"),
        ("日本語日本語", 8, "日…本語"),
        ("abc", 1, "…"),
    ],
)
def test_a_path_is_shortened_in_its_middle(text: str, width: int, rest: str) -> None:
    assert shortened(text, width) == rest


@posix
@pytest.mark.usefixtures("fake")
def test_the_table_has_totals_for_all_and_for_each_release() -> None:
    files = ["m/A/CD1/1 song.wav", "m/A/CD2/1 score.wav", "m/B/1 score.wav", "m/B/2 bad.wav", "m/B/3 score.wav"]
    lines = [line.split("  ") for line in run("label", *files, "m/z song.wav").stdout.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert [row[0] for row in rows if row] == [
        "File", "z song.wav", "A", "CD1/1 song.wav", "CD2/1 score.wav", "B", "1 score.wav", "2 bad.wav", "3 score.wav",
        "6 files", "in m",
    ]  # fmt: skip
    totals = [row for row in rows if row and row[0] in ("A", "B", "6 files")]
    assert totals == [
        ["A", "1 song, 1 score", "2:04"],
        ["B", "0 songs, 2 scores", "2:04"],
        ["6 files", "2 songs, 3 scores", "5:10"],
    ]


@posix
@pytest.mark.usefixtures("fake")
def test_the_table_has_a_line_per_file_where_no_terminal_folds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "A long album name by an orchestra/" * 10 + "01 Main song Title.wav"
    lines = run("label", name).stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(name)


@posix
@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["a.wav", "b.wav"], ["a.wav", "b.wav"]),
        (["x/y/b.wav", "x/a.wav"], ["a.wav", "y", "b.wav", "in x"]),
        (["../x/a.wav", "../x/b.wav"], ["a.wav", "b.wav", "in ../x"]),
        (["./x/a.wav", "x/b.wav"], ["a.wav", "b.wav", "in x"]),
        (["/x/a.wav", "y/b.wav"], ["/x", "a.wav", "y", "b.wav"]),
        (["x/a.wav"], ["x/a.wav"]),
    ],
)
def test_the_table_names_a_folder_that_holds_all_files_once(paths: list[str], shown: list[str]) -> None:
    text = io.StringIO()
    with contextmanager(answer_table)(text) as add:
        for path in paths:
            add(answer(Path(path)))
    names = [line.strip().split("  ")[0] for line in text.getvalue().splitlines()[1:] if line.strip()]
    assert [name for name in names if name != "2 files"] == shown


def test_the_table_marks_what_was_read_in_part() -> None:
    text = io.StringIO()
    with contextmanager(answer_table)(text) as add:
        add(replace(answer(Path("song in doubt.wav")), status="partial", message="stopped at 3 s"))
    assert "song?*" in text.getvalue()
    assert text.getvalue().rstrip().endswith("* only a part of the file could be read")


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("label", "song.wav", "--format", "parquet", "--output", tmp_path / "out.parquet")
    assert result.exit_code == 2
    assert "pip install 'songscore[parquet]'" in result.stderr


@posix
@pytest.mark.usefixtures("fake")
def test_parquet_has_a_row_per_file_with_typed_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "out.parquet"
    run("label", "bad.mp3", os.fsdecode(b"song \xff.wav"), "--format", "parquet", "--output", output)
    rows = parquet.read_table(output).to_pylist()
    assert [row["path"] for row in rows] == ["bad.mp3", "file:song%20%FF.wav"]
    assert rows[0]["timeline"] is None
    assert rows[1]["vocal_segments"][0] == {"start": 1.0, "end": 3.5, "probability": 0.8, "kind": "sung"}
    assert (rows[0]["voice_mean"], rows[1]["voice_mean"]) == (None, 1.0)
    assert "features" not in rows[1]


def test_exported_features_are_columns_of_tracks_that_were_heard_whole(tmp_path: Path) -> None:
    results, output = tmp_path / "run.jsonl", tmp_path / "run.csv"
    whole = answer(Path("song.wav"))
    tracks = whole, replace(whole, path="part.wav", analysed=10.0), answer(Path("bad.mp3"))
    results.write_text("".join(json.dumps(track.to_dict()) + "\n" for track in tracks))
    done = run("export", results, "-o", output)
    assert done.exit_code == 0
    assert done.stderr.startswith("1 track was heard only in part and has no features here; songscore label --thorough")
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [row["voice_mean"] for row in rows] == ["1.0", "", ""]
    assert [row["voice_top_2s"] for row in rows] == [""] * 3
    assert rows[1]["song_probability"] == "0.9"
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("export", results, "-o", tmp_path / "run.parquet").exit_code == 0
    found = parquet.read_table(tmp_path / "run.parquet").to_pylist()
    assert [row["voice_mean"] for row in found] == [1.0, None, None]


@pytest.mark.usefixtures("fake")
def test_verbose_shows_curve_and_reasons_on_standard_error_only() -> None:
    result = run("label", "song.wav", "--format", "jsonl", "--verbose")
    assert "0:00 ▁" in result.stderr
    assert "Song: the probability of a song is 0.90." in result.stderr
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.usefixtures("fake")
def test_the_progress_bar_is_on_standard_error_and_can_be_asked_for() -> None:
    result = run("label", "song.wav", "--format", "jsonl", "--progress")
    assert "1/1" in result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert run("label", "song.wav", "--format", "jsonl").stderr == "1 file: 1 song, 0 scores\n"
    assert run("label", "song.wav", "--format", "jsonl", "--quiet").stderr == ""


def test_a_voice_curve_in_one_line_is_low_where_nobody_sings() -> None:
    timeline = VocalTimeline(np.arange(0.5, 200), (np.arange(200) >= 100).astype(np.float32))
    line = sparkline(timeline)
    assert 55 <= len(line) <= 60
    assert (line[0], line[-1]) == ("▁", "█")


def test_the_voice_curve_has_dots_where_nothing_was_heard() -> None:
    assert sparkline(VocalTimeline(np.array([0.5, 1.5, 4.5]), np.array([0, 1, 0.5], np.float32))) == "▁█··▅"


# Output files


@pytest.mark.usefixtures("fake")
def test_the_output_file_has_what_standard_output_would_have(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    result = run("label", "song.wav", "--format", "jsonl", "--output", output)
    assert result.stdout == ""
    first, answers = output.read_text().split("\n", 1)
    assert answers == run("label", "song.wav", "--format", "jsonl").stdout
    assert json.loads(first)["songscore"]["threshold"] == 0.5
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    ("name", "asked", "begins"),
    [("a.csv", [], "path,"), ("a.JSON", [], "["), ("a.txt", [], ""), ("a.csv", ["--format", "json"], "[")],
)
@pytest.mark.usefixtures("fake")
def test_the_ending_of_the_output_says_the_form_where_nothing_else_does(
    name: str, asked: list[str], begins: str, tmp_path: Path
) -> None:
    assert run("label", "song.wav", "--output", tmp_path / name, *asked).exit_code == 0
    text = (tmp_path / name).read_text()
    assert text.startswith(begins)
    assert "song.wav" in text


def interrupted(path: Path, **_: object) -> TrackResult:
    if path.name == "stop":
        raise KeyboardInterrupt
    return answer(path)


@pytest.mark.parametrize("form", ["csv", "json", "table", "parquet"])
def test_an_output_file_is_replaced_whole_or_not_at_all(form: str, answers: Answers, tmp_path: Path) -> None:
    answers(interrupted)
    output = tmp_path / "out"
    output.write_text("before")
    asked = ["--format", form, "--output", output]
    assert run("label", "song.wav", "stop", *asked).exit_code == 130
    assert output.read_text() == "before"
    assert [track.path for track in read_results(tmp_path / "out.journal")] == ["song.wav"]
    assert run("label", "song.wav", "score.wav", *asked).exit_code == 2
    assert run("label", "song.wav", "score.wav", *asked, "--resume").exit_code == 0
    assert output.read_bytes() != b"before"
    assert list(tmp_path.iterdir()) == [output]


def test_json_lines_of_a_stopped_run_are_gone_on_with(answers: Answers, tmp_path: Path) -> None:
    answers(interrupted)
    output = tmp_path / "out.jsonl"
    asked = ["--format", "jsonl", "--output", output]
    stopped = run("label", "song.wav", "stop", *asked)
    assert (stopped.exit_code, "1 answer in" in stopped.stderr) == (130, True)
    first = output.read_text()
    refused = run("label", "song.wav", *asked)
    assert (refused.exit_code, "--resume" in refused.stderr, output.read_text()) == (2, True, first)
    assert run("label", "song.wav", "bad.mp3", *asked, "--resume").exit_code == 1
    assert [track.path for track in read_results(output)] == ["song.wav", "bad.mp3"]
    assert output.read_text().startswith(first)
    before = output.read_bytes()
    other = run("label", "song.wav", *asked, "--resume", "--prior", "0.1")
    assert (other.exit_code, "--prior none, not 0.1" in other.stderr, output.read_bytes()) == (2, True, before)
    assert run("label", "song.wav", *asked, "--resume").exit_code == 1, "a file without a label is in the journal"


def test_resume_needs_an_output() -> None:
    assert run("label", "song.wav", "--resume").exit_code == 2


@posix
@pytest.mark.usefixtures("fake")
def test_a_device_is_written_to_and_not_replaced() -> None:
    assert run("label", "song.wav", "--output", os.devnull).exit_code == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.usefixtures("fake")
def test_a_sound_file_is_never_overwritten(tracks: Path) -> None:
    before = (tracks / "silence.flac").read_bytes()
    assert run("label", tracks, "--format", "csv", "--output", tracks / "silence.flac").exit_code == 2
    assert (tracks / "silence.flac").read_bytes() == before


# Pipes and interruptions


def first_line(arguments: list[str], stderr: Path, then: Callable[[subprocess.Popen[str]], object]) -> int:
    """Run the command, do something when its first line has come, and wait for its exit status."""
    command = [sys.executable, "-m", "songscore", *arguments]
    with (
        stderr.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True) as child,
    ):
        assert child.stdout is not None
        child.stdout.readline()
        then(child)
        return child.wait(timeout=300)


@pytest.mark.processes
@posix
@pytest.mark.parametrize("form", ["jsonl", "csv", "table"])
def test_a_reader_that_leaves_early_is_no_traceback(form: str, tmp_path: Path) -> None:
    arguments = ["label", *["missing.mp3"] * 3000, "--format", form]
    status = first_line(arguments, tmp_path / "stderr", lambda child: child.stdout and child.stdout.close())
    complaints = (tmp_path / "stderr").read_text()
    assert "Traceback" not in complaints
    assert "Broken pipe" not in complaints
    assert status == 1


@pytest.mark.processes
@posix
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_with_one_word(jobs: str, tracks: Path, tmp_path: Path) -> None:
    arguments = ["label", *[str(tracks / "more")] * 5000, "--format", "csv", "--jobs", jobs]
    status = first_line(arguments, tmp_path / "stderr", lambda child: os.killpg(child.pid, signal.SIGINT))
    complaints = (tmp_path / "stderr").read_text()
    assert "Traceback" not in complaints
    assert complaints.endswith("stopped\n")
    assert status == 130


# Info and demo


def test_info_shows_versions_the_model_and_its_self_test() -> None:
    result = run("info")
    assert result.exit_code == 0
    assert "numpy" in result.stdout
    assert MODEL in result.stdout
    assert "self-test     passed" in result.stdout


def test_info_as_json_has_the_whole_metadata() -> None:
    about = json.loads(run("info", "--format", "json").stdout)
    assert about["model"]["classes"] == ["instrumental score", "song"]
    assert about["self_test"] == "passed"
    assert about["versions"]["numpy"] == np.__version__
    assert about["versions"]["libsndfile"] == soundfile.__libsndfile_version__


def test_info_prints_the_model_card() -> None:
    assert run("info", "--card").stdout.startswith(f"# {MODEL}")


def test_info_fails_in_words_where_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from songscore import ModelError, model

    def broken(name: str = "") -> None:
        raise ModelError("canary 'activity' is off by 0.2; reinstall songscore")

    monkeypatch.setattr(model, "load_model", broken)
    result = run("info")
    assert result.exit_code == 1
    assert result.stderr == "Error: canary 'activity' is off by 0.2; reinstall songscore\n"
    assert "numpy" in result.stdout
    about = json.loads(run("info", "--format", "json").stdout)
    assert (about["model"], about["self_test"]) == (None, "canary 'activity' is off by 0.2; reinstall songscore")


def test_info_shows_the_main_figures_and_when_an_answer_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    from songscore import model

    metadata = {
        "name": "track-v1",
        "sha256": "0" * 64,
        "feature_set": "features-v1",
        "features": ["voice_mean"],
        "metrics": {
            "recording": {"brier": [0.1, 0, 1], "auc": [0.98, 0.97, 0.99], "balanced_accuracy": [0.95, 0.9, 1]}
        },
    }
    bounds = SimpleNamespace(song_above=2.0, score_below=-1e6, score_below_at=lambda seconds: -3.0 - (seconds > 60))
    monkeypatch.setattr(model, "load_model", lambda name: SimpleNamespace(metadata=metadata, bounds=bounds))
    text = run("info").stdout
    assert "on recording  balanced accuracy 0.950 [0.900, 1.000], AUC 0.980 [0.970, 0.990]\n" in text
    assert "song from 0.8808, score up to 0.0000 (from a minute of length 0.0474, from ten 0.0180)" in text
    assert "brier" not in text


@pytest.mark.processes
def test_the_demo_is_right_and_keeps_its_files_where_asked(tmp_path: Path) -> None:
    result = run("demo", "--keep", tmp_path)
    assert result.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"song.wav", "score.wav"}
    assert "both answers are right" in result.stderr
    assert "your own music:\n  songscore label FOLDER" in result.stderr
    labelled = run("label", tmp_path / "song.wav", tmp_path / "score.wav", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["label"] for line in labelled] == ["song", "instrumental score"]


def test_the_demo_fails_where_an_answer_is_wrong(answers: Answers) -> None:
    answers(lambda path, **_: answer(Path("song.wav")))
    result = run("demo")
    assert result.exit_code == 1
    assert "a wrong answer" in result.stderr


@pytest.mark.processes
def test_evaluate_judges_the_files_of_a_manifest(album, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "path,label,group\n01 Main Title.flac,instrumental score,a\n02 End Credits.flac,song,b\nmissing.wav,song,c\n"
    )
    done = CliRunner().invoke(main, ["evaluate", str(manifest), "--root", str(album), "--format", "json"])
    answer = json.loads(done.stdout)
    assert (answer["tracks"], answer["failed"], done.exit_code) == (3, 1, 1)
    assert answer["figures"]["balanced_accuracy"][0] == 1
    assert "missing.wav: no such file" in done.stderr
    assert done.stderr.endswith("3 files: 1 song, 1 score, 1 could not be read\n")
    assert CliRunner().invoke(main, ["evaluate", str(manifest), "--root", str(album), "-q"]).stderr == ""


def test_train_without_its_packages_names_the_group(tmp_path, monkeypatch):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,group\n")
    monkeypatch.setattr(sys.modules["songscore.cli.train"], "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["train", str(manifest), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "torch is not installed; training needs the dependency group 'train'" in done.stderr


def test_train_with_a_broken_manifest_names_the_line(tmp_path):
    pytest.importorskip("torch", reason="training is in PyTorch")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,group\na.wav,ballad,x\n")
    done = CliRunner().invoke(main, ["train", str(manifest), "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "line 2: label 'ballad'" in done.stderr
