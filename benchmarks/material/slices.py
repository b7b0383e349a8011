"""Slices of the labelled music, by what its list says of each track.

A slice of one class is measured against every track of the other class of the same kind, so that languages, which only
songs have, get an AUC too.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from songscore.results import SCORE, SONG

CHINESE = r"^(?!.*[\u3040-\u30ff]).*[\u4e00-\u9fff]"
ENGLISH = (
    r"sung in English|karaoke song\.txt|MUSDB18|DSD100|MedleyDB|printed in repo README|librosa docs: folk|well-known"
)
SLICES = [
    ("English", SONG, "recording", ENGLISH),
    ("Hungarian", SONG, "recording", r"Hungarian"),
    ("French", SONG, "recording", r", French\)"),
    ("Spanish", SONG, "recording", r", Spanish\)"),
    ("Chinese", SONG, "generated", CHINESE),
    ("metal", SONG, "recording", r"metal"),
    ("hip-hop", SONG, "recording", r"Hip-Hop|CSoul"),
    ("rap", SONG, "generated", r"rap|hip-?hop"),
    ("electronic", SONG, "recording", r"Software-Entwicklungskit|Pornophonique|Tryad"),
    ("folk, singer-songwriters", SONG, "recording", r"Folk|folk|Coulton|Josh Woodward|Tamy"),
    ("orchestral", SCORE, "recording", r"orchestra|symphon|classical|wesnoth|0 a\.d\.|epic/|fanfare|concert|konzert"),
    ("electronic", SCORE, "recording", r"electro|techno|trance|house|synth|kenta cho|sean hawk|ambient|chip|dnb"),
    ("rock and metal", SCORE, "recording", r"\brock|metal|punk|nexuiz|freezingmoon"),
    ("stems without the voice", SCORE, "recording", r"stems|karaoke"),
    ("solo instruments that resemble voices", SCORE, "generated", r"violin|saxphone|erhu|lead_guitar|electric_guitar"),
]
"""Name, label, kind, pattern in title, artist, source and evidence."""


def slices(data: Path) -> dict[tuple[str, str, str], set[str]]:
    """Paths of the tracks of each slice; the key is its name, label and kind."""
    with (data / "music.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for name, label, kind, pattern in SLICES:
        some = [row for row in rows if (row["label"], row["kind"]) == (label, kind) and _matches(row, pattern)]
        found[name, label, kind] = {f"music/{row['file']}" for row in some}
    return found


def _matches(row: dict[str, str], pattern: str) -> bool:
    text = " ".join(row[column] for column in ("title", "artist", "origin", "evidence"))
    return bool(re.search(pattern, text, re.IGNORECASE | re.DOTALL))
