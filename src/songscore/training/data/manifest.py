"""The manifest, a CSV that lists the files to train on, with the columns ``path,label,group`` and optional ones.

Paths are absolute, or relative to the manifest's folder or another root. Tracks of one ``group``, such as an artist, an
album or a source, are never split over training and test. Optional columns: ``origin``, a coarser group (where the
files come from); ``role``; ``weight``, 0 to leave a doubtful clip out of training and still judge it; ``kind``, for
which figures are given apart; ``licence``; ``doubt``, why a label may be wrong; ``sha256`` of the file, and ``source``,
where to get it. Other columns are ignored.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from songscore.errors import ManifestError
from songscore.results import SCORE, SONG

SUNG_SPEECH = "sung speech"
"""Role of speakers who are made to sing; such clips teach the detector, and nothing is judged on them."""

ROLES = {
    "song": "music with a voice",
    "instrumental": "music without a voice",
    "voice": "a voice alone, to be mixed into instrumentals",
    "speech": "speech alone",
    SUNG_SPEECH: "a speaker made to sing, who only teaches the detector",
    "choir": "voices without words, alone or with music",
    "other": "sounds that are not music",
    "pair": "accompaniment in the left channel, its voice in the right",
}
_ROLE_OF_LABEL: dict[str, str] = {SONG: "song", SCORE: "instrumental"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest.

    Attributes
    ----------
    path : Path
        Where the file is.
    name : str
        As written in the manifest.
    label : str
        A label, or empty for speech and pairs.
    group, origin, role, kind : str
        `kind` is a free word; figures are given for each kind apart.
    weight : float
        How often training draws the clip, relative to others of its role.
    licence : str
    doubt : str
        Why the label may be wrong; then neither the track classifier nor the bounds of certainty use the clip.
    sha256 : str
        SHA-256 of the file, in hexadecimal digits; empty where any file of that name will do.
    source : str
        Where to get the file.
    """

    path: Path
    name: str
    label: str
    group: str
    origin: str
    role: str
    kind: str
    weight: float
    licence: str
    doubt: str = ""
    sha256: str = ""
    source: str = ""


def read_manifest(path: str | Path, root: str | Path | None = None) -> list[Row]:
    """Read and check a manifest.

    Parameters
    ----------
    path : path
    root : path, optional
        What the paths in it are relative to; without it, the manifest's folder.

    Raises
    ------
    ManifestError
        A column is missing, a label or role is unknown, or there are no rows. The message names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"path", "label", "group"} - set(reader.fieldnames or ())
            if missing:
                raise ManifestError(f"{path}: no column {', '.join(sorted(missing))}; a manifest has path,label,group")
            rows = [_row(record, path, reader.line_num, Path(root or path.parent)) for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: {error}") from error
    if not rows:
        raise ManifestError(f"{path}: no rows")
    return rows


def _row(record: dict[str, str | None], manifest: Path, line: int, root: Path) -> Row:
    def field(name: str, default: str = "") -> str:
        return (record.get(name) or default).strip()

    label = field("label")
    role = field("role", _ROLE_OF_LABEL.get(label, ""))
    if label not in {SONG, SCORE, ""}:
        raise ManifestError(f"{manifest}, line {line}: label {label!r}; use {SONG!r}, {SCORE!r} or nothing")
    if role not in ROLES:
        raise ManifestError(f"{manifest}, line {line}: role {role!r}; use one of {', '.join(ROLES)}, or give a label")
    if not field("path"):
        raise ManifestError(f"{manifest}, line {line}: no path")
    try:
        weight = float(field("weight", "1"))
    except ValueError:
        raise ManifestError(f"{manifest}, line {line}: weight {field('weight')!r} is not a number") from None
    if not 0 <= weight < float("inf"):
        raise ManifestError(f"{manifest}, line {line}: weight {weight} is not 0 or more")
    group = field("group", field("path"))
    name, origin, kind = field("path"), field("origin", group), field("kind", role)
    rest = (field(column) for column in ("licence", "doubt", "sha256", "source"))
    return Row(root / name, name, label, group, origin, role, kind, weight, *rest)


def components(rows: Sequence[Row]) -> list[list[int]]:
    """Rows that share a group or an origin, directly or through others, as lists of indices."""
    joined = DisjointSet()
    for row in rows:
        group, origin = ("group", row.group), ("origin", row.origin)
        joined.add(group)
        joined.add(origin)
        joined.merge(group, origin)
    members = defaultdict(list)
    for index, row in enumerate(rows):
        members[joined[("group", row.group)]].append(index)
    return list(members.values())


def folds(rows: Sequence[Row], n_folds: int) -> NDArray[np.int64]:
    """Parts for cross-validation that split neither a group nor an origin.

    Greedy: rows that belong together are placed in order of their greatest share of a stratum (kind and label), each
    time in the part where they even out the strata. Strata with a label count more, so that every part has songs and
    instrumentals to judge.
    """
    strata = [(row.kind, row.label) for row in rows]
    total = Counter(strata)
    load = [Counter[tuple[str, str]]() for _ in range(n_folds)]
    fold = np.zeros(len(rows), np.int64)
    importance = {stratum: 4.0 if stratum[1] else 1.0 for stratum in total}

    def dominance(component: list[int]) -> float:
        return max(importance[s] * n / total[s] for s, n in Counter(strata[i] for i in component).items())

    def unevenness(part: int, added: Counter[tuple[str, str]]) -> float:
        return sum(importance[s] * (2 * load[part][s] + n) * n / total[s] ** 2 for s, n in added.items())

    for component in sorted(components(rows), key=dominance, reverse=True):
        added = Counter(strata[i] for i in component)
        part = min(range(n_folds), key=lambda p: unevenness(p, added))
        load[part].update(added)
        fold[component] = part
    return fold
