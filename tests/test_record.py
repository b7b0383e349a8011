from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import sine

from songscore.analysis.record import FAILURES, Analysis, Failure, Reply, wrapped
from songscore.analysis.sampling import analyse
from songscore.audio.identity import FileState
from songscore.decision import Question
from songscore.features.detector import KINDS, LEVELS
from songscore.features.track_vector import Activity
from songscore.model import load_model
from songscore.results import Status

DETECTOR = "the digest of a detector"


MODEL = "the digest of a model"
FILE = FileState(7, "2026-01-31T12:00:00.123456789Z", "0" * 64)


def reply(reading: bytes) -> bytes:
    """A reply of ours with the bytes of a reading."""
    return wrapped(reading, MODEL, FILE)


def read(content: bytes) -> Reply:
    return Reply.from_bytes(content, "a", MODEL, DETECTOR)


def analysis(n: int = 3, damage: str = "") -> Analysis:
    """Every other of `2 n` steps."""
    levels = np.random.default_rng(n).integers(0, LEVELS + 1, (n, len(KINDS)))
    activity = Activity(np.arange(n) * 2, levels.astype(np.float32) / np.float32(LEVELS), 2 * n, 0.7)
    return Analysis("a.wav", 12.3, 4.5, damage, activity, DETECTOR)


def test_a_record_comes_back_exactly() -> None:
    real = analyse((sine(440, 5, 16_000), 16_000), load_model(), Question())
    for record in (analysis(), analysis(0), analysis(2, "damaged at 1.0 s: \udcff \n"), real):
        back = Reply.from_bytes(reply(record.to_bytes()), "b.wav", MODEL, record.detector).reading
        assert isinstance(back, Analysis)
        assert back.path == "b.wav"
        for name in ("duration", "analysed", "damage", "detector"):
            assert getattr(back, name) == getattr(record, name)
        assert (back.activity.n_steps, back.activity.peak) == (record.activity.n_steps, record.activity.peak)
        np.testing.assert_array_equal(back.activity.kinds, record.activity.kinds)
        np.testing.assert_array_equal(back.activity.step, record.activity.step)


def test_every_level_comes_back_exactly() -> None:
    levels = np.arange(LEVELS + 1, dtype=np.float32).repeat(len(KINDS)).reshape(-1, len(KINDS)) / np.float32(LEVELS)
    activity = Activity(np.arange(len(levels)), levels, len(levels), 1.0)
    content = Analysis(None, 1.0, 1.0, "", activity, DETECTOR).to_bytes()
    np.testing.assert_array_equal(Analysis.from_bytes(content, None, DETECTOR).activity.kinds, levels)


@pytest.mark.parametrize("status", sorted(FAILURES))
def test_a_failure_comes_back(status: Status) -> None:
    failure = Failure(status, "a\nb \udcff: no such file")
    assert read(reply(failure.to_bytes())).reading == failure


def arrays() -> bytes:
    return analysis().to_bytes().partition(b"\n")[2]


def forged(body: bytes | None = None, **changes: object) -> bytes:
    """A record with other arrays or entries, whose checksum is right."""
    body = arrays() if body is None else body
    head = json.loads(analysis().to_bytes().partition(b"\n")[0])
    return json.dumps(head | {"crc32": zlib.crc32(body)} | changes).encode() + b"\n" + body


def replaced(offset: int, new: bytes) -> bytes:
    return arrays()[:offset] + new + arrays()[offset + len(new) :]


