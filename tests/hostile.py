"""Files that break programs: every kind of damage that was met or thought of, made from one good sound.

`write_hostile` fills a folder with them and says what may be answered for each.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from sounds import FORMATS, write, write_m4a

Answer = Literal["label", "no label", "either"]
"""A label is due; none may be given; both are right, or it depends on the decoder."""

CUTS = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 0.98]
FLIPS = [1, 10, 100, 1000]
JUNK = 50_000_000
RATE = 48_000


def sound(seconds: float) -> np.ndarray:
    """Music, more or less: three chords with an attack, stereo."""
    t = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * (1 + (t // 1 % 3) / 6) * t) / i for i, f in enumerate((220, 277, 330, 660), 1))
    y = 0.2 * chord * np.exp(-2 * (t % 0.5))
    return np.stack([y, np.roll(y, 400)], axis=1).astype(np.float32)


def good_files(folder: Path, seconds: float) -> dict[str, Path]:
    """The sound in every format, by its suffix."""
    y = sound(seconds)
    files = {name[2:]: write(folder / name, y, RATE, **how) for name, how in FORMATS.items()}
    with suppress(ImportError):
        files["m4a"] = write_m4a(folder / "a.m4a", y[:, 0], RATE)
    return files


def write_hostile(folder: Path, *, seconds: float = 5.0, seed: int = 0, junk: int = JUNK) -> dict[Path, Answer]:
    """Fill a new folder.

    Parameters
    ----------
    folder : Path
    seconds : float
        Length of the good sound.
    seed : int
        Of the bytes that are flipped.
    junk : int
        Bytes of tags without sense.
    """
    folder.mkdir(parents=True)
    good = good_files(folder, seconds)
    made: dict[Path, Answer] = dict.fromkeys(good.values(), "label")
    for makers in (cut(good), flipped(good, random.Random(seed)), lying(good), tagged(good, junk), no_sound(), odd()):
        for name, content, answer in makers:
            (folder / name).write_bytes(content)
            made[folder / name] = answer
    return made | named(folder, good["flac"].read_bytes()) | not_regular(folder)


Made = Iterator[tuple[str, bytes, Answer]]


def cut(good: dict[str, Path]) -> Made:
    for suffix, path in good.items():
        content = path.read_bytes()
        for share in CUTS:
            yield f"cut at {share:.0%}.{suffix}", content[: int(share * len(content))], "either"


def flipped(good: dict[str, Path], dice: random.Random) -> Made:
    for suffix, path in good.items():
        for n in FLIPS:
            content = bytearray(path.read_bytes())
            for _ in range(n):
                content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            yield f"{n} bits flipped.{suffix}", bytes(content), "either"


def lying(good: dict[str, Path]) -> Made:
    """Headers that are wrong about length, rate, channels and sizes."""
    wav, flac, aiff = (good[suffix].read_bytes() for suffix in ("wav", "flac", "aiff"))
    for what, at, form, values in (
        ("riff size", 4, "<I", (0, 1, 2**32 - 1)),
        ("chunk size", 16, "<I", (0, 3, 2**31, 2**32 - 1)),
        ("encoding", 20, "<H", (0, 2, 0x55, 0xFFFF)),
        ("channels", 22, "<H", (0, 1, 3, 255, 65535)),
        ("rate", 24, "<I", (0, 1, 999, 2**31, 2**32 - 1)),
        ("frame size", 32, "<H", (0, 1, 65535)),
        ("bits", 34, "<H", (0, 1, 7, 64, 65535)),
    ):
        for value in values:
            yield f"wav {what} {value}.wav", patched(wav, at, struct.pack(form, value)), "either"
    data = wav.index(b"data") + 4
    for value in (0, 1, 2**31 - 1, 2**32 - 1):
        yield f"wav length {value}.wav", patched(wav, data, struct.pack("<I", value)), "either"
    for value in (0, 2**36 - 1):
        rates = int.from_bytes(flac[18:26], "big") & ~(2**36 - 1) | value
        yield f"flac length {value}.flac", patched(flac, 18, rates.to_bytes(8, "big")), "either"
    for value in (0, 1, 2**20 - 1):
        rates = int.from_bytes(flac[18:26], "big") & (2**44 - 1) | value << 44
        yield f"flac rate {value}.flac", patched(flac, 18, rates.to_bytes(8, "big")), "either"
    for value in (b"\0" * 10, b"\xff" * 10):
        yield f"aiff rate {value[0]}.aiff", patched(aiff, aiff.index(b"COMM") + 16, value), "either"
    for suffix in ("ogg", "opus"):
        page = bytearray(good[suffix].read_bytes())
        page[6:14] = b"\xff" * 8
        yield f"{suffix} position.{suffix}", bytes(page), "either"


def patched(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def tagged(good: dict[str, Path], junk: int) -> Made:
    """Junk before and behind the sound, tags in tags, and sizes that lead nowhere."""
    mp3, flac, wav = (good[suffix].read_bytes() for suffix in ("mp3", "flac", "wav"))

    def id3(size: int) -> bytes:
        return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))

    yield "large id3.mp3", id3(junk) + b"\0" * junk + mp3, "either"
    yield "id3 in id3.mp3", b"".join(id3(10) * 2 for _ in range(500)) + mp3, "either"
    yield "id3 without end.mp3", id3(2**28 - 1) + mp3, "either"
    yield "id3 of nothing.mp3", id3(0) * 5000 + mp3, "either"
    yield "id3 alone.mp3", id3(100) + b"\0" * 100, "no label"
    yield "id3 before flac.flac", id3(100) + b"\0" * 100 + flac, "either"
    yield "large ape.mp3", mp3 + b"APETAGEX" + b"\xff" * 24 + b"\0" * (junk // 10), "either"
    yield "large chunk.wav", wav[:12] + b"junk" + struct.pack("<I", junk) + b"\0" * junk + wav[12:], "either"
    yield "chunks of nothing.wav", wav[:12] + b"junk\0\0\0\0" * 50_000 + wav[12:], "either"
    block = b"\x04\xff\xff\xff" + b"\0" * 0xFFFFFF
    yield "large comments.flac", flac[:42] + block + flac[42:], "either"
    yield "sound behind noise.mp3", random.Random(1).randbytes(3000) + mp3, "either"


def no_sound() -> Made:
    text = b"This is not music. " * 500
    for suffix in ("mp3", "wav", "flac", "ogg", "m4a", "wma", "aiff"):
        yield f"text.{suffix}", text, "no label"
        yield f"empty.{suffix}", b"", "no label"
        yield f"one byte.{suffix}", b"R", "no label"
        yield f"zeros.{suffix}", bytes(20_000), "no label"
    yield "page.mp3", b"<!DOCTYPE html><html><body>404</body></html>" * 200, "no label"
    yield "picture.mp3", b"\xff\xd8\xff\xe0\0\x10JFIF" + random.Random(2).randbytes(20_000), "no label"
    yield "archive.mp3", b"PK\x03\x04" + random.Random(3).randbytes(20_000), "no label"
    yield "program.mp3", b"\x7fELF" + random.Random(4).randbytes(20_000), "no label"
    yield "noise.mp3", random.Random(5).randbytes(100_000), "no label"
    for magic in (b"RIFF", b"RIFF\xff\xff\xff\xffWAVE", b"fLaC", b"OggS", b"FORM\0\0\0\0AIFF", b"\0\0\0\x18ftypM4A "):
        name = magic[:4].decode("ascii", "replace").strip("\0") or "ftyp"
        yield f"magic {name} {len(magic)}.bin.wav", magic, "no label"
        yield f"magic {name} {len(magic)} and noise.wav", magic + random.Random(6).randbytes(5000), "no label"


def odd() -> Made:
    """Sound, but not as it should be."""
    t = np.arange(5 * RATE) / RATE
    for name, y in {
        "not numbers": np.full(5 * RATE, np.nan),
        "infinite": np.full(5 * RATE, np.inf),
        "all too loud": 1e30 * np.sin(2000 * t),
        "hardly there": 1e-30 * np.sin(2000 * t),
        "one sample": np.ones(1),
        "two hundred samples": np.ones(200),
        "constant": np.ones(5 * RATE),
        "silence": np.zeros(5 * RATE),
    }.items():
        yield f"{name}.wav", wav_of(y), "either" if "loud" in name or "constant" in name else "no label"
    yield "half an hour of nothing.flac", flac_of(np.zeros(1800 * 8000, np.int16), 8000), "no label"


def wav_of(y: np.ndarray) -> bytes:
    return _encoded(y.astype(np.float32), RATE, format="WAV", subtype="FLOAT")


def flac_of(y: np.ndarray, rate: int) -> bytes:
    return _encoded(y, rate, format="FLAC")


def _encoded(y: np.ndarray, rate: int, **how: str) -> bytes:
    import io

    file = io.BytesIO()
    soundfile.write(file, y, rate, **how)
    return file.getvalue()


def named(folder: Path, content: bytes) -> dict[Path, Answer]:
    """Good sound under names that are hard to write."""
    names = [
        b"line\nbreak",
        b"quotes ' \" ` $(id)",
        "\N{MUSICAL NOTE}\N{PILE OF POO}".encode(),
        b"n" * 250,
        b" ",
        b"-rf",
    ]
    names += [b"=cmd|' C calc'!A0", b"\x1b[2J\x1b]0;title\x07", b"<script>alert(1)<script>"]
    if sys.platform == "linux":
        names += [b"\xff\xfe not text", b"\xed\xa0\x80 lone surrogate"]
    made = {}
    for name in names:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".flac"))
        path.write_bytes(content)
        made[path] = "label"
    return made  # type: ignore[return-value]


def not_regular(folder: Path) -> dict[Path, Answer]:
    """What has a name and no content of its own."""
    (folder / "links").mkdir()
    pipe, plug = folder / "pipe.mp3", folder / "s.mp3"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.bind(str(plug))
    links = {folder / "zero.mp3": "/dev/zero", folder / "nowhere.mp3": "nowhere", folder / "itself.mp3": "itself.mp3"}
    for link, target in links.items():
        link.symlink_to(target)
    (folder / "links" / "up").symlink_to(folder)
    return dict.fromkeys([pipe, *links, *([plug] if plug.exists() else [])], "no label")
