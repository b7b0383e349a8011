"""Make the shipped model again: fetch the music, then train.

    python -m benchmarks shipped_model --data ../shared/data --work build/training

needs the ``train`` dependency group, a C++ compiler, the labelled music of the project, and for the rest of the music
Debian's package tools (``apt-get``, ``dpkg``; no root), 10 GB of packages, the program ``fluidsynth``, and GitHub, 99
MB. Two cores and under three hours; the same seed gives the same arrays on the same machine.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlretrieve

import click
from joined_sounds import join_all
from rendered_sounds import FONTS, OPL3, render_all

from songscore.model import MODEL

HERE = Path(__file__).parent
MANIFEST = HERE / f"{MODEL}.manifest.csv"
GITHUB = "https://raw.githubusercontent.com"
MODELS = HERE.parent / "src" / "songscore" / "models"
sys.path.sort(key=lambda folder: folder == str(HERE))  # last, so that torch finds Python's own ``profile``


def manifest() -> list[dict[str, str]]:
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def debian_packages() -> list[str]:
    """Names of the packages in the manifest."""
    files = (name.split("/") for row in manifest() for name in [row["path"], *row["parts"].split("|")])
    fonts = (font.path.split("/")[0] for font in (*FONTS, OPL3))
    return sorted({*fonts, *(parts[1] for parts in files if parts[0] == "debian")})


def fetch_packages(work: Path) -> None:
    for package in debian_packages():
        click.echo(f"package {package}", err=True)
        fetch_package(package, work / "debian" / package)


def fetch_package(package: str, folder: Path) -> None:
    """Unpack a Debian package into a folder, once."""
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
    """The files of the manifest that are in repositories on GitHub, at the commit that it names, each once."""
    for row in manifest():
        path = work / row["path"]
        if row["path"].startswith("github/") and not path.exists():
            click.echo(row["path"], err=True)
            _, owner, repository, inside = row["path"].split("/", 3)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            urlretrieve(f"{GITHUB}/{owner}/{repository}/{row['commit']}/{quote(inside)}", part)
            part.rename(path)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=HERE.parent.parent / "shared" / "data")
@click.option("--work", type=click.Path(path_type=Path), default=HERE.parent / "build" / "training")
@click.option("--jobs", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=MODELS)
def main(data: Path, work: Path, jobs: int, out: Path) -> None:
    """Fetch, link, train."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from songscore.training import train

    work.mkdir(parents=True, exist_ok=True)
    music = work / "music"
    if not music.exists():
        music.symlink_to((data / "music").resolve(), target_is_directory=True)
    fetch_packages(work)
    fetch_files(work)
    join_all(manifest(), work)
    render_all(work / "debian", work / "rendered")
    train(MANIFEST, out, root=work, jobs=jobs, cache=work / "cache", report=lambda line: click.echo(line, err=True))
    (out / f"{MODEL}.tracks.csv").replace(HERE / f"{MODEL}.tracks.csv")


if __name__ == "__main__":
    main()
