"""What a run over a library survives: killed again and again, with files and decoders that fail in every way.

    python -m benchmarks faults --markdown docs/figures/faults.md

A library of good, damaged and hostile files (``tests/hostile.py``) is labelled once in peace. Then the same is done by
runs that are killed with SIGKILL at random moments, each followed by ``--resume``, while worker processes are killed
too, a decoder crashes, hangs and asks for all memory, and files grow, vanish and lose their permissions. Other runs
meet a full disk, and an output that another program replaces, cuts short and removes. No answer may be lost, doubled
or other than in peace.

Then files of each of seven formats are tagged by runs that are killed at random moments, and tags, outputs and a model
are written to a disk without room. Every file has to be what it was or whole, and undoing has to bring back each byte.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile

from songscore.results import TrackResult, exact_path

from .material.place import Place
from .material.test_files import (
    PAGE,
    flipped,
    good_files,
    mounted,
    set_title,
    sine,
    write_as_named,
    write_hostile,
)

QUICK = {"tracks": 0, "every": 6, "kills": 1, "mutations": 20, "formats": "flac", "tag_kills": 1}

PROGRAM = """
from songscore.batch import child
from songscore.cli import main
child._PROGRAM = '''
import ctypes, os
from songscore.batch import worker
honest = worker.analyse
def analyse(path, model, question, *, thorough):
    name = os.path.basename(path)
    if name.startswith("crash"):
        ctypes.string_at(0)
    if name.startswith("hang"):
        ctypes.PyDLL(None).sleep(10000)
    if name.startswith("hungry"):
        bytearray(64 << 30)
    return honest(path, model, question, thorough=thorough)
worker.analyse = analyse
worker.serve()
'''
main()
"""
SEVEN = ("mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff")
TIMEOUT = 10.0
UNSTEADY = ("grows", "vanishes", "closes")
"""Files that change during the run: their answers may differ, and what vanishes before it is met has none."""

WITHOUT_END = "hang"
"""A file whose worker is killed from outside again and again before its time is up."""

Answers = dict[str, tuple[Any, ...]]

trouble = Counter[str]()

BAD = (
    "results lost",
    "results doubled",
    "results wrong",
    "labels without sound",
    "outputs replaced, cut, removed: unnoticed",
    "results lost by it",
    "tags lost by it",
    "left behind by it",
    "changed by a full disk",
    "tracebacks",
    "hangs",
)
"""What has to be 0."""


def write_library(folder: Path, n_tracks: int, every: int) -> int:
    """Hostile files, then short tracks up to a number, and of all of these every n-th; how many there are."""
    if not folder.exists():
        write_hostile(folder / "hostile", seconds=4, junk=5_000_000)
        shutil.rmtree(folder / "hostile" / "links")
        for fault in ("crash", "hungry"):
            for i in range(10):
                (folder / f"{fault} {i}.flac").write_bytes((folder / "hostile" / "a.flac").read_bytes())
        (folder / "hang.flac").write_bytes(b"")
        shutil.copy(folder / "hostile" / "a.flac", folder / "hang.flac")
        for kind in UNSTEADY:
            for i in range(5):
                shutil.copy(folder / "hostile" / "a.flac", folder / f"{kind} {i}.flac")
        dice = np.random.default_rng(0)
        for i in range(n_tracks - sum(path.is_file() for path in folder.rglob("*"))):
            t = np.arange(3 * 16_000) / 16_000
            tune = np.sin(2 * np.pi * 110 * 2 ** (dice.integers(0, 36) / 12) * t + dice.normal(0, 0.3) * np.sin(30 * t))
            soundfile.write(folder / f"track {i:04d}.flac", 0.3 * tune * np.exp(-(t % dice.uniform(0.2, 1))), 16_000)
        for i, path in enumerate(sorted(path for path in folder.rglob("*") if not path.is_dir())):
            if i % every:
                path.unlink()
    return sum(1 for path in folder.rglob("*") if not path.is_dir() and path.suffix != ".part")


def start(library: Path, output: Path, *more: str, **how: Any) -> subprocess.Popen[bytes]:
    """Label the library in a process group of its own."""
    command = [sys.executable, "-c", PROGRAM, "label", library, "--format", "jsonl", "--output", output, "--resume"]
    command += ["--jobs", "2", "--timeout", f"{TIMEOUT:g}", "--no-cache", *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, **how)


def finish(process: subprocess.Popen[bytes]) -> str:
    """Wait, and count tracebacks, and runs that take ten minutes; what was said."""
    try:
        said = process.communicate(timeout=600)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        trouble["hangs"] += 1
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[1].decode(errors="replace")
    trouble["tracebacks"] += "Traceback" in said
    return said


def read(output: Path) -> tuple[Answers, int]:
    """The answers by path, and how many came more than once. The torn last line of a killed run is none."""
    _, *lines = [json.loads(line) for line in output.read_bytes().split(b"\n")[:-1]]
    found = {
        line["path"]: tuple(line[key] for key in ("status", "label", "song_probability", "duration")) for line in lines
    }
    return found, len(lines) - len(found)


def workers_of(parent: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            _, of, *_ = (process / "stat").read_text().rpartition(")")[2].split()
            if int(of) == parent:
                found.append(int(process.name))
    return found


def disturb(library: Path, parent: int, over: threading.Event, dice: random.Random) -> None:
    """Kill a worker now and then, and change files under the run's hands."""
    for i in range(10_000):
        if over.wait(dice.uniform(0.5, 3)):
            return
        if workers := workers_of(parent):
            with suppress(OSError):
                os.kill(dice.choice(workers), signal.SIGKILL)
        path = library / f"{UNSTEADY[i % 3]} {i % 5}.flac"
        with suppress(OSError):
            if path.name.startswith("grows"):
                with path.open("ab") as file:
                    file.write(bytes(1000))
            elif path.name.startswith("vanishes"):
                path.unlink()
            else:
                path.chmod(0)


