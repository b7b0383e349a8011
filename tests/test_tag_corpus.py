"""Tag, tag again and undo every file of the corpus: nothing but our entries changes, by the corpus's own reader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tag_corpus
from tag_corpus import OURS, TITLE, Part, in_taglib, parts

from songscore.results import SCORE, SONG, TrackResult
from songscore.tags import UndoJournal, Writing, tag_track, undo

Files = Iterator[tuple[str, bytes]]
RATE = 48_000
N_FILES = 300
"""Fewest files of the corpus."""

FAMILIES: dict[str, tuple[str, Callable[[bytes], Files]]] = {
    "id3v2": ("a.mp3", tag_corpus.id3_files),
    "mpeg": ("a.mp3", tag_corpus.mpeg_files),
    "flac": ("a.flac", tag_corpus.flac_files),
    "vorbis": ("a.ogg", lambda sound: tag_corpus.ogg_files("vorbis", sound)),
    "opus": ("a.opus", lambda sound: tag_corpus.ogg_files("opus", sound)),
    "mp4": ("a.m4a", tag_corpus.mp4_files),
    "wav": ("a.wav", tag_corpus.wav_files),
    "aiff": ("a.aiff", tag_corpus.aiff_files),
}
NEW_TAG = {
    "id3",
    "/moov/udta",
    "/moov/udta/meta",
    "/moov/udta/meta/hdlr",
    "/moov/udta/meta/ilst",
    "vendor",
    "behind comments",
}
"""Parts of a tag that is made where there was none."""


def corpus(family: str, sounds: dict[str, bytes]) -> dict[str, bytes]:
    name, files = FAMILIES[family]
    return dict(files(sounds[name]))


def answer(path: Path, p: float) -> TrackResult:
    label = SONG if p >= 0.5 else SCORE
    return TrackResult(path=str(path), label=label, song_probability=p, certain=True, model="track-v2")


def changed(old: bytes, new: bytes) -> list[Part]:
    """Parts that are only in one of them, or elsewhere; but for a tag that is made where there was none."""
    was, now = parts(old), parts(new)
    kinds = {kind for kind, _ in was}
    now = [(kind, body) for kind, body in now if kind in kinds or kind not in NEW_TAG]
    return [] if was == now else list(((Counter(was) - Counter(now)) + (Counter(now) - Counter(was))).elements())


def test_the_corpus_has_the_files_that_it_should(sounds: dict[str, bytes]) -> None:
    files = {family: corpus(family, sounds) for family in FAMILIES}
    assert sum(map(len, files.values())) >= N_FILES
    assert all(sum(TITLE.encode() in content for content in made.values()) > 2 for made in files.values())


def test_the_reader_of_the_corpus_sees_each_byte_of_a_tag(sounds: dict[str, bytes]) -> None:
    for family in FAMILIES:
        content = next(content for content in corpus(family, sounds).values() if TITLE.encode() in content)
        at = content.index(TITLE.encode())
        other = content[:at] + b"B" + content[at + 1 :]
        assert not changed(content, content)
        assert changed(content, other), family


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_tag_tag_again_and_undo_change_nothing_else(family: str, sounds: dict[str, bytes], tmp_path: Path) -> None:
    failed = list[tuple[str, object]]()
    for number, (name, content) in enumerate(corpus(family, sounds).items()):
        path, journal = tmp_path / name, tmp_path / f"{number}.jsonl"
        path.write_bytes(content)
        for p in (0.25, 0.75):
            done = tag_track(answer(path, p), writing=Writing(journal=UndoJournal(journal)))
            if done.status != "changed":
                failed.append((name, done.message))
            elif others := changed(content, path.read_bytes()):
                failed.append((name, others))
        done = undo(path, UndoJournal(journal))
        if (done.status, path.read_bytes()) != ("changed", content):
            failed.append((name, done))
    assert not failed


# Two readers that share no code with mutagen


@pytest.fixture(scope="session")
def tagged(sounds: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Some of each family as they were, and tagged."""
    was, now = tmp_path_factory.mktemp("was"), tmp_path_factory.mktemp("now")
    for family in FAMILIES:
        for name, content in list(corpus(family, sounds).items())[:: 10 if family == "id3v2" else 3]:
            (was / name).write_bytes(content)
            (now / name).write_bytes(content)
            writing = Writing(journal=UndoJournal(now.parent / "undo.jsonl"))
            assert tag_track(answer(now / name, 0.25), writing=writing).status == "changed"
    return was, now


def exiftool(folder: Path) -> dict[str, Counter[tuple[str, str]]]:
    """What each file says, by group and name."""
    command = ["exiftool", "-j", "-G1:4", "-a", folder]
    shown = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    left_out = ("System:", "File:", "ExifTool:", "SourceFile", "Composite:")
    return {
        Path(one["SourceFile"]).name: Counter(
            (re.sub(r":Copy\d+", "", key), str(text)) for key, text in one.items() if not key.startswith(left_out)
        )
        for one in shown
    }


UNREAD = {"id3 extended 3.mp3"}
"""What neither program reads, before and after: they take the size of an extended header of ID3v2.3 for one of 2.4."""


@pytest.mark.slow
def test_exiftool_reads_all_that_it_read_before_and_ours(tagged: tuple[Path, Path]) -> None:
    if not shutil.which("exiftool"):
        pytest.skip("ExifTool is not installed (Debian: libimage-exiftool-perl)")
    was, now = map(exiftool, tagged)
    assert len(was) == len(list(tagged[0].iterdir()))
    for name, read in was.items():
        lost = {
            (key, text)
            for key, text in read - now[name]
            if not key.endswith((":ID3Size", ":Warning", ":MediaDataOffset"))
        }
        assert not lost, name
        assert name in UNREAD or any("0.25" in text for _, text in now[name]), name


@pytest.mark.slow
def test_taglib_reads_all_that_it_read_before_and_ours(tagged: tuple[Path, Path]) -> None:
    was, now = map(in_taglib, tagged)
    assert len(was) > 50
    for name, (read, _) in was.items():
        tags, others = now[name]
        assert {key: texts for key, texts in read.items() if any(texts) and tags.get(key) != texts} == {}, name
        if name not in UNREAD:
            assert {*tags, *others} >= set(OURS), name
