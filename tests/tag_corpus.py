"""Files with every tag of the specifications, put together from bytes, and a reader that cuts ours out again.

ID3v1, ID3v2.2, 2.3 and 2.4, APEv2, Vorbis comments, FLAC blocks, MP4 atoms, RIFF INFO and AIFF chunks; valid, and
slightly broken as real programs write them. The reader shares no code with songscore or mutagen: `parts` takes a file
to pieces by its own headers, with the five entries that songscore writes left out.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = (
    "INSTRUMENTAL", "INSTRUMENTAL_CONFIDENCE", "SONGSCORE_LABEL", "SONGSCORE_PROBABILITY", "SONGSCORE_MODEL",
)  # fmt: skip
TITLE = "A long way home"
Part = tuple[str, bytes]

# Writing


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def frame(version: int, name: str, data: bytes, flags: bytes = b"\0\0") -> bytes:
    if version == 2:
        return name.encode() + len(data).to_bytes(3, "big") + data
    size = synchsafe(len(data)) if version == 4 else struct.pack(">I", len(data))
    return name.encode() + size + flags + data


def id3(version: int, body: bytes, flags: int = 0) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body


def names(text: str) -> list[str]:
    return text.split()


BOTH = names(
    "AENC APIC COMM COMR ENCR ETCO GEOB GRID LINK MCDI MLLT OWNE PRIV PCNT POPM POSS RBUF RVRB SYLT SYTC TALB"
    " TBPM TCOM TCON TCOP TDLY TENC TEXT TFLT TIT1 TIT2 TIT3 TKEY TLAN TLEN TMED TOAL TOFN TOLY TOPE TOWN TPE1"
    " TPE2 TPE3 TPE4 TPOS TPUB TRCK TRSN TRSO TSRC TSSE TXXX UFID USER USLT WCOM WCOP WOAF WOAR WOAS WORS WPAY"
    " WPUB WXXX"
)
FRAMES = {
    2: names(
        "BUF CNT COM CRA CRM ETC EQU GEO IPL LNK MCI MLL PIC POP REV RVA SLT STC TAL TBP TCM TCO TCR TDA TDY"
        " TEN TFT TIM TKE TLA TLE TMT TOA TOF TOL TOR TOT TP1 TP2 TP3 TP4 TPA TPB TRC TRD TRK TSI TSS TT1 TT2"
        " TT3 TXT TXX TYE UFI ULT WAF WAR WAS WCM WCP WPB WXX"
    ),
    3: BOTH + names("EQUA IPLS RVAD TDAT TIME TORY TRDA TSIZ TYER"),
    4: BOTH + names("ASPI EQU2 RVA2 SEEK SIGN TDEN TDOR TDRC TDRL TDTG TIPL TMCL TMOO TPRO TSOA TSOP TSOT TSST"),
}
"""All frames of the specifications, by version."""

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LATIN = "Élan vital".encode("latin-1")
BODIES = {
    "APIC": b"\0image/png\0\3cover\0" + PICTURE,
    "PIC": b"\0PNG\3cover\0" + PICTURE,
    "COMM": b"\0engwhat\0" + LATIN,
    "USLT": b"\0engwhat\0la la",
    "SYLT": b"\0eng\2\1\0la\0" + bytes(4),
    "USER": b"\0engterms",
    "TXXX": b"\0REPLAYGAIN_TRACK_GAIN\0-6.5 dB",
    "WXXX": b"\0what\0http://example.org/",
    "UFID": b"http://musicbrainz.org\0" + bytes(range(16)),
    "PRIV": b"WM/UniqueFileIdentifier\0A\0M\0",
    "GEOB": b"\0application/x\0name.bin\0what\0" + bytes(range(64)),
    "POPM": b"Windows Media Player 9 Series\0\xc4" + bytes(4),
    "PCNT": b"\0\0\1\0",
    "MCDI": bytes(range(8)) * 9,
    "RVA2": b"track\0\1\xfe\x00\x10\x40\x00",
    "RVAD": b"\3\x10" + bytes(range(8)),
    "IPLS": b"\0producer\0Somebody",
    "ETCO": b"\2\3\0\0\1\0",
    "OWNE": b"\0EUR9.99\x0020260131seller",
    "LINK": b"APIChttp://example.org/\0",
    "ENCR": b"who\0\x80key",
    "GRID": b"who\0\x81data",
    "AENC": b"who\0\0\1\0\2info",
}
BODIES |= {"COM": BODIES["COMM"], "ULT": BODIES["USLT"], "SLT": BODIES["SYLT"], "TXX": BODIES["TXXX"]}
BODIES |= {"WXX": BODIES["WXXX"], "UFI": BODIES["UFID"], "GEO": BODIES["GEOB"], "POP": BODIES["POPM"]}


def body_of(name: str, turn: int, version: int) -> bytes:
    """What a frame of this name holds; text comes in each encoding of the version by turns."""
    if name in BODIES:
        return BODIES[name]
    if not name.startswith("T"):
        return b"http://example.org/" if name.startswith("W") else bytes(range(1, 12))
    text = "12" if name in ("TBPM", "TBP", "TRCK", "TRK", "TPOS", "TPA", "TLEN", "TLE") else f"{name} Bjørn"
    encodings = [b"\0" + text.encode("latin-1"), b"\1\xff\xfe" + text.encode("utf-16-le")]
    encodings += [b"\3" + text.encode(), b"\2" + text.encode("utf-16-be")] if version == 4 else []
    encodings += [b"\1\xfe\xff" + text.encode("utf-16-be"), b"\0" + text.encode("latin-1") + b"\0"]
    return encodings[turn % len(encodings)]


def title_frame(version: int) -> bytes:
    return frame(version, "TT2" if version == 2 else "TIT2", b"\0" + TITLE.encode())


def id3_files(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """One frame each, beside a title, with and without padding."""
    for version, names in FRAMES.items():
        for turn, name in enumerate(names):
            title = b"" if name in ("TT2", "TIT2") else title_frame(version)
            body = title + frame(version, name, body_of(name, turn, version)) + bytes(turn % 3 * 50)
            yield f"id3v2.{version} {name}.mp3", id3(version, body) + sound


V1 = b"TAG" + TITLE.encode().ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b"\0") + b"1999"
ID3V1 = {
    "1.0": V1 + b"comment".ljust(30) + b"\x0c",
    "1.1": V1 + b"comment".ljust(28, b"\0") + b"\0\7\x18",
    "of spaces": V1.replace(b"\0", b" ") + b" " * 30 + b"\xff",
    "junk behind NUL": V1[:40] + b"junk" + V1[44:] + b"comment\0junk".ljust(30, b"?") + b"\0",
    "Latin-1": V1[:3] + b"\xc9lan".ljust(30, b"\0") + V1[33:] + bytes(31),
}


def ape(*items: tuple[str, int, bytes], header: bool = True, version: int = 2000) -> bytes:
    body = b"".join(struct.pack("<II", len(value), flags) + key.encode() + b"\0" + value for key, flags, value in items)
    numbers = struct.pack("<III", version, len(body) + 32, len(items))
    flags = 0x80000000 if header else 0
    front = b"APETAGEX" + numbers + struct.pack("<I", flags | 0x20000000) + bytes(8)
    return front * header + body + b"APETAGEX" + numbers + struct.pack("<I", flags) + bytes(8)


APE_KEYS = (
    "Subtitle", "Artist", "Album", "Debut album", "Publisher", "Conductor", "Track", "Composer", "Comment", "Copyright",
    "Publicationright", "File", "EAN/UPC", "ISBN", "Catalog", "LC", "Year", "Record Date", "Record Location", "Genre",
    "Media", "Index", "Related", "ISRC", "Abstract", "Language", "Bibliography", "Introplay", "Dummy",
)  # fmt: skip
APE_TITLE = ("Title", 0, TITLE.encode())
APES = {f"{key.replace('/', ' ')}": ape(APE_TITLE, (key, 0, f"{key} é".encode())) for key in APE_KEYS} | {
    "without header": ape(APE_TITLE, header=False),
    "cover and list": ape(APE_TITLE, ("Cover Art (Front)", 2, b"a.png\0" + PICTURE), ("Artist", 0, b"one\0two")),
    "Latin-1": ape(APE_TITLE, ("Artist", 0, LATIN)),
    "odd flags": ape(APE_TITLE, ("Artist", 7, b"a"), ("Link", 4, b"http://example.org/"), ("Empty", 0, b"")),
    "twice": ape(APE_TITLE, ("Artist", 0, b"one"), ("ARTIST", 0, b"two")),
    "read-only": ape(APE_TITLE, ("Artist", 1, b"one")),
}


def mpeg_files(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Tags behind the sound, and tags as a whole."""
    yield "no tag.mp3", sound
    for name, tag in ID3V1.items():
        yield f"id3v1 {name}.mp3", sound + tag
    for name, tag in APES.items():
        yield f"ape {name}.mp3", sound + tag
    tag, front = APES["cover and list"], id3(4, title_frame(4) + bytes(40))
    yield "ape and id3v1.mp3", sound + tag + ID3V1["1.1"]
    yield "lyrics3.mp3", sound + b"LYRICSBEGININD0000200000021LYRICS200" + ID3V1["1.0"]
    yield "all.mp3", front + sound + tag + ID3V1["1.0"]
    text, latin = "é".encode("utf-16-le"), b"\3Bj\xf6rk"
    packed = zlib.compress(b"\0" + TITLE.encode() * 4)
    for name, version, body, flags in (
        ("unsynchronised", 3, title_frame(3) + frame(3, "PRIV", b"who\0\xff\0\0\xff\0\xe0"), 0x80),
        ("extended 3", 3, struct.pack(">IHI", 6, 0, 0) + title_frame(3), 0x40),
        ("extended 4", 4, synchsafe(6) + b"\1\0" + title_frame(4), 0x40),
        ("experimental", 4, title_frame(4), 0x20),
        ("Latin-1 called UTF-8", 4, title_frame(4) + frame(4, "TPE1", latin), 0),
        ("grouped", 4, title_frame(4) + frame(4, "TPE1", b"\5\3one", b"\0\x40"), 0),
        ("compressed 4", 4, frame(4, "TIT2", synchsafe(len(TITLE) * 4 + 1) + packed, b"\0\x09"), 0),
        ("compressed 3", 3, frame(3, "TIT2", struct.pack(">I", len(TITLE) * 4 + 1) + packed, b"\0\x80"), 0),
        ("encrypted", 4, title_frame(4) + frame(4, "TPE1", b"\x80secret", b"\0\4"), 0),
        ("frame unsynchronised", 4, title_frame(4) + frame(4, "PRIV", b"who\0\xff\0\xe0", b"\0\2"), 0),
        ("bad encoding byte", 3, title_frame(3) + frame(3, "TPE1", b"\x09one"), 0),
        ("POPM without end", 3, title_frame(3) + frame(3, "POPM", b"no end"), 0),
        ("empty frame", 3, title_frame(3) + frame(3, "TPE1", b""), 0),
        ("two of one", 3, title_frame(3) + frame(3, "TPE1", b"\0one") + frame(3, "TPE1", b"\0two"), 0),
        ("UTF-16 without order", 3, title_frame(3) + frame(3, "TPE1", b"\1" + text), 0),
        ("UTF-16 odd", 3, title_frame(3) + frame(3, "TPE1", b"\1\xff\xfe" + text + b"x"), 0),
        ("names of version 2", 3, title_frame(3) + frame(3, "TP1 ", b"\0one"), 0),
        ("unknown", 4, title_frame(4) + frame(4, "ZZZ9", b"what"), 0),
        ("a list", 4, title_frame(4) + frame(4, "TPE1", b"\3one\0two\0"), 0),
        ("read only", 4, title_frame(4) + frame(4, "TPE1", b"\3one", b"\x30\0"), 0),
        ("junk for padding", 3, title_frame(3) + b"\0\0\0junk" + bytes(60), 0),
        ("longer than the tag", 3, title_frame(3) + b"TALB\0\0\x7f\x7f\0\0\0text", 0),
        ("nothing", 3, bytes(300), 0),
    ):  # fmt: skip
        yield f"id3 {name}.mp3", id3(version, body, flags) + sound


