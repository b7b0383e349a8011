"""Where a benchmark reads, and where it keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from songscore.model import MODEL
from songscore.training.detector.settings import Settings

from ..training_data import MANIFEST, TRACKS, UNMET

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


class Skipped(click.ClickException):
    """A benchmark cannot run here; the message says what is missing."""


@dataclass(frozen=True)
class Place:
    """The folders of a benchmark.

    Attributes
    ----------
    name : str
        Of the benchmark.
    data : Path
        Labelled music: ``music.csv``, ``vocal_segments.csv`` and ``music/``.
    work : Path
        The folder in which the model was trained: its music, and ``cache/``.
    quick : bool
        Whether all of this is made up, and small.
    """

    name: str
    data: Path
    work: Path
    quick: bool = False

    @property
    def own(self) -> Path:
        """A folder for the files of this benchmark."""
        folder = self.work / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def manifest(self) -> Path:
        """What training heard."""
        return self.work / "made-up.csv" if self.quick else MANIFEST

    @property
    def unmet(self) -> Path:
        """Music that it has not heard."""
        return self.manifest if self.quick else UNMET

    @property
    def tracks(self) -> Path:
        """The answers of the cross-validation to each clip of the manifest."""
        return self.work / f"{MODEL}.tracks.csv" if self.quick else TRACKS

    @property
    def settings(self) -> Settings:
        """Those of the training."""
        from .made_up import SETTINGS

        return SETTINGS if self.quick else Settings()

    def examples(self) -> tuple[Path, Path]:
        """A recorded song and a recorded score."""
        from .library import recordings

        songs, scores = recordings(self.data, 1).values()
        return songs[0][0], scores[0][0]

    def prepare(self) -> None:
        """Make the corpus up, once."""
        from .made_up import make

        make(self)
