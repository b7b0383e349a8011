"""Joined files, files behind other bytes, and headers that are wrong about the length: all that is there is heard."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from sounds import FORMATS, sine, write, write_m4a

from songscore.audio import open_audio
from songscore.errors import UnreadableAudio

RATE = 16_000
NATIVE = 48_000
SECONDS = 3
NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: X in <b>y.php</b> on line <b>3</b><br />\n"
ID3V2 = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)
ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
RANDOM = np.random.default_rng(0).bytes(20_000)
TAGS = b"LIST" + (17).to_bytes(4, "little") + b"INFOINAM\x05\0\0\0Title"


def written(path: Path, frequency: float, seconds: float = SECONDS, rate: int = NATIVE, codec: str = "aac") -> bytes:
    """A tone in noise; by PyAV where the name is none of soundfile's."""
    y = sine(frequency, seconds, rate, 0.3)
    y += np.random.default_rng(1).normal(0, 0.03, len(y)).astype(np.float32)
    if path.name in (*FORMATS, "a.voc"):
        return write(path, y, rate, **FORMATS.get(path.name, {})).read_bytes()
    pytest.importorskip("av")
    return write_m4a(path, y, rate, codec).read_bytes()


def heard(content: bytes):
    with open_audio(io.BytesIO(content), rate=RATE) as stream:
        blocks = list(stream.blocks())
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), stream


