"""Check that the files of a manifest exist, and that they have the SHA-256 that it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from songscore.errors import ManifestError
from songscore.training.data.manifest import Row

N_NAMED = 5
"""Number of files that an error names; the others are only counted."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(
    rows: Sequence[Row], *, leave_out: bool = False, report: Callable[[str], None] = lambda _: None
) -> tuple[list[Row], dict[str, str]]:
    """The rows whose files exist and are unchanged, and the SHA-256 of each file by its name.

    Parameters
    ----------
    rows : sequence of Row
    leave_out : bool, default False
        Leave out missing and changed files, and report each, instead of raising an error.
    report : callable, optional
        Called with a line for each file that is left out.

    Raises
    ------
    ManifestError
        Files are missing, or their SHA-256 differs from the manifest.
    """
    kept, sums, wrong = [], {}, []
    for row in rows:
        found = sha256(row.path) if row.path.is_file() else ""
        if found and row.sha256 in ("", found):
            kept.append(row)
            sums[row.name] = found
        else:
            wrong.append(_complaint(row, found))
    if wrong and not leave_out:
        more = f"; and {len(wrong) - N_NAMED} more" if len(wrong) > N_NAMED else ""
        raise ManifestError(
            f"{'; '.join(wrong[:N_NAMED])}{more}. Bring them back, or leave such files out (--leave-out)"
        )
    for complaint in wrong:
        report(f"left out {complaint}")
    return kept, sums


def _complaint(row: Row, found: str) -> str:
    source = f" (from {row.source})" if row.source else ""
    if not found:
        return f"{row.name}{source} is missing"
    return f"{row.name}{source} has changed: its SHA-256 is {found}, not {row.sha256}"
