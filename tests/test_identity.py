"""Answers know the file that they are about."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sounds import TAGGED, set_title, sine, write_as_named
from systems import posix

from songscore import classify_folder, classify_track
from songscore.audio.identity import FileState, file_state, is_another_file, sound_digest
from songscore.batch.journal import Journal
from songscore.batch.lines import read_results
from songscore.cli import main
from songscore.results import TrackResult
from songscore.tags import UndoJournal, Writing, tag_track

Answers = Callable[[Callable[..., TrackResult]], None]


def made(path: Path, pitch: float = 440.0) -> Path:
    return write_as_named(path, sine(pitch, 1.0, 48_000), 48_000)


def digest(path: Path) -> str | None:
    state = file_state(path)
    assert state is not None
    return state.sound_digest


def answered(path: Path, p: float = 0.9) -> TrackResult:
    state = file_state(path)
    assert state is not None
    return TrackResult(
        path=str(path),
        label="song" if p > 0.5 else "instrumental score",
        song_probability=p,
        model="m",
        size=state.size,
        modified=state.modified,
        sound_digest=state.sound_digest,
    )


@pytest.mark.parametrize("name", TAGGED)
def test_tags_leave_the_digest_and_another_sound_does_not(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / name)
    before = digest(path)
    for title in ("a", "long " * 20_000):
        set_title(path, title)
        assert digest(path) == before
    assert tag_track(answered(path), writing=Writing(journal=UndoJournal(tmp_path / "undo"))).status == "changed"
    assert digest(path) == before
    (tmp_path / "other").mkdir()
    assert digest(made(tmp_path / "other" / name, 441.0)) != before


@pytest.mark.parametrize(
    "tag",
    [
        b"TAG" + b"Title".ljust(125, b"\0"),
        b"APETAGEX" + bytes.fromhex("d0070000 20000000 00000000 00000000") + bytes(8),
    ],
    ids=["ID3v1", "APE"],
)
def test_a_tag_behind_the_frames_of_an_mp3_leaves_the_digest(tag: bytes, tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp3")
    before = digest(path)
    path.write_bytes(path.read_bytes() + tag)
    assert digest(path) == before


def wav_of(sound: bytes, before: bytes = b"", behind: bytes = b"") -> BytesIO:
    chunks = before + b"data" + len(sound).to_bytes(4, "little") + sound + behind
    return BytesIO(b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks)


def test_what_is_digested_is_the_sound_and_all_of_it_if_it_is_short() -> None:
    sound = bytes(range(256)) * 5000
    for tags in (b"", b"LIST\4\0\0\0INFO"):
        for before, behind in ((tags, b""), (b"", tags)):
            assert sound_digest(wav_of(sound, before, behind)) == hashlib.sha256(sound).hexdigest()
    noise = b"\x01\x02\x80" * 1000
    id3v1 = b"TAG" + bytes(125)
    assert sound_digest(BytesIO(noise + id3v1)) == hashlib.sha256(noise).hexdigest()
    assert sound_digest(BytesIO(b"")) == hashlib.sha256().hexdigest()


def test_of_a_long_sound_the_length_and_samples_are_digested() -> None:
    sound, sample, every = np.random.default_rng(0).bytes(10_000_000), 16 << 10, 256 << 10
    samples = b"".join(sound[at : at + sample] for at in (*range(0, len(sound), every), len(sound) - sample))
    expected = hashlib.sha256(b"10000000" + samples).hexdigest()
    assert sound_digest(wav_of(sound)) == expected
    assert sound_digest(wav_of(sound, b"LIST\4\0\0\0INFO")) == expected
    assert sound_digest(BytesIO(ogg_of(sound))) == expected
    assert sound_digest(wav_of(sound[:-2])) != expected
    for at in range(0, len(sound) - every, 1_000_000):
        assert sound_digest(wav_of(sound[:at] + bytes(every) + sound[at + every :])) != expected


def ogg_of(sound: bytes) -> bytes:
    """The sound as pages of Ogg, on each of which a packet ends."""
    page = 255 * 255
    pieces = (sound[at : at + page] for at in range(0, len(sound), page))
    return b"".join(
        b"OggS\0\0" + bytes(7) + b"\1" + bytes(12) + bytes([len(laced)]) + laced + piece
        for piece in pieces
        for laced in [b"\xff" * (len(piece) // 255) + bytes([len(piece) % 255] * (len(piece) % 255 > 0))]
    )


@pytest.mark.parametrize(
    "content",
    [
        b"fLaC",
        b"fLaC\0\xff\xff\xff",
        b"OggS",
        b"OggS" + b"\xff" * 40,
        b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xffsound",
        b"RIFF\4\0\0\0WAVE" + bytes(64),
        b"FORM\0\0\0\4AIFFSSND",
        b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\1mdat" + b"\xff" * 8,
        b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\2mdat",
    ],
)
def test_broken_headers_end_in_a_digest(content: bytes) -> None:
    assert len(sound_digest(BytesIO(content))) == 64


@posix
def test_only_regular_files_have_a_state(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none", Path("/dev/zero"), "a\0b"):
        assert file_state(path) is None


def test_a_file_is_known_by_size_and_time_or_else_by_its_sound(tmp_path: Path) -> None:
    path = made(tmp_path / "a.flac")
    known = file_state(path)
    assert known is not None
    assert not is_another_file(path, known)
    os.utime(path, (1, 1))
    assert not is_another_file(path, known)
    assert is_another_file(path, FileState(known.size, known.modified))
    made(path, 441.0)
    assert is_another_file(path, known)
    path.unlink()
    assert not is_another_file(path, known)


@pytest.mark.processes
def test_the_same_state_is_in_every_answer_about_a_file(tmp_path: Path) -> None:
    path = made(tmp_path / "a.flac")
    (tmp_path / "none.mp3").write_text("none")
    state = file_state(path)
    assert state is not None
    known = (state.size, state.modified, state.sound_digest)
    track, none = classify_folder(tmp_path)
    for one in (track, classify_track(path), TrackResult.from_dict(json.loads(json.dumps(track.to_dict())))):
        assert (one.size, one.modified, one.sound_digest) == known
    assert (none.status, none.size, none.sound_digest) == ("unreadable", 4, hashlib.sha256(b"none").hexdigest())
    with path.open("rb") as file:
        assert classify_track(file).size is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", -1),
        ("size", True),
        ("size", 1 << 63),
        ("modified", "yesterday"),
        ("modified", 7),
        ("sound_digest", "f" * 63),
        ("sound_digest", ["f" * 64]),
    ],
)
def test_a_state_that_is_none_is_refused(field: str, value: object, tmp_path: Path) -> None:
    fields = answered(made(tmp_path / "a.flac")).to_dict()
    with pytest.raises(ValueError, match=f"{field} is "):
        TrackResult.from_dict(fields | {field: value})


def test_answers_of_earlier_versions_say_nothing_of_the_file(tmp_path: Path) -> None:
    fields = answered(made(tmp_path / "a.flac")).to_dict()
    for name in ("size", "modified", "sound_digest"):
        del fields[name]
    assert TrackResult.from_dict(fields).size is None


# tag --from


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.processes
@pytest.mark.parametrize("write", [True, False])
def test_swapped_and_replaced_tracks_do_not_get_each_others_label(write: bool, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.flac", "a.mp3", "a.ogg")]
    for path in paths:
        made(path)
    results = tmp_path / "run.jsonl"
    results.write_text("".join(json.dumps(answered(path).to_dict()) + "\n" for path in paths))
    flac, mp3, ogg = paths
    set_title(ogg, "a title of later on")
    flac.rename(tmp_path / "swap")
    mp3.rename(flac)
    (tmp_path / "swap").rename(mp3)
    before = {path: path.read_bytes() for path in paths}
    done = run("tag", "--from", results, "--journal", tmp_path / "undo", *["--write"] * write)
    for path in (flac, mp3):
        assert f"{path}: failed, this is another file than the one that was labelled, its sound differs" in done.stderr
        assert path.read_bytes() == before[path]
    assert done.exit_code == 1
    assert (ogg.read_bytes() != before[ogg]) == write
    assert "1 changed, 2 failed" in done.stderr or "2 failed, 1 changed" in done.stderr or not write


# label --resume


def labelled(path: Path, **_: object) -> TrackResult:
    return answered(path) if path.exists() else TrackResult(path=str(path), status="unreadable", message="no such file")


def test_resume_hears_a_file_again_that_is_another_one(answers: Answers, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{i}.flac" for i in (1, 2, 3))
    for path in (first, second, third):
        made(path)
    output = tmp_path / "o.jsonl"
    answers(labelled)
    assert run("label", first, second, third, "-o", output, "-j", 1).exit_code == 0
    made(first, 441.0)
    set_title(second, "a title of later on")
    heard = list[Path]()

    def noted(path: Path, **how: object) -> TrackResult:
        heard.append(path)
        return labelled(path)

    answers(noted)
    done = run("label", first, second, third, "-o", output, "-j", 1, "--resume")
    assert "the sound of 1 file has changed since the last run; it is heard again" in done.stderr
    assert heard == [first]
    assert {track.path: track.sound_digest for track in read_results(output)} == {
        str(path): digest(path) for path in (first, second, third)
    }
    assert len(list(read_results(output))) == 3


@pytest.mark.parametrize("status", ["unreadable", "unsupported", "timeout"])
def test_retry_asks_again_for_what_could_not_be_read(status: str, answers: Answers, tmp_path: Path) -> None:
    path, output = made(tmp_path / "a.flac"), tmp_path / "o.jsonl"
    answers(lambda path, **_: TrackResult(path=str(path), status=status, message="it took too long"))  # type: ignore[arg-type]
    assert run("label", path, "-o", output).exit_code == 1
    answers(labelled)
    assert run("label", path, "-o", output, "--resume").exit_code == 1
    assert run("label", path, "-o", output, "--resume", "--retry").exit_code == 0
    assert [track.label for track in read_results(output)] == ["song"]
    assert run("label", path, "-o", output, "--retry").exit_code == 2


def test_a_journal_is_opened_without_reading_files_that_are_as_they_were(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, asked = made(tmp_path / "a.flac"), {"version": "1"}
    with Journal(tmp_path / "run", asked) as journal:
        journal.add(answered(path))
        journal.add(TrackResult(path="b", status="silent", message="", sound_digest=None, size=1, modified="x"))
    shutil.copy(path, tmp_path / "copy.flac")
    monkeypatch.setattr("songscore.audio.identity.sound_digest", lambda _: pytest.fail("a file was read"))
    with Journal(tmp_path / "run", asked, resume=True) as journal:
        assert path in journal