def pitch(y: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(y * np.hanning(len(y))))) * RATE / len(y))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.w64", "a.m4a", "a.tta", "a.aac", "a.ac3", "a.ts"])
@pytest.mark.parametrize("between", [b"", ID3V1 + ID3V2], ids=["nothing", "tags"])
@pytest.mark.parametrize("seconds", [SECONDS, 2 * SECONDS], ids=["as long", "longer"])
def test_joined_files_are_heard_one_after_the_other(tmp_path, name, between, seconds):
    if between and name in ("a.aac", "a.ac3", "a.ts"):
        pytest.skip("tags between frames are damage to FFmpeg")
    codec = {"a.ac3": "ac3", "a.tta": "tta"}.get(name, "aac")
    one = written(tmp_path / name, 500, codec=codec)
    y, stream = heard(one + between + written(tmp_path / name, 1000, seconds, codec=codec))
    assert stream.duration == pytest.approx(SECONDS + seconds, abs=0.15)
    assert stream.damage == ""
    assert pitch(y[RATE // 2 : 5 * RATE // 2]) == pytest.approx(500, abs=1)
    assert pitch(y[7 * RATE // 2 : 11 * RATE // 2]) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize(
    "kinds",
    [
        ("a.mp3", "a.wav"),
        ("a.wav", "a.mp3"),
        ("a.flac", "a.mp3"),
        ("a.flac", "a.opus"),
        ("a.ogg", "a.flac"),
        ("a.opus", "a.mp3"),
        ("a.au", "a.wav"),
        ("a.caf", "a.caf"),
        ("a.caf", "a.mp3"),
        ("a.m4a", "a.mp3"),
        ("a.mka", "a.wav"),
        ("a.avi", "a.mp3"),
        ("a.flv", "a.flv"),
        ("a.flv", "a.wav"),
        ("a.wav", "a.aac"),
        ("a.wav", "a.m2ts"),
        ("a.mp3", "a.voc"),
        ("a.mp3", "a.aac"),
        ("a.ogg", "a.mp3", "a.ogg"),
        ("a.flac", "a.mp3", "a.flac"),
        ("a.mp3", "a.wav", "a.mp3"),
    ],
    ids=" ".join,
)
def test_joined_files_may_be_of_different_kinds(tmp_path, kinds):
    tones = [500 * (n + 1) for n in range(len(kinds))]
    content = b"".join(
        written(tmp_path / name, tone, codec="mp2" if name == "a.avi" else "aac")
        for name, tone in zip(kinds, tones, strict=True)
    )
    y, stream = heard(content)
    assert stream.damage == ""
    assert stream.duration == pytest.approx(SECONDS * len(kinds), abs=0.15 * len(kinds))
    for n, tone in enumerate(tones):
        middle = round((n + 0.25) * SECONDS * RATE), round((n + 0.75) * SECONDS * RATE)
        assert pitch(y[slice(*middle)]) == pytest.approx(tone, abs=1)


def test_a_cut_file_behind_another_lacks_its_end_mark(tmp_path):
    cut = written(tmp_path / "a.ogg", 1000)
    _, stream = heard(written(tmp_path / "a.wav", 500) + cut[: len(cut) // 2])
    assert SECONDS < stream.duration < 2 * SECONDS
    assert "no end mark" in stream.damage


def test_channels_and_rates_may_change_together(tmp_path):
    stereo = write(tmp_path / "a.opus", np.tile(sine(1000, SECONDS, NATIVE)[:, None], 2), NATIVE, **FORMATS["a.opus"])
    content = written(tmp_path / "a.wav", 500, 3 * SECONDS, 44_100)
    y, stream = heard(content + stereo.read_bytes() + written(tmp_path / "a.opus", 1500))
    assert (stream.duration, stream.damage) == (pytest.approx(5 * SECONDS, abs=0.1), "")
    assert pitch(y[10 * RATE : 12 * RATE]) == pytest.approx(1000, abs=1)
    assert pitch(y[13 * RATE :]) == pytest.approx(1500, abs=1)


@pytest.mark.parametrize("name", ["a.mka", "a.caf", "a.avi"])
def test_a_container_that_is_shorter_than_it_says_was_cut(tmp_path, name):
    content = written(tmp_path / name, 500, codec="mp2" if name == "a.avi" else "aac")
    _, stream = heard(content[: len(content) // 2])
    assert 0.2 * SECONDS < stream.analysed < 0.8 * SECONDS
    assert "the file was cut short" in stream.damage


@pytest.mark.parametrize("n_bytes", [4, 5, 6])
def test_the_first_bytes_of_matroska_are_no_sound(n_bytes):
    pytest.importorskip("av")
    with pytest.raises(UnreadableAudio, match="damaged from the start"):
        open_audio(io.BytesIO(b"\x1aE\xdf\xa3\x9fB"[:n_bytes]))


@pytest.mark.parametrize("filler", [b"\0", b"x"])
def test_a_hole_in_matroska_is_told(tmp_path, filler):
    content = written(tmp_path / "a.mka", 500, 8)
    hole = slice(len(content) // 3, 2 * len(content) // 3)
    _, stream = heard(content[: hole.start] + filler * (hole.stop - hole.start) + content[hole.stop :])
    assert stream.duration == pytest.approx(8, abs=0.1)
    assert 1 < stream.analysed < 7
    assert re.match(r"stopped at \d\.\d s of 8\.\d s", stream.damage)


@pytest.mark.parametrize("behind", [b"\0", b"\n", NOTICE, RANDOM * 5], ids=["zero", "line", "notice", "random"])
def test_bytes_behind_flac_are_no_damage(tmp_path, behind):
    content = written(tmp_path / "a.flac", 500)
    y, stream = heard(content + behind)
    assert stream.damage == ""
    np.testing.assert_array_equal(y, heard(content)[0])


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.aac"])
@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xe0", b"\x89PNG", b"%PDF-1.4\n"], ids=["jpeg", "png", "pdf"])
def test_sound_is_found_behind_a_picture(tmp_path, name, head):
    content = written(tmp_path / name, 500)
    y, stream = heard(head + RANDOM + content)
    assert stream.damage == ""
    np.testing.assert_array_equal(y, heard(content)[0])


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_joined_files_are_found_by_seeking_too(tmp_path, name):
    joined = written(tmp_path / name, 500) + written(tmp_path / name, 1000, rate=24_000)
    with open_audio(io.BytesIO(joined), rate=RATE) as stream:
        assert stream.length == pytest.approx(2 * SECONDS)
        assert pitch(stream.passage(4.0, 1.0)) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("name", ["a.aac", "a.ac3"])
def test_the_rate_of_a_stream_may_change_where_files_were_joined(tmp_path, name):
    codec = name[2:]
    one = written(tmp_path / name, 500, rate=32_000, codec=codec)
    y, stream = heard(one + written(tmp_path / name, 1000, codec=codec))
    assert stream.duration == pytest.approx(2 * SECONDS, abs=0.2)
    assert pitch(y[7 * RATE // 2 : 11 * RATE // 2]) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("name", ["a.aac", "a.ac3", "a.eac3", "a.ts", "a.mka"])
@pytest.mark.parametrize("before", [NOTICE, NOTICE * 100, RANDOM], ids=["notice", "long notice", "random"])
def test_streams_of_ffmpeg_are_found_behind_other_bytes(tmp_path, name, before):
    content = written(tmp_path / name, 500, codec=name[2:] if "ac3" in name else "aac")
    y, stream = heard(before + content)
    np.testing.assert_allclose(y, heard(content)[0], atol=0.05)  # noise of AAC is another each time
    assert stream.damage == ""


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.m4a"])
@pytest.mark.parametrize("before", [RANDOM, ID3V2 + RANDOM], ids=["random", "tag that says too little"])
def test_files_are_found_behind_bytes_of_no_kind(tmp_path, name, before):
    content = written(tmp_path / name, 500)
    y, stream = heard(before + content)
    np.testing.assert_array_equal(y, heard(content)[0])
    assert stream.damage == ""


@pytest.mark.parametrize(
    ("n_samples", "damage"), [(0, ""), (NATIVE, ""), (10 * NATIVE, "of 10.0 s"), (2**36 - 1, "cut short")]
)
def test_a_wrong_number_of_samples_in_flac_ends_nothing(tmp_path, n_samples, damage):
    content = bytearray(written(tmp_path / "a.flac", 500))
    content[21] = content[21] & 0xF0 | n_samples >> 32
    content[22:26] = (n_samples & 0xFFFF_FFFF).to_bytes(4)
    y, stream = heard(bytes(content))
    assert len(y) == SECONDS * RATE
    assert damage in stream.damage
    assert bool(damage) == bool(stream.damage)


@pytest.mark.parametrize("size", ["right", "none", "largest"])
@pytest.mark.parametrize("at", [12, 36], ids=["before the format", "behind it"])
def test_a_chunk_of_odd_length_may_lack_its_padding(tmp_path, size, at):
    content = written(tmp_path / "a.wav", 500)
    data = content.index(b"data") + 4
    length = {"right": content[data : data + 4], "none": bytes(4), "largest": b"\xff" * 4}[size]
    changed = content[:at] + TAGS + content[at:data] + length + content[data + 4 :]
    y, stream = heard(changed)
    np.testing.assert_array_equal(y, heard(content)[0])
    assert stream.damage == ""


@pytest.mark.parametrize("name", ["a.wav", "a.caf"])
def test_a_size_that_is_too_small_ends_nothing(tmp_path, name):
    """As programs write it that count bytes in 32 bits."""
    content = bytearray(written(tmp_path / name, 500))
    size = content.index(b"data") + 4
    content[size : size + 8 if name == "a.caf" else size + 4] = (
        (10_000).to_bytes(8) if name == "a.caf" else (10_000).to_bytes(4, "little")
    )
    assert heard(bytes(content))[1].duration == pytest.approx(SECONDS, abs=0.001)


def test_a_stream_that_begins_on_the_way_is_no_error_of_the_program(tmp_path):
    """FLV announces its streams by their first packets; PyAV knows those from the beginning only."""
    content = written(tmp_path / "a.flv", 500, rate=44_100)
    picture = b"\x09\0\0\x05" + bytes(7) + b"\x12\0\0\0\0" + (16).to_bytes(4)
    _, stream = heard(content + picture * 4)
    assert stream.analysed == pytest.approx(SECONDS, abs=0.2)


def test_the_stream_that_is_the_default_is_heard(tmp_path):
    av = pytest.importorskip("av")
    from av.stream import Disposition

    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=NATIVE, layout="mono") for _ in range(2)]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream, frequency in zip(streams, (500, 1000), strict=True):
            resampler = av.AudioResampler(stream.format.name, "mono", NATIVE, 4096)
            frame = av.AudioFrame.from_ndarray(sine(frequency, SECONDS, NATIVE)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = NATIVE, 0
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    assert pitch(heard(path.read_bytes())[0]) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("kind", ["dsf", "dff"])
def test_a_file_of_one_bit_samples_that_was_cut_says_so(kind):
    pytest.importorskip("av")
    rate, bits = 2_822_400, bytes([0b10101010]) * 4096 * 2 * 260
    if kind == "dsf":
        fields = (1, 0, 2, 2, rate, 1)
        form = b"".join(value.to_bytes(4, "little") for value in fields) + (len(bits) * 4).to_bytes(8, "little")
        form += (4096).to_bytes(4, "little") + bytes(4)
        size = (28 + 52 + 12 + len(bits)).to_bytes(8, "little")
        head = b"DSD " + (28).to_bytes(8, "little") + size + bytes(8) + b"fmt " + (52).to_bytes(8, "little") + form
        content = head + b"data" + (12 + len(bits)).to_bytes(8, "little") + bits
    else:
        kinds = {b"FS  ": rate.to_bytes(4), b"CHNL": b"\0\2SLFTSRGT", b"CMPR": b"DSD \x0enot compressed\0"}
        form = b"SND " + b"".join(name + len(body).to_bytes(8) + body for name, body in kinds.items())
        content = b"DSD FVER" + (4).to_bytes(8) + b"\1\5\0\0PROP" + len(form).to_bytes(8) + form
        content += b"DSD " + len(bits).to_bytes(8) + bits
        content = b"FRM8" + len(content).to_bytes(8) + content
    assert heard(content)[1].damage == ""
    _, stream = heard(content[: len(content) // 2])
    assert stream.damage
    assert stream.analysed == pytest.approx(1.5, abs=0.1)
