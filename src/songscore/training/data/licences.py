"""What the licence of a training file does not allow, told from its words in the manifest.

The words are those of Creative Commons (``NC``, ``ND``) and of data sets for research. A file without a licence counts
as one that may not be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from songscore.errors import ManifestError
from songscore.training.data.manifest import Row

Licences = Literal["any", "free"]
"""Files to train on: any, or only those whose licence allows commercial use and derivatives."""

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
    """The rows whose licence allows what `licences` asks for.

    Raises
    ------
    ValueError
        `licences` is neither "any" nor "free".
    ManifestError
        No row is left.
    """
    if licences not in get_args(Licences):
        raise ValueError(f"licences must be one of {get_args(Licences)}, not {licences!r}")
    chosen = [row for row in rows if licences == "any" or not withheld(row.licence)]
    if not chosen:
        raise ManifestError("no file has a licence in the manifest that allows commercial use and derivatives")
    return chosen
