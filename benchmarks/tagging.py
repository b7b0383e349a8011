"""A library of 200 files in seven formats: tagged, decided again, undone, and byte-identical in the end.

    python -m benchmarks tagging --seconds 180

Each file has its own length, sound and title, and those that take one have a cover. Prints the seconds per file of each
step and the size of the undo journal. A sample that has changed, or in the end a byte, is an error.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import click
import mutagen
import numpy as np
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover

from songscore.audio import open_audio
from songscore.model import MODEL
from songscore.results import SCORE, SONG, TrackResult
from songscore.tags import TagResult, UndoJournal, Writing, relabel, tag_track, undo

from .material.place import Place
from .material.test_files import set_title, write_as_named

QUICK = {"files": 7, "seconds": 1.0}
SUFFIXES = ("mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff")
RATE = 48_000
T = TypeVar("T")
COVER = np.random.default_rng(0).bytes(100_000)


@click.command()
@click.option("--files", default=200, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Mean length of a file.")
def main(place: Place, files: int, seconds: float) -> Iterator[str]:
    """A line for each step."""
    chance = np.random.default_rng(1)
    with TemporaryDirectory() as folder:
        paths = [make(Path(folder), number, seconds * chance.uniform(0.5, 1.5)) for number in range(files)]
        odds = dict(zip(paths, chance.uniform(0, 1, files), strict=True))
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        yield f"{files} files, {megabytes:.0f} MB, of {seconds:.0f} s on average; seconds per file"
        lines: list[str] = []
        each = partial(timed, lines, paths)
        bytes_before, sound_before = each("hash", digest), each("decode", samples)
        journal = UndoJournal(Path(folder, "undo.jsonl"))
        writing = Writing(journal=journal)
        met(each("tag, dry run", lambda path: tag_track(track(path, odds[path]))), changed=files)
        met(each("tag", lambda path: tag_track(track(path, odds[path]), writing=writing)), changed=files)
        same(sound_before, each("decode", samples))
        moved = sum(0.3 <= p < 0.5 for p in odds.values())
        again = each("relabel", lambda path: relabel(path, 0.3, writing=writing))
        met(again, changed=moved, unchanged=files - moved)
        same(sound_before, each("decode", samples))
        lines.append(f"undo journal: {journal.path.stat().st_size / (files + moved):.0f} bytes per change")
        met(each("undo", lambda path: undo(path, journal)), changed=files)
        same(bytes_before, each("hash", digest))
    yield from [*lines, "every byte is what it was"]


def make(folder: Path, number: int, seconds: float) -> Path:
    """A tone in noise, with a title and a cover."""
    suffix = SUFFIXES[number % len(SUFFIXES)]
    path = folder / f"{number:03d}.{suffix}"
    time_axis = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(number).standard_normal(len(time_axis))
    y = (0.3 * np.sin(2 * np.pi * (200 + number) * time_axis) + 0.05 * noise).astype(np.float32)
    write_as_named(path, y, RATE)
    set_title(path, f"Track {number}")
    set_cover(path)
    return path


def set_cover(path: Path) -> None:
    file = mutagen.File(path)
    if isinstance(file.tags, ID3):
        file.tags.add(APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=COVER))
    elif isinstance(file, MP4):
        file["covr"] = [MP4Cover(COVER)]
    elif isinstance(file, FLAC):
        picture = Picture()
        picture.data = COVER
        file.add_picture(picture)
    file.save()


def track(path: Path, p: float) -> TrackResult:
    return TrackResult(path=str(path), label=SONG if p >= 0.5 else SCORE, song_probability=p, model=MODEL)


def timed(lines: list[str], paths: list[Path], step: str, work: Callable[[Path], T]) -> dict[Path, T]:
    start = time.perf_counter()
    found = {path: work(path) for path in paths}
    lines.append(f"{step:<14}{(time.perf_counter() - start) / len(paths):8.4f}")
    return found


def met(results: dict[Path, TagResult], **expected: int) -> None:
    found = Counter(result.status for result in results.values())
    if found != Counter(expected):
        raise click.ClickException(
            f"{dict(found)}, not {expected}: {[r.message for r in results.values() if r.message]}"
        )


def same(before: dict[Path, str], now: dict[Path, str]) -> None:
    other = [path.name for path in before if before[path] != now[path]]
    if other:
        raise click.ClickException(f"not what they were: {', '.join(other)}")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def samples(path: Path) -> str:
    decoded = hashlib.sha256()
    with open_audio(path, rate=RATE) as stream:
        for block in stream.blocks():
            decoded.update(block.tobytes())
    return decoded.hexdigest()
