from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from songscore.errors import ManifestError
from songscore.results import SCORE, SONG, TrackResult
from songscore.training import evaluate
from songscore.training.metrics import FIGURES


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files whose names say what is to be answered: a probability, or that they are broken."""

    def classify_track(path: Path, threshold: float, model: str) -> TrackResult:
        if path.stem == "broken":
            return TrackResult(path=str(path), status="unreadable", message="broken", model=model)
        probability = float(path.stem[1:]) / 100
        label = SONG if probability >= threshold else SCORE
        return TrackResult(path=str(path), label=label, song_probability=probability, status="ok", model=model)

    def classify_files(
        paths: Iterable[Path], *, threshold: float, model: str, ordered: bool, **asked: object
    ) -> Iterator[TrackResult]:
        assert ordered
        return (classify_track(path, threshold, model) for path in paths)

    monkeypatch.setattr(sys.modules["songscore.training.evaluate"], "classify_files", classify_files)
    lines = [f"s{p}.wav,{SONG},Ann {p},song" for p in (40, 80, 90, 95)]
    lines += [f"i{p}.wav,{SCORE},Ben {p},instrumental" for p in (5, 10, 20, 60)]
    lines += [f"broken.wav,{SONG},Cid,song", "v50.wav,,Dora,voice", f"p50.wav,{SONG},Emil,pair"]
    path = tmp_path / "music.csv"
    path.write_text("\n".join(["path,label,group,role", *lines]) + "\n", "utf-8")
    return path


def test_evaluating_labels_the_labelled_rows_and_counts_what_got_no_label(manifest: Path) -> None:
    found = evaluate(manifest, root="/music")
    assert [result.path for result in found.results[:2]] == [str(Path("/music", f"s{p}.wav")) for p in (40, 80)]
    assert (len(found.results), found.failed) == (9, 1)
    assert found.figures["balanced_accuracy"].value == pytest.approx(3 / 4)
    assert list(found.figures) == list(FIGURES)


def test_evaluating_one_class_alone_is_refused(manifest: Path) -> None:
    text = "".join(line for line in manifest.read_text().splitlines(keepends=True) if SCORE not in line)
    manifest.write_text(text)
    with pytest.raises(ManifestError, match="songs and instrumental scores are both needed"):
        evaluate(manifest)


def test_what_is_asked_is_asked_of_every_file(manifest: Path) -> None:
    found = evaluate(manifest, threshold=0.85, model="other")
    assert [result.label for result in found.results[:4]] == [SCORE, SCORE, SONG, SONG]
    assert {result.model for result in found.results} == {"other"}
