"""The page of features lists what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from songscore.extract import feature_names
from songscore.features.reference import SPECTRAL, UNITS, VOCAL, spectral_table, vocal_table

PAGE = Path(__file__).parents[1] / "docs" / "features.md"


def test_every_feature_is_explained_once() -> None:
    names = [name for entry in (*VOCAL, *SPECTRAL) for name in entry.features]
    assert sorted(names) == sorted(feature_names())
    assert UNITS.keys() == set(names)


@pytest.mark.parametrize("table", [vocal_table, spectral_table])
def test_the_page_has_the_tables_of_today(table: object) -> None:
    assert table() in PAGE.read_text("utf-8"), "python docs/features.py writes them anew"  # type: ignore[operator]
