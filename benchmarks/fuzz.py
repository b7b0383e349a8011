"""Coverage-guided fuzzing of everything of ours that reads files: bytes may be refused, and nothing else.

    python -m benchmarks fuzz journal -max_total_time=600

The target ``every`` asks the reader that the first byte says. What follows the target is libFuzzer's. Needs atheris
(dependency group ``test``; Linux). What a target finds is written to the benchmark's own folder, as ``crash-...``. It
runs in a process of its own, in which nothing of songscore was imported before atheris looks at it:
``python -m benchmarks.fuzz``, which writes where it is run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import atheris
import click

if TYPE_CHECKING:
    from .material.place import Place

QUICK = {"options": ("-runs=100",)}

with atheris.instrument_imports(include=["songscore"]):
    from songscore import classify_track
    from songscore.analysis.record import Analysis, Failure, Reply, wrapped
    from songscore.analysis.sampling import analyse
    from songscore.batch.journal import Journal
    from songscore.batch.lines import read_results
    from songscore.decision import Question
    from songscore.demo import render_song
    from songscore.errors import ManifestError, ModelError, TagError
    from songscore.model import load_model, read_model
    from songscore.tags import UndoJournal
    from songscore.training.data.manifest import read_manifest

MODELS = Path(sys.modules["songscore"].__file__ or "").parent / "models"


def journal(content: bytes, folder: Path) -> None:
    """Answers, and going on with them: whole lines stay, and what is added is read again."""
    path = folder / "run.jsonl"
    path.write_bytes(content)
    try:
        before = [track.to_dict() for track in read_results(path)]
        with Journal(path, {}, resume=True) as run:
            done = len(run)
    except ValueError:
        return
    after = [track.to_dict() for track in read_results(path)]
    assert before[: len(after)] == after
    assert done == len({track["path"] for track in after})
    kept, written = content[: content.rfind(b"\n") + 1], path.read_bytes()
    assert written == kept if kept else written.count(b"\n") == 1, "a new journal is what was asked, in one line"


def manifest(content: bytes, folder: Path) -> None:
    path = folder / "manifest.csv"
    path.write_bytes(content)
    try:
        read_manifest(path)
    except ManifestError:
        return


def model(content: bytes, folder: Path) -> None:
    """The arrays, or, where the first bit says so, the metadata of a model; none but the true one may be accepted."""
    for suffix in ("json", "md", "npz"):
        (folder / f"track-v1.{suffix}").write_bytes((MODELS / f"track-v1.{suffix}").read_bytes())
    path = folder / ("track-v1.npz" if content[:1] < b"\x80" else "track-v1.json")
    path.write_bytes(content[1:])
    try:
        found = read_model(folder, "track-v1")
    except ModelError:
        return
    assert found.metadata == load_model("track-v1").metadata


def cache(content: bytes, _: Path) -> None:
    """An entry of the cache; what is accepted is written as it was read."""
    try:
        heard = Analysis.from_bytes(content, None, load_model().detector_digest)
    except ValueError:
        return
    again = Analysis.from_bytes(heard.to_bytes(), None, load_model().detector_digest)
    assert again.to_bytes() == heard.to_bytes()


def reply(content: bytes, _: Path) -> None:
    """What a worker process says."""
    try:
        model = load_model()
        Reply.from_bytes(content, "a.mp3", model.metadata["sha256"], model.detector_digest)
    except ValueError:
        return


def undo(content: bytes, folder: Path) -> None:
    """The undo journal of tags."""
    path = folder / "undo.jsonl"
    path.write_bytes(content)
    try:
        UndoJournal(path).restored("a.mp3", b"tagged")
    except TagError:
        return


READERS = (journal, manifest, model, cache, reply, undo)


def every(content: bytes, folder: Path) -> None:
    """The reader that the first byte says."""
    READERS[content[0] % len(READERS) if content else 0](content[1:], folder)


TARGETS: dict[str, Callable[[bytes, Path], None]] = {target.__name__: target for target in (*READERS, every)}


def seeds(name: str) -> list[bytes]:
    """Good input to start from."""
    if name == "every":
        return [bytes([i]) + seed for i, reader in enumerate(READERS) for seed in seeds(reader.__name__)]
    if name == "model":
        return [b"\0" + (MODELS / "track-v1.npz").read_bytes(), b"\xff" + (MODELS / "track-v1.json").read_bytes()]
    if name == "manifest":
        return [b"path,label,group,role\na.mp3,song,A,\nb.mp3,instrumental score,B,\nc.wav,,C,speech\n"]
    if name == "undo":
        with TemporaryDirectory() as folder:
            UndoJournal(Path(folder) / "undo").add("a.mp3", 1, b"sound", b"tagged", {"TITLE": ("a",)}, {"TITLE": None})
            return [(Path(folder) / "undo").read_bytes()]
    model = load_model()
    sound = render_song()
    heard = analyse(sound, model, Question())
    if name == "cache":
        return [heard.to_bytes()]
    if name == "reply":
        readings = (heard, Failure("silent", ""))
        return [wrapped(reading.to_bytes(), model.metadata["sha256"], None) for reading in readings]
    line = json.dumps(classify_track(sound).to_dict()).encode() + b"\n"
    return [line, line * 2 + line[:50]]


def fuzz(target: str, options: list[str]) -> None:
    """Fuzz until libFuzzer ends the process."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for i, seed in enumerate(seeds(target)):
            (corpus / str(i)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, str(corpus)], lambda content: TARGETS[target](content, Path(folder)))
        atheris.Fuzz()


@click.command()
@click.argument("target", type=click.Choice(list(TARGETS)), default="journal")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(place: Place, target: str, options: tuple[str, ...]) -> Iterator[str]:
    """Fuzz, and give the last line of libFuzzer."""
    command = [sys.executable, "-m", "benchmarks.fuzz", target, *options]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        command, cwd=place.own, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(done.stderr)
    yield done.stderr.splitlines()[-1]


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2:])
