"""Every item of other people's tags is in the tagged file, byte for byte, also where no reader understands it."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from sounds import TAGGED, set_title
from tag_corpus import in_taglib

from songscore.results import SCORE, TrackResult
from songscore.tags import UndoJournal, Writing, tag_track, undo
from songscore.tags.containers import Tags
from songscore.tags.marks import NAMES, wanted

RATE = 48_000
Frame = tuple[bytes, bytes, bytes]


def tagged(path: Path, content: bytes, needles: list[bytes]) -> bytes:
    """The content after tagging, every needle still in it; undoing gave the old bytes back."""
    path.write_bytes(content)
    journal = path.with_name("undo.jsonl")
    result = tag_track(
        TrackResult(path=str(path), label=SCORE, song_probability=0.25, model="track-v1"),
        writing=Writing(journal=UndoJournal(journal)),
    )
    assert (result.status, result.message) == ("changed", "")
    after = path.read_bytes()
    assert Tags(after).entries(NAMES) == wanted(SCORE, 0.25, "track-v1")
    assert [needle for needle in needles if needle not in after] == []
    assert undo(path, UndoJournal(journal)).status == "changed"
    assert path.read_bytes() == content
    path.write_bytes(after)
    return after


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def frames(version: int, *parts: Frame, plain: bool = False) -> list[bytes]:
    """Frames of a name, flags and content."""
    if version == 2:
        return [name + len(data).to_bytes(3, "big") + data for name, _, data in parts]
    size = synchsafe if version == 4 and not plain else lambda n: struct.pack(">I", n)
    return [name + size(len(data)) + flags + data for name, flags, data in parts]


def id3(version: int, body: bytes, flags: int = 0, footer: bool = False) -> bytes:
    numbers = bytes([version, 0, flags | 0x10 * footer]) + synchsafe(len(body))
    return b"ID3" + numbers + body + (b"3DI" + numbers) * footer


Z = b"\0\0"
PACKED = zlib.compress(b"\0Title of some length " * 3)
ODD_FRAMES = {
    "Latin-1 called UTF-8": (4, [(b"TPE1", Z, b"\3Bj\xf6rk"), (b"TIT2", Z, b"\3J\xf3ga")]),
    "grouped": (4, [(b"TIT2", b"\0\x40", b"\5\3Title in a group")]),
    "compressed, version 4": (4, [(b"TIT2", b"\0\x09", synchsafe(63) + PACKED)]),
    "compressed, version 3": (3, [(b"TIT2", b"\0\x80", struct.pack(">I", 63) + PACKED)]),
    "encrypted": (4, [(b"TIT2", b"\0\4", b"\x80secret"), (b"ENCR", Z, b"somebody\0\x80key")]),
    "frames unsynchronised one by one": (4, [(b"PRIV", b"\0\2", b"who\0\xff\x00\xe0\xff\x00\x00")]),
    "a bad encoding byte": (3, [(b"TIT2", Z, b"\x09Title"), (b"TALB", Z, b"\0ok")]),
    "POPM without an end, RVAD, IPLS": (3, [(b"POPM", Z, b"no end"), (b"RVAD", Z, bytes(9)), (b"IPLS", Z, b"\0a")]),
    "an empty frame": (3, [(b"TIT2", Z, b""), (b"TALB", Z, b"\0ok")]),
    "two of the same": (3, [(b"TIT2", Z, b"\0one"), (b"TIT2", Z, b"\0two")]),
    "version 2 of its own": (2, [(b"TT2", Z, b"\0Title"), (b"RVA", Z, bytes(9)), (b"ZZZ", Z, b"private")]),
    "UTF-16 without an order, odd": (3, [(b"TIT2", Z, b"\1T\0i\0t")]),
}


@pytest.mark.parametrize("kind", ODD_FRAMES)
@pytest.mark.parametrize("padding", [0, 500])
def test_frames_that_readers_drop_or_alter(kind: str, padding: int, sounds: dict[str, bytes], tmp_path: Path) -> None:
    version, parts = ODD_FRAMES[kind]
    raw = frames(version, *parts)
    after = tagged(tmp_path / "a.mp3", id3(version, b"".join(raw) + bytes(padding)) + sounds["a.mp3"], raw)
    assert after[3] == version
    assert b"".join(raw) + bytes(padding) + sounds["a.mp3"] in after


def test_plain_sizes_in_version_4(sounds: dict[str, bytes], tmp_path: Path) -> None:
    raw = frames(4, (b"APIC", Z, b"\0image/png\0\3\0" + bytes(range(256))), (b"TIT2", Z, b"\3Title"), plain=True)
    tagged(tmp_path / "a.mp3", id3(4, b"".join(raw) + bytes(50)) + sounds["a.mp3"], raw)


def test_what_follows_the_last_frame_that_can_be_read(sounds: dict[str, bytes], tmp_path: Path) -> None:
    rest = b"TALB\0\0\x7f\x7f\0\0\0longer than the tag"
    raw = frames(3, (b"TIT2", Z, b"\0Title"))
    tagged(tmp_path / "a.mp3", id3(3, raw[0] + rest) + sounds["a.mp3"], [raw[0] + rest])


def test_a_tag_unsynchronised_as_a_whole(sounds: dict[str, bytes], tmp_path: Path) -> None:
    raw = b"".join(frames(3, (b"PRIV", Z, b"who\0\xff\xe0\xff\x00\xff"), (b"TIT2", Z, b"\1\xff\xfeT\0")))
    stuffed = raw.replace(b"\xff\x00", b"\xff\x00\x00").replace(b"\xff\xe0", b"\xff\x00\xe0")
    stuffed = stuffed.replace(b"\xff\xfe", b"\xff\x00\xfe").replace(b"\xffTIT2", b"\xff\x00TIT2")
    tagged(tmp_path / "a.mp3", id3(3, stuffed + bytes(20), flags=0x80) + sounds["a.mp3"], [stuffed])


def test_an_extended_header_and_a_footer_stay(sounds: dict[str, bytes], tmp_path: Path) -> None:
    raw = frames(4, (b"TIT2", Z, b"\3Title"))
    extended = synchsafe(6) + b"\1\0"
    after = tagged(tmp_path / "a.mp3", id3(4, extended + raw[0], 0x40, footer=True) + sounds["a.mp3"], raw)
    assert after[10:16] == extended
    footer = after.index(b"3DI")
    assert after[footer + 3 : footer + 10] == after[3:10]


def test_a_checksum_would_be_wrong_so_the_file_is_left_alone(sounds: dict[str, bytes], tmp_path: Path) -> None:
    extended = struct.pack(">IHI", 10, 0x8000, 0) + struct.pack(">I", 1)
    path = tmp_path / "a.mp3"
    path.write_bytes(id3(3, extended + frames(3, (b"TIT2", Z, b"\0Title"))[0], 0x40) + sounds["a.mp3"])
    before = path.read_bytes()
    track = TrackResult(path=str(path), label=SCORE, song_probability=0.25, model="track-v1")
    result = tag_track(track, writing=Writing(journal=UndoJournal(tmp_path / "undo.jsonl")))
    assert (result.status, "has a checksum" in result.message) == ("failed", True)
    assert path.read_bytes() == before


def comments(*texts: bytes) -> bytes:
    parts = [struct.pack("<I", len(text)) + text for text in texts]
    return struct.pack("<I", 3) + b"old" + struct.pack("<I", len(parts)) + b"".join(parts)


ODD_COMMENTS = [b"ARTIST=Bj\xf6rk", b"a remark", b"=nameless", b"", b"T\xefTLE=odd key", b"A=1", b"a=2", b"EMPTY="]


def test_comments_that_readers_drop_or_alter_in_flac(sounds: dict[str, bytes], tmp_path: Path) -> None:
    flac = sounds["a.flac"]
    sound = flac.index(b"\xff\xf8")
    padding = b"\x81" + (64).to_bytes(3, "big") + bytes(64)
    odd = b"\x07" + (5).to_bytes(3, "big") + b"what?"
    block = comments(*ODD_COMMENTS)
    content = b"fLaC\0" + flac[5:42] + b"\4" + len(block).to_bytes(3, "big") + block + odd + padding + flac[sound:]
    needles = [struct.pack("<I", len(text)) + text for text in ODD_COMMENTS]
    tagged(tmp_path / "a.flac", content, [*needles, odd, padding + flac[sound:]])


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_comments_that_readers_drop_or_alter_in_ogg(name: str, sounds: dict[str, bytes], tmp_path: Path) -> None:
    from io import BytesIO

    from mutagen.ogg import OggPage

    file = BytesIO(sounds[name])
    OggPage(file)
    old = [OggPage(file)]
    while not (old[-1].complete or len(old[-1].packets) > 1):
        old.append(OggPage(file))
    packets = OggPage.to_packets(old)
    head, end = (b"OpusTags", b"\1kept bytes") if name == "a.opus" else (b"\3vorbis", b"\1")
    packets[0] = head + comments(*ODD_COMMENTS) + end
    OggPage.replace(file, old, OggPage.from_packets(packets, old[0].sequence))
    needles = [struct.pack("<I", len(text)) + text for text in ODD_COMMENTS]
    tagged(tmp_path / name, file.getvalue(), [*needles, *([end] if name == "a.opus" else [])])


def ape(*items: tuple[bytes, int, bytes]) -> bytes:
    body = b"".join(struct.pack("<II", len(value), flags) + key + b"\0" + value for key, flags, value in items)
    numbers = struct.pack("<III", 2000, len(body) + 32, len(items))
    header, footer = (b"APETAGEX" + numbers + struct.pack("<I", flags) + bytes(8) for flags in (0xA0000000, 0x80000000))
    return header + body + footer


V1 = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + bytes(64) + b"\xff"
APE_ITEMS = ((b"Title", 0, b"J\xf3ga"), (b"Cover", 2, bytes(range(200))), (b"Artist", 0, b"a\0b"), (b"odd", 6, b"\0"))


@pytest.mark.parametrize("behind", [b"", V1, b"LYRICSBEGININD0000200000021LYRICS200" + V1])
def test_an_mp3_that_has_ape_tags_alone_gets_ours_there(
    behind: bytes, sounds: dict[str, bytes], tmp_path: Path
) -> None:
    needles = [value for _, _, value in APE_ITEMS] + [behind]
    after = tagged(tmp_path / "a.mp3", sounds["a.mp3"] + ape(*APE_ITEMS) + behind, needles)
    assert after.startswith(sounds["a.mp3"])
    assert after.endswith(behind)


def test_ape_and_id3v1_behind_an_id3_tag_stay(sounds: dict[str, bytes], tmp_path: Path) -> None:
    content = id3(3, frames(3, (b"TIT2", Z, b"\0Title"))[0]) + sounds["a.mp3"] + ape(*APE_ITEMS) + V1
    assert tagged(tmp_path / "a.mp3", content, []).endswith(ape(*APE_ITEMS) + V1)


def atom(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


ODD_ATOMS = [
    atom(b"\xa9nam", atom(b"data", struct.pack(">II", 1, 7), b"T\xefTLE")),
    atom(b"\xa9nam", atom(b"data", struct.pack(">II", 1, 0), b"another")),
    atom(b"zzzz", b"no data at all"),
    atom(b"----", atom(b"mean", bytes(4), b"org.other"), atom(b"name", bytes(4), b"INSTRUMENTAL")),
    atom(b"trkn", atom(b"data", bytes(8), b"\0\0\0")),
]


@pytest.mark.parametrize("sound_first", [True, False])
def test_atoms_that_readers_drop_or_alter(sound_first: bool, sounds: dict[str, bytes], tmp_path: Path) -> None:
    content = sounds["a.m4a"]
    moov = content.index(b"moov") - 4
    head, end = content[:moov], content[moov : moov + int.from_bytes(content[moov : moov + 4], "big")]
    inside = end[8:]
    if b"udta" in inside:
        inside = inside[: inside.index(b"udta") - 4]
    meta = atom(b"meta", bytes(4), atom(b"hdlr", bytes(8), b"mdirappl", bytes(9)), atom(b"ilst", *ODD_ATOMS))
    chapters = atom(b"chpl", b"\1\0\0\0chapters")
    new = atom(b"moov", inside, atom(b"udta", chapters, meta))
    if not sound_first:
        mdat = head.index(b"mdat") - 4
        table = new.index(b"stco") + 8
        count = struct.unpack_from(">I", new, table)[0]
        places = [place + len(new) for place in struct.unpack_from(f">{count}I", new, table + 4)]
        new = new[: table + 4] + struct.pack(f">{count}I", *places) + new[table + 4 + 4 * count :]
        head, new = head[:mdat] + new + head[mdat:], b""
    tagged(tmp_path / "a.m4a", head + new, [*ODD_ATOMS, chapters])


def chunk(kind: bytes, body: bytes, order: str = "<") -> bytes:
    return kind + struct.pack(f"{order}I", len(body)) + body + bytes(len(body) % 2)


INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"J\xf3ga\0") + chunk(b"IART", b"Bjo\0") + chunk(b"IXYZ", b"odd"))
BEXT = chunk(b"bext", b"a broadcast wave" * 3)


def wav(content: bytes, *more: bytes) -> bytes:
    body = content[8:] + b"".join(more)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_info_and_the_new_id3_tag_of_a_wav_say_the_same(sounds: dict[str, bytes], tmp_path: Path) -> None:
    after = tagged(tmp_path / "a.wav", wav(sounds["a.wav"], INFO, BEXT) + b"behind", [INFO, BEXT, b"behind"])
    from io import BytesIO

    from mutagen.wave import WAVE

    found = WAVE(BytesIO(after)).tags
    assert (str(found["TIT2"]), str(found["TPE1"])) == ("Jóga", "Bjo")


@pytest.mark.processes
def test_taglib_reads_info_and_ours_in_the_new_id3_tag_of_a_wav(sounds: dict[str, bytes], tmp_path: Path) -> None:
    tagged(tmp_path / "a.wav", wav(sounds["a.wav"], INFO), [INFO])
    shown, _ = in_taglib(tmp_path)["a.wav"]
    assert (shown["TITLE"], shown["ARTIST"], shown["INSTRUMENTAL"]) == (["Jóga"], ["Bjo"], ["1"])


def test_an_id3_tag_of_ours_alone_is_given_what_info_says(sounds: dict[str, bytes], tmp_path: Path) -> None:
    ours = id3(4, frames(4, (b"TXXX", Z, b"\3INSTRUMENTAL\x000"), (b"TXXX", Z, b"\3SONGSCORE_LABEL\0song"))[0])
    ours = id3(4, b"".join(frames(4, *((b"TXXX", Z, b"\3%s\0%s" % pair) for pair in (
        (b"INSTRUMENTAL", b"0"), (b"SONGSCORE_LABEL", b"song"), (b"SONGSCORE_MODEL", b"track-v0"),
    )))) + bytes(100))  # fmt: skip
    after = tagged(tmp_path / "a.wav", wav(sounds["a.wav"], INFO, chunk(b"id3 ", ours)), [INFO])
    assert b"TIT2" in after


def test_text_chunks_and_the_new_id3_tag_of_an_aiff_say_the_same(sounds: dict[str, bytes], tmp_path: Path) -> None:
    texts = [chunk(b"NAME", b"Title", ">"), chunk(b"AUTH", b"Somebody", ">"), chunk(b"odd ", b"?", ">")]
    body = sounds["a.aiff"][8:] + b"".join(texts)
    after = tagged(tmp_path / "a.aiff", b"FORM" + struct.pack(">I", len(body)) + body, texts)
    assert b"TIT2" in after
    assert b"TPE1" in after


def readings(path: Path) -> dict[str, str]:
    """The whole answer of each reader that is here, none of which shares code with mutagen."""
    found = {}
    if shutil.which("ffprobe"):
        shown = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", path],
            capture_output=True, check=True,
        )  # fmt: skip
        found["ffprobe"] = json.dumps(json.loads(shown.stdout), ensure_ascii=False)
    if shutil.which("exiftool"):
        found["exiftool"] = subprocess.run(["exiftool", "-a", path], capture_output=True).stdout.decode(
            errors="replace"
        )
    if shutil.which("kid3-cli"):
        found["kid3"] = subprocess.run(["kid3-cli", "-c", "get all", path], capture_output=True).stdout.decode(
            errors="replace"
        )
    try:
        import taglib
    except ImportError:
        return found
    with taglib.File(path) as file:
        found["TagLib"] = str(file.tags)
    return found


@pytest.mark.processes
@pytest.mark.parametrize("name", TAGGED)
def test_other_readers_find_ours_and_the_title(name: str, sounds: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(sounds[name])
    set_title(path, "A long way")
    tagged(path, path.read_bytes(), [])
    found = readings(path)
    if not found:
        pytest.skip("no other reader is installed")
    for reader, text in found.items():
        assert "A long way" in text, reader
        assert "0.2500" in text, reader
