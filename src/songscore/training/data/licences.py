"""What the licence of a training file withholds, told from its words in the manifest.

Known are the marks of Creative Commons (``NC``, ``ND``) and the words of data sets for research. What names no licence
counts as one that withholds everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from songscore.errors import ManifestError
from songscore.training.data.manifest import Row

Licences = Literal["any", "free"]
"""Which files training hears: all, or those whose licence allows commercial use and derivatives."""

WITHHELD = {
    "a licence": r"^$|no licence|not stated|all rights reserved",
    "commercial use": r"\bNC\b|non-?commercial|research|academic",
    "derivatives": r"\bND\b|no derivatives|do not redistribute",
}
"""What is not allowed, and the words that say so."""


def withheld(licence: str) -> str:
    """What a licence does not allow, as "commercial use, derivatives"; "" where it allows both."""
    return ", ".join(what for what, words in WITHHELD.items() if re.search(words, licence, re.IGNORECASE))


def licensed(rows: Sequence[Row], licences: Licences) -> list[Row]:
    """The files that may be heard.

    Raises
    ------
    ValueError
        `licences` is neither "any" nor "free".
    ManifestError
        None is left.
    """
    if licences not in get_args(Licences):
        raise ValueError(f"licences must be one of {get_args(Licences)}, not {licences!r}")
    chosen = [row for row in rows if licences == "any" or not withheld(row.licence)]
    if not chosen:
        raise ManifestError("no file has a licence in the manifest that allows commercial use and derivatives")
    return chosen
