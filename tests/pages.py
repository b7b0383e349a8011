"""The pages of the documentation, and the examples in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(page: Path, *languages: str) -> list[tuple[str, str]]:
    """The blocks of a page that are in one of the languages, in order: language and text."""
    return [(language, text) for language, text in _BLOCK.findall(page.read_text("utf-8")) if language in languages]
