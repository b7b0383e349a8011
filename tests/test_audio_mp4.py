"""Long and fragmented MP4 files: samples and lengths are those in FFmpeg, and memory does not grow with the length."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from sounds import sine, write_m4a
from systems import linux

import songscore.audio.ffmpeg
import songscore.audio.mp4
from songscore.audio.source import open_audio
from songscore.errors import AudioError

RATE = 44_100
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf")
TEN_HOURS = 36_000
MOST_MEMORY = 30.0
"""Megabytes for opening ten hours and reading at ten places; the index of all packets takes 134."""

LOSSY = 0.03
"""By which two decodings of AAC differ: it replaces noise by noise that no two share."""

av = pytest.importorskip("av")


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


@pytest.mark.parametrize(("delay", "seeks"), [(0, True), (2112, True), (1000, True), (2048, False)])
def test_a_delay_that_only_a_tag_of_itunes_tells_is_left_out_wherever_one_reads(tmp_path, delay, seeks):
    """A delay of whole packets cannot be told from a sound that begins late; such a file is read from its start."""
    mutagen = pytest.importorskip("mutagen.mp4")
    time = np.arange(9 * RATE) / RATE
    sweep = (0.5 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32)
    path = write_m4a(tmp_path / "a.m4a", sweep, RATE)
    path.write_bytes(path.read_bytes().replace(b"edts", b"free"))
    tagged = mutagen.MP4(path)
    tagged["----:com.apple.iTunes:iTunSMPB"] = f" 00000000 {delay:08X} 00000000 {9 * RATE:016X}".encode()
    tagged.save()
    with open_audio(path, rate=RATE) as stream:
        whole = np.concatenate(list(stream.blocks()))
    with av.open(path) as container:
        there = sum(frame.samples for frame in container.decode(audio=0))
    assert len(whole) == there
    for source in (path, io.BytesIO(path.read_bytes())):
        with open_audio(source, rate=RATE) as stream:
            assert (stream.length is not None) == seeks
            for frame in (1, 1500, 5000, 9000, 200_000, len(whole) - 9000) if seeks else ():
                found = stream.passage(frame / RATE, 0.2)
                np.testing.assert_allclose(found, whole[frame : frame + round(0.2 * RATE)], atol=LOSSY)
            assert not seeks or stream.length == pytest.approx(len(whole) / RATE)


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


FRAGMENTS = {
    "without an edit": "empty_moov+frag_keyframe",
    "counted from the fragment": "empty_moov+frag_keyframe+default_base_moof",
    "with an edit": "delay_moov+frag_keyframe+default_base_moof",
    "with indices": "delay_moov+frag_keyframe+dash",
    "with one index": "delay_moov+frag_keyframe+dash+global_sidx",
    "a packet each": "empty_moov+frag_every_frame",
}


def fragmented(path, sound, codec, flags):
    return write_m4a(path, sound, RATE, codec, {"movflags": flags, "frag_duration": "500000"}).read_bytes()


@pytest.mark.parametrize("flags", FRAGMENTS.values(), ids=FRAGMENTS)
@pytest.mark.parametrize("codec", ["aac", "alac"])
@pytest.mark.parametrize("n_first", [1 << 14, 7])
def test_a_fragmented_file_gives_what_ffmpeg_finds_in_it_and_is_read_by_seeking(
    sound, tmp_path, codec, flags, n_first, monkeypatch
):
    content = fragmented(tmp_path / "a.m4a", sound, codec, flags)
    with monkeypatch.context() as alone:
        alone.setattr(songscore.audio.ffmpeg, "packet_table", lambda *_: None)
        length, *expected = everything(content)
    assert length is None
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", n_first)
    length, *found = everything(content)
    assert length == found[-3]
    assert len(found) == 7 + len(expected)
    for here, there in zip(found[7:], expected, strict=True):
        np.testing.assert_array_equal(here, there)
    if codec == "alac":
        for place, passage in zip(np.linspace(0.01, length - 0.4, 7), found[:7], strict=True):
            first = round(place * RATE)
            np.testing.assert_array_equal(passage, sound[first : first + len(passage)])


@pytest.mark.parametrize("kind", [b"mdhd", b"elst"])
def test_a_header_that_knew_only_the_first_fragment_cuts_nothing_off(sound, tmp_path, kind, monkeypatch):
    content = fragmented(tmp_path / "a.m4a", sound, "aac", FRAGMENTS["with an edit"])
    old, at = content_of(content, kind), {b"mdhd": 16, b"elst": 8}[kind]
    content = with_boxes(content, {kind: old[:at] + words(500) + old[at + 4 :]})
    found = everything(content)[-4]
    monkeypatch.setattr(songscore.audio.ffmpeg, "packet_table", lambda *_: None)
    np.testing.assert_array_equal(found, everything(content)[-4])
    assert len(found) > 2.9 * RATE


def boxes_of(content):
    at = 0
    while at < len(content):
        end = at + int.from_bytes(content[at : at + 4])
        yield content[at + 4 : at + 8], content[at:end]
        at = end


@pytest.mark.parametrize("where", ["in a fragment", "between fragments"])
def test_a_fragmented_file_that_was_cut_says_so(sound, tmp_path, where):
    content = fragmented(tmp_path / "a.m4a", sound, "aac", FRAGMENTS["with one index"])
    cut = b"".join(box for _, box in list(boxes_of(content))[:-7])
    with open_audio(io.BytesIO(cut if where == "between fragments" else cut[:-99]), rate=RATE) as stream:
        assert 1.0 < sum(len(block) for block in stream.blocks()) / RATE < 2.9
    assert stream.damage


def test_only_the_sound_of_a_fragmented_film_is_read(sound, tmp_path, monkeypatch):
    """Without a base of its own, the data of the second track begin behind those of the first."""
    content = fragmented(tmp_path / "a.m4a", sound, "aac", FRAGMENTS["counted from the fragment"])
    flags = content_of(content, b"tfhd")
    other = words(8 + len(flags)) + b"tfhd" + flags[:4] + words(99) + flags[8:]
    other = words(8 + len(other)) + b"traf" + other
    parts = []
    for kind, box in boxes_of(content):
        if kind != b"moof":
            parts.append(box)
            continue
        shift = len(other)
        run = content_of(box, b"trun")
        moved = run[:8] + words(int.from_bytes(run[8:12]) + shift) + run[12:]
        mfhd, traf = (part for _, part in boxes_of(box[8:]))
        inside = mfhd + other + with_boxes(traf, {b"trun": moved})
        parts.append(words(8 + len(inside)) + b"moof" + inside)
    film = b"".join(parts)
    assert is_long(film)
    np.testing.assert_array_equal(everything(film)[-4], everything(content)[-4])
    no_base = film.replace(flags[:4], words(int.from_bytes(flags[:4]) & ~0x20000))
    assert not is_long(no_base)


@pytest.mark.parametrize("kind", [b"trex", b"tfhd", b"tfdt", b"trun", b"sidx", b"elst", b"stsz"])
@pytest.mark.parametrize("value", [0, 1, 1 << 16, (1 << 31) - 1, (1 << 32) - 1])
def test_a_wrong_number_in_a_fragment_ends_in_sound_or_in_an_error(sound, tmp_path, kind, value):
    content = fragmented(tmp_path / "a.m4a", sound, "aac", FRAGMENTS["with indices"])
    old = content_of(content, kind)
    for at in range(0, min(len(old), 32), 4):
        hears_something_or_refuses(with_boxes(content, {kind: old[:at] + words(value) + old[at + 4 :]}))


@pytest.mark.parametrize("kind", [b"mvhd", b"mdhd", b"elst", b"stts", b"stsc", b"stsz", b"stco"])
@pytest.mark.parametrize("value", [0, 1, 1 << 16, (1 << 31) - 1, (1 << 32) - 1])
def test_a_wrong_number_in_a_header_ends_in_sound_or_in_an_error(content, kind, value, monkeypatch):
    monkeypatch.setattr(songscore.audio.mp4, "_FIRST", 7)
    old = content_of(content, kind)
    for at in range(0, min(len(old), 32), 4):
        hears_something_or_refuses(with_boxes(content, {kind: old[:at] + words(value) + old[at + 4 :]}))


def hears_something_or_refuses(content):
    try:
        with open_audio(io.BytesIO(content), rate=RATE) as stream:
            if stream.length:
                stream.passage(stream.length / 2, 0.5)
                stream.rewind()
            n_seconds = sum(len(block) for block in stream.blocks()) / RATE
        assert n_seconds < 1000
    except (AudioError, MemoryError):  # FFmpeg refuses some numbers as too large for its memory
        pass


def repeated_fragments(content, times):
    """A fragmented file whose fragments list all packets again and again."""
    boxes = list(boxes_of(content))
    head = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
    data, places = b"", []
    for kind, box in boxes:
        if kind == b"mdat":
            places.append(len(head) + len(data) + 8)
            data += box
    content, at, ticks = [head, data], len(head) + len(data), 0
    moofs = [box for kind, box in boxes if kind == b"moof"]
    length = int.from_bytes(content_of(moofs[1], b"tfdt")[4:])
    for n in range(times * (len(moofs) - 1)):
        moof, place = moofs[n % (len(moofs) - 1)], places[n % (len(moofs) - 1)]
        run = content_of(moof, b"trun")
        run = run[:8] + (place - at).to_bytes(4, signed=True) + run[12:]
        moof = with_boxes(moof, {b"tfdt": b"\1\0\0\0" + ticks.to_bytes(8), b"trun": run})
        content.append(moof)
        at, ticks = at + len(moof), ticks + length
    return b"".join(content)


@linux
@pytest.mark.processes
@pytest.mark.parametrize("is_fragmented", [False, True], ids=["one table", "fragments"])
def test_memory_does_not_grow_with_the_length(content, sound, tmp_path, is_fragmented):
    path = tmp_path / "ten hours.m4a"
    if is_fragmented:
        codec = "alac" if b"alac" in content else "aac"
        content = fragmented(tmp_path / "a.m4a", sound, codec, FRAGMENTS["counted from the fragment"])
        n_frames = 5 * int.from_bytes(content_of(content[content.index(b"mdat") :], b"tfdt")[4:])
        path.write_bytes(repeated_fragments(content, TEN_HOURS * RATE // n_frames))
    else:
        n_frames = int.from_bytes(content_of(content, b"stts")[12:16]) * int.from_bytes(
            content_of(content, b"stsz")[8:12]
        )
        path.write_bytes(repeated(content, TEN_HOURS * RATE // n_frames))
    script = """
import json, sys
from songscore.audio.source import open_audio

def memory():  # getrusage would give the most that the parent took, too
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024

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
