from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, PRIV, TLAN, TPE1, TXXX
from mutagen.mp4 import MP4FreeForm
from sounds import TAGGED, set_title, sine, write, write_as_named
from stopwatch import processor_seconds
from systems import linux, posix
from tinytag import TinyTag

from songscore.results import SCORE, SONG, TrackResult
from songscore.tags import TagResult, UndoJournal, Writing, relabel, tag_track, undo
from songscore.tags.containers import Tags
from songscore.tags.delta import join, pieces
from songscore.tags.marks import NAMES, wanted

ID3_FILES = ("a.mp3", "a.wav", "a.aiff")
TITLE = "Čas a ticho"
SOUND = 5000
"""A place in the sound of every file of the library."""

LONG_AGO = 1_000_000_000_123_456_700
"""Nanoseconds since 1970; file systems keep at least hundreds of them."""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone in each of the seven formats, with a title and, where the container has room for it, a cover."""
    folder = tmp_path_factory.mktemp("library")
    y = np.concatenate([sine(440, 0.5, 48_000), sine(523, 0.5, 48_000, level=0.2)])
    for name in TAGGED:
        path = write_as_named(folder / name, y, 48_000)
        set_title(path, TITLE)
        if name in ID3_FILES:
            file = mutagen.File(path)
            file.tags.add(APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(range(256)) * 10))
            file.save()
    return folder


@pytest.fixture(params=TAGGED)
def path(request: pytest.FixtureRequest, library: Path, tmp_path: Path) -> Path:
    return copied(library, request.param, tmp_path)


@pytest.fixture
def mp3(library: Path, tmp_path: Path) -> Path:
    return copied(library, "a.mp3", tmp_path)


@pytest.fixture
def flac(library: Path, tmp_path: Path) -> Path:
    return copied(library, "a.flac", tmp_path)


def copied(library: Path, name: str, folder: Path) -> Path:
    path = Path(shutil.copy(library / name, folder))
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


@pytest.fixture
def journal(tmp_path: Path) -> UndoJournal:
    return UndoJournal(tmp_path / "state" / "undo.jsonl")


@pytest.fixture
def writing(journal: UndoJournal) -> Writing:
    return Writing(journal=journal)


def label(path: Path, p: float = 0.25, certain: bool = True) -> TrackResult:
    return TrackResult(
        path=str(path), label=SONG if p >= 0.5 else SCORE, song_probability=p, certain=certain, model="track-v1"
    )


def reopened(journal: UndoJournal) -> UndoJournal:
    """The journal as the next command finds it."""
    return UndoJournal(journal.path)


def entries(path: Path) -> dict[str, tuple[str, ...]]:
    return Tags(path.read_bytes()).entries(NAMES)


def samples(path: Path) -> str:
    """A hash of the decoded samples, read without songscore."""
    if path.suffix == ".m4a":
        import av

        with av.open(str(path)) as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return hashlib.sha256(np.concatenate(frames, axis=1).tobytes()).hexdigest()
    return hashlib.sha256(soundfile.read(path)[0].tobytes()).hexdigest()


def put(path: Path, name: str, value: str) -> None:
    """Set an entry as another program would."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TXXX(encoding=0, desc=name, text=[value]))
    elif path.suffix == ".m4a":
        file.tags[f"----:com.apple.iTunes:{name}"] = [MP4FreeForm(value.encode())]
    else:
        file.tags[name] = [value]
    file.save()


def test_an_independent_reader_finds_the_label(path: Path, writing: Writing) -> None:
    assert tag_track(label(path, 0.0312), writing=writing).status == "changed"
    found = TinyTag.get(path)
    assert found.title == TITLE
    assert {name: found.other[name.lower()] for name in NAMES if name != "LANGUAGE"} == {
        "INSTRUMENTAL": ["1"],
        "INSTRUMENTAL_CONFIDENCE": ["96.9"],
        "SONGSCORE_LABEL": ["instrumental score"],
        "SONGSCORE_PROBABILITY": ["0.0312"],
        "SONGSCORE_MODEL": ["track-v1"],
    }


