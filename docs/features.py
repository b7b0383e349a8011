"""Write the tables of docs/features.md anew, from `songscore.features.reference`."""

from __future__ import annotations

import re
from pathlib import Path

from songscore.features.reference import spectral_table, vocal_table

PAGE = Path(__file__).with_suffix(".md")

text = PAGE.read_text("utf-8")
for name, table in {"vocal": vocal_table(), "spectral": spectral_table()}.items():
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = re.sub(f"{marks[0]}.*?{marks[1]}", lambda _: f"{marks[0]}\n{table}\n{marks[1]}", text, flags=re.DOTALL)  # noqa: B023
PAGE.write_text(text, "utf-8")
