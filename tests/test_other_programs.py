"""Other programs read what songscore writes: tags in seven formats, and playlists.

Each test is skipped where its program is not installed. On Debian they are in the packages kid3-cli, ffmpeg,
libimage-exiftool-perl, python3-taglib and mpd.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sounds import FORMATS, sine, write, write_m4a
from tag_corpus import in_taglib

from songscore import write_playlist
from songscore.results import SCORE, TrackResult
from songscore.tags import UndoJournal, Writing, tag_track

pytestmark = pytest.mark.processes

WRITTEN = {
    "INSTRUMENTAL": "1",
    "INSTRUMENTAL_CONFIDENCE": "75.0",
    "SONGSCORE_LABEL": "instrumental score",
    "SONGSCORE_PROBABILITY": "0.2500",
    "SONGSCORE_MODEL": "track-v2",
}
NAMES = ["a.mp3", "a.flac", "a.ogg", "a.opus", "a.wav", "a.aiff", "a.m4a"]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fifth of a second in each format, tagged."""
    folder = tmp_path_factory.mktemp("tagged")
    for name in NAMES:
        path, y = folder / name, sine(440, 0.2, 48_000)
        write_m4a(path, y, 48_000) if name == "a.m4a" else write(path, y, 48_000, **FORMATS[name])
        answer = TrackResult(path=str(path), label=SCORE, song_probability=0.25, certain=True, model="track-v2")
        writing = Writing(journal=UndoJournal(folder.parent / "undo.jsonl"))
        assert tag_track(answer, writing=writing).status == "changed"
    return folder


def output(*command: str | Path, **options: object) -> str:
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=True, timeout=300, **options)
    return done.stdout


def kid3(path: Path) -> dict[str, str]:
    lines = re.findall(r"^ *(\S+) +(.+)$", output("kid3-cli", "-c", "get", path), re.MULTILINE)
    return dict(lines)


def ffprobe(path: Path) -> dict[str, str]:
    shown = output("ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags:stream_tags", path)
    found = json.loads(shown)
    return {**found["streams"][0].get("tags", {}), **found["format"].get("tags", {})}


def exiftool(path: Path) -> dict[str, str]:
    """Its names have no underscore, and those of ID3 stand in front of the text."""
    (found,) = json.loads(output("exiftool", "-j", "-a", "-G4", path))
    told = dict[str, str]()
    for name, text in found.items():
        described = re.fullmatch(r"\((\w+)\) (.*)", str(text))
        told |= {described[1]: described[2]} if described else {name.rpartition(":")[2]: str(text)}
    return {re.sub(r"\W|_", "", name).upper(): text for name, text in told.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("read", [kid3, ffprobe])
def test_every_entry_is_read_under_its_name(name: str, read: Callable[[Path], dict[str, str]], tagged: Path) -> None:
    found = read(tagged / name)
    assert {entry: found.get(entry) for entry in WRITTEN} == WRITTEN


@pytest.mark.parametrize("name", NAMES)
def test_exiftool_reads_every_entry(name: str, tagged: Path) -> None:
    found = exiftool(tagged / name)
    for entry, text in WRITTEN.items():
        shown = found[entry.replace("_", "")]
        assert shown == text or float(shown) == float(text)


def test_taglib_reads_every_entry(tagged: Path) -> None:
    found = in_taglib(tagged)
    for name in NAMES:
        tags, unnamed = found[name]
        assert {*tags, *unnamed} >= set(WRITTEN), name
        assert all(tags[entry] == [text] for entry, text in WRITTEN.items() if entry in tags), name


# Playlists


@pytest.fixture
def music(tmp_path: Path) -> list[TrackResult]:
    """Files of half a second, whose names want quoting."""
    paths = [
        tmp_path / "music" / name for name in ('It\'s a "test" [1].flac', "sub folder/Björk & Jóga.flac", "#1.flac")
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, sine(440, 0.5, 48_000), 48_000, **FORMATS["a.flac"])
    return [TrackResult(path=str(path), label=SCORE, song_probability=0.1, duration=0.5) for path in paths]


@pytest.mark.parametrize("absolute", [False, True])
def test_ffmpeg_plays_a_list_from_its_beginning_to_its_end(
    absolute: bool, music: list[TrackResult], tmp_path: Path
) -> None:
    assert write_playlist(music, tmp_path / "all.ffconcat", absolute=absolute) == []
    command = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", tmp_path / "all.ffconcat"]
    output(*command, tmp_path / "all.wav")
    seconds = float(
        output("ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration", tmp_path / "all.wav")
    )
    assert seconds == pytest.approx(1.5, abs=0.05)


MPD_CONF = """\
music_directory "{home}/music"
playlist_directory "{home}"
db_file "{home}/db"
pid_file "{home}/pid"
log_file "{home}/log"
bind_to_address "{home}/mpd"
audio_output {{
  type "null"
  name "none"
}}
"""


@pytest.fixture
def mpd(music: list[TrackResult], tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """A server that knows the music: a function that sends a command and gives the lines of the answer."""
    program = shutil.which("mpd") or pytest.skip("mpd is not installed")
    (tmp_path / "mpd.conf").write_text(MPD_CONF.format(home=tmp_path), "utf-8")
    server = subprocess.Popen([program, "--no-daemon", tmp_path / "mpd.conf"], stderr=subprocess.DEVNULL)
    try:
        with socket.socket(socket.AF_UNIX) as line:
            until = time.monotonic() + 300
            while line.connect_ex(str(tmp_path / "mpd")):
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.1)
            with line.makefile("rw", encoding="utf-8") as talk:
                talk.readline()

                def ask(command: str) -> list[str]:
                    talk.write(f"{command}\n")
                    talk.flush()
                    lines = []
                    while not (told := talk.readline().rstrip("\n")).startswith(("OK", "ACK")):
                        lines.append(told)
                    assert told == "OK", told
                    return lines

                ask("update")
                while any("updating_db" in told for told in ask("status")):
                    time.sleep(0.05)
                yield ask
    finally:
        server.terminate()
        server.wait()


def test_mpd_loads_playlists_that_lie_by_the_music_or_with_its_own(
    mpd: Callable[[str], list[str]], music: list[TrackResult], tmp_path: Path
) -> None:
    names = [f"file: {Path(track.path or '').relative_to(tmp_path / 'music').as_posix()}" for track in music]
    write_playlist(music, tmp_path / "music" / "all.m3u8")
    write_playlist(music, tmp_path / "all.m3u", absolute=True)
    for name in ("all.m3u8", "all"):
        mpd("clear")
        mpd(f'load "{name}"')
        assert [line for line in mpd("playlistinfo") if line.startswith("file: ")] == names