def test_ffmpeg_finds_the_label(path: Path, writing: Writing) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    tag_track(label(path), writing=writing)
    with av.open(str(path)) as container:
        found = {**container.metadata, **container.streams.audio[0].metadata}
    assert {name.upper(): value for name, value in found.items()}["SONGSCORE_PROBABILITY"] == "0.2500"


def test_the_sound_decodes_to_the_same_samples(path: Path, writing: Writing) -> None:
    before = samples(path)
    tag_track(label(path), writing=writing)
    assert samples(path) == before


def test_without_writing_the_file_and_the_journal_stay_untouched(path: Path, journal: UndoJournal) -> None:
    before, stat = path.read_bytes(), path.stat()
    result = tag_track(label(path))
    assert result.status == "changed"
    assert result.changes == wanted(SCORE, 0.25, "track-v1")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stat.st_mtime_ns)
    assert not journal.path.exists()


def test_a_second_time_there_is_nothing_to_do(path: Path, writing: Writing) -> None:
    tag_track(label(path), writing=writing)
    before = path.stat()
    assert tag_track(label(path), writing=writing).status == "unchanged"
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_the_stored_probability_decides_again(path: Path, writing: Writing) -> None:
    tag_track(label(path, 0.25), writing=writing)
    result = relabel(path, 0.2, writing=writing)
    assert result.changes == {"INSTRUMENTAL": ("0",), "SONGSCORE_LABEL": ("song",)}
    assert entries(path) == wanted(SONG, 0.25, "track-v1")
    assert relabel(path, 0.2, writing=writing).status == "unchanged"


def test_undo_brings_back_the_bytes_and_the_time(path: Path, writing: Writing) -> None:
    before = path.read_bytes()
    tag_track(label(path, 0.25), writing=writing)
    relabel(path, 0.2, writing=writing)
    relabel(path, 0.5, writing=writing)
    assert path.read_bytes() != before
    assert undo(path, reopened(writing.journal)).status == "changed"
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == LONG_AGO
    assert undo(path, reopened(writing.journal)).status == "unchanged"


def test_what_was_undone_can_be_tagged_and_undone_again(path: Path, writing: Writing) -> None:
    before = path.read_bytes()
    for _ in range(2):
        tag_track(label(path), writing=writing)
        undo(path, reopened(writing.journal))
        assert path.read_bytes() == before


def test_a_file_that_was_moved_is_undone_where_it_is(path: Path, writing: Writing) -> None:
    before = path.read_bytes()
    tag_track(label(path), writing=writing)
    moved = path.rename(path.with_stem("moved"))
    assert undo(moved, writing.journal).status == "changed"
    assert moved.read_bytes() == before


def test_in_a_file_that_was_touched_since_only_the_tags_of_songscore_go(path: Path, writing: Writing) -> None:
    put(path, "MOOD", "calm")
    before = samples(path)
    tag_track(label(path, 0.25), writing=writing, language=True)
    relabel(path, 0.2, writing=writing, language=True)
    put(path, "MOOD", "tense")
    assert undo(path, writing.journal).status == "changed"
    assert entries(path) == {}
    assert TinyTag.get(path).other.get("mood", [TinyTag.get(path).as_dict().get("mood")]) == ["tense"]
    assert samples(path) == before
    assert undo(path, reopened(writing.journal)).status == "unchanged"


def test_undo_keeps_a_mark_that_was_corrected_since(path: Path, writing: Writing) -> None:
    tag_track(label(path), writing=writing)
    put(path, "INSTRUMENTAL", "0")
    undo(path, writing.journal)
    assert entries(path) == {"INSTRUMENTAL": ("0",)}