def killed(library: Path, output: Path, kills: int, dice: random.Random) -> Iterator[str]:
    """Kill the run at random moments between its first and its last answer, often enough; then let it end."""
    more = max(1, 2 * len(list(library.iterdir())) // (kills + 1))  # in the mean, all are answered by then
    for kill in range(kills + 1):
        process = start(library, output)
        over = threading.Event()
        disturbance = threading.Thread(target=disturb, args=[library, process.pid, over, dice])
        disturbance.start()
        try:
            if kill < kills:
                wait_for_answers(process, output, dice.randint(1, more))
                time.sleep(dice.uniform(0.0, 0.1))
                with suppress(ProcessLookupError):
                    (os.killpg if kill % 2 else os.kill)(process.pid, signal.SIGKILL)
                process.communicate(timeout=60)
            else:
                finish(process)
        finally:
            over.set()
            disturbance.join()
        yield f"killed after {n_lines(output)} answers"


def wait_for_answers(process: subprocess.Popen[bytes], output: Path, more: int) -> None:
    """Until the run has given that many more answers."""
    enough = n_lines(output) + more
    while process.poll() is None and n_lines(output) < enough:
        time.sleep(0.01)


def n_lines(output: Path) -> int:
    return output.read_bytes().count(b"\n") if output.exists() else 0


def full_disk(library: Path, output: Path, size: int) -> str:
    """Run where no file may grow beyond a size; then where it may."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    said = finish(start(library, output, preexec_fn=limit))
    assert "File too large" in said, said
    finish(start(library, output))
    return said


@click.command()
@click.option("--tracks", default=2000, show_default=True, help="Files in the library.")
@click.option("--every", default=1, show_default=True, help="Take every n-th of these files.")
@click.option("--kills", default=20, show_default=True, help="Times that the run is killed.")
@click.option("--mutations", default=5000, show_default=True, help="Files with flipped bits.")
@click.option("--formats", default=",".join(SEVEN), show_default=True, help="Formats in which tags are written.")
@click.option("--tag-kills", default=40, show_default=True, help="Times that tagging is killed, for each format.")
def main(
    place: Place, tracks: int, every: int, kills: int, mutations: int, formats: str, tag_kills: int
) -> Iterator[str]:
    """Do all of it; a row for each thing that is counted."""
    dice = random.Random(0)
    shutil.rmtree(place.own, ignore_errors=True)
    work = place.own
    library = work / "library"
    n_files = write_library(library, tracks, every)
    began = time.perf_counter()
    finish(start(library, work / "peace.jsonl"))
    peace, _ = read(work / "peace.jsonl")
    statuses = dict(Counter(answer[0] for answer in peace.values()))
    click.echo(f"{n_files} files in peace: {time.perf_counter() - began:.0f} s, {statuses}", err=True)
    for line in killed(library, work / "war.jsonl", kills, dice):
        click.echo(line, err=True)
    war, doubled = read(work / "war.jsonl")
    full_disk(library, work / "full.jsonl", (work / "war.jsonl").stat().st_size // 2)
    full, doubled_when_full = read(work / "full.jsonl")
    steady = [path for path in peace if not Path(path).name.startswith((*UNSTEADY, WITHOUT_END))]
    lasting = peace.keys() - vanished(library)
    rows: dict[str, int | str] = {
        "files": n_files,
        "kills of the run": kills,
        "results lost": len(lasting - war.keys()) + len(lasting - full.keys()),
        "results doubled": doubled + doubled_when_full,
        "results wrong": sum(peace[p] != war.get(p, peace[p]) for p in steady)
        + sum(peace[p] != full.get(p, peace[p]) for p in steady),
    }
    rows |= mutated(work / "mutated", mutations)
    rows |= meddled(library, work / "meddled", peace)
    rows |= killed_tagging(work / "tagging", formats.split(","), tag_kills, dice)
    rows |= no_room(work / "full")
    rows |= {"tracebacks": trouble["tracebacks"], "hangs": trouble["hangs"]}
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in rows.items())
    bad = [name for name in BAD if isinstance(rows[name], int) and rows[name]]
    if bad:
        raise click.ClickException(f"not 0: {', '.join(bad)}")


def meddled(library: Path, folder: Path, peace: Answers) -> dict[str, int]:
    """Runs whose output another program replaces, cuts short or removes, each followed by ``--resume``."""
    folder.mkdir()
    lost = unnoticed = 0
    for kind in ("replaced", "cut", "removed"):
        output = folder / f"{kind}.jsonl"
        process = start(library, output)
        while process.poll() is None and (not output.exists() or output.stat().st_size < 3000):
            time.sleep(0.01)
        if kind == "replaced":
            shutil.copy(output, folder / "copy").replace(output)
        elif kind == "cut":
            os.truncate(output, output.stat().st_size // 2)
        else:
            output.unlink()
        said = finish(process)
        unnoticed += not (process.returncode == 1 and "another program" in said)
        finish(start(library, output))
        answers, doubled = read(output)
        lost += len(peace.keys() - vanished(library) - answers.keys()) + doubled
    return {"outputs replaced, cut, removed: unnoticed": unnoticed, "results lost by it": lost}


N_TAGGED = 12
"""Files of each format that are tagged."""


def write_tunes(folder: Path, suffix: str) -> dict[Path, bytes]:
    """Files of one format with a title, each with a sound of its own."""
    folder.mkdir(parents=True)
    for i in range(N_TAGGED):
        set_title(write_as_named(folder / f"{i}.{suffix}", sine(200 + 20 * i, 2.0, 48_000), 48_000), "A long way")
    return {path: path.read_bytes() for path in sorted(folder.iterdir())}


def write_answers(output: Path, paths: Iterable[Path], p: float) -> Path:
    """Answers as `songscore label` gives them, all of one probability."""
    label = "song" if p > 0.5 else "instrumental score"
    tracks = (TrackResult(path=str(path), label=label, song_probability=p, model="track-v2") for path in paths)  # type: ignore[arg-type]
    output.write_text("".join(json.dumps(track.to_dict()) + "\n" for track in tracks))
    return output


def tag(*arguments: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "songscore", "tag", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def killed_tagging(folder: Path, formats: list[str], kills: int, dice: random.Random) -> dict[str, int]:
    """Kill runs that write tags; whatever they leave is whole, and ``--undo`` brings back every byte."""
    lost = left = 0
    for suffix in formats:
        music, journal = folder / suffix, folder / f"{suffix}.undo"
        before = write_tunes(music, suffix)
        answers = [write_answers(folder / f"{suffix} {p}.jsonl", before, p) for p in (0.25, 0.75)]
        began = time.perf_counter()
        finish(tag("--from", answers[0], "--write", "--jobs", "2", "--journal", journal))
        takes = time.perf_counter() - began
        for kill in range(kills):
            process = tag("--from", answers[(kill + 1) % 2], "--write", "--jobs", "2", "--journal", journal)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=dice.uniform(0.2, 1.0) * takes)
            workers = workers_of(process.pid)
            with suppress(ProcessLookupError):
                (os.killpg if kill % 2 else os.kill)(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
            left += sum(not gone(worker) for worker in workers)
            lost += sum(b"A long way" not in path.read_bytes() for path in before)
        finish(tag("--from", answers[0], "--write", "--journal", journal))
        finish(tag(music, "--undo", "--journal", journal))
        lost += sum(path.read_bytes() != content for path, content in before.items())
        left += len(set(music.iterdir()) - set(before))
        click.echo(
            f"{suffix}: tagging killed {kills} times; {lost} files not as they were, {left} left behind", err=True
        )
    return {"kills while tagging": kills * len(formats), "tags lost by it": lost, "left behind by it": left}


def gone(process: int) -> bool:
    """Whether a process ends within a minute."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            return True
        if state == b"Z":
            return True
        time.sleep(0.1)
    return False


def no_room(folder: Path) -> dict[str, int | str]:
    """Write tags, journals and outputs to a disk with room for a page, or none; count what is not as it was."""
    folder.mkdir()
    before = write_tunes(folder / "music", "flac")
    answers = write_answers(folder / "answers.jsonl", before, 0.25)
    outputs = {
        name: [*command, answers, "-o"]
        for name, command in {
            "o.csv": ["export", "--format", "csv"],
            "o.json": ["export", "--format", "json"],
            "o.jsonl": ["export", "--format", "jsonl"],
            "o.parquet": ["export", "--format", "parquet"],
            "o.html": ["report"],
            "o.m3u8": ["playlist", "--label", "song", "--from"],
        }.items()
    }
    changed = 0
    try:
        with mounted(folder / "disk", "1m") as disk:
            for name in outputs:
                (disk.folder / name).write_text("as it was")
            (disk.folder / "undo").touch()  # a journal without a record, which a tag run would leave
            music = [shutil.copy(path, disk.folder) for path in before][:2]
            on_disk = write_answers(folder / "on disk.jsonl", music, 0.25)
            for left in (0, PAGE):
                disk.fill(left)
                there = disk.contents()
                finish(tag("--from", on_disk, "--write", "--journal", folder / "undo"))
                finish(tag("--from", answers, "--write", "--journal", disk.folder / "undo"))
                for name, command in outputs.items():
                    words = [sys.executable, "-m", "songscore", *map(str, command), str(disk.folder / name)]
                    said = finish(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
                    changed += left == 0 and "No space left" not in said
                if left == 0:
                    changed += disk.contents() != there
                    changed += sum(path.read_bytes() != content for path, content in before.items())
                finish(tag(*before, "--undo", "--journal", disk.folder / "undo"))
                changed += sum(path.read_bytes() != content for path, content in before.items())
    except PermissionError as error:
        return {"changed by a full disk": f"not tried: {error}"}
    return {"changed by a full disk": changed}


def vanished(library: Path) -> set[str]:
    return {str(library / f"vanishes {i}.flac") for i in range(5)}


def mutated(folder: Path, n_files: int) -> dict[str, int]:
    """Flip bits in good files of every format, label them, and look at what was labelled."""
    folder.mkdir()
    good = good_files(folder, 3)
    made = 0
    for seed in range(n_files):
        if made >= n_files:
            break
        for name, content, _ in flipped(good, random.Random(seed)):
            (folder / f"{seed} {name}").write_bytes(content)
            made += 1
    finish(start(folder, folder / "run.jsonl"))
    found, _ = read(folder / "run.jsonl")
    labelled = [path for path, answer in found.items() if answer[1] is not None]
    return {
        "mutated files": made,
        "of these labelled": len(labelled),
        "of these timed out": sum(answer[0] == "timeout" for answer in found.values()),
        "labels without sound": sum(not sounds(Path(exact_path(path))) for path in labelled),
    }


def sounds(path: Path) -> bool:
    """Whether FFmpeg, skipping what it cannot decode, or libsndfile finds two seconds in it."""
    import av

    av.logging.set_level(av.logging.PANIC)
    seconds = 0.0
    with suppress(av.FFmpegError), av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            with suppress(av.FFmpegError):
                seconds += sum(frame.samples / frame.sample_rate for frame in packet.decode())
    if seconds < 1.9:
        with suppress(soundfile.LibsndfileError):
            seconds = len(soundfile.read(path)[0]) / soundfile.info(path).samplerate
    return seconds >= 1.9
