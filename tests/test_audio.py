"""Sound files to blocks of samples."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import FORMATS, sine, write, write_m4a
from systems import linux, posix

from songscore.audio import is_audio_path, open_audio
from songscore.errors import AudioError, UnreadableAudio, UnsupportedAudio

RATE = 16_000
LEVEL_TOLERANCE_DB = 0.1
LENGTH_TOLERANCE = 0.15


def heard(source, **how):
    """All samples, and the stream after its end."""
    with open_audio(source, rate=RATE) as stream:
        blocks = list(stream.blocks(**how))
    return np.concatenate(blocks, axis=-1) if blocks else np.empty(0, np.float32), stream


def power(y):
    return float(np.mean(np.square(y, dtype=np.float64)))


@pytest.fixture
def two_tones():
    return np.stack([sine(440, 3, 44_100), sine(1000, 3, 44_100, 0.25)], axis=1)


@pytest.mark.parametrize("sr", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 384_000])
def test_a_sine_keeps_its_frequency_and_level_at_any_rate(sr):
    y, _ = heard((sine(1000, 4, sr), sr))
    middle = y[RATE : RATE + 2 * RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) / 2 == pytest.approx(1000, abs=0.5)
    assert 10 * np.log10(power(middle) / (0.5**2 / 2)) == pytest.approx(0, abs=LEVEL_TOLERANCE_DB)


@pytest.mark.parametrize("seconds", [0.1, 1, 7.3, 60])
def test_the_samples_do_not_depend_on_the_length_of_the_blocks(two_tones, seconds):
    expected, _ = heard((two_tones.T, 44_100))
    found, _ = heard((two_tones.T, 44_100), seconds=seconds)
    np.testing.assert_array_equal(found, expected)


def test_blocks_have_the_length_that_was_asked_for(two_tones):
    with open_audio((two_tones.T, 44_100), rate=RATE) as stream:
        lengths = [len(block) for block in stream.blocks(seconds=0.5)]
    assert lengths[:-1] == [RATE // 2] * (len(lengths) - 1)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_whole(tmp_path, two_tones, name):
    sr = 48_000 if name == "a.opus" else 44_100
    y, stream = heard(write(tmp_path / name, two_tones, sr, **FORMATS[name]))
    assert stream.duration == pytest.approx(len(two_tones) / sr, abs=LENGTH_TOLERANCE)
    assert len(y) / RATE == pytest.approx(stream.duration, abs=LENGTH_TOLERANCE)
    assert (stream.channels, stream.native_rate, stream.damage) == (2, sr, "")
    assert power(y) > 0.01


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_every_sample_format_has_the_same_full_scale(tmp_path, subtype):
    y, _ = heard(write(tmp_path / "a.wav", sine(440, 2, RATE), RATE, subtype=subtype))
    assert 10 * np.log10(power(y) / 0.125) == pytest.approx(0, abs=LEVEL_TOLERANCE_DB)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_arrays_of_any_number_type_have_the_same_full_scale(dtype):
    scale = 1 if dtype is np.float64 else np.iinfo(dtype).max
    y, _ = heard(((sine(440, 2, RATE).astype(np.float64) * scale).astype(dtype), RATE))
    assert 10 * np.log10(power(y) / 0.125) == pytest.approx(0, abs=LEVEL_TOLERANCE_DB)


@pytest.mark.parametrize("channels", range(1, 9))
def test_one_to_eight_equal_channels_are_one(tmp_path, channels):
    tone = sine(440, 2, 44_100)
    path = write(tmp_path / "a.wav", np.tile(tone[:, None], (1, channels)), 44_100)
    np.testing.assert_allclose(heard(path)[0], heard((tone, 44_100))[0], atol=1e-4)


def test_channel_order_and_polarity_do_not_change_the_power(two_tones):
    expected = power(heard((two_tones.T, 44_100))[0])
    for changed in (two_tones[:, ::-1], -two_tones):
        assert power(heard((changed.T, 44_100))[0]) == pytest.approx(expected, rel=1e-5)


def test_a_phase_inverted_pair_is_as_loud_as_one_of_it():
    tone = sine(440, 2, 44_100)
    y, _ = heard((np.stack([tone, -tone]), 44_100))
    assert power(y) == pytest.approx(power(heard((tone, 44_100))[0]), rel=0.01)


def test_mid_and_side_are_half_the_sum_and_half_the_difference(two_tones):
    (mid, side), _ = heard((two_tones.T, 44_100), layout="mid/side")
    left, right = (heard((channel, 44_100))[0] for channel in two_tones.T)
    np.testing.assert_allclose(mid, (left + right) / 2, atol=1e-5)
    np.testing.assert_allclose(side, (left - right) / 2, atol=1e-5)


def test_the_side_of_a_mono_source_is_silent():
    (_, side), _ = heard((sine(440, 1, 44_100), 44_100), layout="mid/side")
    assert not side.any()


def test_what_is_no_number_becomes_zero(tmp_path):
    y = sine(440, 2, RATE)
    y[1000], y[2000], y[3000] = np.nan, np.inf, -np.inf
    found, _ = heard(write(tmp_path / "a.wav", y, RATE, subtype="FLOAT"))
    assert found[[1000, 2000, 3000]].tolist() == [0, 0, 0]
    assert np.isfinite(found).all()


@pytest.mark.parametrize("level", [1e-5, 1e4])
def test_any_level_passes(tmp_path, level):
    y, _ = heard(write(tmp_path / "a.wav", sine(440, 2, RATE, level), RATE, subtype="FLOAT"))
    assert power(y) == pytest.approx(level**2 / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.txt", "a"])
def test_the_content_counts_and_not_the_name(tmp_path, two_tones, name):
    path = write(tmp_path / "a.flac", two_tones, 44_100).rename(tmp_path / name)
    assert heard(path)[1].format == "FLAC"


def test_file_objects_are_read_whether_they_seek_or_not(tmp_path, two_tones):
    path = write(tmp_path / "a.flac", two_tones, 44_100)
    expected, _ = heard(path)
    with path.open("rb") as file:
        np.testing.assert_array_equal(heard(file)[0], expected)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(path.read_bytes()[:60_000])
    with os.fdopen(reader, "rb") as pipe:
        assert heard(pipe)[1].format == "FLAC"
    np.testing.assert_array_equal(heard(io.BytesIO(path.read_bytes()))[0], expected)


@pytest.mark.parametrize(
    ("source", "error", "match"),
    [
        ((np.zeros((2, 2, 2)), RATE), ValueError, "not \\(2, 2, 2\\)"),
        ((np.zeros((1000, 2)), RATE), ValueError, "transpose the array"),
        ((np.zeros(10, complex), RATE), TypeError, "floating point or signed integers, not complex128"),
        ((np.zeros(10), 44_100.5), TypeError, "whole number of hertz"),
        ((np.zeros(10), 10), ValueError, "10 Hz"),
        (17, TypeError, "not int"),
    ],
)
def test_wrong_arguments_are_named(source, error, match):
    with pytest.raises(error, match=match):
        open_audio(source)


@pytest.fixture(scope="module")
def hiss(tmp_path_factory):
    """A function that gives the bytes of twenty seconds of noise in a format; each is encoded once."""
    y = np.random.default_rng(0).normal(0, 0.1, 48_000 * 20).astype(np.float32)
    folder = tmp_path_factory.mktemp("hiss")
    return functools.cache(lambda name: write(folder / name, y, 48_000, **FORMATS[name]).read_bytes())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.wav", "a.ogg", "a.opus"])
def test_the_first_part_of_a_cut_file_is_kept(hiss, name, share):
    content = hiss(name)
    found, stream = heard(io.BytesIO(content[: int(len(content) * share)]))
    assert stream.analysed == pytest.approx(20 * share, abs=2)
    assert np.sqrt(power(found[RATE // 2 : RATE])) == pytest.approx(0.1 * np.sqrt(RATE / 48_000), rel=0.2)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.wav", "a.aiff", "a.au", "a.w64"])
def test_a_cut_file_says_where_it_stopped(tmp_path, hiss, name):
    path, content = tmp_path / name, hiss(name)
    path.write_bytes(content[: len(content) // 2])
    stream = heard(path)[1]
    assert "of 20.0 s" in stream.damage
    assert stream.duration == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_a_cut_ogg_file_lacks_its_end_mark(hiss, name):
    content = hiss(name)
    assert "no end mark" in heard(io.BytesIO(content[: len(content) // 2]))[1].damage


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_a_header_written_before_the_sound_promises_nothing(tmp_path, size):
    path = write(tmp_path / "a.wav", sine(440, 5, RATE), RATE)
    header, sound = path.read_bytes().split(b"data", 1)
    path.write_bytes(header + b"data" + size.to_bytes(4, "little") + sound[4:])
    stream = heard(path)[1]
    assert (stream.duration, stream.damage) == (5, "")


def damaged(content, n_bytes=3000):
    half = len(content) // 2
    return io.BytesIO(content[:half] + np.random.default_rng(0).bytes(n_bytes) + content[half + n_bytes :])


def test_reading_goes_on_behind_a_damaged_place(hiss):
    found, stream = heard(damaged(hiss("a.flac")))
    assert "damaged at" in stream.damage
    assert stream.analysed == pytest.approx(18, abs=1.5)
    assert stream.duration == pytest.approx(20, abs=0.1)
    assert len(found) / RATE == pytest.approx(20, abs=0.1)
    assert power(found[-RATE:]) > 0.001


def test_what_comes_before_a_damaged_place_is_kept_where_the_decoder_gives_up(hiss):
    found, stream = heard(damaged(hiss("a.mp3")))
    assert stream.damage
    assert stream.analysed > 9
    assert power(found[:RATE]) > 0.001


@pytest.mark.processes
def test_nothing_reaches_the_standard_error_of_the_process(tmp_path):
    random = np.random.default_rng(0)
    path = write(tmp_path / "a.mp3", random.normal(0, 0.1, 44_100 * 20).astype(np.float32), 44_100)
    content = bytearray(path.read_bytes())
    for first in range(5000, len(content) - 500, 9000):
        content[first : first + 200] = random.bytes(200)
    path.write_bytes(content)
    program = (
        "import sys; from songscore.audio import open_audio\n"
        "for path in sys.argv[1:]:\n"
        "    with open_audio(path) as s: list(s.blocks())\n"
        "print('after', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stderr == "after\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"just text\n" * 100, "not a sound file"),
        ("Grüße\n".encode() * 200, "not a sound file"),
        (b"<!DOCTYPE html><html></html>", "not a sound file"),
        (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4, "not a sound file"),
        (b"PK\x03\x04" + bytes(1000), "not a sound file"),
        (np.random.default_rng(0).bytes(30_000), "not a sound file"),
    ],
    ids=["empty", "text", "umlauts", "html", "jpeg", "zip", "random"],
)
def test_what_is_no_sound_is_said_plainly(tmp_path, content, message):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio, match=message):
        open_audio(path)


@posix
def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path, message in [("missing.wav", "no such file"), (".", "a folder"), ("pipe.wav", "not a regular file")]:
        with pytest.raises(UnreadableAudio, match=message):
            open_audio(tmp_path / path)


@linux
@pytest.mark.parametrize(
    "name", [b"line\nbreak.wav", "🎻 «Grüße».wav".encode(), b"bad \xff\xfe.wav", b"a" * 251 + b".wav"]
)
def test_any_file_name_is_opened(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(write(tmp_path / "plain.wav", sine(440, 1, RATE), RATE).read_bytes())
    assert heard(path)[1].duration == 1


@pytest.mark.parametrize("n_samples", [0, 1, 200])
def test_hardly_any_samples_are_no_error(tmp_path, n_samples):
    found, stream = heard(write(tmp_path / "a.wav", np.ones(n_samples, np.float32), RATE))
    assert (len(found), stream.damage) == (n_samples, "")


def test_an_m4a_file_is_read_through_pyav(tmp_path):
    pytest.importorskip("av")
    found, stream = heard(write_m4a(tmp_path / "a.m4a", sine(440, 5, 44_100), 44_100))
    assert stream.format == "AAC"
    assert stream.duration == pytest.approx(5, abs=LENGTH_TOLERANCE)
    assert 10 * np.log10(power(found[RATE:-RATE]) / 0.125) == pytest.approx(0, abs=1)


def test_a_cut_m4a_file_is_unreadable(tmp_path):
    pytest.importorskip("av")
    path = write_m4a(tmp_path / "a.m4a", sine(440, 5, 44_100), 44_100)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(UnreadableAudio, match=r"a\.m4a: damaged from the start \(Invalid data"):
        open_audio(path)


def test_without_pyav_an_m4a_file_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "songscore.audio.ffmpeg", raising=False)
    with pytest.raises(UnsupportedAudio, match=r"pip install 'songscore\[aac\]'"):
        open_audio(path)


@settings(max_examples=200)
@given(content=st.binary(max_size=600), magic=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM"]))
def test_no_bytes_raise_anything_but_an_audio_error(content, magic):
    y, refused = np.empty(0), ""
    try:
        y, _ = heard(io.BytesIO(magic + content))
    except AudioError as error:
        refused = str(error)
    assert np.isfinite(y).all()
    assert not refused or refused.startswith("the file object: ")


@pytest.mark.parametrize(
    ("name", "is_audio"), [("a.FLAC", True), ("x/y.m4a", True), ("cover.jpg", False), ("mp3", False)]
)
def test_folders_are_searched_by_suffix(name, is_audio):
    assert is_audio_path(name) is is_audio