@pytest.mark.parametrize("name", ["INSTRUMENTAL", "Instrumental"])
def test_a_mark_made_by_hand_is_kept(path: Path, name: str, writing: Writing) -> None:
    put(path, name, "1")
    before = path.read_bytes()
    result = tag_track(label(path, 0.9), writing=writing)
    assert (result.status, result.message) == ("kept", "INSTRUMENTAL=1 was set by hand")
    assert path.read_bytes() == before


def test_a_mark_corrected_by_hand_is_kept(path: Path, writing: Writing) -> None:
    tag_track(label(path, 0.1), writing=writing)
    put(path, "INSTRUMENTAL", "0")
    before = path.read_bytes()
    assert tag_track(label(path, 0.2), writing=writing).status == "kept"
    assert relabel(path, 0.05, writing=writing).status == "kept"
    assert path.read_bytes() == before


def test_another_program_without_the_tags_of_songscore_cannot_be_relabelled(flac: Path, writing: Writing) -> None:
    put(flac, "INSTRUMENTAL_CONFIDENCE", "93.0")
    result = relabel(flac, 0.5, writing=writing)
    assert (result.status, result.message) == (
        "failed",
        "there is no SONGSCORE_PROBABILITY in the tags; label the file first",
    )


@pytest.mark.parametrize("stored", ["nan", "1.5", "-0.1"])
def test_a_stored_number_that_is_no_probability_is_refused(flac: Path, writing: Writing, stored: str) -> None:
    tag_track(label(flac), writing=writing)
    put(flac, "SONGSCORE_PROBABILITY", stored)
    assert f"SONGSCORE_PROBABILITY={stored} is not a probability" in relabel(flac, 0.5).message


def test_a_threshold_outside_the_range_is_an_error(flac: Path) -> None:
    with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
        relabel(flac, 1.5)


def test_samples_in_memory_have_no_tags() -> None:
    with pytest.raises(ValueError, match="only a file has tags"):
        tag_track(TrackResult(path=None, label=SONG, song_probability=0.9))


def test_doubtful_labels_can_be_left_out(flac: Path, writing: Writing) -> None:
    assert tag_track(label(flac, certain=False), writing=writing, certain_only=True).status == "kept"
    assert entries(flac) == {}
    assert tag_track(label(flac, certain=False), writing=writing).status == "changed"


def test_a_track_without_a_label_is_not_tagged(flac: Path, writing: Writing) -> None:
    track = TrackResult(path=str(flac), status="silent", message="no sample exceeds 1e-06 of full scale")
    assert tag_track(track, writing=writing) == TagResult(path=str(flac), status="failed", message="no label: silent")


def test_the_language_follows_only_where_asked_for(path: Path, writing: Writing) -> None:
    tag_track(label(path, 0.1), writing=writing)
    assert "LANGUAGE" not in entries(path)
    tag_track(label(path, 0.2), writing=writing, language=True)
    assert entries(path)["LANGUAGE"] == ("zxx",)
    relabel(path, 0.1, writing=writing, language=True)
    assert "LANGUAGE" not in entries(path)


def test_a_song_gets_no_language(flac: Path, writing: Writing) -> None:
    tag_track(label(flac, 0.9), writing=writing, language=True)
    assert "LANGUAGE" not in entries(flac)


def test_a_language_that_is_there_is_kept(path: Path, writing: Writing) -> None:
    if path.name in ID3_FILES:
        file = mutagen.File(path)
        file.tags.add(TLAN(encoding=0, text=["lat"]))
        file.save()
    else:
        put(path, "LANGUAGE", "lat")
    tag_track(label(path, 0.1), writing=writing, language=True)
    assert entries(path)["LANGUAGE"] == ("lat",)


def test_id3_of_version_3_stays_so(mp3: Path, writing: Writing) -> None:
    tags = ID3(mp3)
    tags.add(TPE1(encoding=1, text=["Ennio", "Orchestra"]))
    tags.update_to_v23()
    tags.save(mp3, v2_version=3, v23_sep=None)
    tag_track(label(mp3), writing=writing)
    after = ID3(mp3, translate=False)
    assert after.version == (2, 3, 0)
    assert after["TPE1"].text == ["Ennio", "Orchestra"]
    assert TinyTag.get(mp3).other["songscore_label"] == ["instrumental score"]


