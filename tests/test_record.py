from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import sine

from songscore.analysis.record import Analysis, Failure, read_reply
from songscore.analysis.sampling import analyse
from songscore.decision import Question
from songscore.features.detector import KINDS, LEVELS
from songscore.features.track_vector import Activity
from songscore.model import load_model

DETECTOR = "0f" * 32


def analysis(n: int = 3, damage: str = "") -> Analysis:
    """Every other step of a sound of `2 * n` steps."""
    levels = np.random.default_rng(n).integers(0, LEVELS + 1, (n, len(KINDS)))
    kinds = levels.astype(np.float32) / np.float32(LEVELS)
    activity = Activity(np.arange(n, dtype=np.int64) * 2, kinds, 2 * n, 0.7)
    return Analysis("a.wav", 12.3, 4.5, damage, activity, DETECTOR)


def test_a_record_comes_back_exactly() -> None:
    real = analyse((sine(440, 5, 16_000), 16_000), load_model(), Question())
    for record in (analysis(), analysis(0), analysis(2, "damaged at 1.0 s: \udcff \n"), real):
        back = read_reply(record.to_bytes(), "b.wav", record.detector)
        assert isinstance(back, Analysis)
        assert back.to_bytes() == record.to_bytes()
        assert (back.path, back.damage) == ("b.wav", record.damage)
        assert (back.duration, back.analysed, back.detector) == (record.duration, record.analysed, record.detector)
        assert (back.activity.n_steps, back.activity.peak) == (record.activity.n_steps, record.activity.peak)
        np.testing.assert_array_equal(back.activity.kinds, record.activity.kinds, strict=True)
        np.testing.assert_array_equal(back.activity.step, record.activity.step, strict=True)


def test_every_level_of_a_probability_comes_back_exactly() -> None:
    levels = np.resize(np.arange(LEVELS + 1), (LEVELS // 5 + 1, len(KINDS))).astype(np.float32) / np.float32(LEVELS)
    whole = Activity(np.arange(len(levels)), levels, len(levels), 1.0)
    content = Analysis(None, 1.0, 1.0, "", whole, DETECTOR).to_bytes()
    np.testing.assert_array_equal(Analysis.from_bytes(content, None, DETECTOR).activity.kinds, levels)


def test_a_failure_comes_back() -> None:
    failure = Failure("unreadable", "a\nb \udcff: no such file")
    assert read_reply(failure.to_bytes(), "a", DETECTOR) == failure


def forged(body: bytes = b"", **changes: object) -> bytes:
    line, _, arrays = analysis().to_bytes().partition(b"\n")
    arrays = body or arrays
    return json.dumps(json.loads(line) | {"crc32": zlib.crc32(arrays)} | changes).encode() + b"\n" + arrays


def replaced(offset: int, new: bytes) -> bytes:
    body = analysis().to_bytes().partition(b"\n")[2]
    return body[:offset] + new + body[offset + len(new) :]


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"[" * 100_000,
        b"7",
        forged(heard=2**62),
        forged(heard=-1),
        forged(heard="3"),
        forged(heard=3.0),
        forged(heard=True),
        forged(heard=2),
        forged(steps=2),
        forged(steps=4),
        forged(steps=-1),
        forged(steps=None),
        forged(steps=10**30),
        forged(crc32=0),
        forged(duration="long"),
        forged(duration=1e999),
        forged(duration=-1),
        forged(duration=None),
        forged(duration=10**400),
        forged(analysed=float("nan")),
        forged(peak=[]),
        forged(detector="ff" * 32),
        forged(detector=None),
        forged(songscore="0.0.1"),
        forged(format=1),
        forged(format="2"),
        forged(replaced(0, np.int32(9).tobytes())),
        forged(replaced(0, np.int32(2).tobytes())),
        forged(replaced(0, np.int32(-2).tobytes())),
        forged(replaced(8, np.int32(2).tobytes())),
        forged(analysis(4).to_bytes().partition(b"\n")[2]),
    ],
    ids=range(36),
)
def test_what_is_no_record_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Analysis.from_bytes(content, None, DETECTOR)


@pytest.mark.parametrize(("key", "value"), [("format", 1), ("songscore", "0.0.1"), ("detector", "another")])
def test_a_record_that_something_else_made_is_refused_by_that(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"a record with {key} {value!r}; "):
        read_reply(forged(**{key: value}), "a", DETECTOR)


def test_a_record_of_a_run_has_no_more_than_was_received() -> None:
    assert len(Analysis.from_bytes(forged(steps=2**31 - 1), None, DETECTOR).activity.kinds) == 3


@pytest.mark.parametrize(
    "content", [b"{}", b'{"status": "ok", "message": ""}', b'{"status": "silent"}', b'{"status": [], "message": ""}']
)
def test_what_is_no_failure_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        read_reply(content, "a", DETECTOR)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    record = analysis().to_bytes()
    for content in (noise, record[:at] + noise, record[:at] + noise + record[at + len(noise) :]):
        try:
            read_reply(content, "a", DETECTOR)
        except ValueError:
            continue


def test_the_record_of_ten_hours_is_small() -> None:
    assert len(analysis(450_000).to_bytes()) < 8_000_000


def test_nothing_of_it_names_the_file(tmp_path: Path) -> None:
    assert b"a.wav" not in analysis().to_bytes()
