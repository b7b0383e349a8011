"""Long MP4 files: samples and lengths are those of the whole in FFmpeg, and memory does not grow with the length."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from sounds import sine, write_m4a
from systems import linux

import songscore.audio.mp4
from songscore.audio.source import open_audio
from songscore.errors import AudioError

RATE = 44_100
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
TEN_HOURS = 36_000
MOST_MEMORY = 30.0
"""Megabytes for opening ten hours and reading at ten places; the index of all packets takes 134."""

pytest.importorskip("av")


def words(*values):
    return b"".join(value.to_bytes(4) for value in values)


def with_boxes(content, new):
    """The boxes of a file, with other contents for those of some kinds."""
    boxes, at = [], 0
    while at < len(content):
        end, kind = at + int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        inside = content[at + 8 : end]
        inside = with_boxes(inside, new) if kind in PARENTS else new.get(kind, inside)
        boxes.append(words(8 + len(inside)) + kind + inside)
        at = end
    return b"".join(boxes)


def content_of(content, kind):
    at = content.index(kind)
    return content[at + 4 : at - 4 + int.from_bytes(content[at - 4 : at])]


def repeated(content, times):
    """An MP4 file whose table lists all packets but the last again and again."""
    sizes = np.frombuffer(content_of(content, b"stsz")[12:], ">u4")[:-1]
    length = int.from_bytes(content_of(content, b"stts")[12:16])
    start, n = content_of(content, b"stco")[8:12], times * len(sizes)
    mdhd, edit = content_of(content, b"mdhd"), content_of(content, b"elst")[12:]
    assert content_of(content, b"stsc")[4:12] == words(1, 1), "one run of chunks, of which the first is repeated"
    return with_boxes(
        content,
        {
            b"mdhd": mdhd[:16] + words(n * length) + mdhd[20:],
            b"elst": bytes(4) + words(1, n * length * 1000 // RATE) + edit,
            b"stts": bytes(4) + words(1, n, length),
            b"stsc": bytes(4) + words(1, 1, len(sizes), 1),
            b"stsz": bytes(4) + words(0, n) + np.tile(sizes, times).tobytes(),
            b"stco": bytes(4) + words(times) + start * times,
        },
    )


@pytest.fixture(scope="module")
def sound():
    y = sine(440, 3, RATE) + np.random.default_rng(0).normal(0, 0.01, 3 * RATE).astype(np.float32)
    return np.round(y * 2**15) / np.float32(2**15)


@pytest.fixture(scope="module", params=["aac", "alac"])
def content(request, sound, tmp_path_factory):
    return write_m4a(tmp_path_factory.mktemp("mp4") / "a.m4a", sound, RATE, request.param).read_bytes()


def everything(content):
    """What a file gives: whole, at some places, and whole again."""
    with open_audio(io.BytesIO(content), rate=RATE) as stream:
        places = np.linspace(0.01, stream.length - 0.4, 7) if stream.length else []
        found = [stream.length, *(stream.passage(place, 0.4) for place in places)]
        stream.rewind()
        found += [np.concatenate(list(stream.blocks())), stream.duration, stream.analysed, stream.damage]
    return found


def is_long(content):
    return songscore.audio.mp4.packet_table(*(io.BufferedReader(io.BytesIO(content)) for _ in range(2))) is not None


def edited(content, start, length):
    """The file with an edit in milliseconds, that begins so many samples into it."""
    return with_boxes(content, {b"elst": bytes(4) + words(1, length, start, 1 << 16)})


def damaged(content):
    middle = content.index(b"mdat") + len(content) // 2
    return content[:middle] + b"\xff" * 300 + content[middle + 300 :]


CHANGES = {
    "as it is": lambda content: content,
    "damaged": damaged,
    "an edit that ends early": lambda content: edited(content, 1024, 1234),
    "an edit that begins later": lambda content: edited(content, 5000, 2000),
    "an edit to the end": lambda content: edited(content, 0, 60_000),
    "repeated": lambda content: repeated(content, 3),
    "behind another": lambda content: content + content,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_long_file_gives_what_ffmpeg_finds_in_it(content, change, monkeypatch):
    changed = CHANGES[change](content)
    assert not is_long(changed)
    expected = everything(changed)
    assert expected[0] or "edit" in change, "to be read by seeking"
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 7)
    assert is_long(changed)
    for found, there in zip(everything(changed), expected, strict=True):
        np.testing.assert_array_equal(found, there)


def test_a_long_file_is_read_at_the_right_places(sound, tmp_path, monkeypatch):
    """ALAC keeps every sample, and the file is the same packets 50 times."""
    period = write_m4a(tmp_path / "a.m4a", sound, RATE, "alac").read_bytes()
    n = int.from_bytes(content_of(period, b"stsz")[8:12]) - 1
    truth = np.tile(sound[: n * 4096], 50)
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 100)
    path = tmp_path / "long.m4a"
    path.write_bytes(repeated(period, 50))
    for source in (path, io.BytesIO(path.read_bytes())):
        with open_audio(source, rate=RATE) as stream:
            assert stream.length == pytest.approx(len(truth) / RATE, abs=0.01)
            for frame in (0, 1, 4096 * 100 - 5, 4096 * 100, 4096 * 250 + 17, len(truth) - 9000):
                found = stream.passage(frame / RATE, 0.2)
                np.testing.assert_array_equal(found, truth[frame : frame + round(0.2 * RATE)])


class _Failing(io.BytesIO):
    """Cannot be read behind a place."""

    def __init__(self, content, last):
        super().__init__(content)
        self.last = last

    def read(self, size=-1):
        if self.tell() > self.last:
            raise OSError("the network went away")
        return super().read(size)


def test_a_long_file_that_cannot_be_read_to_its_end_says_so(sound, tmp_path, monkeypatch):
    content = write_m4a(tmp_path / "a.m4a", sound, RATE, "alac").read_bytes()
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 7)
    source = _Failing(content, len(content))
    with open_audio(source, rate=RATE) as stream:
        source.last = content.index(b"mdat") + len(content) // 2
        n_samples = sum(len(block) for block in stream.blocks())
    assert n_samples < 2.9 * RATE
    assert stream.damage.startswith("stopped at")


def test_other_codecs_are_left_to_ffmpeg(sound, tmp_path, monkeypatch):
    path = write_m4a(tmp_path / "a.mp4", sound, RATE, "ac3")
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 7)
    assert not is_long(path.read_bytes())
    with open_audio(path, rate=RATE) as stream:
        assert sum(len(block) for block in stream.blocks()) == pytest.approx(len(sound), abs=8192)


@pytest.mark.parametrize("kind", [b"mvhd", b"mdhd", b"elst", b"stts", b"stsc", b"stsz", b"stco"])
@pytest.mark.parametrize("value", [0, 1, 1 << 16, (1 << 31) - 1, (1 << 32) - 1])
def test_a_wrong_number_in_a_header_ends_in_sound_or_in_an_error(content, kind, value, monkeypatch):
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 7)
    old = content_of(content, kind)
    for at in range(0, min(len(old), 32), 4):
        new = old[:at] + words(value) + old[at + 4 :]
        try:
            with open_audio(io.BytesIO(with_boxes(content, {kind: new})), rate=RATE) as stream:
                if stream.length:
                    stream.passage(stream.length / 2, 0.5)
                    stream.rewind()
                n_seconds = sum(len(block) for block in stream.blocks()) / RATE
            assert n_seconds < 1000
        except (AudioError, MemoryError):  # FFmpeg refuses some numbers as too large for its memory
            pass


@linux
@pytest.mark.processes
def test_memory_does_not_grow_with_the_length(content, tmp_path):
    n_frames = int.from_bytes(content_of(content, b"stts")[12:16]) * int.from_bytes(content_of(content, b"stsz")[8:12])
    path = tmp_path / "ten hours.m4a"
    path.write_bytes(repeated(content, TEN_HOURS * RATE // n_frames))
    script = """
import json, resource, sys
from songscore.audio.source import open_audio

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def read(path):
    with open_audio(path) as stream:
        return stream.length, [len(stream.passage(n * stream.length / 10, 1.0)) for n in range(10)]

read(sys.argv[1])
before = memory()
print(json.dumps([*read(sys.argv[2]), memory() - before]))
"""
    short = tmp_path / "short.m4a"
    short.write_bytes(content)
    run = subprocess.run([sys.executable, "-c", script, short, path], capture_output=True, text=True, check=True)
    length, n_samples, growth = json.loads(run.stdout)
    assert length == pytest.approx(TEN_HOURS, rel=0.05)
    assert n_samples == [16_000] * 10
    assert growth < MOST_MEMORY