def test_frames_that_nobody_knows_are_kept(mp3: Path, writing: Writing) -> None:
    frame = b"ZZZZ" + (9).to_bytes(4, "big") + b"\0\0" + b"mysterious"[:9]
    tags = ID3(mp3)
    tags.unknown_frames = [frame]
    tags.add(PRIV(owner="somebody", data=b"\0\1\2"))
    tags.save(mp3)
    tag_track(label(mp3), writing=writing)
    after = ID3(mp3)
    assert after.unknown_frames == [frame]
    assert after["PRIV:somebody:\0\1\2"].data == b"\0\1\2"


V1 = b"TAG" + b"A title of thirty letters, cut".ljust(30) + b"somebody".ljust(30, b"\0") + bytes(64) + b"\x0c"


def test_id3v1_stays_as_it_is(mp3: Path, writing: Writing) -> None:
    mp3.write_bytes(mp3.read_bytes() + V1)
    tag_track(label(mp3), writing=writing)
    assert mp3.read_bytes().endswith(V1)
    assert entries(mp3) == wanted(SCORE, 0.25, "track-v1")
    assert ID3(mp3, load_v1=False).getall("TPE1") == []


def test_id3v1_alone_is_taken_over(mp3: Path, writing: Writing) -> None:
    ID3(mp3).delete(mp3)
    mp3.write_bytes(mp3.read_bytes() + V1)
    tag_track(label(mp3), writing=writing)
    assert mp3.read_bytes().endswith(V1)
    assert ID3(mp3, load_v1=False)["TPE1"].text == ["somebody"]


def test_wavpack_has_ape_tags(tmp_path: Path, writing: Writing) -> None:
    path = write_wavpack(tmp_path / "a.wv")
    tag_track(label(path), writing=writing)
    assert APEv2(path)["songscore_label"] == "instrumental score"
    before = path.read_bytes()
    relabel(path, 0.2, writing=writing)
    put(path, "INSTRUMENTAL", "1")
    assert tag_track(label(path, 0.9), writing=writing).status == "kept"
    undo(path, writing.journal)
    assert path.read_bytes() != before
    assert entries(path) == {"INSTRUMENTAL": ("1",)}


