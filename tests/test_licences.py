from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from songscore.errors import ManifestError
from songscore.training.card import licence_table, restricted_table
from songscore.training.data.licences import licensed, withheld
from songscore.training.data.manifest import Row, read_manifest

SHIPPED = Path(__file__).parents[1] / "benchmarks" / "training_data" / "track-v2.manifest.csv"


def row(licence: str) -> Row:
    return Row(Path("a.wav"), "a.wav", "song", "A", "A", "song", "song", 1.0, licence)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", ""),
        ("CC BY-SA 4.0", ""),
        ("GPL-2+", ""),
        ("Redistribution and use in source and binary forms, with or w", ""),
        ("This package is free software; you can redistribute it and/o", ""),
        ("AI-generated demo, MIT repo", ""),
        ("CC BY-NC 3.0", "commercial use"),
        ("CC-BY-NC-SA-4.0", "commercial use"),
        ("cc by-nd 3.0", "derivatives"),
        ("CC BY-NC-ND 2.5", "commercial use, derivatives"),
        ("MUSDB18: academic/non-commercial", "commercial use"),
        ("released for research; do not redistribute", "commercial use, derivatives"),
        ("AI-generated demo, no licence stated", "a licence"),
        ("", "a licence"),
    ],
)
def test_what_a_licence_withholds_is_told_from_its_words(licence: str, expected: str) -> None:
    assert withheld(licence) == expected


def test_free_leaves_the_files_whose_licence_withholds_nothing() -> None:
    rows = [row("CC0-1.0"), row("CC BY-NC 3.0"), row("GPL-3"), row("")]
    assert licensed(rows, "free") == [rows[0], rows[2]]
    assert licensed(rows, "any") == rows


def test_a_manifest_of_restricted_files_alone_is_refused() -> None:
    with pytest.raises(ManifestError, match="no file has a licence"):
        licensed([row("CC BY-NC-SA 4.0")], "free")


def test_another_word_than_any_and_free_is_refused() -> None:
    with pytest.raises(ValueError, match="licences must be one of"):
        licensed([row("CC0-1.0")], "open")  # type: ignore[arg-type]


def test_the_card_lists_restricted_licences_apart() -> None:
    rows = [row("CC0-1.0"), row("CC0-1.0"), row("CC BY-NC 3.0"), row("")]
    assert list(licence_table(rows)) == ["| CC0-1.0 | 2 |"]
    said = "\n".join(restricted_table(rows))
    assert "Of the 4 files, 2 have no licence, or one that does not allow" in said
    assert "| CC BY-NC 3.0 | commercial use | 1 |\n| not stated | a licence | 1 |" in said


def test_the_card_says_where_nothing_is_restricted() -> None:
    assert list(restricted_table([row("CC0-1.0")])) == ["All of these licences allow commercial use and derivatives."]


@pytest.mark.skipif(not SHIPPED.exists(), reason="the manifest of the shipped model is in the repository alone")
def test_the_manifest_of_the_shipped_model_names_every_file_by_its_sum_and_its_source() -> None:
    rows = read_manifest(SHIPPED)
    # the last digits of what the vocoder makes depend on the processor
    assert all(len(row.sha256) == (0 if row.source.startswith(("sung ", "vocoded ")) else 64) for row in rows)
    forms = {row.source.partition(" ")[0].partition(":")[0] for row in rows}
    assert forms == {"apt", "github", "joined", "labelled", "rendered", "sung", "vocoded"}
    packages = {row.name: row.name.split("/")[1] for row in rows if row.name.startswith("debian/")}
    assert len(packages) > 100
    assert all(row.source.startswith(f"apt:{packages[row.name]}=") for row in rows if row.name in packages)
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        parts = [record["parts"] for record in csv.DictReader(file)]
    made = "joined ", "sung ", "vocoded "
    assert all(bool(part) == row.source.startswith(made) for row, part in zip(rows, parts, strict=True))
    for row, part in zip(rows, parts, strict=True):
        for name in (part or row.name).split("|"):
            if name.startswith("github/"):
                repository = "/".join(name.split("/")[1:3])
                assert re.fullmatch(rf"(\w+ )?github:{re.escape(repository)}@[0-9a-f]{{40}}", row.source)


@pytest.mark.skipif(not SHIPPED.exists(), reason="the manifest of the shipped model is in the repository alone")
def test_the_card_of_the_shipped_model_counts_the_restricted_files_of_its_manifest() -> None:
    card = (Path(__file__).parents[1] / "src" / "songscore" / "models" / "track-v2.md").read_text("utf-8")
    rows = read_manifest(SHIPPED)
    for line in [*licence_table(rows), *restricted_table(rows)]:
        assert line in card
