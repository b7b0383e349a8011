"""Bring together the sounds on which the shipped model is trained; ``songscore train`` then makes the model.

    python -m benchmarks.training_data
    songscore train benchmarks/training_data/track-v2.manifest.csv --root build/training --cache build/training/cache \\
        --name track-v2 --folds 3 -o build/training/model

needs the dependency groups ``train`` and ``sounds``, a C++ compiler, the labelled music of the project, and for the
rest of the music Debian's package tools (``apt-get``, ``dpkg``; no root), 6 GB of packages, the program
``fluidsynth``, and GitHub, 233 MB. Two cores and under three hours; the same seed gives the same arrays on the same
machine. The files of the model belong in ``src/songscore/models``, and its ``track-v2.tracks.csv`` beside the manifest.
"""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlretrieve

import click

from . import MANIFEST, UNMET
from .joined_sounds import join_all
from .rendered_sounds import render_all
from .sung_speech import sing_all

ROOT = Path(__file__).parents[2]
GITHUB = "https://raw.githubusercontent.com"


def manifest(path: Path = MANIFEST) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def debian_packages() -> dict[str, str]:
    """Versions of the packages in the column ``source`` of the manifest, by name; all are of Debian 12."""
    sources = {word for row in manifest() for word in row["source"].split() if word.startswith("apt:")}
    return dict(source.removeprefix("apt:").split("=", 1) for source in sorted(sources))


def fetch_packages(work: Path) -> None:
    for package, version in debian_packages().items():
        click.echo(f"package {package}", err=True)
        fetch_package(f"{package}={version}", work / "debian" / package)


def fetch_package(package: str, folder: Path) -> None:
    """Unpack a Debian package, ``NAME=VERSION``, into a folder, once."""
    if folder.exists():
        return
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-q", package], cwd=part, check=True)
    (archive,) = part.glob("*.deb")
    subprocess.run(["dpkg", "-x", archive.name, "."], cwd=part, check=True)
    archive.unlink()
    part.rename(folder)


def fetch_files(work: Path) -> None:
    """The files of the manifests, and the parts of their clips, that are on GitHub, at the commits named there."""
    for row in (*manifest(), *manifest(UNMET)):
        commit = row["source"].rpartition("@")[2]
        for name in (row.get("parts") or row["path"]).split("|"):
            path = work / name
            if name.startswith("github/") and not path.exists():
                click.echo(name, err=True)
                _, owner, repository, inside = name.split("/", 3)
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".part")
                urlretrieve(f"{GITHUB}/{owner}/{repository}/{commit}/{quote(inside)}", part)
                part.rename(path)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    default=ROOT.parent / "shared" / "data",
    help="Labelled music.",
)
@click.option(
    "--work", type=click.Path(path_type=Path), default=ROOT / "build" / "training", help="Where all of it goes."
)
def main(data: Path, work: Path) -> None:
    """Fetch what is missing, join and render."""
    work.mkdir(parents=True, exist_ok=True)
    music = work / "music"
    if not music.exists():
        music.symlink_to((data / "music").resolve(), target_is_directory=True)
    fetch_packages(work)
    fetch_files(work)
    join_all(manifest(), work)
    render_all(work / "debian", work / "rendered")
    sing_all(manifest(), work)


if __name__ == "__main__":
    main()