def comments(*texts: bytes, vendor: bytes = b"a vendor") -> bytes:
    parts = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(texts)) + parts


VORBIS_NAMES = names(
    "VERSION ALBUM TRACKNUMBER ARTIST PERFORMER COPYRIGHT LICENSE ORGANIZATION DESCRIPTION GENRE DATE LOCATION"
    " CONTACT ISRC LANGUAGE COMMENT ALBUMARTIST DISCNUMBER REPLAYGAIN_TRACK_GAIN MUSICBRAINZ_TRACKID"
)
VORBIS_TITLE = b"TITLE=" + TITLE.encode()
COMMENTS = {
    "all": comments(VORBIS_TITLE, *(f"{name}={name} é".encode() for name in VORBIS_NAMES)),
    "empty": comments(vendor=b""),
    "small letters": comments(b"title=" + TITLE.encode(), b"artist=one", b"Artist=two"),
    "Latin-1": comments(VORBIS_TITLE, b"ARTIST=" + LATIN),
    "odd": comments(
        VORBIS_TITLE, b"a remark", b"=nameless", b"", b"T\xefTLE=odd key", b"EMPTY=", b"A=b=c", b"NUL=a\0b"
    ),
    "picture": comments(VORBIS_TITLE, b"METADATA_BLOCK_PICTURE=" + b"QUJD" * 400),
    "many pages": comments(VORBIS_TITLE, b"LYRICS=" + b"la " * 40_000),
}


