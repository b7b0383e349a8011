"""MPEG audio: all of it is heard, whatever the file says about its length."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import sine

from songscore.audio import open_audio
from songscore.audio.frames import find_runs
from songscore.audio.span import read_at
from songscore.errors import UnreadableAudio

SECONDS, RATE = 12, 44_100
FRAME = 1152
NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: X in <b>y.php</b> on line <b>3</b><br />\n"
ID3V2 = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)
ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(12)
APE_TAG = b"\0" * 9 + b"Title\0x" + bytes(32) + APE


def noise(seconds: float = SECONDS, rate: int = RATE, channels: int = 2, level: float = 0.1) -> np.ndarray:
    """Loud enough in the second half that a variable rate rises there."""
    random = np.random.default_rng(1)
    common, own = random.normal(0, level, (round(seconds * rate), 1)), random.normal(0, level / 3, (1, channels))
    y = (common * (1 + own)).astype(np.float32)
    y[: len(y) // 2] = 0.02 * sine(440, seconds, rate)[: len(y) // 2, None]
    return y


def mp3(y: np.ndarray, rate: int = RATE, mode: str = "CONSTANT", level: float = 0.6) -> bytes:
    content = io.BytesIO()
    how = {"format": "MP3", "bitrate_mode": mode, "compression_level": level}
    with soundfile.SoundFile(content, "w", rate, y.shape[1] if y.ndim == 2 else 1, **how) as file:
        for first in range(0, len(y), 20_000):
            file.write(y[first : first + 20_000])
    return content.getvalue()


def frames(content: bytes) -> list[int]:
    """Where the frames of a good file begin, the one with the count included, and where the last ends."""
    runs, _ = find_runs(lambda start, n: content[start : start + n], 0, len(content))
    assert len(runs) == 1
    return [content.index(b"\xff\xfb"), *runs[0].offsets, runs[0].end]


def without_count(content: bytes) -> bytes:
    return content[frames(content)[1] :]


def with_count(content: bytes, n_frames: int) -> bytes:
    at = content.index(b"Info" if b"Info" in content[:300] else b"Xing") + 8
    return content[:at] + n_frames.to_bytes(4) + content[at + 4 :]


def heard(content: bytes, layout: str = "mono"):
    with open_audio(io.BytesIO(content), rate=RATE) as stream:
        blocks = list(stream.blocks(layout=layout))
    return np.concatenate(blocks, axis=-1), stream


def of_libsndfile(content: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]


@pytest.fixture(scope="module", params=["CONSTANT", "AVERAGE", "VARIABLE"])
def plain(request) -> bytes:
    return mp3(noise(), mode=request.param)


@pytest.fixture(scope="module")
def variable() -> bytes:
    return mp3(noise(), mode="VARIABLE")


@pytest.fixture(scope="module")
def five_seconds() -> bytes:
    return mp3(noise(5))


@pytest.fixture(scope="module")
def eight_seconds() -> bytes:
    """A tone of a kilohertz."""
    return mp3(np.tile(sine(1000, 8, RATE)[:, None], 2))


def test_a_plain_file_gives_the_samples_that_libsndfile_gives(plain):
    y, stream = heard(plain)
    np.testing.assert_allclose(y, of_libsndfile(plain).mean(axis=1), atol=1e-6)
    assert (stream.duration, stream.length, stream.damage) == (SECONDS, SECONDS, "")


@pytest.mark.parametrize("start", [0, 0.01, 0.5, 5.98, 6.1, 11.3])
def test_a_passage_is_the_same_as_in_the_whole(plain, start):
    expected = of_libsndfile(plain).mean(axis=1)[round(start * RATE) :][: RATE // 2]
    with open_audio(io.BytesIO(plain), rate=RATE) as stream:
        np.testing.assert_allclose(stream.passage(start, 0.5), expected, atol=1e-6)


def test_without_a_count_all_is_heard(plain):
    n_frames = len(frames(plain)) - 2
    y, stream = heard(without_count(plain))
    assert (len(y), stream.length, stream.damage) == (n_frames * FRAME, n_frames * FRAME / RATE, "")
    np.testing.assert_allclose(y[1105:][: SECONDS * RATE], of_libsndfile(plain).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_count_that_is_too_small_ends_nothing(variable, share):
    n_frames = len(frames(variable)) - 2
    y, stream = heard(with_count(variable, round(share * n_frames)))
    assert len(y) == pytest.approx(n_frames * FRAME, abs=2 * FRAME)
    assert stream.damage == ""


def test_a_count_that_is_too_large_promises_nothing_where_the_bytes_are_all_there(variable):
    _, stream = heard(with_count(variable, 100_000))
    assert (round(stream.duration), stream.damage) == (SECONDS, "")


def test_a_count_of_years_allocates_and_promises_nothing(variable):
    content = with_count(variable, 2**32 - 1)
    at = content.index(b"Xing") + 12
    _, stream = heard(content[:at] + b"\xff" * 4 + content[at + 4 :])
    assert (round(stream.duration), stream.damage) == (SECONDS, "")


def test_a_cut_file_with_a_count_says_where_it_stopped(variable):
    _, stream = heard(variable[: len(variable) * 3 // 4])
    assert f"of {SECONDS}.0 s" in stream.damage
    assert stream.duration == pytest.approx(SECONDS, abs=0.05)
    assert stream.analysed < SECONDS - 1


def test_a_file_cut_at_any_byte_gives_its_whole_frames(variable):
    content = without_count(variable)
    ends = np.array(frames(variable)[1:]) - frames(variable)[1]
    for cut in (1000, 2000, *range(5000, 5600, 37)):
        y, _ = heard(content[:cut])
        assert len(y) == (np.searchsorted(ends, cut, side="right") - 1) * FRAME


@pytest.mark.parametrize(
    "before",
    [NOTICE, NOTICE * 300, NOTICE + ID3V2, ID3V2 * 3, ID3V2 + bytes(3000), bytes(100_000), b"\xff" * 5000,
     np.random.default_rng(0).bytes(20_000), b"ICY 200 OK\r\nicy-br:128\r\n\r\n"],
    ids=["notice", "long notice", "notice and tag", "tags", "padding", "zeros", "ones", "random", "headers"],
)  # fmt: skip
@pytest.mark.parametrize("counted", [True, False])
def test_what_stands_before_the_sound_changes_nothing(variable, before, counted):
    content = variable if counted else without_count(variable)
    y, stream = heard(before + content)
    np.testing.assert_array_equal(y, heard(content)[0])
    assert stream.damage == ""


@pytest.mark.parametrize(
    "behind",
    [ID3V1, APE_TAG, APE_TAG + ID3V1, b"LYRICSBEGININD0000210000021LYRICS200" + ID3V1, NOTICE, ID3V2, bytes(5000),
     np.random.default_rng(0).bytes(20_000), b"\xff\xfb"],
    ids=["ID3v1", "APE", "APE and ID3v1", "lyrics", "notice", "ID3v2", "padding", "random", "half a header"],
)  # fmt: skip
@pytest.mark.parametrize("counted", [True, False])
def test_what_stands_behind_the_sound_changes_nothing(variable, behind, counted):
    content = variable if counted else without_count(variable)
    y, stream = heard(content + behind)
    np.testing.assert_array_equal(y, heard(content)[0])
    assert stream.damage == ""


@pytest.mark.parametrize("between", [b"", ID3V1, ID3V2, ID3V1 + ID3V2, APE_TAG + ID3V1, NOTICE], ids=len)
@pytest.mark.parametrize("counted", [True, False])
def test_joined_files_are_heard_one_after_the_other(variable, five_seconds, between, counted):
    one, other = variable, five_seconds
    if not counted:
        one, other = without_count(one), without_count(other)
    y, stream = heard(one + between + other)
    expected = [heard(one)[0], heard(other)[0]]
    assert (len(y), stream.damage) == (sum(map(len, expected)), "")
    settled = slice(len(expected[0]) + 2 * FRAME, None)
    np.testing.assert_allclose(y[settled], expected[1][2 * FRAME :], atol=1e-5)
    np.testing.assert_allclose(y[: len(expected[0])], expected[0], atol=1e-6)


def test_the_same_file_twice_is_twice_as_long(plain):
    assert heard(plain * 2)[1].duration == 2 * SECONDS


def test_a_cut_file_before_another_is_no_damage(variable):
    one = variable[: len(variable) // 2 + 100]
    y, stream = heard(one + variable)
    assert stream.damage == ""
    assert len(y) > SECONDS * RATE + 100 * FRAME


@pytest.mark.parametrize("first", [(22_050, 1), (44_100, 1), (48_000, 2), (11_025, 2), (8_000, 1), (32_000, 2)])
@pytest.mark.parametrize("counted", [True, False])
def test_the_rate_and_the_channels_may_change(eight_seconds, first, counted):
    rate, channels = first
    pieces = [mp3(np.tile(sine(500, 4, rate)[:, None], channels), rate), eight_seconds]
    if not counted:
        pieces = [without_count_of_any_kind(piece) for piece in pieces]
    y, stream = heard(b"".join(pieces))
    assert stream.native_rate == RATE
    assert stream.duration == pytest.approx(12, abs=0.4)
    assert stream.length == pytest.approx(stream.duration, abs=0.001)
    assert peak_frequency(y[RATE : 3 * RATE]) == pytest.approx(500, abs=1)
    assert peak_frequency(y[6 * RATE : 11 * RATE]) == pytest.approx(1000, abs=1)
    assert heard(b"".join(pieces), layout="mid/side")[0].shape[1] == len(y)
    with open_audio(io.BytesIO(b"".join(pieces)), rate=RATE) as opened:
        passage = opened.passage(3.0, 4.0)
    assert len(passage) == 4 * RATE
    np.testing.assert_allclose(passage[2 * RATE :], y[5 * RATE : 7 * RATE], atol=1e-4)
    assert peak_frequency(passage[: RATE // 2]) == pytest.approx(500, abs=3)


def without_count_of_any_kind(content: bytes) -> bytes:
    runs, _ = find_runs(lambda start, n: content[start : start + n], 0, len(content))
    return content[runs[0].offsets[0] :]


def peak_frequency(y: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    return float(np.argmax(spectrum) * RATE / len(y))


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_every_rate_of_mpeg_1_2_and_2_5(rate, channels, mode):
    content = mp3(noise(3, rate, channels), rate, mode)
    expected = of_libsndfile(content)
    with open_audio(io.BytesIO(content), rate=rate) as stream:
        y = np.concatenate(list(stream.blocks()))
        middle = stream.passage(1, 1)
    np.testing.assert_allclose(y, expected.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(middle, expected.mean(axis=1)[rate : 2 * rate], atol=1e-5)
    assert stream.damage == ""


def free(content: bytes) -> bytes:
    """A file of constant rate without the rate: the free format."""
    changed = bytearray(without_count(content))
    starts = np.array(frames(content)[1:-1]) - frames(content)[1]
    for start in starts:
        changed[start + 2] &= 0x0F
    return bytes(changed)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9])
def test_the_free_format_is_heard_whole(level):
    content = mp3(noise(), level=level)
    np.testing.assert_allclose(heard(free(content))[0], heard(without_count(content))[0], atol=1e-6)


def test_damage_is_found_told_and_stepped_over(variable):
    starts = frames(variable)
    first, last = starts[100], starts[160]
    content = bytearray(variable)
    content[first + 10 : last - 10] = np.random.default_rng(0).bytes(last - first - 20)
    whole, _ = heard(variable)
    y, stream = heard(bytes(content))
    assert "damaged at 2.6 s" in stream.damage
    assert stream.duration == pytest.approx(SECONDS, abs=0.001)
    assert stream.analysed == pytest.approx(SECONDS - 59 * FRAME / RATE, abs=0.03)
    np.testing.assert_allclose(y[-4 * RATE :], whole[-4 * RATE :], atol=1e-5)


def test_a_hole_at_the_end_of_a_download_is_told(variable):
    content = without_count(variable)
    half = len(content) // 2
    assert "cut short" in heard(content[:half] + bytes(half))[1].damage


def test_a_bit_that_flips_in_a_header_costs_a_frame(variable):
    content = bytearray(without_count(variable))
    starts = np.array(frames(variable)[1:]) - frames(variable)[1]
    for i in (50, 150, 250):
        content[starts[i]] ^= 0x10
    y, stream = heard(bytes(content))
    assert stream.damage == ""
    assert len(y) == pytest.approx(len(heard(without_count(variable))[0]), abs=4 * FRAME)


@pytest.mark.parametrize(("rate", "layout"), [(44_100, "stereo"), (48_000, "mono"), (16_000, "stereo")])
def test_layer_2_is_heard_whole(tmp_path: Path, rate, layout):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp2"
    n_channels = 2 if layout == "stereo" else 1
    tone = (sine(440, 10, rate) * 32767).astype(np.int16)
    with av.open(str(path), "w", format="mp2") as container:
        stream = container.add_stream("mp2", rate=rate)
        stream.layout = layout
        for first in range(0, len(tone) - FRAME, FRAME):
            block = np.repeat(tone[first : first + FRAME], n_channels)[None]
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_audio(path, rate=rate) as stream:
        y, length = np.concatenate(list(stream.blocks())), stream.length
    assert len(y) / rate == length == pytest.approx(10, abs=0.1)
    assert np.std(y[rate:-rate]) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def layer_1(n_frames: int) -> bytes:
    """128 kbit/s at 48 kHz in mono: the lowest of 32 bands has a scale factor and twelve samples of 8 bits."""
    header, first_band, scale = "1" * 16 + "0100010011000000", "0111" + "0" * 124, "001010"
    random = np.random.default_rng(0).integers(0, 255, (n_frames, 12))
    frames = (header + first_band + scale + "".join(f"{sample:08b}" for sample in samples) for samples in random)
    return b"".join(int(frame.ljust(1024, "0"), 2).to_bytes(128) for frame in frames)


@pytest.mark.parametrize("before", [b"", ID3V2, NOTICE], ids=["nothing", "tag", "notice"])
def test_layer_1_is_heard_whole(before):
    with open_audio(io.BytesIO(before + layer_1(500)), rate=48_000) as stream:
        y = np.concatenate(list(stream.blocks()))
    assert (len(y), stream.length, stream.damage) == (500 * 384, 4.0, "")
    assert np.std(y) == pytest.approx(0.115, abs=0.01)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 100, 417])
def test_less_than_a_frame_is_no_sound(variable, size):
    with pytest.raises(UnreadableAudio, match="an empty file" if size == 0 else "not a sound file"):
        heard(without_count(variable)[:size])


def test_reading_is_never_from_outside_the_stretch():
    file = io.BytesIO(b"0123456789")
    assert read_at(file, 8, 10) == b"89"