def write_wavpack(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("wavpack", rate=48_000, layout="mono", format="fltp")
        frame = av.AudioFrame.from_ndarray(sine(440, 1, 48_000)[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def test_an_application_that_no_reader_knows_is_refused(tmp_path: Path, writing: Writing) -> None:
    path = write(tmp_path / "a.au", sine(440, 1, 48_000), 48_000)
    before = path.read_bytes()
    result = tag_track(label(path), writing=writing)
    assert (result.status, result.message) == (
        "failed",
        "the tags cannot be read: this is not an MP3, FLAC, Ogg, MP4, WAV, AIFF, APE, WavPack or Musepack",
    )
    assert path.read_bytes() == before


DAMAGED = {
    "a.flac": lambda content: content[:4] + b"\xff" * 200 + content[204:],
    "a.m4a": lambda content: content.replace(b"moov", b"m\0ov"),
    "a.ogg": lambda content: content[:40] + bytes(60) + content[100:],
    "a.opus": lambda content: content[:30],
    "a.wav": lambda content: content[:12],
    "a.aiff": lambda content: content[:11],
    "a.mp3": lambda content: b"",
}


@pytest.mark.parametrize("name", TAGGED)
def test_a_damaged_container_stays_untouched(library: Path, name: str, tmp_path: Path, writing: Writing) -> None:
    path = copied(library, name, tmp_path)
    path.write_bytes(DAMAGED[name](path.read_bytes()))
    before = path.read_bytes()
    result = tag_track(label(path), writing=writing)
    assert result.status == "failed"
    assert result.message
    assert path.read_bytes() == before
    assert left_over(tmp_path) == []


def left_over(folder: Path) -> list[Path]:
    return list(folder.glob(".songscore-*"))


def test_a_missing_file_is_a_failure(tmp_path: Path) -> None:
    assert tag_track(label(tmp_path / "gone.mp3")).message == "No such file or directory"
    assert tag_track(label(tmp_path)).status == "failed"


def test_a_writer_that_spoils_the_sound_is_found_out(
    path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, honest = path.read_bytes(), Tags.with_entries

    def spoilt(*arguments: object) -> bytes:
        content = bytearray(honest(*arguments))
        middle = content.index(before[SOUND : SOUND + 32])
        content[middle : middle + 300] = bytes(300)
        return bytes(content)

    monkeypatch.setattr(Tags, "with_entries", spoilt)
    result = tag_track(label(path), writing=writing)
    assert (result.status, result.message) == ("failed", "the sound would change; the file is left as it is")
    assert path.read_bytes() == before


def test_a_writer_that_loses_another_tag_is_found_out(
    path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, honest = path.read_bytes(), Tags.with_entries
    title = next(item for item in Tags(before).others(NAMES) if TITLE.encode() in item.raw)

    def forgetful(tags: Tags, changes: object) -> bytes:
        return honest(tags, changes).replace(title.raw, title.raw.replace(TITLE.encode(), b"X" * len(TITLE.encode())))

    monkeypatch.setattr(Tags, "with_entries", forgetful)
    message = tag_track(label(path), writing=writing).message
    assert message.startswith(f"other tags would change ({title.what})")
    assert path.read_bytes() == before


def test_a_writer_that_writes_nothing_is_found_out(
    flac: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tags, "with_entries", lambda tags, changes: tags._content)
    assert "cannot be read back" in tag_track(label(flac), writing=writing).message


def test_a_file_that_another_program_changes_meanwhile_is_left_to_it(
    mp3: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, honest = mp3.read_bytes() + V1, Tags.with_entries

    def meanwhile(*arguments: object) -> bytes:
        mp3.write_bytes(theirs)
        return honest(*arguments)

    monkeypatch.setattr(Tags, "with_entries", meanwhile)
    assert "another program has changed it meanwhile" in tag_track(label(mp3), writing=writing).message
    assert mp3.read_bytes() == theirs
    assert left_over(mp3.parent) == []


def test_a_read_only_file_is_left_alone(flac: Path, writing: Writing) -> None:
    before = flac.read_bytes()
    flac.chmod(0o444)
    for options in ({}, {"writing": writing}):
        result = tag_track(label(flac), **options)
        assert (result.status, result.message) == (
            "failed",
            "the file is read-only; make it writable first, or leave it as it is",
        )
    assert flac.read_bytes() == before


def test_the_modification_time_is_kept_on_request(flac: Path, journal: UndoJournal) -> None:
    tag_track(label(flac), writing=Writing(journal=journal, keep_mtime=True))
    assert flac.stat().st_mtime_ns == LONG_AGO
    (now := flac.with_name("now")).touch()
    tag_track(label(flac, 0.3), writing=Writing(journal=journal))
    assert flac.stat().st_mtime_ns >= now.stat().st_mtime_ns


@posix
def test_the_mode_is_kept_and_a_link_stays_one(flac: Path, writing: Writing, tmp_path: Path) -> None:
    flac.chmod(0o640)
    link = tmp_path / "link.flac"
    link.symlink_to(flac)
    other = tmp_path / "other.flac"
    other.hardlink_to(flac)
    before = flac.read_bytes()
    assert tag_track(label(link), writing=writing).status == "changed"
    assert link.is_symlink()
    assert entries(flac) == wanted(SCORE, 0.25, "track-v1")
    assert flac.stat().st_mode & 0o777 == 0o640
    assert other.read_bytes() == before
    undo(link, writing.journal)
    assert flac.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_extended_attributes_are_kept(flac: Path, writing: Writing) -> None:
    try:
        os.setxattr(flac, "user.mood", b"calm")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    tag_track(label(flac), writing=writing)
    assert os.getxattr(flac, "user.mood") == b"calm"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(flac: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(flac, 1234, 4321)
    tag_track(label(flac), writing=writing)
    assert (flac.stat().st_uid, flac.stat().st_gid) == (1234, 4321)

    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", forbidden)
    assert "another owner or group" in tag_track(label(flac, 0.1), writing=writing).message


@linux
def test_a_name_that_is_not_utf8(library: Path, tmp_path: Path, writing: Writing) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.flac"))
    shutil.copy(library / "a.flac", path)
    before = path.read_bytes()
    assert tag_track(label(path), writing=writing).status == "changed"
    assert undo(path, reopened(writing.journal)).status == "changed"
    assert path.read_bytes() == before


def test_a_journal_with_a_torn_line_still_leads_back(flac: Path, writing: Writing) -> None:
    before = flac.read_bytes()
    tag_track(label(flac), writing=writing)
    path = writing.journal.path
    path.write_bytes(path.read_bytes() + b'\n{"format": 1, "path": "/mus')
    tag_track(label(flac, 0.3), writing=Writing(journal=reopened(writing.journal)))
    assert undo(flac, reopened(writing.journal)).status == "changed"
    assert flac.read_bytes() == before


def test_an_altered_journal_is_found_out(flac: Path, writing: Writing) -> None:
    tag_track(label(flac), writing=writing)
    after = flac.read_bytes()
    record = json.loads(writing.journal.path.read_bytes())
    record["pieces"] = [[0, 100]]
    writing.journal.path.write_text(json.dumps(record))
    assert "cannot restore the file" in undo(flac, reopened(writing.journal)).message
    assert flac.read_bytes() == after


def test_of_files_that_became_the_same_each_gets_its_own_bytes_back(journal: UndoJournal) -> None:
    for number, path in enumerate(("/music/a.mp3", "/music/b.mp3")):
        journal.add(path, number, b"padding of %d" % number, b"the same", {}, {"INSTRUMENTAL": ("1",)})
    assert journal.restored("/music/a.mp3", b"the same") == (b"padding of 0", 0)
    assert journal.restored("/music/b.mp3", b"the same") == (b"padding of 1", 1)
    assert journal.restored("/moved/c.mp3", b"the same") == (b"padding of 1", 1)
    assert journal.restored("/music/a.mp3", b"another") is None


def test_a_journal_that_cannot_be_written_is_named(flac: Path, tmp_path: Path) -> None:
    before = flac.read_bytes()
    (tmp_path / "state").write_text("in the way")
    result = tag_track(label(flac), writing=Writing(journal=UndoJournal(tmp_path / "state" / "undo.jsonl")))
    assert result.status == "failed"
    assert str(tmp_path / "state") in result.message
    assert flac.read_bytes() == before


def test_without_its_record_a_file_cannot_be_undone(flac: Path, writing: Writing, tmp_path: Path) -> None:
    tag_track(label(flac), writing=writing)
    assert "does not say what its tags were" in undo(flac, UndoJournal(tmp_path / "other")).message


def test_a_file_that_songscore_never_wrote_has_nothing_to_undo(path: Path, journal: UndoJournal) -> None:
    assert undo(path, journal).status == "unchanged"


def test_the_journal_is_small(path: Path, writing: Writing) -> None:
    tag_track(label(path), writing=writing)
    assert writing.journal.path.stat().st_size < 2000


def test_the_journal_lies_where_the_system_has_the_state_of_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
        assert UndoJournal().path == Path("/somewhere/songscore/tag-undo.jsonl")
    assert UndoJournal().path.is_absolute()


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6), st.lists(st.integers(0, 11), max_size=12))
def test_the_old_version_comes_back_from_the_new(chunks: list[bytes], order: list[int]) -> None:
    old = b"".join(chunks)
    new = b"".join(chunks[i] if i < len(chunks) else bytes([i]) * i for i in order)
    assert join(json.loads(json.dumps(pieces(old, new))), new) == old


def test_what_stands_in_both_is_not_spelt_out() -> None:
    sound = random.Random(0).randbytes(300_000)
    page = [sound[at : at + 4096] for at in range(0, len(sound), 4096)]
    renumbered = b"".join(part[:18] + number.to_bytes(8, "big") + part[26:] for number, part in enumerate(page))
    for new in (b"longer tags" + sound, sound + b"tags", sound[:4] + b"size" + sound[8:] + b"tags", renumbered):
        assert len(json.dumps(pieces(sound, new))) < 10_000
        assert join(pieces(sound, new), new) == sound


def test_what_is_all_new_is_told_in_good_time() -> None:
    old, new = (random.Random(seed).randbytes(800_000) for seed in (1, 2))
    assert join(pieces(old, new), new) == old
    quarter, whole = (processor_seconds(lambda n=n: pieces(old[:n], new[:n])) for n in (200_000, 800_000))
    assert whole < 10 * quarter, "four times as long where it grows with the size"


DIES = """
import os, sys
from songscore.results import TrackResult
from songscore.tags import UndoJournal, Writing, tag_track
path, journal = sys.argv[1:]
original = open(path, "rb").read()
track = TrackResult(path=path, label="song", song_probability=0.75, model="track-v1")
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.utime", "os.chmod", "os.truncate", "tempfile.mkstemp"}

def tag_until(step):
    seen = 0
    def die(event, arguments):
        nonlocal seen
        seen += event in STEPS
        if seen == step:
            os._exit(9)
    sys.addaudithook(die)
    result = tag_track(track, writing=Writing(journal=UndoJournal(journal)))
    os._exit(0 if result.status == "changed" else 3)

tag_track(track)  # imports what it needs
for step in range(1, 100):
    child = os.fork()
    if child == 0:
        tag_until(step)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    now = open(path, "rb").read()
    print(status, "old" if now == original else "new")
    if now != original:
        open(path, "wb").write(original)
    if status != 9:
        break
"""


@pytest.mark.processes
@posix
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a"])
def test_a_process_that_dies_at_any_step_leaves_the_old_file_or_the_new(
    library: Path, name: str, tmp_path: Path
) -> None:
    path, journal = copied(library, name, tmp_path), tmp_path / "undo.jsonl"
    command = [sys.executable, "-c", DIES, path, journal]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    outcomes = answer.stdout.splitlines()
    assert outcomes[-1] == "0 new"
    assert set(outcomes) >= {"9 old", "0 new"}
    assert len(outcomes) > 8
    before = path.read_bytes()
    tag_track(label(path, 0.75), writing=Writing(journal=UndoJournal(journal)))
    undo(path, UndoJournal(journal))
    assert path.read_bytes() == before


TAGS_ALL = """
import sys
from pathlib import Path
from songscore.results import TrackResult
from songscore.tags import UndoJournal, Writing, tag_track
folder, journal = sys.argv[1:]
writing = Writing(journal=UndoJournal(journal))
print("ready", flush=True)
for number in range(1000):
    for path in sorted(Path(folder).iterdir()):
        if not path.name.startswith("."):
            p = (number % 9 + 1) / 10
            track = TrackResult(path=str(path), label="song", song_probability=p, model="track-v1")
            assert tag_track(track, writing=writing).status == "changed"
"""


@pytest.mark.processes
def test_a_killed_run_can_be_undone(library: Path, tmp_path: Path) -> None:
    folder, journal = tmp_path / "music", tmp_path / "undo.jsonl"
    shutil.copytree(library, folder)
    chance = random.Random(7)
    for _ in range(4):
        command = [sys.executable, "-c", TAGS_ALL, folder, journal]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"ready"
            time.sleep(chance.uniform(0.02, 0.3))
            process.kill()
        records = UndoJournal(journal)
        for name in TAGGED:
            undo(folder / name, records)
            assert (folder / name).read_bytes() == (library / name).read_bytes()
