"""Any source is the same source, and nothing around the sound hides it."""

from __future__ import annotations

import builtins
import functools
import gzip
import io
import sys
import zipfile

import numpy as np
import pytest
import soundfile
from sounds import FORMATS, sine, write, write_m4a, write_surround

from songscore import classify_track
from songscore.audio import audio_suffixes, is_audio_path, open_audio
from songscore.audio import source as source_module
from songscore.errors import UnreadableAudio

RATE = 16_000
NATIVE = 48_000
NOTICE = b"<br />\n<b>Notice</b>:  Undefined index: X in <b>y.php</b> on line <b>3</b><br />\n"
ID3V2 = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)
ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
ID3V2_AT_END = b"ID3\x04\0\x10\0\0\x02\0" + bytes(256) + b"3DI\x04\0\x10\0\0\x02\0"
HTTP = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/octet-stream\r\n\r\n"
LYRICS = b"LYRICSBEGININD0000200000021LYRICS200"
APE_TAG = bytes(32) + b"APETAGEX" + (2000).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(16)


class Stream(io.RawIOBase):
    """What comes through a socket or a pipe: a few bytes at a time, and no way back."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._content.readinto(memoryview(buffer)[:1000])


class Lost(io.BytesIO):
    """A file on a disk that goes away."""

    def read(self, n=-1):
        if self.tell() > 200_000:
            raise OSError(5, "Input/output error")
        return super().read(n)


def heard(source):
    with open_audio(source, rate=RATE) as stream:
        blocks = list(stream.blocks())
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32), stream


def passage(source):
    with open_audio(source, rate=RATE) as stream:
        return stream.passage(2.0, 1.0) if stream.length else None


def peak_frequency(y: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(y * np.hanning(len(y))))) * RATE / len(y))


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.05, (5 * NATIVE, 2))
    return (noise + sine(440, 5, NATIVE)[:, None]).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory, sound):
    """A function that gives the bytes of the sound in a format; each is encoded once."""
    folder = tmp_path_factory.mktemp("files")

    @functools.cache
    def content(name: str) -> bytes:
        if name == "a.m4a":
            pytest.importorskip("av")
            return write_m4a(folder / name, sound[:, 0], NATIVE).read_bytes()
        return write(folder / name, sound, NATIVE, **FORMATS[name]).read_bytes()

    return content


@pytest.mark.parametrize("name", [*FORMATS, "a.m4a"])
def test_any_source_gives_the_same_samples(tmp_path, files, name):
    path, content = tmp_path / name, files(name)
    path.write_bytes(content)
    expected, stream = heard(path)
    assert len(expected) == pytest.approx(5 * RATE, abs=0.1 * RATE)
    with path.open("rb") as file, path.open("rb", buffering=0) as unbuffered:
        file.seek(1000)
        for source in (
            str(path),
            file,
            unbuffered,
            io.BytesIO(content),
            Stream(content),
            io.BufferedReader(Stream(content)),
        ):
            found, other = heard(source)
            np.testing.assert_array_equal(found, expected)
            assert (other.duration, other.length, other.damage) == (stream.duration, stream.length, stream.damage)
        np.testing.assert_equal(passage(io.BytesIO(content)), passage(path))
        assert not file.closed


@pytest.mark.parametrize(("codec", "is_exact"), [("aac", False), ("alac", True)])
def test_mp4_is_read_by_seeking_to_the_sample(tmp_path, sound, codec, is_exact):
    pytest.importorskip("av")
    path = write_m4a(tmp_path / "a.m4a", np.tile(sound[:, 0], 4), NATIVE, codec)
    with open_audio(path, rate=NATIVE) as stream:
        assert stream.length == pytest.approx(20, abs=0.2)
        whole = np.concatenate(list(stream.blocks()))
        for start in (0.0, 0.05, 3.3, 12.345, 17.0):
            first = round(start * NATIVE)
            found, there = stream.passage(start, 2.0), whole[first : first + 2 * NATIVE]
            # AAC replaces noise by noise that no two decodings share
            np.testing.assert_allclose(found, there, atol=0 if is_exact else 0.2)
            match = (
                np.correlate(found[100:-100], there[100:-100], "valid"),
                *(np.correlate(found[100 + lag : lag - 100], there[100:-100], "valid") for lag in (-1, 1, 7)),
            )
            assert np.argmax(match) == 0


@pytest.mark.parametrize("name", ["a.mka", "a.aac"])
def test_what_does_not_lead_to_the_sample_is_read_from_start_to_end(tmp_path, sound, name):
    pytest.importorskip("av")
    with open_audio(write_m4a(tmp_path / name, sound[:, 0], NATIVE)) as stream:
        assert stream.length is None
        assert len(np.concatenate(list(stream.blocks()))) == pytest.approx(5 * RATE, abs=0.1 * RATE)


def test_packets_that_are_not_where_they_are_said_to_be_are_read_from_start_to_end(tmp_path, sound):
    """The table of durations says that each packet but the last is a half longer than it is."""
    pytest.importorskip("av")
    content = bytearray(write_m4a(tmp_path / "a.m4a", np.tile(sound[:, 0], 4), NATIVE, "alac").read_bytes())
    at = content.index(b"stts") + 16
    length = int.from_bytes(content[at : at + 4])
    content[at : at + 4] = (length * 3 // 2).to_bytes(4)
    with open_audio(io.BytesIO(bytes(content)), rate=NATIVE) as stream:
        assert stream.length is None


def test_a_remote_file_is_a_file(files):
    fsspec = pytest.importorskip("fsspec")
    content = files("a.flac")
    with fsspec.open("memory://a.flac", "wb") as file:
        file.write(content)
    with fsspec.open("memory://a.flac", "rb") as file:
        np.testing.assert_array_equal(heard(file)[0], heard(io.BytesIO(content))[0])


class Odd(io.BytesIO):
    """As some packages make them: `seek` gives nothing, and `read` fewer bytes than were asked for, as an array."""

    def seek(self, *how):
        super().seek(*how)

    def read(self, n_bytes=-1):
        return bytearray(super().read(min(n_bytes, 5000)))


class OnlyForward:
    """`seek` knows no other place than one from the start."""

    def __init__(self, content):
        self._file = io.BytesIO(content)
        self.read = self._file.read

    def seek(self, position):
        raise NotImplementedError


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.opus"])
@pytest.mark.parametrize("kind", [Odd, OnlyForward])
def test_file_objects_of_other_packages_are_read(files, name, kind):
    np.testing.assert_array_equal(heard(kind(files(name)))[0], heard(io.BytesIO(files(name)))[0])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_damaged_member_of_an_archive_is_an_answer(files, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, files(name))
    packed = bytearray((tmp_path / "a.zip").read_bytes())
    packed[len(packed) // 2] ^= 1
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(name) as file:
        answer = classify_track(file)
    assert answer.status in ("partial", "unreadable")
    assert "BadZipFile: Bad CRC-32" in answer.message


def test_a_stream_that_breaks_is_an_answer(files):
    broken = gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(files("a.wav"))[:-20_000]))
    broken.seekable = lambda: False
    answer = classify_track(broken)
    assert (answer.status, answer.label) == ("unreadable", None)
    assert "EOFError" in answer.message


def test_a_stream_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(source_module, "_LONGEST_COPY", 100_000)
    with pytest.raises(UnreadableAudio, match="does not seek and gives more than"):
        open_audio(Stream(bytes(200_000)))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_file_that_cannot_be_read_on_is_damaged(tmp_path, sound, name, capfd):
    _, stream = heard(Lost(write(tmp_path / name, np.tile(sound, (4, 1)), NATIVE).read_bytes()))
    assert "Input/output error" in stream.damage
    assert 0 < stream.analysed < 20
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [*(name for name in FORMATS if name != "a.mp3"), "a.m4a"])
@pytest.mark.parametrize(
    "before",
    [ID3V2, ID3V2 * 2, NOTICE, NOTICE + ID3V2, HTTP],
    ids=["tag", "tags", "notice", "notice and tag", "headers"],
)
def test_what_stands_before_the_sound_changes_nothing(files, name, before):
    found, stream = heard(io.BytesIO(before + files(name)))
    np.testing.assert_array_equal(found, heard(io.BytesIO(files(name)))[0])
    assert stream.damage == ""


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.opus", "a.wav"])
@pytest.mark.parametrize(
    "behind",
    [ID3V1, APE_TAG, APE_TAG + ID3V1, APE_TAG + LYRICS + ID3V1, ID3V2_AT_END],
    ids=["ID3v1", "APE", "both", "lyrics", "ID3v2"],
)
def test_tags_behind_the_sound_are_no_damage(files, name, behind):
    found, stream = heard(io.BytesIO(files(name) + behind))
    np.testing.assert_array_equal(found, heard(io.BytesIO(files(name)))[0])
    assert stream.damage == ""


@pytest.mark.parametrize(
    ("name", "mark", "width", "order"),
    [("a.wav", b"data", 4, "little"), ("a.caf", b"data", 8, "big"), ("a.au", b".snd\0\0\0\x18", 4, "big")],
)
@pytest.mark.parametrize("size", ["none", "largest"])
def test_a_size_that_was_never_written_means_to_the_end(files, name, mark, width, order, size):
    content = bytearray(files(name))
    at = content.index(mark) + len(mark)
    content[at : at + width] = bytes(width) if size == "none" else b"\xff" * width
    found, stream = heard(io.BytesIO(bytes(content)))
    expected = heard(io.BytesIO(files(name)))[0]
    np.testing.assert_array_equal(found[: len(expected)], expected)
    assert (round(stream.duration, 3), stream.damage) == (5, "")


def test_no_sound_before_another_chunk_is_no_sound():
    header = io.BytesIO()
    soundfile.write(header, np.zeros((0, 1)), RATE, format="WAV")
    content = header.getvalue()
    assert content.endswith(b"data\0\0\0\0")
    assert len(heard(io.BytesIO(content + b"LIST\x04\0\0\0INFO"))[0]) == 0


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("other_rate", [NATIVE, 24_000])
def test_every_link_of_a_chain_is_heard(tmp_path, subtype, other_rate):
    how = {"format": "OGG", "subtype": subtype}
    one = write(tmp_path / "1.ogg", sine(500, 4, other_rate), other_rate, **how).read_bytes()
    other = write(tmp_path / "2.ogg", np.tile(sine(1000, 8, NATIVE)[:, None], 2), NATIVE, **how).read_bytes()
    y, stream = heard(io.BytesIO(one + other))
    assert stream.duration == pytest.approx(12, abs=0.01)
    assert (stream.length, stream.damage, stream.native_rate) == (stream.duration, "", NATIVE)
    assert peak_frequency(y[RATE : 3 * RATE]) == pytest.approx(500, abs=1)
    assert peak_frequency(y[6 * RATE : 11 * RATE]) == pytest.approx(1000, abs=1)
    with open_audio(io.BytesIO(one + other), rate=RATE) as opened:
        crossing = opened.passage(3.0, 4.0)
    assert peak_frequency(crossing[: RATE // 2]) == pytest.approx(500, abs=3)
    assert peak_frequency(crossing[2 * RATE :]) == pytest.approx(1000, abs=3)
    assert heard(io.BytesIO(one * 3))[1].duration == pytest.approx(12, abs=0.01)


def test_a_chain_whose_last_link_was_cut_lacks_its_end_mark(tmp_path):
    one = write(tmp_path / "a.ogg", sine(500, 8, NATIVE), NATIVE, format="OGG", subtype="VORBIS").read_bytes()
    _, stream = heard(io.BytesIO(one + one[: len(one) // 2]))
    assert "no end mark" in stream.damage
    assert stream.analysed > 10


def test_a_link_that_cannot_be_decoded_is_damage(tmp_path):
    one = write(tmp_path / "a.ogg", sine(500, 8, NATIVE), NATIVE, format="OGG", subtype="VORBIS").read_bytes()
    strange = one.replace(b"\x01vorbis", b"\x01strang", 1)
    _, stream = heard(io.BytesIO(one + strange + one))
    assert stream.damage
    assert stream.analysed == pytest.approx(16, abs=0.1)


def test_too_little_memory_for_pyav_is_not_that_it_is_missing(tmp_path, monkeypatch):
    real = builtins.__import__

    def fail(name, *how):
        if name == "songscore.audio.ffmpeg":
            raise ImportError("libavcodec.so: failed to map segment from shared object")
        return real(name, *how)

    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    monkeypatch.delitem(sys.modules, "songscore.audio.ffmpeg", raising=False)
    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(UnreadableAudio, match=r"could not be loaded \(libavcodec.so: failed to map"):
        open_audio(path)


def test_suffixes_are_those_that_the_libraries_tell():
    assert {
        ".wav",
        ".flac",
        ".mp3",
        ".mp2",
        ".opus",
        ".oga",
        ".aiff",
        ".caf",
        ".voc",
        ".m4a",
        ".wma",
    } <= audio_suffixes()
    assert not {".mat", ".raw", ".txt", ".jpg", ".png", ".gif", ".srt", ".sub", ".heic", ".nfo", "."} & audio_suffixes()
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in audio_suffixes())


@pytest.mark.parametrize(
    "suffix",
    [
        "adts",
        "dff",
        "dsf",
        "dts",
        "eac3",
        "m2ts",
        "m4v",
        "mkv",
        "mpc",
        "mpg",
        "mpga",
        "mts",
        "oma",
        "shn",
        "spx",
        "tak",
        "tta",
        "vob",
    ],
)
def test_suffixes_of_ffmpeg_are_known_with_it(suffix):
    pytest.importorskip("av")
    assert is_audio_path(f"a.{suffix.upper()}")


def white(seed: int, seconds: float = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * NATIVE)).astype(np.float32)


@functools.cache
def voice() -> np.ndarray:
    """Partials that stand out of noise."""
    return sum((sine(220 * k, 6, NATIVE, 0.3 / k) for k in range(1, 12)), np.zeros(6 * NATIVE, np.float32))


def level_at(y: np.ndarray, frequency: float) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) / len(y)
    return float(spectrum[round(frequency * len(y) / RATE)])


def test_a_voice_in_antiphase_is_as_loud_as_one_in_phase():
    music = white(1)
    inside, _ = heard((np.stack([music + voice(), music + voice()]), NATIVE))
    against, _ = heard((np.stack([music + voice(), music - voice()]), NATIVE))
    for frequency in (220, 440, 660, 1320):
        assert level_at(against, frequency) == pytest.approx(level_at(inside, frequency), rel=0.2)


@pytest.mark.parametrize("kind", ["in phase", "panned", "wide"])
def test_music_without_antiphase_is_the_mean_of_its_channels(kind):
    left, right = {
        "in phase": (white(1) + voice(), white(1) + voice()),
        "panned": (white(1) + voice(), white(1) * 0.2),
        "wide": (white(1), white(2)),
    }[kind]
    y, _ = heard((np.stack([left, right]), NATIVE))
    mean, _ = heard((((left + right) / 2), NATIVE))
    np.testing.assert_allclose(y, mean, atol=1e-6)


def test_a_voice_in_the_centre_counts_as_in_the_two_front_channels():
    silence = np.zeros(6 * NATIVE, np.float32)
    left, right = white(1), white(2)
    surround, _ = heard((np.stack([left, right, voice(), silence, silence, silence]), NATIVE))
    phantom = voice() / np.sqrt(2)
    stereo, _ = heard((np.stack([left + phantom, right + phantom]), NATIVE))
    ratio = level_at(surround, 440) / level_at(stereo, 440)
    assert np.std(surround) == pytest.approx(ratio * np.std(stereo), rel=0.02)


ORDERS = {
    "wav": {3: "L R C", 5: "L R C l r", 6: "L R C LFE l r", 8: "L R C LFE l r sl sr"},
    "vorbis": {3: "L C R", 5: "L C R l r", 6: "L C R l r LFE", 8: "L C R sl sr l r LFE"},
}
"""WAVEFORMATEXTENSIBLE and FLAC (RFC 9639, 9.1.3); Vorbis I, 4.3.9 and Opus (RFC 7845, 5.1.1.2)."""


@pytest.mark.parametrize("n_channels", [3, 5, 6, 8])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus"])
def test_a_voice_in_the_centre_alone_is_as_loud_in_every_format(tmp_path, name, n_channels):
    order = ORDERS["vorbis" if name in ("a.ogg", "a.opus") else "wav"][n_channels].split()
    assert len(order) == n_channels
    shares = {}
    for place in ("C", "L", "R"):
        sound = np.zeros((NATIVE, n_channels), np.float32)
        sound[:, order.index(place)] = 0.3 * voice()[: len(sound)]
        shares[place] = level_at(heard(write(tmp_path / name, sound, NATIVE, **FORMATS[name]))[0], 440)
    assert shares["C"] == pytest.approx(np.sqrt(2) * shares["L"], rel=0.05)
    assert shares["L"] == pytest.approx(shares["R"], rel=0.05)


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.opus", "libopus"), ("a.wav", "pcm_s16le")])
def test_the_centre_is_where_ffmpeg_puts_it(tmp_path, name, codec):
    pytest.importorskip("av")
    quiet = 0.3 * voice()
    mono = heard((quiet, NATIVE))[0]
    found = heard(write_surround(tmp_path / name, quiet, NATIVE, codec))[0]
    ratio = np.sqrt(2) / (2 + np.sqrt(2) + 2 * np.sqrt(0.5))
    assert level_at(found[: 5 * RATE], 440) == pytest.approx(ratio * level_at(mono[: 5 * RATE], 440), rel=0.05)


def test_mid_and_side_of_ogg_are_those_of_its_front_channels(tmp_path):
    sound = np.zeros((4 * NATIVE, 6), np.float32)
    sound[:, 2] = sine(440, 4, NATIVE)
    with open_audio(write(tmp_path / "a.ogg", sound, NATIVE, **FORMATS["a.ogg"]), rate=RATE) as stream:
        mid, side = np.concatenate(list(stream.blocks(layout="mid/side")), axis=1)
    assert level_at(mid, 440) == pytest.approx(level_at(side, 440), rel=1e-3)
    assert level_at(mid, 440) > 0.01


def test_the_difference_fades_and_does_not_click():
    quiet, loud = np.zeros(4 * NATIVE, np.float32), sine(300, 4, NATIVE, 0.3)
    tone = sine(500, 12, NATIVE, 0.05)
    against = np.concatenate([quiet, loud, quiet])
    y, _ = heard((np.stack([tone + against, tone - against]), NATIVE))
    edges = np.abs(np.diff(y[: 4 * RATE - RATE // 10]))
    assert edges.max() < 2 * np.pi * 500 / RATE * 0.05 * 1.2