def block(kind: int, body: bytes, last: bool = False) -> bytes:
    return bytes([kind | 0x80 * last]) + len(body).to_bytes(3, "big") + body


def flac_files(flac: bytes) -> Iterator[tuple[str, bytes]]:
    at, is_last = 4, False
    while not is_last:
        is_last, at = bool(flac[at] & 0x80), at + 4 + int.from_bytes(flac[at + 1 : at + 4], "big")
    info, sound = block(0, flac[8:42]), flac[at:]
    for name, text in COMMENTS.items():
        yield f"flac {name}.flac", b"fLaC" + info + block(4, text) + block(1, bytes(99), last=True) + sound
    mime = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">I", 0) + bytes(16)
    picture = block(6, mime + struct.pack(">I", len(PICTURE)) + PICTURE)
    rest = block(2, b"ABCDdata") + block(3, b"\xff" * 8 + bytes(10)) + picture + block(100, b"a block of later on")
    all_of = block(4, COMMENTS["all"])
    yield "flac blocks.flac", b"fLaC" + info + rest + all_of[:1].replace(b"\4", b"\x84") + all_of[1:] + sound
    yield "flac no comments.flac", b"fLaC" + block(0, flac[8:42], last=True) + sound
    yield "flac behind id3.flac", id3(3, title_frame(3)) + b"fLaC" + info + block(4, COMMENTS["all"], last=True) + sound