def test_what_is_forged_without_a_change_is_a_record() -> None:
    assert forged() == analysis().to_bytes()


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 1), ("format", None), ("songscore", "0.0.1"), ("detector", "another"), ("detector", None)],
)
def test_the_record_of_another_format_version_or_detector_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"a record with {key} {value!r}"):
        Analysis.from_bytes(forged(**{key: value}), None, DETECTOR)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\n", ".+"),
        (b"{}\n", "format None"),
        (b"[]\n", "list"),
        (b"\xff\n", ".+"),
        (b"[" * 100_000 + b"\n", ".+"),
        (forged(heard=2**62), "steps"),
        (forged(heard=-1), "steps"),
        (forged(heard="3"), "steps"),
        (forged(heard=3.0), "steps"),
        (forged(heard=True), "steps"),
        (forged(steps=2), "steps"),
        (forged(steps=4), "not in order"),
        (forged(crc32=0), "arrays"),
        (forged(duration="long"), "long"),
        (forged(duration=1e999), "a number up to 1e"),
        (forged(duration=-1), "a number up to 1e"),
        (forged(duration=None), "float"),
        (forged(peak=[]), "float"),
        (forged(duration=10**400), "large"),
        (forged(replaced(0, np.int32(2).tobytes())), "not in order"),
        (forged(replaced(0, np.int32(9).tobytes())), "not in order"),
        (forged(replaced(0, np.int32(-2).tobytes())), "not in order"),
        (forged(replaced(8, np.int32(6).tobytes())), "not in order"),
        (forged(arrays() + b"x"), "arrays"),
        (analysis().to_bytes()[:-1], "arrays"),
    ],
    ids=range(25),
)
def test_what_is_no_record_is_a_value_error(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Analysis.from_bytes(content, None, DETECTOR)


def test_no_truncated_record_is_read() -> None:
    content = wrapped(analysis().to_bytes(), MODEL, FILE)
    for n in range(len(content)):
        with pytest.raises(ValueError, match=r".+"):
            read(content[:n])


@pytest.mark.parametrize(
    "content",
    [
        b"7",
        b"[" * 100_000,
        b"{}",
        b'{"status": "ok", "message": ""}',
        b'{"status": "silent"}',
        b'{"status": [], "message": ""}',
    ],
)
def test_what_is_no_failure_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a re(ply|cord)"):
        read(reply(content))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    record = wrapped(analysis().to_bytes(), MODEL, FILE)
    for content in (noise, record[:at] + noise, record[:at] + noise + record[at + len(noise) :]):
        try:
            reply = read(content)
        except ValueError:
            continue
        again = wrapped(reply.reading.to_bytes(), MODEL, reply.file)
        assert wrapped(read(again).reading.to_bytes(), MODEL, read(again).file) == again


def test_times_out_of_range_are_refused() -> None:
    for name in ("duration", "analysed", "peak"):
        with pytest.raises(ValueError, match=r"1e\+300"):
            Analysis.from_bytes(forged(**{name: 1e300}), None, DETECTOR)


def test_the_record_of_ten_hours_is_small() -> None:
    assert len(analysis(450_000).to_bytes()) < 8_000_000


def test_nothing_of_it_names_the_file() -> None:
    assert b"a.wav" not in analysis().to_bytes()


def test_more_steps_than_a_record_can_number_are_refused() -> None:
    for steps in (2**31, 10**30):
        with pytest.raises(ValueError, match="steps"):
            Analysis.from_bytes(forged(steps=steps), None, DETECTOR)


@pytest.mark.parametrize("file", [FILE, FileState(0, ""), None])
def test_a_reply_says_of_which_file_it_is(file: FileState | None) -> None:
    assert read(wrapped(analysis().to_bytes(), MODEL, file)).file == file


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"songscore": "9.9"}, "songscore '9.9'"),
        ({"model": "another"}, "model 'another'; 'the digest of a model' is needed"),
        ({"model": None}, "model None"),
        ({"file": 7}, "file 7"),
        ({"file": {"size": -1, "modified": ""}}, "file"),
        ({"file": {"size": True, "modified": "", "sound_digest": None}}, "file"),
    ],
)
def test_a_reply_of_another_songscore_or_model_is_refused_with_the_reason(change: dict[str, object], why: str) -> None:
    head, _, body = wrapped(analysis().to_bytes(), MODEL, FILE).partition(b"\n")
    with pytest.raises(ValueError, match=why):
        read(json.dumps(json.loads(head) | change).encode() + b"\n" + body)
