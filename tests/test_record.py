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
from songscore.features.track_vector import SPECTRAL, Activity
from songscore.model import load_model


def analysis(n: int = 3, damage: str = "") -> Analysis:
    random = np.random.default_rng(n)
    probability = random.random((n, 3)).astype(np.float32)
    activity = Activity(np.arange(n, dtype=np.int64) * 2, probability, random.normal(size=len(SPECTRAL)), 0.7)
    return Analysis("a.wav", 12.3, 4.5, damage, activity)


def test_a_record_comes_back_exactly() -> None:
    real = analyse((sine(440, 5, 16_000), 16_000), load_model())
    for record in (analysis(), analysis(0), analysis(2, "damaged at 1.0 s: \udcff \n"), real):
        back = read_reply(record.to_bytes(), "b.wav")
        assert isinstance(back, Analysis)
        assert back.to_bytes() == record.to_bytes()
        assert (back.path, back.damage) == ("b.wav", record.damage)
        np.testing.assert_array_equal(back.activity.probability, record.activity.probability)
        np.testing.assert_array_equal(back.activity.step, record.activity.step)
        assert back.activity.features == record.activity.features if len(record.activity.step) else True


def test_a_failure_comes_back() -> None:
    failure = Failure("unreadable", "a\nb \udcff: no such file")
    assert read_reply(failure.to_bytes(), "a") == failure


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
        forged(steps=2**62),
        forged(steps=-1),
        forged(steps="3"),
        forged(steps=3.0),
        forged(crc32=0),
        forged(duration="long"),
        forged(duration=1e999),
        forged(duration=-1),
        forged(duration=None),
        forged(peak=[]),
        forged(duration=10**400),
        forged(replaced(0, np.int32(9).tobytes())),
        forged(replaced(0, np.int32(-2).tobytes())),
        forged(replaced(12, np.float32(1.5).tobytes())),
        forged(replaced(12, np.float32("nan").tobytes())),
        forged(replaced(48, np.float64("inf").tobytes())),
    ],
    ids=range(23),
)
def test_what_is_no_record_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Analysis.from_bytes(content, None)


@pytest.mark.parametrize(
    "content", [b"{}", b'{"status": "ok", "message": ""}', b'{"status": "silent"}', b'{"status": [], "message": ""}']
)
def test_what_is_no_failure_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        read_reply(content, "a")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    record = analysis().to_bytes()
    for content in (noise, record[:at] + noise, record[:at] + noise + record[at + len(noise) :]):
        try:
            read_reply(content, "a")
        except ValueError:
            continue


def test_the_record_of_ten_hours_is_small() -> None:
    assert len(analysis(450_000).to_bytes()) < 8_000_000


def test_nothing_of_it_names_the_file(tmp_path: Path) -> None:
    assert b"a.wav" not in analysis().to_bytes()