def pages(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Head, lacing values and body of each Ogg page."""
    at = 0
    while content[at : at + 4] == b"OggS":
        lacing = content[at + 27 : at + 27 + content[at + 26]]
        body = at + 27 + len(lacing)
        yield content[at : at + 27], lacing, content[body : body + sum(lacing)]
        at = body + sum(lacing)


def packets(content: bytes) -> list[bytes]:
    found, part = [], b""
    for _, lacing, body in pages(content):
        at = 0
        for length in lacing:
            part += body[at : at + length]
            at += length
            if length < 255:
                found.append(part)
                part = b""
    return found


CRC = [0] * 256
for _i in range(256):
    _r = _i << 24
    for _ in range(8):
        _r = (_r << 1 ^ 0x04C11DB7 if _r & 0x80000000 else _r << 1) & 0xFFFFFFFF
    CRC[_i] = _r


def page(flags: int, granule: bytes, serial: bytes, number: int, lacing: bytes, body: bytes) -> bytes:
    """An Ogg page with its checksum (RFC 3533, section 6)."""
    head = b"OggS\0" + bytes([flags]) + granule + serial + struct.pack("<I", number)
    raw = head + bytes(4) + bytes([len(lacing)]) + lacing + body
    crc = 0
    for byte in raw:
        crc = (crc << 8 ^ CRC[crc >> 24 ^ byte]) & 0xFFFFFFFF
    return head + struct.pack("<I", crc) + raw[26:]


def ogg_files(name: str, ogg: bytes) -> Iterator[tuple[str, bytes]]:
    """Other comments in the place of those of a file of Vorbis or Opus."""
    first, _, *rest = packets(ogg)
    is_opus = name == "opus"
    head, end = (b"OpusTags", b"\1kept") if is_opus else (b"\3vorbis", b"\1")
    headers = [] if is_opus else [rest[0]]
    serial = ogg[14:18]
    sound = [part for part in pages(ogg) if part[0][6:14] != bytes(8) and part[0][6:14] != b"\xff" * 8]
    for kind, text in COMMENTS.items():
        wanted = [head + text + end, *headers]
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in wanted)
        body, number = b"".join(wanted), 1
        made = page(2, bytes(8), serial, 0, bytes([len(first)]), first)
        for at in range(0, len(lacing), 255):
            part = lacing[at : at + 255]
            size, goes_on = sum(part), at > 0 and lacing[at - 1] == 255
            granule = bytes(8) if min(part) < 255 else b"\xff" * 8
            made += page(goes_on, granule, serial, number, part, body[:size])
            body, number = body[size:], number + 1
        for old, lengths, content in sound:
            made += page(old[5], old[6:14], serial, number, lengths, content)
            number += 1
        yield f"{name} {kind}.{'opus' if is_opus else 'ogg'}", made


def atom(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind.encode("latin-1") + body


def value(number: int, content: bytes) -> bytes:
    return atom("data", struct.pack(">II", number, 0), content)


def free_form(mean: str, name: str, *contents: bytes) -> bytes:
    inside = (value(1, content) for content in contents)
    return atom("----", atom("mean", bytes(4), mean.encode()), atom("name", bytes(4), name.encode()), *inside)


TEXT_ATOMS = names(
    "©ART aART ©alb ©grp ©wrt ©cmt ©gen ©day ©too cprt desc ldes ©lyr catg keyw sonm soar soal soaa soco sosn"
    " tvnn tvsh tven purd ©st3 ©wrk ©mvn ©dir ©prd ©con ©nrt ©pub ©url"
)
NUMBER_ATOMS = names("tmpo cpil pgap pcst rtng stik tves tvsn hdvd ©mvi ©mvc shwm akID cnID geID")
MP4_TITLE = atom("©nam", value(1, TITLE.encode()))
ATOMS = (
    {name: atom(name, value(1, f"{name} é".encode())) for name in TEXT_ATOMS}
    | {name: atom(name, value(21, b"\1")) for name in NUMBER_ATOMS}
    | {
        "gnre": atom("gnre", value(0, b"\0\x12")),
        "trkn": atom("trkn", value(0, b"\0\0\0\1\0\x0a\0\0")),
        "disk": atom("disk", value(0, b"\0\0\0\1\0\2")),
        "covr": atom("covr", value(14, PICTURE), value(13, b"\xff\xd8\xff\xd9")),
        "purl": atom("purl", value(0, b"http://example.org/")),
        "iTunNORM": free_form("com.apple.iTunes", "iTunNORM", b" 00000A2B" * 10),
        "two values": free_form("com.apple.iTunes", "PERFORMER", b"one", b"two"),
        "of others": free_form("org.other", "INSTRUMENTAL", b"yes"),
        "bad UTF-8": atom("©ART", value(1, b"Bj\xf6rk")),
        "twice": atom("©ART", value(1, b"one")) + atom("©ART", value(1, b"two")),
        "no data": atom("zzzz", b"no data at all"),
        "short": atom("trkn", atom("data", bytes(8), b"\0\0\0")),
        "empty": atom("©ART"),
    }
)


def mp4_files(m4a: bytes) -> Iterator[tuple[str, bytes]]:
    moov = m4a.index(b"moov") - 4
    head, inside = m4a[:moov], m4a[moov + 8 : moov + int.from_bytes(m4a[moov : moov + 4], "big")]
    if b"udta" in inside:
        inside = inside[: inside.rindex(b"udta") - 4]
    handler = atom("hdlr", bytes(8), b"mdirappl", bytes(9))
    yield "mp4 no tags.m4a", head + atom("moov", inside)
    for turn, (name, raw) in enumerate(ATOMS.items()):
        listed = atom("ilst", MP4_TITLE, raw)
        more = (atom("free", bytes(64)), atom("chpl", b"\1\0\0\0chapters"), b"")[turn % 3]
        new = atom("moov", inside, atom("udta", more, atom("meta", bytes(4), handler, listed)))
        if turn % 2:
            mdat, table = head.index(b"mdat") - 4, new.index(b"stco") + 8
            count = struct.unpack_from(">I", new, table)[0]
            places = [place + len(new) for place in struct.unpack_from(f">{count}I", new, table + 4)]
            new = new[: table + 4] + struct.pack(f">{count}I", *places) + new[table + 4 + 4 * count :]
            yield f"mp4 {name}.m4a", head[:mdat] + new + head[mdat:]
        else:
            yield f"mp4 {name}.m4a", head + new


def chunk(kind: str, body: bytes, order: str = "<") -> bytes:
    return kind.encode() + struct.pack(f"{order}I", len(body)) + body + bytes(len(body) % 2)


INFO_NAMES = names(
    "IARL IART ICMS ICMT ICOP ICRD ICRP IDIM IDPI IENG IGNR IKEY ILGT IMED IPLT IPRD ISBJ ISFT ISHP ISRC ISRF"
    " ITCH ITRK IPRT IFRM ILNG IMUS IPRO ISTR IWRI"
)
INFO_TITLE = chunk("INAM", TITLE.encode() + b"\0")


def wav_files(wav: bytes) -> Iterator[tuple[str, bytes]]:
    def made(*more: bytes, behind: bytes = b"") -> bytes:
        body = wav[8:] + b"".join(more)
        return b"RIFF" + struct.pack("<I", len(body)) + body + behind

    def info(*more: bytes) -> bytes:
        return chunk("LIST", b"INFO" + INFO_TITLE + b"".join(more))

    for name in INFO_NAMES:
        yield f"info {name}.wav", made(info(chunk(name, f"{name} text".encode() + b"\0")))
    for name, more in {
        "Latin-1": [info(chunk("IART", LATIN + b"\0"))],
        "no NUL": [info(chunk("IART", b"one"))],
        "small letters": [info(chunk("iart", b"one\0"))],
        "empty": [info(chunk("IART", b""))],
        "twice": [info(), info(chunk("IART", b"one\0"))],
        "adtl": [chunk("LIST", b"adtl" + chunk("labl", b"\1\0\0\0mark\0")), info()],
        "bext and iXML": [chunk("bext", b"a broadcast" * 60), chunk("iXML", b"<BWFXML/>"), info()],
        "id3 3": [info(), chunk("id3 ", id3(3, title_frame(3)))],
        "id3 4": [chunk("ID3 ", id3(4, title_frame(4) + bytes(77)))],
        "id3 v2.2": [chunk("id3 ", id3(2, title_frame(2)))],
        "odd": [chunk("odd ", b"1"), info()],
    }.items():  # fmt: skip
        yield f"wav {name}.wav", made(*more)
    yield "wav behind.wav", made(info(), behind=b"bytes behind the end")


AIFF_NAMES = ("AUTH", "(c) ", "ANNO", "MARK", "INST", "MIDI", "AESD", "APPL", "COMT", "SAXL")


def aiff_files(aiff: bytes) -> Iterator[tuple[str, bytes]]:
    def made(*more: bytes) -> bytes:
        body = aiff[8:] + b"".join(more)
        return b"FORM" + struct.pack(">I", len(body)) + body

    title = chunk("NAME", TITLE.encode(), ">")
    for name in AIFF_NAMES:
        yield f"aiff {name.strip('() ')}.aiff", made(title, chunk(name, b"some text and more", ">"))
    yield "aiff notes.aiff", made(title, chunk("ANNO", b"one", ">"), chunk("ANNO", b"another", ">"))
    yield "aiff Latin-1.aiff", made(title, chunk("AUTH", LATIN, ">"))
    yield "aiff id3.aiff", made(title, chunk("ID3 ", id3(4, title_frame(4) + bytes(50)), ">"))
    yield "aiff id3 alone.aiff", made(chunk("ID3 ", id3(3, title_frame(3)), ">"), chunk("odd ", b"1", ">"))


# Reading

_TXXX = re.compile(rb"TXXX\0\0\0(.)\0\0[\0\3](%s)\0" % "|".join(OURS).encode(), re.DOTALL)
_TXX = re.compile(rb"TXX\0\0(.)[\0\3](%s)\0" % "|".join(OURS).encode(), re.DOTALL)
_APE_ITEM = re.compile(rb"(....)\0\0\0\0(%s)\0" % "|".join(OURS).encode(), re.DOTALL)


def parts(content: bytes) -> list[Part]:
    """All of a file but our five entries, in order; sizes that include ours, and padding, are left out."""
    if content[:4] in (b"RIFF", b"FORM"):
        return list(_chunks(content))
    if content[4:8] == b"ftyp":
        return list(_atoms(content, 0, len(content), ""))
    if content.startswith(b"OggS"):
        return list(_ogg(content))
    front = []
    if content.startswith(b"ID3"):
        end = 10 + _size(content[6:10])
        front, content = _id3(content[:end]), content[end:]
    if content.startswith(b"fLaC"):
        return [*front, *_flac(content)]
    return [*front, *_behind(content)]


def _size(synchsafed: bytes) -> int:
    return synchsafed[0] << 21 | synchsafed[1] << 14 | synchsafed[2] << 7 | synchsafed[3]


def _id3(tag: bytes) -> list[Part]:
    body, pattern, head = tag[10:], *((_TXX, 6) if tag[3] == 2 else (_TXXX, 10))
    while found := pattern.search(body):
        body = body[: found.start()] + body[found.start() + head + found[1][0] :]
    return [("id3", tag[3:6] + body.rstrip(b"\0"))]


def _behind(content: bytes) -> Iterator[Part]:
    """MPEG sound, and an APE tag behind it."""
    at = content.rfind(b"APETAGEX")
    if at < 0:
        yield "sound", content
        return
    size, count, flags = struct.unpack_from("<III", content, at + 12)
    start = at + 32 - size
    body = content[start:at]
    start -= 32 if flags & 0x80000000 else 0
    n_ours = 0
    while found := _APE_ITEM.search(body):
        body = body[: found.start()] + body[found.end() + struct.unpack("<I", found[1])[0] :]
        n_ours += 1
    yield "sound", content[:start]
    yield "ape", struct.pack("<II", count - n_ours, flags) + body
    yield "behind", content[at + 32 :]


def _comments(content: bytes) -> Iterator[Part]:
    at = 4 + struct.unpack_from("<I", content)[0]
    yield "vendor", content[4:at]
    count, at = struct.unpack_from("<I", content, at)[0], at + 4
    for _ in range(count):
        end = at + 4 + struct.unpack_from("<I", content, at)[0]
        text = content[at + 4 : end]
        if text.split(b"=")[0].decode("latin-1") not in OURS:
            yield "comment", text
        at = end
    yield "behind comments", content[at:]


def _flac(content: bytes) -> Iterator[Part]:
    at, is_last = 4, False
    while not is_last:
        kind, size = content[at] & 0x7F, int.from_bytes(content[at + 1 : at + 4], "big")
        body = content[at + 4 : at + 4 + size]
        if kind == 4:
            yield from _comments(body)
        else:
            yield f"block {kind}", body
        is_last, at = bool(content[at] & 0x80), at + 4 + size
    yield "sound", content[at:]


def _ogg(content: bytes) -> Iterator[Part]:
    first, second, *rest = packets(content)
    head = 8 if second.startswith(b"Opus") else 7
    yield "packet", first
    yield "packet", second[:head]
    yield from _comments(second[head:])
    for packet in rest:
        yield "packet", packet
    for number, (top, lacing, body) in enumerate(pages(content)):
        if page(top[5], top[6:14], top[14:18], number, lacing, body) != top + lacing + body:
            yield "wrong number or checksum", top
        if top[6:14] not in (bytes(8), b"\xff" * 8):
            yield "time", top[5:18]


_HOLDERS = {"moov", "udta", "meta", "ilst", "trak", "mdia", "minf", "stbl"}


def _atoms(content: bytes, at: int, end: int, path: str) -> Iterator[Part]:
    while at + 8 <= end:
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8].decode("latin-1")
        body, last, place = at + 8, at + size if size else end, f"{path}/{kind}"
        if kind in _HOLDERS:
            yield place, b""
            yield from _atoms(content, body + 4 * (kind == "meta"), last, place)
        elif kind == "stco":
            count = struct.unpack_from(">I", content, body + 4)[0]
            for there in struct.unpack_from(f">{count}I", content, body + 8):
                yield "chunk of sound", content[there : there + 16]
        elif not (kind == "----" and _is_ours(content[body:last])):
            yield place, content[body:last]
        at = last


def _is_ours(body: bytes) -> bool:
    mean, name = (body.find(word) for word in (b"mean", b"name"))
    called = body[name + 8 : name - 4 + int.from_bytes(body[name - 4 : name], "big")].decode()
    return body[mean + 8 :].startswith(b"com.apple.iTunes") and called in OURS


def _chunks(content: bytes) -> Iterator[Part]:
    order = "big" if content.startswith(b"FORM") else "little"
    at, end = 12, 8 + int.from_bytes(content[4:8], order)
    while at + 8 <= end:
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], order)
        body = content[at + 8 : at + 8 + size]
        if kind in (b"id3 ", b"ID3 "):
            yield from _id3(body)
        else:
            yield f"chunk {kind!r}", body
        at += 8 + size + size % 2
    yield "behind", content[end:]


# A reader of another kind

_TAGLIB = """
import json, pathlib, sys, taglib
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        file = taglib.File(str(path))
    except OSError:
        continue
    found[path.name] = [dict(file.tags), [name.rpartition(":")[2] for name in file.unsupported]]
print(json.dumps(found))
"""


def in_taglib(folder: Path) -> dict[str, tuple[dict[str, list[str]], list[str]]]:
    """What each file says, and the names of what TagLib reads without a name for it, as of MP4 before TagLib 2."""
    python = Path("/usr/bin/python3")  # that of the system, for which Debian has TagLib
    command = [python, "-c", _TAGLIB, folder]
    done = subprocess.run(command, capture_output=True, check=False) if python.exists() else None
    if done is None or done.returncode:
        pytest.skip("TagLib for Python is not installed (Debian: python3-taglib)")
    return {
        name: ({key: [text.strip() for text in texts] for key, texts in tags.items()}, others)
        for name, (tags, others) in json.loads(done.stdout).items()
    }
